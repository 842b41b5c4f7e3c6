"""Numbers and codes in a text: whose they are, by their form and by the nearest word that says what they are.

Wordings are many, so no sentence is looked for. Each number and each code of letters and digits is held against

- what it can be: amounts, dates, times, measures and versions are nobody's;
- the nearest word before or after it that names such a thing ("order", "passport", but also "flight", "error"), and
  how tightly: with nothing between but words like "number" and "is", in the same sentence, or not at all;
- its length. Seven digits or more are somebody's unless something says otherwise; four to six only if they are called
  so at once; a code of five digits or more, or a shorter one that is called so in the same sentence.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Called = Literal["order", "document", "phone", "card", "iban", "login", "address"]

_LONG = 7
"""Digits that are somebody's by default: prices, counts and years are shorter, telephone and account numbers not."""
_CODE_DIGITS = 5
"""Digits of a code that is somebody's by default: names of products rarely have more than four."""
_AROUND = 90
"""Characters before and after a number that may say what it is."""
_REACH = 6
"""Words between it and a short code."""
_STOPPED = 2
"""How many words the end of a sentence counts for."""


def _called() -> tuple[dict[str, str], list[str]]:
    """What numbers are called, and which of that is known also misspelt."""
    found: dict[str, str] = {}
    misspelt: list[str] = []
    for line in (Path(__file__).parent / "words" / "called.txt").read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            kind, _, words = line.partition(":")
            if kind == "misspelt":
                misspelt += words.split()
            else:
                found |= dict.fromkeys(words.split(), kind)
    return found, misspelt


_CALLED, _SPELT = _called()
_PUBLIC, _VEHICLE, _LINK, _STOP = "public", "vehicle", "link", "stop"
_HAPPENS, _MEASURED, _BOOKED = "happens", "measured", "booked"
_NOT = (_PUBLIC, _MEASURED)
_OTHERS = (*_NOT, _VEHICLE, _LINK, _STOP, _HAPPENS)
_OWN = re.compile(r"([A-Za-z]{3,12})[-_/]?\d")
"""Names written together with their number: "Order-4711"."""

