"""Names of people, as they introduce themselves, greet and sign.

Nothing here knows which words are names: one capitalised word after "I'm" may be anything, and is held against lists of
what people also say of themselves. Names a file gives are known without (`library.redaction`).
"""

import re
from collections.abc import Iterator

from preceptor.library.expressions import CAPITAL, words_of

_PART = rf"(?:{CAPITAL}[^\W\d_]+(?:['’-][^\W\d_]+){{0,3}}|{CAPITAL}(?:['’][^\W\d_]+|\.)?)"
_PERSON = (
    rf"(?-i:(?:(?:Mr|Mrs|Ms|Dr|Prof|St)\. ?)?{_PART}"
    rf"(?: (?:(?:van|von|de|der|den|da|di|del|la|le|bin|al|el|O)[ '’])*{_PART}){{0,3}})"
)
"""A blank alone parts names, and a hyphen the parts of one: were there two ways to read it, all would be tried."""
_NAMED = re.compile(
    r"(?:\b(?:my|the|her|his|full|first|last|family|sur|passenger|account\s+holder)?\s?-?name(?:'s|\s+is|\s+was"
    r"|:|\s+on\s+(?:the\s+)?"
    r"(?:account|booking|order|card|file|contract|ticket)(?:\s+is|\s?:))|\bcall\s+me|\bnames?:|\bthis\s+is|\bi\s?am"
    r"|\bi['’]?m|\b(?:hello|hi|hey),?|\bit['’]?s"
    r"|\bspeaking\s+(?:with|to)|(?:\bam|['’]m|\bhe\s+is|\bshe\s+is)\s+called|\b(?:spoke|talked|chatted)\s+(?:to|with)|"
    r"\bmr\.?|\bmrs\.?|\bms\.?|\bmiss|\bdr\.?|\bon\s+behalf\s+of|\bregards,|\bsincerely,|\bcheers,|\bbest,"
    r"|\b(?:under|in)\s+the\s+name(?:\s+of)?|\bI,|\bdear|\b(?:guest|customer|passenger|client|contact|patient|full"
    r"|first|last|user)\s+name|\b(?:holder|named|passenger|myself)|"
    r"\b(?:passengers?|travell?er|holder|cardholder|customer|guest|patient|recipient|sender|contact|attn|attention"
    r"|signed"
    r"|c/o)\s?:|"
    r"\bmy\s+(?:late\s+)?(?:husband|wife|spouse|partner|fianc[ée]e?|girlfriend|boyfriend|son|daughter|mother|father"
    r"|mum|mom"
    r"|dad|brother|sister|uncle|aunt|cousin|grand\w{3,8}|friend|colleague|boss|assistant|secretary|lawyer|neighbou?r"
    r"|flatmate|roommate|landlord|tenant),?)"
    rf"(?:\s+|(?<=:))({_PERSON})",
    re.I,
)
_NAMED_AFTER = re.compile(
    rf"(?<![\w'’-])({_PERSON})\s+(?:(?:is|was)\s+(?:my|his|her|the)\s+(?:(?:full|first|last|maiden|given)\s+)?name\b"
    r"|(?:speaking|calling|writing|here)\s*(?:[.,!\n]|\Z))",
    re.I,
)
_SIGNED = re.compile(
    r"\b(?:thanks|thank\s+you|thx|wishes|regards|cheers|greetings|yours|faithfully|sincerely|respectfully|cordially"
    rf"|love)(?:\s+again|\s+in\s+advance)?\s?[,!.\n]\s*[–-]?\s?({_PERSON})\W*\Z",
    re.I,
)
_NAMED_LOWER = re.compile(
    r"\bmy\s+(?:(?:full|first|last|family)\s+)?name(?:'s|\s+is|:)\s+([a-z][a-z'’-]+(?:\s+(?!(?:and|i|but|on|is"
    r"|from|so|please|my|with|in|at|for)\b)[a-z'’-]{2,})?)"
)
NAME_MARKS = (
    *(
        "hello",
        "hi",
        "hey",
        "im ",
        "name",
        " am ",
        "i'm",
        "i’m",
        "this is",
        "it's",
        "it’s",
        "its ",
        "call",
        "spe",
        "spoke",
        "talk",
        "chatted",
        "mr",
        "ms",
        "miss",
    ),
    *(
        "dr",
        "behalf",
        "regards",
        "sincerely",
        "cheers",
        "best",
        "under",
        "i,",
        "dear",
        "holder",
        "passenger",
        "myself",
        ":",
        "my ",
    ),
    *(
        "signed",
        "writing",
        "here",
        "thank",
        "thx",
        "wishes",
        "greetings",
        "yours",
        "faithfully",
        "respectfully",
        "love",
        "cordial",
    ),
)
_ENDS = re.compile(r"\s*(?:[^\w\s]|$)|\s+(?:and|from|here|again|calling|speaking|writing|with|at|your?)\b", re.I)
_STRONG = re.compile(
    r"name|call\s+me|called|:|\bmy\s|mr|mrs|ms|miss|dr|behalf|speaking|regards|sincerely|cheers|best", re.I
)
_ALMOST = re.compile(r"named|hello|hi|hey|I,|its\s|holder|passenger|myself|dear", re.I)
"""Announce a name of several words; a single one may be anything."""
NO_NAME = words_of("no_name")
_FIRMS = words_of("no_person")
_GREETED = frozenset(["i'm", "i’m", "it's", "it’s", "dr", "mr", "mrs", "ms", "miss"])
"""Between a greeting and a name, and before a name."""
_GREETS = re.compile(r"(?:hello|hi|hey|dear)\b", re.I)
_STOPS = re.compile(r"\s*(?:[,.!?;:\n]|\Z)")


