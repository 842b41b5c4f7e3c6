"""What a reader of a strategy should look at twice, found by simple means that can be read here.

A flag is a reason to look, not a verdict: flagged strategies are never approved by rule. What is looked for is what was
seen to go wrong with text that models write and other models obey: customers' data, links, markers and hidden
characters that smuggle instructions (`disguise`), appeals to the model itself (`appeals`), promises of money; and,
between strategies of one scenario, doubles and contradictions (`gist`). Expressions have a bound for every repetition,
so that reading takes time in step with a text's length.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import combinations

from preceptor.library.appeals import appeals
from preceptor.library.disguise import hides, shown
from preceptor.library.gist import NEGATION, gist, relation
from preceptor.library.model import Strategy

KINDS = (
    *("too long", "not an instruction", "personal data", "link", "code", "role marker", "hidden characters"),
    *("appeal to the model", "promise of money"),
)
"""What a text by itself can be flagged for, in the order in which it is said."""
WORDS = 60
"""A strategy is one instruction; longer ones are usually several, and following thins out with their number."""
_LINK = re.compile(
    r"\b[a-z]{2,9}:/|www\.|[\[({][.•][\])}]|[\[({]d[o0]t[\])}]|\bhxxp|[\"'(]//\w|\bxn--|"
    r"\b(?:mailto|javascript|data|file|ftp|tel|sms|magnet|intent|blob):[^\s\"'”’]|"
    r"\b[\w-]{2,63}(?: dot |\s?[。｡．]\s?| \. )(?:com|net|org|info|biz|xyz|io|app|dev|online|site|shop|live|link|co|"
    r"example|test|me|ru|cn|top|click)\b|"
    r"\b[\w-]{2,63}\.(?:com|net|org|info|biz|xyz|app|dev|online|site|shop|live|link|chat|cloud|example|onion|local|"
    r"localhost|invalid|"
    # Ends that are words too: a sentence may begin with one, where a blank was forgotten.
    r"(?-i:test|top|click|zip|store|tech|club|page|website|space|win|vip|pro|gov|edu|mil|help|support|center|world|"
    r"agency|email|digital|services|today|finance|money|name|mobi|work|run|icu|fun|host|press|news|team|tools)|"
    r"(?!(?:an|as|at|be|by|do|go|he|if|in|is|it|me|my|no|of|on|or|so|to|up|us|we)\b)[a-z]{2})\b|"
    r"\b[\w-]{1,63}\.[a-z]{2,24}/\w|\b(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?:25[0-5]|2[0-4]\d|1?\d?\d)){3}\b|"
    r"\[[0-9a-f:]{2,40}\]:\d|\b(?:[0-9a-f]{1,4}:){4,7}:?[0-9a-f]|"
    # As Markdown has them: pictures, links, references.
    r"!\[|\[[^\]\n]{0,80}\](?:\(|\[|:\s?\S{1,80}[./])",
    re.IGNORECASE,
)
_EMAIL = re.compile(r"[\w.+-]{1,64}\s?(?:@|\(at\)|\[at\])\s?[\w-]+(?:\.[\w-]+)+", re.IGNORECASE)
_NUMBER = re.compile(r"\+?\d(?:[\s().-]?\d){5,}")
_NAMED = re.compile(
    r"\b(?:Mr|Mrs|Ms|Miss|Dr|Prof)\b\.?\s+[A-Z][^\W\d_]+|"
    r"\b\d{1,4}[a-z]?\s+(?:[A-Z][^\W\d_]+\s+){1,2}"
    r"(?:Road|Street|Lane|Close|Avenue|Drive|Way|Court|Square|Terrace|Place)\b|"
    r"\b\d{1,2}/\d{1,2}/(?:19|20)\d\d\b|"
    r"\b(?=[A-Z\d]*\d)(?=[A-Z\d]*[A-Z])[A-Z\d]{6,}\b"
)
"""Somebody by title and name, an address, a day of birth, a booking code."""
_TOOL = re.compile(r"(?:`[a-z]+(?:_[a-z\d]+)+(?:\(\))?`|\b[a-z]+(?:_[a-z\d]+)+\(\))(?!\w)")
"""A tool's name as a teacher writes it: that is no code."""
_CODE = re.compile(
    r"`|~~~|</?[a-z!][^>]{0,300}>|\{\{|\}\}|\{%|[{\[]\s?['\"]\w{1,40}['\"]\s?[:,]|\$[({]|\w\(\)|\w\(['\"]|\w\.\w+\(|['\"]\s*;|['\"],['\"]|"
    r"\bor 1\s*=\s*1\b|\|\s*(?:ba)?sh\b|&&|(?-i:\b[A-Z][A-Z\d]*(?:_[A-Z\d]+)+\b)|"
    r"(?:^|[\s\"'(])(?:~|\.{1,2})?/[\w.-]{2,}/[\w.-]|\b[a-z]:\\|"
    # Text that is to be read in another way than it is written.
    r"(?<![\w+/=-])(?-i:(?=\w[\w+/-]*[A-Z0-9])[\w+/-]{24,})={0,2}(?![\w+/=-])|(?<![\w+/=-])[\w+/]{8,}==?(?![\w=])|"
    r"\\[ux][0-9a-f]{2,}|\\n|&#x?[0-9a-f]+;|(?:%[0-9a-f]{2}){3}|(?:\b(?:0x)?[0-9a-f]{2}\b[ ,:]?){8}|"
    r"(?:\b[01]{7,8}\b ?){3}|(?:(?<!\S)[.·–-]{1,5}(?!\S)[ /]{1,3}){4}|"
    r"\bbase ?(?:32|64|85)\b|\brot ?-?13\b|\bmorse\b|\bcipher\b|\b(?:decode|decrypt|decipher|unscramble)\b|"
    r"\bright to left\b|\bbackwards\b|"
    r"\w\.(?:exe|bat|ps1|dll)\b|\b(?:rm -|sudo |curl |wget |chmod |powershell\b|eval\(|drop table|javascript:)",
    re.IGNORECASE | re.MULTILINE,
)
_ROLE = re.compile(
    r"^[ \t]*(?:system|assistant|user|human|developer|tool|ai|bot|model|chatbot)\s*:|"
    r"(?-i:(?:^|[.!?\"”]\s)(?:System|Assistant|User|Human|AI|Bot)\s?:|\b(?:SYSTEM|ASSISTANT|USER|HUMAN|GPT|BOT)\s?:)|"
    r"<\|\s?\w+|\|>|\[/?(?:INST|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|SYSTEM_PROMPT|MASK|gMASK)\]|<</?SYS>>|"
    r"\[/?(?:system|user|assistant)\]|^\W{0,3}\[/?(?:human|ai|admin|instructions?|prompt|context|end|start)\]|"
    r"</?(?:system|user|assistant|human|prompt|instructions?|start_of_turn|end_of_turn|think|thinking|tools?_?\w*|"
    r"function_?\w*|conversation|context|documents?|s|bos|eos|pad|unk|sop|im_start|im_end|message|role)\b[^>]{0,80}>|"
    r"[\"']role[\"']\s{0,9}:|\brole\s{0,3}=\s{0,3}[\"']?\w|^[ \t]*role[ \t]*:|"
    r"^[ \t]*#{2,}[ \t]*\w|\bround \d+\]|"
    r"\b(?:end|start|beginning) of (?:the |this )?(?:prompt|context|instructions?|input)\b|"
    r"\b(?:start|beginning) of this (?:document|message)\b",
    re.IGNORECASE | re.MULTILINE,
)
_HEADING = re.compile(
    # A label in capitals, or in brackets; a rule of signs; three words shouted.
    r"(?:^|[.!?\n]\s)\W{0,6}(?:[A-Z]{4,}|[A-Z]{2,}(?:[ _/-][A-Z]{2,}){1,6})\s?(?::|\s[–—-]\s|[\]–—])|"
    r"^\W{0,3}\[[^\]\n]{1,60}\]\s*[:–—-]|\*\*?[A-Z][A-Z !]{3,40}\*|"
    r"(?:^|\n|\s)(?:-{3,}|={3,}|\*{3,}|#{3,}|~{3,}|_{3,}|>{3,}|-- [A-Z]{3,})|"
    r"\b(?=(?:[A-Z]+\W{1,3}){0,2}[A-Z]{4})[A-Z]{2,}(?:[ ,!]{1,3}[A-Z]{2,}){2,}\b",
    re.MULTILINE,
)
"""What sets a text apart as somebody's announcement; an instruction has no head."""
_QUOTED = re.compile(
    r"(?<!\w)(?:'[^'\n]{1,300}(?:'|$)|\"[^\"\n]{1,300}(?:\"|$)|“[^”\n]{1,300}(?:”|$)|‘[^’\n]{1,300}(?:’|$))"
)
_AMOUNT = re.compile(
    r"[£$€]\s?\d|\d\s?(?:£|\$|€|euros?\b|dollars?\b|pounds?\b|usd\b|eur\b|gbp\b)|\d\s?(?:%|percent)\s*(?:off|discount|refund)",
    re.IGNORECASE,
)
_PRICED = re.compile(
    r"\b(?:costs?|price[ds]?|fees?|charged?|amount|surcharge|pays?|worth|above|below|under|over|than|to|is|are|was|were|be)\b"
    r"(?: \w+){0,2} [£$€]?\s?\d[\d.,]*\s?(?:£|\$|€|euros?\b|dollars?\b|pounds?\b)?"
    r"(?!\s?(?:off\b|back\b|discount|refund|credit|compensation|voucher|as a))",
    re.IGNORECASE,
)
"""What something costs: that is told, and not promised."""
_GOODS = (
    r"(?:refund(?:s|ed)?|credits?|compensation|money|cash|discounts?|vouchers?|reimbursements?|fees?|balance|invoices?|"
    r"bills?|(?:for )?free\b)"
)
_NOUN = r"(?!(?:method|polic(?:y|ies)|amount|request|status|form|window|option|rules?|or return|card|limit)\b)"
"""After "refund" and the like, what shows that nobody is told to do it."""
_PROMISE = re.compile(
    r"\b(?:promise|guarantee|assure|pledge|grant|award|give|pay|approve|waive|hand(?: out)?|issue|let them)\b"
    rf"[^.;]{{0,40}}\b{_GOODS}\b|"
    rf"\boffer\b[^.;]{{0,12}}\b(?:refund|credit|compensation|money|cash|discount|voucher|reimbursement|free)\b|"
    r"\bcancel\b[^.;]{0,20}\b(?:balance|invoice|bill|debt)\b|"
    r"(?:^|[.;:,]\s+|\b(?:always|immediately|simply|just|then|and)\s+)"
    rf"(?:refund|reimburse|compensate|waive|credit|write off|pay|knock [^.;]{{0,8}}off|cover (?:the|all|every))\s"
    rf"{_NOUN}",
    re.IGNORECASE,
)
_GIVEN = re.compile(
    r"\b(?:offer|give|promise|refund|credit|compensat\w*|voucher|certificate|discount|reimburse\w*|waive|goodwill|gesture)\b",
    re.IGNORECASE,
)
_SPARED = re.compile(r"\b(?:not|n't|no longer|never) (?:have|need) to pay\b|\bneed not pay\b", re.IGNORECASE)
_SPEECH = re.compile(
    r"^\W*(?:i|i'm|i'll|i've|we|we'll|we're|we've|my|our|hi|hello|dear|thanks|thank you|sorry|"
    r"good (?:morning|afternoon|day)|yes|certainly|of course|sure)\b|"
    # A teacher has no I; a customer has, and whoever wants something of a model.
    r"(?-i:\bI(?:'m|'ll|'ve|'d)?\b(?![/.-]\w|-))|\b(?:me|my|myself|mine)\b|"
    r"(?:^|[.!?]\s)\W{0,3}this is (?:only |just )?an? (?:\w+ )?(?:test|drill|exercise|simulation|emergency)\b"
    r"\s?[.!:;,–—-]",
    re.IGNORECASE,
)