_MONEY = (
    r"[$€£₹¥]\s?\d[\d.,']*|\b(?:usd|eur|gbp|inr|chf|aud|cad|nzd|zar|sek|nok|dkk|pln|rmb|cny|jpy|hkd|sgd|aed|rs"
    r"|r\$)\.?\s?\d[\d.,']*"
    r"|(?<![\w.])\d[\d.,' ]{0,20}\s?(?:[$€£₹¥%°]|(?:usd|eur|gbp|inr|chf|aud|cad|nzd|zar|sek|nok|dkk|pln|rmb|cny|jpy"
    r"|hkd|sgd|aed|yuan|yen|dollars?|euros?"
    r"|pounds?|rupees?|bucks|quid|cents?|percent|per\s+cent)\b)"
)
_DAY, _MON, _YEAR = r"(?:0?[1-9]|[12]\d|3[01])", r"(?:0?[1-9]|1[0-2])", r"(?:19|20)\d\d"
DATE_FIGURES = (
    rf"{_YEAR}(?P<a>[-/.]){_MON}(?P=a){_DAY}|{_DAY}(?P<b>[-/.]){_MON}(?P=b){_YEAR}"
    rf"|{_MON}(?P<c>[-/.]){_DAY}(?P=c){_YEAR}"
    rf"|{_DAY}(?P<d>[/.]){_MON}(?P=d)\d\d|{_MON}/{_DAY}/\d\d"
    r"|\d{1,2}/\d{1,2}"
)
_NOBODYS = re.compile(
    rf"\bhttps?://\S+|\bwww\.\S+|{_MONEY}|(?<![\d./-])(?:{DATE_FIGURES})(?![./-]?\d)(?:T[\d:.]+Z?)?"
    rf"|(?<![\d:])\d{{1,2}}:\d\d(?::\d\d)?(?![\d:])|(?<![\w.])\d{{1,3}}(?:,\d{{3}})+(?:\.\d+)?(?![\d-])"
    rf"|(?<![\w./-]){_YEAR}\s?[-–/ ]\s?(?:{_YEAR}|\d\d)(?![\d./-])"
    rf"|(?<![\w.)-])\d{{1,4}}\s?[x×]\s?\d{{1,4}}(?:\s?[x×]\s?\d{{1,4}})?\b"
    r"|(?<![\d.,-])\d+[.,]\d{1,2}(?![\d.,-]\d|\d|-)|\b0x[0-9a-f]{1,10}\b",
    re.I,
)
_UNITS = re.compile(
    r"[\s-]?(?:[%€$£°]|(?:[ap]\.?m|[kmgt]b(?:ps|it)?|[kmg]bit|[kmg]hz|mah|k?wh?|kg|grams?|km|miles?|mph|kmh|met(?:er"
    r"|re)s?"
    r"|feet|ft|inch(?:es)?|sq|lit(?:er|re)s?|degrees?|volts?|watts?|o'clock)\b)",
    re.I,
)
_COUNTED = re.compile(
    r"[\s-]?(?:items?|units?|pieces?|people|persons?|adults?|guests?|children|kids|nights?|days?|weeks?|hours?|hrs?"
    r"|minutes?"
    r"|mins?|seconds?|secs?|months?|years?|yrs?|times|points?|stars?|users?|customers?|seats?|lines?|words?|characters?"
    r"|digits?|steps?|calls?|copies|pages?|rooms?|bars?|orders?|emails?|messages?)\b",
    re.I,
)
_DIGITS = re.compile(
    r"(?<![\w/-])(?<!\d[.,])(?:\+\s?|00)?\(?\d(?:(?:[^\S\n]?[-–/]{1,2}[^\S\n]?|[^\S\n]|\.|\)?[^\S\n]?\("
    r"|\)[^\S\n.\-–/]?(?:[-–][^\S\n]?)?|"
    r"[-–]\()?\d){2,29}(?:[^\S\n]?(?:ext|x|extension)\.?[^\S\n]?\d{1,5})?(?![\w])(?!,\d)"
)
_CODE = re.compile(
    r"(?<![\w@-])(?<!\w\.)(?=[A-Za-z/_-]{0,12}\d|\d{1,12}[A-Za-z/_-])[A-Za-z0-9]+(?:[-/_.][A-Za-z0-9]+){0,6}(?![\w@])"
    r"(?:[ ](?!(?:19|20)\d\d\b)\d{2,6}(?![\w.,]\d|\w)){0,4}"
)
_SPACED = re.compile(r"(?<![\w.@-])[A-Z0-9]{1,6}(?:[ -][A-Z0-9]{1,6}){1,6}(?![\w@])")
_HASHED = re.compile(r"(?<![#&/])#\s?(?=[\w-]{0,20}\d)[A-Z]{0,4}[\w-]{4,40}", re.I)
_LETTERS = re.compile(r"(?<![\w-])[A-Z]{6}(?![\w-])")
_PLATE = re.compile(
    r"(?<![\w-])(?:[A-Z]{2}\d{2} ?[A-Z]{3}|[A-Z]\d{1,3} ?[A-Z]{3}|[A-Z]{2} \d{3} [A-Z]{2}|\d[A-Z]{3}\d{3}"
    r"|[A-Z]{1,3}-[A-Z]{1,2} \d{1,4})(?![\w-])"
)
"""Those of Britain, France and Italy, California and Germany that look like nothing else."""
_MEASURE = re.compile(
    r"\d+(?:[.,]\d+)?[A-Za-z]{1,4}|[A-Za-z]\d{1,3}|v?\d+(?:\.\d+)+\w?|\d+(?:st|nd|rd|th|s)|\d+\w?[-/]\d+\w?", re.I
)
_RANDOM = re.compile(r"(?<![A-Za-z0-9])(?=\D*\d\D*\d)(?=(?:[a-z]+\d|\d+[a-z]){2})[a-z0-9]{10,}(?![A-Za-z0-9])", re.I)
"""Letters and digits in no order, as computers make them."""
_IMPERSONAL = re.compile(
    rf"\d{{1,3}}(?:[ .]\d{{3}})*[ .]000|{_YEAR}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])|\d+(?:\.\d+)*\.\d(?:\.\d+)+"
    rf"|\d(?:\.\d+){{2,}}|\d{{1,3}}/{_YEAR}"
)
"""Round thousands, days of the calendar, versions, laws."""
_OF_MEASURE = re.compile(
    r"\d{1,5}(?:[.,]\d+)?(?:[mgkwv]|[kmgt]b|k?hz|ghz|mhz|kwh?|mah|[cmk]m|ml|kg|lbs?|oz|ft|px|fps|rpm|mph|xl)", re.I
)
_PRODUCTS = re.compile(
    r"(?:i(?:phone|pad|pod|os)|galaxy|pixel|win(?:dows)?|mac(?:os)?|android|chrome|firefox|ps|xbox)\d", re.I
)
_NORMS = re.compile(
    r"(?:ISO|EN|DIN|IEC|RFC|ANSI|ASTM|IEEE|RAL|WPA|SHA|UTF|MD)[-_ ]?\d{1,5}(?:-\d{1,2})?|KB\d{6,8}|CVE-\d{4}-\d{4,7}",
    re.I,
)
_WORD = re.compile(r"[^\W\d_]+(?:['’/&][^\W\d_]+)*|\d[\w.,:/-]*|[#:=]|[.!?;\n]+(?=\s|$)|[—]")
_POSSESSED = re.compile(r"[\s,]*[(–-]?\s*(?:(?:is|was|are|as|for|'s)\s+)?(?:my|the|our|his|her|your)\s", re.I)