def _doubtful(text: str, said: str, words: list[str], end: int, *, strong: bool) -> bool:
    """Whether what was announced like a name may be no name. `said`: with its announcement; `end`: where it ends."""
    if _GREETS.match(said) and not _STOPS.match(text, end):
        return True
    if len(words) > 1:
        return False
    if len(words[0]) == 1 or _ALMOST.match(said):
        return True
    if strong:
        return False
    # "I'm Late because…": after a weak announcement one word is a name only if it ends. "I'm Left-handed, …",
    # "It's Christmas, come on!", but "Hi, I'm Sandra, …".
    shouted = words[0].isupper() and len(words[0]) < 5
    goes_on = text.startswith(",", end) and not _GREETS.search(text[:end])
    return shouted or goes_on or not _ENDS.match(text, end)


def introduced(text: str) -> Iterator[tuple[int, int]]:
    """(start, end) of names somebody introduced himself or another by; they may overlap."""
    lower = set(re.findall(r"\b[a-z][a-z'’]+\b", text))
    for match in _NAMED.finditer(text):
        start = match.start(1)
        strong = _STRONG.search(match[0][: start - match.start()]) is not None
        words = list(re.finditer(r"[^\W\d_]+(?:['’-][^\W\d_]+)*", match[1]))
        while words and words[0][0].casefold() in _GREETED:
            words.pop(0)
        while words and (words[-1][0].casefold() in NO_NAME or (not strong and words[-1][0].casefold() in lower)):
            words.pop()
        if not words or words[0][0].casefold() in NO_NAME or any(word[0].casefold() in _FIRMS for word in words):
            continue
        if not _doubtful(text, match[0], [word[0] for word in words], start + words[-1].end(), strong=strong):
            yield start + words[0].start(), start + words[-1].end()
    for match in (*_NAMED_AFTER.finditer(text), *_SIGNED.finditer(text)):
        said = [word.strip(".").casefold() for word in match[1].split()]
        if not any(word in NO_NAME or word in _FIRMS for word in said) and not match[1].isupper():
            yield match.span(1)
    for match in _NAMED_LOWER.finditer(text):
        first = match[1].split()[0]
        if first not in NO_NAME and not first.endswith(("ed", "ing", "n't")):
            yield match.span(1)