def lint_text(text: str) -> tuple[str, ...]:
    """The flags of a text by itself, in a fixed order."""
    plain = shown(text)
    checks = (
        ("too long", len(plain.split()) > WORDS),
        ("not an instruction", _speaks(plain)),
        ("personal data", any(found.search(plain) for found in (_EMAIL, _NUMBER, _NAMED))),
        ("link", bool(_LINK.search(_EMAIL.sub("", plain)))),
        ("code", bool(_CODE.search(_TOOL.sub("", plain)))),
        ("role marker", bool(_ROLE.search(plain) or _HEADING.search(_QUOTED.sub("", plain)))),
        ("hidden characters", hides(text)),
        ("appeal to the model", appeals(plain)),
        ("promise of money", _promises(plain)),
    )
    return tuple(flag for flag, found in checks if found)


def lint(strategies: Iterable[Strategy]) -> dict[str, tuple[str, ...]]:
    """The flags of each strategy by id, those that come from its neighbours included.

    Neighbours are strategies that can stand in one prompt: of the same scenario, or general. What is asked for in one
    scenario may be forbidden in another; that is no contradiction.
    """
    everything = sorted(strategies, key=lambda strategy: strategy.id)
    flags = {strategy.id: list(lint_text(strategy.text)) for strategy in everything}
    for one, other in _neighbours(everything):
        if told := relation(gist(one.text), gist(other.text)):
            flags[one.id].append(f"{told} {other.id}")
            flags[other.id].append(f"{told} {one.id}")
    return {id_: tuple(found) for id_, found in flags.items()}


