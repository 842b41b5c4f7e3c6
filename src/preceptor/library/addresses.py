"""Postal addresses: streets with numbers, post boxes, postcodes, coordinates, and what is called an address.

Forms of English, German, French, Spanish, Italian, Dutch and the Nordic languages. A house number and words in capitals
are an address with a street's word among them, or with a postcode after them.
"""

import re
from collections.abc import Iterator

from preceptor.library.expressions import MONTH, every, wide, words_of

_LINKS = (
    r"(?:[\s:=#–\-\"'“(]|\b(?:number|numbers|no|nr|num|id|ids|code|is|was|are|it'?s|that'?s|of|the|my|our|as"
    r"|reads?|says?|for\s+this|here)\b\.?){0,12}"
)
_STREETS = (
    r"(?:street|road|avenue|lane|drive|boulevard|court|square|terrace|crescent|close|highway|parkway|circle|trail"
    r"|place|gardens|grove|mews|row|walk|hill|plaza|loop|alley|quay|turnpike|broadway|way"
    r"|marg|nagar|colony|parade|esplanade|strand|rise|ridge|heights|wharf|pike|village)"
)
_SUFFIXES = "|".join(sorted(words_of("street_suffixes"), key=len, reverse=True))
"""Of the United States' post, which are also words of other things: only at the end of a line or before a comma."""
_SHORT_STREETS = r"(?:St|Rd|Ave|Av|Ln|Dr|Blvd|Ct|Sq|Ter|Cres|Hwy|Pkwy|Cir|Pl|Gdns)\b\.?"
_REST = (
    r"(?:,?\s+(?i:apt|apartment|suite|ste|unit|flat|floor|fl|room|no|#)\b\.?\s*#?[\w-]+|,?\s+#?\d{1,3}-\d{1,4}\b"
    r"|,?\s#\d[\w-]*)?"
    r"(?:,\s*[A-Z][\w'’.-]{0,40}(?:[ -][A-Z][\w'’.-]{0,40}){0,3}){0,2}(?:,?\s+[A-Z]{2,3}\b)?"
    r"(?:,?\s+(?:[A-Z]{1,2}\d[A-Z\d]?\s?\d[A-Z]{2}|[A-Z]\d[A-Z]\s?\d[A-Z]\d|\d{4,6}(?:-\d{4})?)\b)?"
)
_STREET = wide(
    r"(?<![\w$€£#.,/-])(?:(?i:flat|unit|apt|apartment|suite|plot|house|door|shop|block|blk|building|no|nr|lot)\.?\s*"
    r"(?:(?i:no)\.?\s*)?[\w/-]{1,8},?\s+){0,2}(?:(?i:block|blk|bldg|no|nr)\.?\s+)?"
    r"(?:[A-Z]-?)?\d{1,5}[A-Za-z]?(?:[-/]\d+[A-Za-z]?)?(?:,?\s+|(?=[A-Z][a-z]))(?:[NSEW]{1,2}\.?\s+|(?:North|South|East"
    r"|West)\s+)?(?:(?:(?:[A-Z][\w'’.-]{0,40}|\d{1,3}(?:st|nd|rd|th)),?\s+){1,5}"
    r"(?:" + _SHORT_STREETS + r"|(?i:" + _STREETS + r")\b)|Broadway\b)" + _REST
)
_UNIT = r"(?:(?i:apt|apartment|suite|ste|unit|flat|floor|piso|puerta|appartamento)\b\.?\s*#?[\w-]+)"
_POSTAL = (
    r"(?:[A-Z]{1,2}\d[A-Z\d]?\s?\d[A-Z]{2}|[A-Z]\d[A-Z]\s?\d[A-Z]\d|[A-Z]\d[\dW]\s?[A-Z\d]{4}|\d{5}-\d{4}"
    r"|\d{2,3}[- ]\d{3}"
    r"|(?!(?:19|20)\d\d\b)\d{4,6})\b"
)
_TOWN = (
    r"[A-Z][\w'’.]{0,40}(?:[ -](?:[A-Z][\w'’.]{0,40}|upon|on|under|by|sur|le|la|les|de|del|di|da|do|of|the|en|am|an"
    r"|der|im"
    r"|in|bei|ob|al|el)){0,4}"
)
_HOUSE_FIRST = wide(
    r"(?<![\w$€£#.,/-])(?:"
    + _UNIT
    + r",?\s+)?(?:[A-Z][\w.]{0,6}\s)?\d{1,5}[A-Za-z]?(?:/\d+)?,?\s+(?!"
    + MONTH
    + r"\b)[A-Z][\w'’.-]{0,40}(?:\s[A-Z][\w'’.-]{0,40}){0,4}"
    r"(?:\s*,?\s*"
    + _UNIT
    + r")?\s*[,\n ]\s*(?:"
    + _TOWN
    + r"\s*[, \n-]\s*){1,3}(?:[A-Z]{2,3},?\s+\d{4}\b|(?:[A-Z]{2,3},?\s+)?"
    + _POSTAL
    + r")"
)
_HOUSE_LAST = wide(
    r"(?<![\w.-])" + _TOWN + r",?\s+\d{1,4}[a-zA-Z]?(?:[-/]\d{1,4})?(?:\s+" + _UNIT + r")?\s*,\s*"
    r"(?:" + _TOWN + r",\s*)?(?:\d{5}|\d{4}\s?[A-Z]{2})\b(?:,?\s+" + _TOWN + r")?(?:\s+\([A-Z]{2}\))?"
)
_SUFFIXED = re.compile(
    wide(r"(?<![\w$€£#.,/-])(?:" + _UNIT + r",?\s+)?\d{1,5}[A-Za-z]?,?\s+(?:[A-Z][\w'’.-]{0,40}\s+){1,3}").pattern
    + rf"(?:{_SUFFIXES})\b(?=\s*(?:[,.;\n)]|\Z|(?i:apt|suite|unit)\b))"
    + wide(_REST).pattern
)
_MILITARY = re.compile(
    r"\b(?:PSC|Unit|USNS|USS|USNV|USCGC)\s+\w+,?\s*(?:Box\s+\d+,?\s*)?[\s,]*(?:APO|FPO|DPO)\s+A[AEP]\s+\d{5}(?:-\d{4})?"
)
_COORDINATES = re.compile(r"(?<![\w.])-?\d{1,3}\.\d{3,}\s?°?\s?[NS]?,\s?-?\d{1,3}\.\d{3,}(?!\w)")
_STREET_LOWER = re.compile(
    r"(?<![\w$€£#.,])\d{1,5}[a-z]?,?\s+(?!(?:on|in|at|of|to|by|the|my|from|minutes?|hours?|days?|miles?|meters?"
    r"|times?|a|an|or|and|per"
    r"|more|people|percent|items?|steps?|blocks?|ways?)\b)[a-z'’-]{3,}(?:\s+(?!(?:on|in|at|of|to|by|the|my|from"
    r"|a|an|and)\b)[a-z'’-]{2,})?"
    r"\s+(?:street|road|avenue|lane|drive|boulevard|court|crescent|terrace|st|rd|ave|ln|blvd)\b\.?"
    r"(?:,?\s+[a-z]{3,20}(?:\s[a-z]{3,20})?,?\s+[a-z]{2},?\s+\d{5}(?:-\d{4})?\b)?",
    re.I,
)
_STREET_FIRST = wide(
    r"(?:\b(?:[A-ZÄÖÜ][\wäöüß.-]{0,40}(?:straße|strasse|str\.|weg|platz|gasse|allee|ring|damm|ufer|laan|straat|gracht"
    r"|gatan|vej|gade|katu)"
    r"|(?:Calle|Avenida|Plaza|Paseo|Via|Viale|Corso|Piazza|Rua|Ulica|ul\.|Av\.|Avda\.|Pza\.|Cra\.|Carrera|Rua|Travessa"
    r"|Praça|Str\.|Bd\.|Bul\.|Strada|Borgo|Contrada|Vicolo|Rotonda|Canale|Stretto|Incrocio|Camino|Callejón|Cuesta"
    r"|Glorieta|Pasaje|Pasadizo"
    r"|Rambla|Ronda|Alameda|Carrer|Vial|Acceso|Urbanización)(?:\s+(?:de|del|la|las|los|di|da|do"
    r"|dos|della))*"
    r"(?:\s+[A-ZÁÉÍÓÚÑ][\w'’áéíóúñ-]*){1,4}|(?:Am|An der|Auf der|Im|Unter den|Zum"
    r"|Zur)\s+[A-ZÄÖÜ][\wäöüß-]+(?:\s+[A-ZÄÖÜ][\wäöüß-]+)?)"
    r"|(?<!\w)C/\s?[A-ZÄÖÜ][\w'’áéíóúñ-]*(?:\s+[A-ZÄÖÜ][\w'’áéíóúñ-]*){0,3})"
    r",?\s+(?:n[°ºo]\.?\s*)?\d{1,4}\s?[a-zA-Z]?\b(?:/\d{1,4})?(?:,?\s*(?:\d{4,5}(?:\s?[A-Z]{2})?"
    r"|\d{2,3}[- ]\d{2,3})\s+[A-ZÄÖÜ][\wäöüß-]+)?"
)
_FRENCH = wide(
    r"(?:\b\d{1,4}(?:\s?(?:bis|ter))?,?\s+|\b(?=[^\n\d]{4,60},?\s\d{5}\s[A-Z]))(?:rue|avenue|boulevard|place|chemin"
    r"|impasse|allée|quai"
    r"|cours)\s+(?:(?:de|du|des|la|le|les|l'|d')\s*)*"
    r"[A-ZÀ-Ý][\w'’à-ÿ-]*(?:[ -][A-ZÀ-Ý][\w'’à-ÿ-]*){0,3}(?:,?\s*\d{5}\s+[A-ZÀ-Ý][\w'’à-ÿ-]+)?"
)
_POSTBOX = wide(
    r"\b(?i:P\.?\s?O\.?\s?Box|R\.?R\.?\s?#?\s?\d{1,3},?\s+Box|(?:private|locked)\s+bag)\s+[A-Z]?\d+\b" + _REST
)
_UK_POST = re.compile(r"\b(?:[A-Z]{1,2}\d[A-Z\d]?\s\d[A-Z]{2}|[A-Z]{1,2}\d[A-Z\d]?\d[A-Z]{2})\b")
_CITY_ZIP = wide(r"\b[A-Z][\w'’.-]{0,40}(?:\s[A-Z][\w'’.-]{0,40}){0,2},?\s+[A-Z]{2},?\s+\d{5}(?:-\d{4})?\b")
_POSTCODE = re.compile(
    r"\b(?:zip|postal|post)\s?-?\s?code" + _LINKS + r"((?=[A-Z0-9 -]{0,12}\d)[A-Z0-9]{2,5}(?:[ -]?\d[A-Z0-9]{1,3})?)\b",
    re.I,
)
_CALLED_ADDRESS = re.compile(
    r"\b(?<!mail )(?<!e-mail )(?<!email )(?<!ip )(?<!web )address(?:\?\s+(?:it['’]?s|that['’]?s|sure"
    r"|yes),?)?(?:\s+(?:on\s+file|is|was|to|should\s+be|now"
    r"|here))*\s*[:=\-–]?\s*"
    r"((?=[^\n.!?]{0,60}\d)[^\n!?;]{6,100}?)(?=[.!?;](?:\s|$)|\n|$|\s(?:and|but|so|please|thanks|which|because|my)\b)",
    re.I,
)
_LIVE = re.compile(
    r"\b(?:i\s+live|living|reside|moved|delivered?|ship(?:ped)?|sen[dt](?:\s+it)?|moving)\s+(?:at"
    r"|to)\s+((?:\w+\s)?\d{1,5}[a-z]?\s+[^\n.!?,;]{4,60}|[A-Z][^\n.!?,;]{3,40}\s\d{1,4}[a-z]?\b)"
)


def _called_addresses(text: str) -> Iterator[tuple[int, int]]:
    for pattern in (_CALLED_ADDRESS, _LIVE):
        for match in pattern.finditer(text):
            if re.match(r"\W?(?:\w?\d|[^\W\d_a-z])", match[1]) and any(map(str.isdigit, match[1])):
                yield match.span(1)


_FINDERS = (
    *map(every, (_STREET, _HOUSE_FIRST, _HOUSE_LAST, _SUFFIXED, _STREET_LOWER, _STREET_FIRST, _FRENCH, _POSTBOX)),
    *map(every, (_MILITARY, _COORDINATES, _UK_POST, _CITY_ZIP)),
    every(_POSTCODE, 1),
    _called_addresses,
)


def addresses(text: str) -> Iterator[tuple[int, int]]:
    """(start, end) of addresses; they may overlap."""
    for finder in _FINDERS:
        yield from finder(text)
