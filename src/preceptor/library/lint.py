"""What a reader of a strategy should look at twice, found by simple means that can be read here.

A flag is a reason to look, not a verdict: flagged strategies are never approved by rule. What is looked for is what was
seen to go wrong with text that models write and other models obey: customers' data, links, markers and hidden
characters that smuggle instructions, appeals to the model itself, promises of money; and, between strategies of one
scenario, doubles and contradictions.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import combinations
from pathlib import Path
from typing import Literal

import Stemmer

from preceptor.library.model import Strategy

Relation = Literal["much like", "contradicts"]
"""What a strategy can be to its neighbour."""
WORDS = 60
"""A strategy is one instruction; longer ones are usually several, and following thins out with their number."""
SAME = 0.8
"""Share of content words in common from which two strategies say the same."""
OPPOSED = 0.6
"""Share of content words in common from which an instruction and a prohibition are about the same thing."""

_LINK = re.compile(
    r"\b[a-z]{2,9}:/|www\.|\[\.\]|\(dot\)|\[dot\]|\bhxxp|[\"'(]//\w|"
    r"\b[\w-]{2,63} dot (?:com|net|org|info|biz|xyz|io|app|dev|online|site|shop|live|link|co|example)\b|"
    r"\b[\w-]{2,63}\.(?:com|net|org|info|biz|xyz|app|dev|online|site|shop|live|link|chat|cloud|"
    r"(?!(?:an|as|at|be|by|do|go|he|if|in|is|it|me|my|no|of|on|or|so|to|up|us|we)\b)[a-z]{2})\b|"
    r"\b[\w-]{1,63}\.[a-z]{2,24}/\w",
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
_CODE = re.compile(
    r"`|</?[a-z!][^>]{0,300}>|\{\{|\}\}|\$[({]|\w\(\)|\w\(['\"]|\w\.\w+\(|['\"]\s*;|\bor 1\s*=\s*1\b|\|\s*(?:ba)?sh\b|"
    # Text that is to be read in another way than it is written.
    r"(?<![\w+/=-])(?=[a-z+/=]*[A-Z0-9])[\w+/]{24,}={0,2}(?![\w+/=-])|\\[ux][0-9a-f]{2,}|&#x?[0-9a-f]+;|"
    r"\bbase ?64\b|\brot ?-?13\b|\b(?:decode|decrypt|decipher|unscramble)\b|\bright to left\b|\bbackwards\b|"
    r"\w\.(?:exe|bat|ps1|dll)\b|\b(?:rm -|sudo |curl |wget |chmod |powershell\b|eval\(|drop table|javascript:)",
    re.IGNORECASE,
)
_ROLE = re.compile(
    r"^[ \t]*(?:system|assistant|user|human|developer|tool|ai)\s*:|<\|\w+|\|>|\[/?INST\]|<</?SYS>>|"
    r"\[/?(?:system|user|assistant)\]|</?(?:system|user|assistant|prompt|instructions?)[\w-]*>|"
    r"[\"']role[\"']\s{0,9}:|^[ \t]*role[ \t]*:|"
    r"^[ \t]*#{2,}[ \t]*(?:system|instruction|response|user|assistant)|"
    r"\b(?:end|start|beginning) of (?:the |this )?(?:prompt|context|instructions?|input)\b|"
    r"\b(?:start|beginning) of this (?:document|message)\b",
    re.IGNORECASE | re.MULTILINE,
)
_RULES = (
    r"(?:instructions?|rules?|prompts?|guidelines?|guidance|polic(?:y|ies)|"
    r"restrictions?|limits|filters?|safety|strateg(?:y|ies)|directions|directives?|constraints?|ethics)"
)
_TOLD = r"(?:instructions?|rules?|prompts?|guidelines?|guidance|directions|directives?|commands?|role|notes?|orders)"
"""What a model was given, as one might call it to its face."""
_PEOPLE = (
    r"(?:customers?|users?|callers?|passengers?|travellers?|guests?|clients?|patients?|people|they|somebody|someone)"
)
_APPEAL = re.compile(
    # What the model was told is to count for nothing, or something else is to count for it.
    rf"\b(?:ignor|disregard|forget|overrid|bypass|drop|set aside|suspend|unlearn)\w*\b[^.]{{0,40}}\b{_RULES}\b|"
    r"\b(?:ignor|disregard|forget)\w*\b[^.]{0,20}\b(?:everything|all|anything)\b|"
    rf"\b{_RULES}\b[^.]{{0,20}}\b(?:is|are|has|have|no longer)\b[^.]{{0,15}}"
    r"\b(?:void|lifted|ended|expired|suspended|invalid|appl)|"
    rf"\bwithout (?:any )?{_RULES}\b|\bno (?:more )?(?:rules|limits|restrictions)\b|\bunrestricted\b|\bjailbreak|"
    r"\bdeveloper mode\b|\bnew (?:instructions|rules)\b|"
    rf"\b(?:your|the) (?:real|true|actual|only|secret) (?:task|job|goal|purpose|mission|{_RULES})\b|"
    rf"\b(?:previous|prior|preceding|earlier|foregoing|above|former)\s+(?:\w+\s+)?"
    r"(?:instructions?|rules?|prompts?|guidelines?|guidance|directions|directives?|commands?)\b|"
    rf"\b{_TOLD}\s+(?:that\s+|which\s+)?(?:(?:precede|preceded|stand|stood|came)\b|you\s+(?:were|have\s+been|had\s+been|got|received)\b)|"
    r"\b(?:everything|whatever|anything|all|text|words|lines?|instructions?|what)\b[^.]{0,25}"
    r"\b(?:above|foregoing|preced\w+|before this|until now|so far told|at the top)\b|"
    r"\b(?:were|have|had) you (?:been )?(?:given|told|instructed)\b|"
    r"\b(?:whatever|everything|what|anything|all|that)\s+(?:the\s+prompt|you\s+were\s+(?:told|given))\b|"
    rf"\b(?:skip|neglect|abandon|discard|pay no attention to|take no account of|(?:do not|don't|stop|no longer) "
    rf"(?:follow|obey|heed)\w*)\b[^.]{{0,30}}\b{_TOLD}\b|"
    rf"\b{_TOLD}\b[^.]{{0,20}}\b(?:is|are|has|have)\b[^.]{{0,15}}\b(?:obsolete|revoked|cancelled|superseded|outdated|off)\b|"
    r"\b(?:follow|obey|take) (?:only )?my (?:orders|instructions|commands|lead)\b|\binstead of your\b|"
    r"\b(?:supersed|overrid)\w+\b[^.]{0,20}\b(?:your|it|them|earlier|all|any|every)\b|\bfollowing overrid|"
    r"\b(?:new|fresh|actual|real) (?:task(?!\s+list)|instructions?|directives?|mission|persona|identity)\b|"
    r"\bthis (?:rule|instruction|line|strategy|sentence|note)\b[^.]{0,20}\b(?:replac|overrid|supersed|precede|secret)|"
    # Customers are to be obeyed as an operator is.
    rf"\b(?:do|obey|follow|comply with|carry out|execute|accept)\b[^.]{{0,20}}"
    rf"\b(?:what|whatever|everything|anything|whoever|each|every|any|all)\b[^.]{{0,25}}\b{_PEOPLE}\b[^.]{{0,5}}"
    r"\b(?:says?|asks?|writes?|wants?|demands?|instructions?|orders?|commands?)\b|\bobey\b|"
    rf"\b(?:follow|obey)\b[^.]{{0,20}}\b{_PEOPLE}\b[^.]{{0,5}}\b(?:instructions?|orders?|commands?|rules?)\b|"
    rf"\b{_PEOPLE}\b[^.]{{0,30}}\bas (?:your |an? |new )*(?:{_RULES}|orders?|commands?|operator)\b|"
    r"\b(?:your|an?) operator\b|"
    # The model, what it was given, and what it takes itself for.
    r"\b(?:your|the|this|that|an?|initial|first|full|entire|original) (?:\w+ )?prompt\b"
    r"(?!\s+(?:\w*ly\s+)?(?:reply|answer|response|action|help|refund|service|resolution|delivery|attention|follow|and))|"
    r"\b(?:hidden|secret|confidential|internal|underlying) (?:\w+ )?"
    rf"(?:{_TOLD}|configuration|passwords?|phrase|context)\b|"
    r"\b(?:your|its) (?:own )?(?:configuration|context|weights|training(?: data)?|persona|programming)\b|"
    rf"\b(?:list|output|quote|summari[sz]e|translate|spell|write out|dump|leak|what are|which)\b[^.]{{0,20}}\byour\s"
    rf"(?:\w+\s){{0,2}}{_TOLD}\b|"
    # Somebody else it is to be.
    r"\b(?:chat)?bots?\b|\b(?-i:AI|DAN|GPT|LLM)\b|\bin character\b|\b(?:role-?play|impersonate)|"
    r"\bplay (?:a game|two|a character|the (?:role|part))|"
    r"\bas an? (?:\w+ )?(?:model|terminal|console)\b|\bethical (?:rules|guidelines|limits)\b|"
    r"\b(?:evil|uncensored|unfiltered|unrestricted|amoral|jailbroken|machiavellian)\b|\balter ego\b|"
    r"\b(?:jailbreak|god|debug|sudo|admin|unsafe|dan|maintenance) mode\b|"
    r"\b(?:root|bash|linux) (?:terminal|shell|console)\b|"
    r"\b(?:without|free (?:of|from)|"
    r"not (?:bound|restricted|limited) by|(?:with|has|have|had|given|under) no)\b[^.]{0,22}"
    r"\b(?:restrictions?|confines|censorship|ethics|morals|ethical|filters?|policies|constraints?)\b|"
    r"\bpolic(?:y|ies)\b[^.]{0,15}\b(?:switched|turned) off\b|"
    r"\bsystem (?:prompt|message)\b|\b(?:language|ai) model\b|\b(?:as|being) an ai\b|\byou are (?:now|no longer)\b|"
    r"\bpretend (?:to be|that you|you)\b|\bact as (?:if|though) you\b|"
    rf"\b(?:reveal|repeat|print|show|recite|disclose)\b[^.]{{0,20}}\b(?:your|the|these|its)\s(?:system )?{_RULES}\b|"
    # Those who read what only the agent should: nobody who serves customers knows of them.
    r"\b(?:graders?|evaluators?|auditors?|reviewers?)\b|\b(?:the|to|dear) (?:judges?|teacher|trainer)\b|"
    r"^\W*(?:teacher|judge),|\bwhoever (?:evaluates|judges|grades|reviews)\b|\bword for word\b|\bverbatim\b",
    re.IGNORECASE,
)
_AMOUNT = re.compile(
    r"[£$€]\s?\d|\d\s?(?:£|\$|€|euros?\b|dollars?\b|pounds?\b|usd\b|eur\b|gbp\b)|\d\s?(?:%|percent)\s*(?:off|discount|refund)",
    re.IGNORECASE,
)
_GOODS = (
    r"(?:refund(?:s|ed)?|credits?|compensation|money|cash|discounts?|vouchers?|reimbursements?|fees?|balance|invoices?|"
    r"bills?|(?:for )?free\b)"
)
_PROMISE = re.compile(
    r"\b(?:promise|guarantee|assure|pledge|grant|award|give|pay|approve|waive|hand(?: out)?|issue|let them)\b"
    rf"[^.;]{{0,40}}\b{_GOODS}\b|"
    rf"\boffer\b[^.;]{{0,12}}\b(?:refund|credit|compensation|money|cash|discount|voucher|reimbursement|free)\b|"
    r"\bcancel\b[^.;]{0,20}\b(?:balance|invoice|bill|debt)\b|"
    r"(?:^|[.;:,]\s+|\b(?:always|immediately|simply|just|then|and)\s+)"
    r"(?:refund|reimburse|compensate|waive|credit|write off|pay|knock [^.;]{0,8}off|cover (?:the|all|every))\s",
    re.IGNORECASE,
)
_SPARED = re.compile(r"\b(?:not|n't|no longer|never) (?:have|need) to pay\b|\bneed not pay\b", re.IGNORECASE)
_NEGATION = re.compile(
    r"\b(?:never|not|no|none|don't|doesn't|can't|cannot|won't|shouldn't|mustn't|avoid|refrain|stop|without|instead of|"
    r"rather than|unless|forbidden|nor)\b|n't\b",
    re.IGNORECASE,
)
_SPEECH = re.compile(
    r"^\W*(?:i|i'm|i'll|i've|we|we'll|we're|we've|my|our|hi|hello|dear|thanks|thank you|sorry|"
    r"good (?:morning|afternoon|day)|yes|certainly|of course|sure)\b",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")
# fmt: off
_FILLER = frozenset((
    "a", "an", "and", "any", "are", "as", "at", "be", "before", "after", "by", "can", "customer", "customers", "do",
    "does", "for", "from", "have", "if", "in", "is", "it", "its", "of", "on", "or", "so", "that", "the", "their",
    "them", "then", "there", "they", "this", "to", "up", "what", "when", "who", "will", "with", "you", "your",
    "always", "please", "should", "must",
))
# fmt: on
_stemmer = Stemmer.Stemmer("english", 0)


def lint_text(text: str) -> tuple[str, ...]:
    """The flags of a text by itself, in a fixed order."""
    plain = unicodedata.normalize("NFKC", "".join(c for c in text if not _hidden(c)))
    checks = (
        ("too long", len(plain.split()) > WORDS),
        ("not an instruction", _speaks(plain)),
        ("personal data", any(found.search(plain) for found in (_EMAIL, _NUMBER, _NAMED))),
        ("link", bool(_LINK.search(_EMAIL.sub("", plain)))),
        ("code", bool(_CODE.search(plain))),
        ("role marker", bool(_ROLE.search(plain))),
        ("hidden characters", any(map(_hidden, text)) or any(map(_mixed, plain.split()))),
        ("appeal to the model", any(map(_appeals, _readings(plain)))),
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


@dataclass(frozen=True)
class Gist:
    """What the likeness of two strategies goes by."""

    words: frozenset[str]
    """Stems of the content words."""
    forbids: bool
    """A prohibition, and no instruction."""

    def __str__(self) -> str:
        return ("! " if self.forbids else "") + " ".join(sorted(self.words))

    @classmethod
    def read(cls, text: str) -> "Gist":
        """What `str` made of it."""
        forbids = text.startswith("!")
        return cls(frozenset(text[forbids:].split()), forbids)


def _neighbours(strategies: list[Strategy]) -> Iterator[tuple[Strategy, Strategy]]:
    shelves: dict[str | None, list[Strategy]] = {}
    for strategy in strategies:
        shelves.setdefault(strategy.scenario, []).append(strategy)
    general = shelves.get(None, [])
    for scenario, shelf in shelves.items():
        yield from combinations(shelf, 2)
        if scenario is not None:
            yield from ((one, other) for one in general for other in shelf)


def relation(one: Gist, other: Gist) -> Relation | None:
    """What two strategies that can stand in one prompt are to each other; None: nothing."""
    shared = len(one.words & other.words)
    union = len(one.words) + len(other.words) - shared
    likeness = shared / union if union else 0.0
    if one.forbids == other.forbids:
        return "much like" if likeness >= SAME else None
    return "contradicts" if likeness >= OPPOSED else None


@lru_cache(maxsize=4096)
def gist(text: str) -> Gist:
    """The gist of a strategy's text."""
    negations = len(_NEGATION.findall(text))
    words = _WORD.findall(_NEGATION.sub(" ", text.casefold()))
    return Gist(frozenset(_stemmer.stemWords([w for w in words if w not in _FILLER])), negations % 2 == 1)