def _neighbours(strategies: list[Strategy]) -> Iterator[tuple[Strategy, Strategy]]:
    shelves: dict[str | None, list[Strategy]] = {}
    for strategy in strategies:
        shelves.setdefault(strategy.scenario, []).append(strategy)
    general = shelves.get(None, [])
    for scenario, shelf in shelves.items():
        yield from combinations(shelf, 2)
        if scenario is not None:
            yield from ((one, other) for one in general for other in shelf)


def _speaks(text: str) -> bool:
    """Whether it reads like something said to a customer, or like nothing at all, and not like an instruction."""
    return bool(_SPEECH.search(_QUOTED.sub(" ", text))) or text.rstrip().endswith("?") or not re.search(r"[^\W_]", text)


def _promises(text: str) -> bool:
    """An amount, or money promised; "never promise a refund" is the opposite of a promise."""
    if _SPARED.search(text):
        return True
    for sentence in re.split(r"(?<=[.;!])\s+", text):
        denied = NEGATION.search(sentence)
        bound = denied.end() if denied else len(sentence)
        unpriced = sentence if _GIVEN.search(sentence) else _PRICED.sub(lambda price: " " * len(price[0]), sentence)
        if any((m := p.search(s)) and m.start() < bound for p, s in ((_AMOUNT, unpriced), (_PROMISE, sentence))):
            return True
    return False