@dataclass(frozen=True)
class Name:
    """What a number is called."""

    kind: str
    """As in `words/called.txt`."""
    far: int
    """Words between."""
    tight: bool
    """Nothing between that could mean another thing."""


def numbers(text: str) -> Iterator[tuple[int, int, Called]]:
    """(start, end, kind) of numbers and codes that are somebody's; they may overlap."""
    plain = _NOBODYS.sub(lambda match: "\x00" * len(match[0]), text)
    for match in _DIGITS.finditer(plain):
        start, end = _without_measures(plain, *match.span())
        start += plain[start] == "(" and ")" not in plain[start:end]
        if kind := _number(text, start, end):
            yield start, end, kind
    for match in _CODE.finditer(plain):
        if kind := _code(text, *match.span()):
            yield *match.span(), kind
    if not _shouted(text):
        for match in _SPACED.finditer(plain):
            start, end = _without_words(plain, *match.span())
            if kind := _spaced(text, start, end):
                yield start, end, kind
    for match in _PLATE.finditer(plain):
        yield *match.span(), "document"
    for match in _HASHED.finditer(text):
        if (name := _name(text, match.start())) is None or name.kind not in _NOT or not name.tight:
            yield *match.span(), "order"


_SPOKEN = re.compile(
    r"\b(?:(?:zero|oh|o|one|two|three|four|five|six|seven|eight|nine|double|triple|hundred)(?:[\s,.-]{1,3}|\b)){6,30}"
    r"(?<![\s,.-])",
    re.I,
)


def spoken(text: str) -> Iterator[tuple[int, int, Called]]:
    """Numbers said digit by digit."""
    for match in _SPOKEN.finditer(text):
        name = _before(text, match.start())
        yield *match.span(), "phone" if name is None or name.kind in _OTHERS else _kind(name)


def locators(text: str) -> Iterator[tuple[int, int, Called]]:
    """Codes of bookings that are letters alone."""
    for match in _LETTERS.finditer(text):
        if not _shouted(text) and (name := _before(text, match.start())) and name.tight and name.kind == _BOOKED:
            yield *match.span(), "order"


def _shouted(text: str) -> bool:
    """All in capitals, so that capitals say nothing."""
    return text.isupper() and text.count(" ") > 3


def _number(text: str, start: int, end: int) -> Called | None:
    said = text[start:end]
    count = sum(map(str.isdigit, said))
    name = _name(text, start, end)
    tight = name is not None and name.tight
    if count < 4 and not (count == 3 and name and tight and name.kind == "login"):
        return None
    if name and name.kind == _PUBLIC and tight:
        return None
    if _UNITS.match(text, end) or (_COUNTED.match(text, end) and not (tight and count >= _CODE_DIGITS)):
        return None
    if count < _LONG:
        if name is None or not tight or name.kind in (*_OTHERS, "iban"):
            return None
        if name.kind == "card":
            return "order" if count == _LONG - 1 else None  # Of a library; four are the last ones of a bank's.
        return None if name.kind == "phone" and count < 6 else _kind(name)
    if _IMPERSONAL.fullmatch(said) or count > 26:
        return None
    if name is not None and name.kind not in _OTHERS:
        return _kind(name)
    return "phone" if said[0] in "+0(" or 9 <= count <= 12 else "order"