def _speaks(text: str) -> bool:
    """Whether it reads like something said to a customer, or like nothing at all, and not like an instruction."""
    return bool(_SPEECH.match(text)) or text.rstrip().endswith("?") or not _WORD.search(text)


def _promises(text: str) -> bool:
    """An amount, or money promised; "never promise a refund" is the opposite of a promise."""
    if _SPARED.search(text):
        return True
    for sentence in re.split(r"(?<=[.;!])\s+", text):
        denied = _NEGATION.search(sentence)
        bound = denied.end() if denied else len(sentence)
        if any((m := p.search(sentence)) and m.start() < bound for p in (_AMOUNT, _PROMISE)):
            return True
    return False


def _appeals(text: str) -> bool:
    some, languages = _abroad()
    return bool(_APPEAL.search(text) or (some.search(text) and any(one.search(text) for one in languages)))


def _readings(text: str) -> Iterator[str]:
    """A text, and what else it can be read as: with digits for letters, without its blanks or hyphens, reversed."""
    yield text
    if _BACKWARDS.search(text):
        yield text[::-1]
    if _LEET.search(text):
        for letters in ("oleastb", "oieastb"):
            yield text.translate(str.maketrans("0134578", letters))
    if _SPACED.search(text):
        yield _SPACED.sub(lambda match: re.sub(r"(?<=\w)[ .*_-](?=\w)", "", match[0]), text)
    if "-" in text or "_" in text:
        yield re.sub(r"[-_]", " ", text)


