"""What speaks to a model rather than to whoever serves customers: that it forget what it was told, tell it, be another.

Three nets, none of which is trusted alone: expressions for what is said in English to a model's face, a list of words
that only models are told (`words/machines.txt`), and "ignore the previous instructions" in other languages
(`words/appeals.txt`). Each is held against a text and against what else the text can be read as.
"""

import codecs
import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from preceptor.library.lexicon import Lexicon

_RULES = (
    r"(?:instructions?|rules?|prompts?|guidelines?|guidance|polic(?:y|ies)|"
    r"restrictions?|limits|filters?|safety|strateg(?:y|ies)|directions|directives?|constraints?|ethics)"
)
_TOLD = r"(?:instructions?|rules?|prompts?|guidelines?|guidance|directions|directives?|commands?|role|notes?|orders)"
"""What a model was given, as one might call it to its face."""
_PEOPLE = (
    r"(?:customers?|users?|callers?|passengers?|travellers?|guests?|clients?|patients?|people|they|somebody|someone)"
)
_FORGET = re.compile(
    rf"\b(?:ignor|disregard|forget|overrid|bypass|drop|set aside|suspend|unlearn)\w*\b[^.]{{0,40}}\b{_RULES}\b|"
    r"\b(?:ignor|disregard|forget)\w*\b[^.]{0,20}\b(?:everything|all|anything)\b",
    re.IGNORECASE,
)
"""What the model was told is to count for nothing; "never ignore the rules" says the opposite."""
_NEVER = re.compile(r"(?:\b(?:never|not|cannot|without|avoid|nor)|n't)\s(?:\w+\s){0,2}$", re.IGNORECASE)
_APPEAL = re.compile(
    # Something else is to count for it.
    r"\b(?:your|all|any|every|these|those|previous|earlier|prior|the)\s(?:previous |earlier |prior |old |above )?"
    rf"{_RULES}\b[^.]{{0,20}}\b(?:is|are|has|have|no longer)\b[^.]{{0,15}}"
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
    r"\b(?:chat)?bots?\b|\b(?-i:AIs?|DAN|\w{0,20}GPT|LLMs?)\b|\bin character\b|\b(?:role-?play|impersonate)|"
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


def appeals(text: str) -> bool:
    """Whether a text, or what it can be read as, speaks to a model."""
    return any(map(_speaks, _readings(text)))


def _speaks(text: str) -> bool:
    if any(not _NEVER.search(text, max(0, m.start() - _BEFORE), m.start()) for m in _FORGET.finditer(text)):
        return True
    if _APPEAL.search(text) or Lexicon.load("machines").found(text):
        return True
    some, languages = _abroad()
    return bool(some.search(text) and any(one.search(text) for one in languages))


def _readings(text: str) -> Iterator[str]:
    """A text, and what else it can be read as: with digits for letters, without its blanks or hyphens, turned round."""
    yield text
    if _BACKWARDS.search(text):
        yield text[::-1]
    if _LEET.search(text):
        for letters in ("oleastb", "oieastb"):
            yield text.translate(str.maketrans("0134578", letters))
    if _SPACED.search(text):
        yield _SPACED.sub(lambda match: re.sub(r"(?<=\w)[ .*_-](?=\w)", "", match[0]), text)
    if _ROTATED.search(text):
        yield codecs.decode(text, "rot13")
    if "-" in text or "_" in text:
        yield re.sub(r"[-_]", " ", text)


_BEFORE = 40
"""Characters before a verb in which its negation stands."""
_LEET = re.compile(r"\b(?=\w*\d)(?=\w*[a-z])(?:[a-z]+\d+[a-z\d]+|\d+[a-z]+\d[a-z\d]*)\b", re.IGNORECASE)
_BACKWARDS = re.compile(r"snoitcurtsni|tpmorp|selur|erongi|drager|tegrof|enilediug|metsys", re.IGNORECASE)
_ROTATED = re.compile(r"\b(?:vtaber|vafgehpg|cebzcg|qvfertneq|flfgrz|sbetrg|erirny)", re.IGNORECASE)
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