def _code(text: str, start: int, end: int) -> Called | None:
    said = text[start:end]
    digits, letters = sum(map(str.isdigit, said)), sum(map(str.isalpha, said))
    if not digits or not letters or _NORMS.fullmatch(said) or _OF_MEASURE.fullmatch(said) or _PRODUCTS.match(said):
        return None
    name = _name(text, start, end)
    called_so = name is not None and name.tight
    if (
        not called_so
        and (own := _OWN.match(said))
        and digits > 2
        and (called := _CALLED.get(own[1].casefold())) not in (None, *_OTHERS)
    ):
        name = Name(called or "", 0, True)
    if _RANDOM.search(said) and (
        name is None or name.kind in (_MEASURED, _HAPPENS) or (name.kind == _PUBLIC and not name.tight)
    ):
        return "order"
    if name and ((name.kind == _PUBLIC and name.tight) or (name.kind in _NOT and digits < _CODE_DIGITS)):
        return None
    if name and name.kind in ("phone", "card", "iban") and digits < _LONG:
        name = None  # Their numbers have no letters.
    kind: Called = "order" if name is None or name.kind in _NOT else _kind(name)
    if name and name.tight and name.kind not in (*_NOT, _HAPPENS) and digits + letters >= 4:
        return None if _MEASURE.fullmatch(said) and (digits < 3 or said[0].isalpha()) and digits + letters < 5 else kind
    if _MEASURE.fullmatch(said) and digits < _LONG:
        return None
    if _many(said, digits) and (said.upper() == said or digits >= _LONG):
        return kind
    if re.fullmatch(r"[A-Z]{2,5}-\d{4}|(?!RTX|GTX)[A-Z]{3}\d{4}", said):
        return kind
    if name is None or name.kind in _NOT or name.far > _REACH or said.upper() != said or digits < 2:
        return None
    return (
        kind
        if digits + letters >= 5 and (name.kind != _HAPPENS or (digits + letters >= 6 and said.isalnum()))
        else None
    )


def _many(code: str, digits: int) -> bool:
    """More digits than the name of a product has, such as "WH-1000XM4", which also begins with a letter."""
    return digits >= _CODE_DIGITS + code[0].isalpha() or max(map(len, re.findall(r"\d+", code))) >= _CODE_DIGITS


def _spaced(text: str, start: int, end: int) -> Called | None:
    said = text[start:end]
    digits, letters = sum(map(str.isdigit, said)), sum(map(str.isalpha, said))
    if digits < 2 or letters < 1 or digits + letters < 5 or " " not in said:
        return None
    name = _name(text, start, end)
    if name is None or name.kind in (*_NOT, _HAPPENS) or (not name.tight and name.far > 2):
        return None
    if name.kind in ("phone", "card", "iban") and digits < _LONG:
        return None
    return _kind(name) if name.tight or digits >= 4 else None


def _kind(name: Name) -> Called:
    """Of a code that is called so."""
    known: dict[str, Called] = {_VEHICLE: "document", _HAPPENS: "order", _BOOKED: "order"}
    return known.get(name.kind, name.kind)  # type: ignore[arg-type]


def _without_measures(text: str, start: int, end: int) -> tuple[int, int]:
    """Without groups at the end that count something: "12345 - 2 items"."""
    while (_UNITS.match(text, end) or _COUNTED.match(text, end) or text[end : end + 1] == "\x00") and (
        cut := re.search(r"[^\S\n][-–]?[^\S\n]?\d{1,3}\Z", text[start:end])
    ):
        end = start + cut.start()
    return start, end


def _without_words(text: str, start: int, end: int) -> tuple[int, int]:
    """Without what of groups of capitals are words."""
    groups = [(m.start() + start, m.end() + start) for m in re.finditer(r"[A-Z0-9]+", text[start:end])]

    def word(span: tuple[int, int]) -> bool:
        said = text[slice(*span)]
        named = _CALLED.get(said.casefold()) not in (None, *((_STOP, _LINK) if len(said) == 2 else ())) or said in (
            "NO",
            "ID",
        )
        return said.isalpha() and (len(said) > 3 or named or said in _SHORT_WORDS)

    while groups and word(groups[0]):
        groups.pop(0)
    cut = next((n for n, group in enumerate(groups) if word(group)), len(groups))
    groups = groups[:cut]
    return (groups[0][0], groups[-1][1]) if groups else (start, start)