_LEET = re.compile(r"\b(?=\w*\d)(?=\w*[a-z])(?:[a-z]+\d+[a-z\d]+|\d+[a-z]+\d[a-z\d]*)\b", re.IGNORECASE)
_BACKWARDS = re.compile(r"snoitcurtsni|tpmorp|selur|erongi|drager|tegrof|enilediug|metsys", re.IGNORECASE)
_SPACED = re.compile(r"(?:\b\w[ .*_-]){4,}\w\b")
_CLOSE = r"[^.!?\n。]{0,60}"


@cache
def _abroad() -> tuple[re.Pattern[str], tuple[re.Pattern[str], ...]]:
    """Any word that an appeal in another language has; and appeals by language, of those in `words/appeals.txt`."""
    text = (Path(__file__).parent / "words" / "appeals.txt").read_text("utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    words = [[*does.split(), *which.split(), *alone.split()] for does, _, which, alone in map(_columns, lines)]
    scripts = ([word for some in words for word in some if _spaced(word) == spaced] for spaced in (True, False))
    return re.compile("|".join(map(_beginning, scripts)), re.IGNORECASE), tuple(map(_language, lines))


def _columns(line: str) -> list[str]:
    return line.split("|")


def _language(line: str) -> re.Pattern[str]:
    does, what, which, alone = (_beginning(words.split()) for words in _columns(line))
    pairs = ((does, what), (does, which), (which, what))
    near = (f"{one}{_CLOSE}{other}|{other}{_CLOSE}{one}" for one, other in pairs)
    return re.compile("|".join((*near, alone)), re.IGNORECASE)


def _beginning(words: Sequence[str]) -> str:
    """Any of these words, however they end; in scripts that leave no blanks, anywhere."""
    said = "|".join(re.escape(word.replace("_", " ")) for word in words)
    return f"(?<!\\w)(?:{said})\\w{{0,6}}" if _spaced(words[0]) else f"(?:{said})"


def _spaced(word: str) -> bool:
    """Whether its script leaves blanks between words."""
    return word < "\u0e00"


def _hidden(char: str) -> bool:
    """Invisible, bidirectional, striking out or private characters; ordinary white space is fine."""
    if char in "\n\t ":
        return False
    if "\u0334" <= char <= "\u0338" or unicodedata.category(char) == "Me":
        return True
    return unicodedata.category(char) in ("Cf", "Cc", "Co", "Cn", "Cs") or "\U000e0100" <= char <= "\U000e01ef"


def _mixed(word: str) -> bool:
    """Letters of look-alike alphabets in one word."""
    scripts = {unicodedata.name(c, "").split(" ")[0] for c in word if c.isalpha()}
    return len(scripts & {"LATIN", "CYRILLIC", "GREEK"}) > 1