_SHORT_WORDS = frozenset(
    [
        "I",
        "A",
        "M",
        "G",
        "W",
        "V",
        "TV",
        "PC",
        "OK",
        "USB",
        "HD",
        "UHD",
        "GB",
        "MB",
        "TB",
        "XL",
        "XXL",
        "UK",
        "US",
        "EU",
        "VAT",
        "EUR",
        "USD",
        "GBP",
    ]
)


def _name(text: str, start: int, end: int | None = None) -> Name | None:
    """The nearest; what stands before is more likely meant than what comes after."""
    before = _before(text, start)
    if before is not None and (before.tight or before.far <= 1):
        return before
    after = _after(text, end) if end is not None else None
    if before is None or after is None:
        return before or after
    return after if after.tight or after.far + 2 < before.far else before


def _kind_of(word: str) -> str | None:
    """What a word says of a number."""
    kind = _CALLED.get(word) or (_CALLED.get(word[:-1].rstrip("'’")) if word[-1] == "s" else None)
    if kind or len(word) < _SHORTEST:
        return kind
    return _MISSPELLED.get(word) or next((_MISSPELLED[part] for part in _shortened(word) if part in _MISSPELLED), None)


def _shortened(word: str) -> list[str]:
    return [word[:n] + word[n + 1 :] for n in range(len(word))]


_SHORTEST = min(map(len, _SPELT)) - 1
_MISSPELLED = {part: _CALLED[word] for word in _SPELT for part in (word, *_shortened(word))}


def _before(text: str, start: int) -> Name | None:
    return _named_before(text[max(0, start - _AROUND) : start])


def _named_before(text: str) -> Name | None:
    words = _WORD.findall(text)
    far, tight, said = 0, True, False
    identified = False
    for place, word in enumerate(reversed(words)):
        word = word.casefold()
        if word.startswith("..."):
            continue
        if word[0] in ".!;\n":
            earlier = words[-place - 2].casefold() if place + 2 <= len(words) else ""
            if word != "." or len(earlier) > 4 or earlier not in _CALLED:
                far, tight = far + _STOPPED, False
            continue
        if word[0] == "?":
            said = False  # Who asks for it announces it; what stands before the question does not.
            continue
        kind = _kind_of(word)
        match kind:
            case "link":
                identified = identified or (not far and word in ("id", "ids"))
                said = said or (not far and word in _SAYS)
            case None | "stop":
                if word[0].isdigit() and len(word) > 3:
                    continue
                far += 1
                tight = tight and said and far <= _REACH
            case "card" if (
                what := _kind_of(words[-place - 2].casefold()) if place + 2 <= len(words) else None
            ) in _CARDS:
                return Name(what or kind, far, tight)  # Of identity, of a library.
            case _:
                counted = words and words[-1].casefold() in _IS and _counts(words[: -place - 1])
                return Name(_MEASURED if counted else kind, far, tight)
        if far > 2 * _REACH:
            break
    return Name("document", 0, True) if identified else None


_IS = ("is", "was", "are", "it's", "it’s")


def _counts(before: list[str]) -> bool:
    """Whether what stands before a name measures it: "the total on my order was"."""
    for word in reversed(before[-4:]):
        if (kind := _kind_of(word.casefold())) not in (_LINK, _STOP):
            return kind == _MEASURED
    return False


_CARDS = ("document", "order", "phone")
_SAYS = frozenset(
    [
        "is",
        "was",
        "are",
        "it's",
        "that's",
        ":",
        "=",
        "#",
        "number",
        "no",
        "nr",
        "says",
        "reads",
        "it’s",
        "that’s",
        "goes",
    ]
)
"""Before what was announced some words ago: "the ticket they opened for me is 4711"."""


def _after(text: str, end: int) -> Name | None:
    after = text[end : end + _AROUND // 2]
    owned = _POSSESSED.match(after) is not None
    far = 0
    for word in _WORD.findall(after):
        word = word.casefold()
        if word[0] in ".!?;\n" or far > 3:
            break
        kind = _kind_of(word)
        if kind in (None, _LINK, _STOP):
            far += kind is None
        else:
            return Name(kind or "", far + 1, owned and far <= 2)
    return None
