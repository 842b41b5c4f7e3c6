"""Where in a text personal data stand: twelve kinds, found by their form and by the words around them.

=========== =========================================================================================================
e-mail      also written out: jane at example dot com
link        an address with something in it that lets somebody in or says who it is: a token, a session, a password
login       a password, PIN or user name, as said, or by its look (`logins`)
iban        with right check digits, or called one
card        13 to 19 digits with a right check digit (Luhn)
ip          version 4 and 6, and addresses of devices (MAC)
birth date  a date called one
document    numbers of passports, licences, identity cards, social security; plates
phone       with a country's code, in a usual grouping, called one, or said digit by digit
address     streets with numbers, post boxes, postcodes; what is called an address and has a number (`addresses`)
order       numbers of orders, bookings, customers, accounts…: called one, or long enough to be somebody's (`numbers`)
name        somebody introduced (`people`); names a file gives are known without (`library.redaction`)
=========== =========================================================================================================

Expressions that can be read, for English first. They find what has a form or is announced; a rare name that nobody
introduces, or a street without a number, slips through. What an agent asked for in the turn before counts as announced.
"""

import ipaddress
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from preceptor.library.addresses import addresses
from preceptor.library.expressions import BEFORE, MONTH, Finder, every, without_stop
from preceptor.library.logins import LOGIN_MARKS, NO_SECRET, keys, logins
from preceptor.library.numbers import locators, numbers, spoken
from preceptor.library.people import NAME_MARKS, NO_NAME, introduced

Kind = Literal[
    "e-mail", "link", "login", "iban", "card", "ip", "birth date", "document", "phone", "address", "order", "name"
]
KINDS: tuple[Kind, ...] = (
    *("link", "e-mail", "iban", "card", "ip", "birth date", "document", "address", "phone", "login", "order", "name"),
)
"""Where two overlap, the one named first here is taken."""


@dataclass(frozen=True)
class Span:
    """A datum in a text."""

    start: int
    end: int
    kind: Kind


EMAIL = re.compile(
    r"[\w.+'%-]{0,63}[\w+%-]\s?(?:@|\(at\)|\[at\])\s?[\w-]+(?:(?:\.|\s?(?:\(dot\)|\[dot\])\s?)[\w-]+)+", re.I
)
_EMAIL_WORDS = re.compile(
    r"\b[\w+-]{1,64}(?:(?: dot |\.)[\w+-]{1,64}){0,4} at [\w-]{1,63}(?: dot [\w-]{1,63})+\b", re.I
)
_LINK = re.compile(
    r"(?:\bhttps?://|\bwww\.|\b(?:[a-z0-9-]{1,63}\.){1,8}[a-z]{2,24}/)[^\s<>\"'”)\]]*[^\s<>\"'”)\].,;:!?]", re.I
)
_TOKEN_PART = re.compile(
    r"(?!(?:[a-z]+|\d{1,4})(?:[-_](?:[a-z]+|\d{1,4}))*\Z)"  # Not the words of a title.
    r"(?:\d{3,}(?:-\d{3,})+|(?=[\w-]*\d)(?=[\w-]*[a-zA-Z])[\w-]{12,}|[0-9a-f]{12,}|\d{6,})",
    re.I,
)
_PARAMETER = re.compile(
    r"[?&#;](?!utm_)(?:[\w.\[\]-]*(?:token|key|sig|sess|sid|auth|code|hash|pass|secret|mail|user|uid|otp|pin|nonce|jwt"
    r"|invite"
    r"|ref|account|order|customer|phone|name)[\w.\[\]-]*|id|t|tk|s|k)=[^&#\s]{3,}"
    r"|[?&#;][\w.\[\]-]+=(?=[^&#\s]*\d)(?:[^&#\s]*[@%][^&#\s]*|[\w-]{8,}|\d{6,})",
    re.I,
)
_CREDENTIALS = re.compile(r"://[^/\s@]+@")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]{4}){2,7}(?:[ -]?[A-Z0-9]{1,4})?\b", re.I)
_CALLED_IBAN = re.compile(
    r"\bIBAN\b[\s:#-]*(?:(?:is|number|no\.?|code)[\s:]+){0,2}([A-Z]{2}\d{2}(?:[ -]?\w*\d\w*)+)", re.I
)
_CARD = re.compile(r"(?<![\d.])\d(?:[ .\-–]?\d){12,18}(?![\d])")
_IP4 = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d)")
_IP6 = re.compile(r"(?<![\w:.])[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}(?:\d{1,3}(?:\.\d{1,3}){3})?(?![\w:])", re.I)
_VERSION = re.compile(r"(?:version|firmware|release|build|\bv)\s*(?:is|:)?\s*$", re.I)
_YEAR_AFTER = r"(?:[\s,/-]*(?:of\s+)?(?:in\s+)?'?\d{2,4})?"
_DATE = (
    r"(?:\d{1,4}\s?[./\-–]\s?\d{1,2}\s?[./\-–]\s?\d{1,4}"
    rf"|\d{{1,2}}\s?(?:st|nd|rd|th)?\s?[-/ ]?(?:of\s+)?(?:the\s+)?{MONTH}{_YEAR_AFTER}"
    rf"|{MONTH}\s+(?:the\s+)?\d{{1,2}}(?:st|nd|rd|th)?{_YEAR_AFTER}|\d{{1,2}}\s\d{{1,2}}\s\d{{4}}|\d{{8}}|\d{{6}})"
)
_BIRTH_WORDS = r"(?:date\s+of\s+birth|d\.?\s?o\.?\s?b\b\.?|birth\s?-?date|b-?day|birthday|birth|born|né|née)"
_BIRTH = re.compile(rf"(?<!\w){_BIRTH_WORDS}(?:[^\d\n!]|\d(?!\d)(?! ?[a-z./-])){{0,40}}?\b({_DATE})(?![\d])", re.I)
_BIRTH_SHORT = re.compile(rf"(?<!\w)b\.\s?({_DATE})(?!\d)", re.I)
_BIRTH_AFTER = re.compile(rf"\b({_DATE})[\s,]*(?:\(|is\s|was\s|as\s|-\s|–\s)[^\d\n.!?]{{0,20}}?{_BIRTH_WORDS}", re.I)
_SSN = re.compile(r"(?<![\d-])\d{3}-\d{2}-\d{4}(?![\d-])")
_NINO = re.compile(r"\b[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]\s?\d{2}\s?\d{2}\s?\d{2}\s?[A-D]\b")
_MAC = re.compile(r"\b[0-9a-f]{2}(?:([:-])[0-9a-f]{2})(?:\1[0-9a-f]{2}){4}\b", re.I)
_THINGS = (
    r"(?:orders?|bookings?|reservations?|confirmation|reference|references|ref|tickets?|cases?|customers?|clients?"
    r"|accounts?|acct|members?|membership|polic(?:y|ies)|invoices?|tracking|contracts?|loyalty|flyer|claims?|parcels?"
    r"|shipments?|serial|imei|subscriber|subscription|pnr|record\s+locator|purchase|receipt|registration"
    r"|patient|package|user)"
)
_ASKED: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    ("birth date", re.compile(r"date\s+of\s+birth|birth\s?date|birthday|\bd\.?o\.?b\b|when\s+were\s+you\s+born", re.I)),
    (
        "login",
        re.compile(
            r"pass\s?word|pass\s?code|\bpin\b|user\s?-?name|user\s?id|login|security\s+(?:code|answer|word)", re.I
        ),
    ),
    (
        "document",
        re.compile(r"passport|licen[cs]e|\bid\s+(?:card|number)|social\s+security|\bssn\b|identity|\bplate", re.I),
    ),
    (
        "address",
        re.compile(r"(?<!mail )(?<!ip )\baddress|zip\s?code|postcode|postal\s+code|where\s+do\s+you\s+live", re.I),
    ),
    ("phone", re.compile(r"phone|mobile\s+number|call\s+you\s+(?:back\s+)?on|contact\s+number", re.I)),
    ("order", re.compile(rf"{_THINGS}[\s-]+(?:number|no\b|id|code|reference|confirmation)|reference\s+number", re.I)),
    (
        "name",
        re.compile(
            r"\b(?:full|first|last|your|sur)\s?name|who\s+am\s+i\s+(?:speaking|talking|chatting)|whom?\s+do\s+i\s+have",
            re.I,
        ),
    ),
)
_ASKS = re.compile(
    r"\?|\b(?:please|provide|need|tell|confirm|verify|give|what|which|enter|may|can|could|have|share|type|state"
    r"|spell)\b",
    re.I,
)
_SHORT_REPLY = 8
"""Words of a reply that is taken to be nothing but what was asked for, and thanks."""


def spans(text: str, asked: str = "") -> list[Span]:
    """The data in a text, in order, none overlapping. `asked`: what the other party said before."""
    said = text.casefold()
    found = [
        Span(start, end, kind)
        for kind, marks, finder in _WORDED
        if any(mark in said for mark in marks)
        for start, end in finder(text)
    ]
    found += [Span(*number) for number in (*locators(text), *spoken(text))]
    if _DIGIT.search(text):
        found += [Span(start, end, kind) for kind, finder in _FIGURED for start, end in finder(text)]
        found += [Span(*number) for number in numbers(text)]
    if answers(text, asked):
        found += [span for kind, pattern in _ASKED if pattern.search(asked) for span in _answer(text, kind)]
    return disjoint(found, text)


def answers(text: str, asked: str) -> bool:
    """Whether a text is short enough to be nothing but what was asked for."""
    return bool(asked) and len(text.split()) <= _SHORT_REPLY and _ASKS.search(asked) is not None


def disjoint(found: Sequence[Span], text: str) -> list[Span]:
    """Of spans of a text that overlap the first by `KINDS`, then the longer one; what it leaves of others stays."""
    kept: list[Span] = []
    for span in sorted(found, key=lambda span: (KINDS.index(span.kind), span.start - span.end)):
        start, end = span.start, span.end
        at = bisect_right(kept, start, key=lambda other: other.start)
        if at and kept[at - 1].end > start:
            start = min(end, kept[at - 1].end)
        while at < len(kept) and kept[at].start < end:
            # What stands in it is another's; before that and after it, it is still a datum.
            if start < kept[at].start:
                kept.insert(at, Span(start, kept[at].start, span.kind))
                at += 1
            start, at = min(end, kept[at].end), at + 1
        if end > start and (start == span.start or any(map(str.isalnum, text[start:end]))):
            kept.insert(at, Span(start, end, span.kind))
    return kept


_DIGIT = re.compile(r"\d")


def _digits(text: str) -> str:
    return "".join(letter for letter in text if letter.isdigit())


def _luhn(digits: str) -> bool:
    doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits))]
    return sum(n - 9 * (n > 9) for n in doubled) % 10 == 0


def _cards(text: str) -> Iterator[tuple[int, int]]:
    for match in _CARD.finditer(text):
        if _luhn(digits := _digits(match[0])) and len(set(digits)) > 1:
            yield match.span()


def _ibans(text: str) -> Iterator[tuple[int, int]]:
    for match in _IBAN.finditer(text):
        for end in range(match.end(), match.start() + 14, -1):
            letters = re.sub(r"[ -]", "", text[match.start() : end]).upper()
            at_edge = end == len(text) or not text[end].isalnum()
            if (
                at_edge
                and 15 <= len(letters) <= 34
                and int("".join(str(int(c, 36)) for c in letters[4:] + letters[:4])) % 97 == 1
            ):
                yield match.start(), end
                break
    yield from every(_CALLED_IBAN, 1)(text)


def _ips(text: str) -> Iterator[tuple[int, int]]:
    for match in (*_IP4.finditer(text), *_IP6.finditer(text)):
        said = match[0] if match[0].endswith("::") else match[0].removesuffix(":")
        try:
            ipaddress.ip_address(re.sub(r"\b0+(?=\d+\.|\d+$)", "", said) if "." in said else said)
        except ValueError:
            continue
        if not _VERSION.search(text[max(0, match.start() - BEFORE) : match.start()]) and any(
            letter.isalnum() for letter in match[0]
        ):
            yield match.start(), match.start() + len(said)


def _emails(text: str) -> Iterator[tuple[int, int]]:
    """Not the mentions that some write instead of names: "Head @ SHOP.EXAMPLE.COM"."""
    for match in EMAIL.finditer(text):
        if not (re.search(r"\s@", match[0]) and re.search(r"@\s?(?:www\.|[A-Z])|@\S", match[0])):
            yield match.span()


def _links(text: str) -> Iterator[tuple[int, int]]:
    for match in _LINK.finditer(text):
        link = match[0]
        path = re.split(r"[?#]", link.split("://")[-1])[0].split("/")[1:]
        if _PARAMETER.search(link) or _CREDENTIALS.search(link) or any(_TOKEN_PART.fullmatch(part) for part in path):
            yield match.span()


def _answer(text: str, kind: Kind) -> Iterator[Span]:
    """What of a short reply is what was asked for."""
    match kind:
        case "birth date":
            wanted = re.compile(rf"(?<!\d){_DATE}(?!\d)", re.I)
        case "login":
            wanted = re.compile(r"(?<!\S)(?=\S*[\d_@#$%^&*]|\S*[a-z][A-Z])\S{4,}")
        case "name":
            wanted = re.compile(
                r"\A(?:(?:sure|yes|ok|okay|it'?s|hi"
                r"|well)[,.!]?\s+)*([^\W\d_]+(?:['’-][^\W\d_]+)*(?:\s+[^\W\d_]+(?:['’-][^\W\d_]+)*){0,2})[.!]?\Z",
                re.I,
            )
        case "address":
            wanted = re.compile(
                r"\A(?:(?i:sure|yes|ok|okay|it'?s|the|is)[,.!:]?\s+)*(?=.*\d)(?=.*[^\W\d_])(?!.*@)((?:#|\w).+?)[.!]?\Z",
                re.DOTALL,
            )
        case "phone":
            wanted = re.compile(r"\+?\(?\d(?:[\s().\-–/]{0,3}\d){4,14}")
        case _:
            wanted = re.compile(
                r"#?(?=[\w/-]*\d)[A-Z0-9][\w/-]{3,}(?:[ -][\w-]*\d[\w-]*)*|\b[A-Z]{6}\b"
                r"|(?-i:\b(?=[A-Z ]*\d)(?=[\d ]*[A-Z])[A-Z\d]{2,5} [A-Z\d]{2,5}\b)",
                re.I,
            )
    for match in wanted.finditer(text):
        start, end = match.span(1) if wanted.groups else match.span()
        words = re.findall(r"[^\W_]+(?:['’][^\W_]+)?", text[start:end].casefold())
        if kind in ("name", "login") and any(
            word in NO_NAME | NO_SECRET | {"don't", "can't", "know", "remember"} for word in words
        ):
            continue
        if kind in ("order", "document") and not any(map(str.isdigit, match[0])) and not match[0].isupper():
            continue
        yield Span(start, without_stop(text, start, end), kind)


_WORDED: tuple[tuple[Kind, tuple[str, ...], Finder], ...] = (
    ("e-mail", ("@", "at)", "at]"), _emails),
    ("e-mail", (" dot ",), every(_EMAIL_WORDS)),
    ("link", ("/",), _links),
    ("login", LOGIN_MARKS, logins),
    ("name", NAME_MARKS, introduced),
)
"""With what must occur in a text, in lower case, for them to find anything: most texts hold none of it."""
_FIGURED: tuple[tuple[Kind, Finder], ...] = (
    ("iban", _ibans),
    ("card", _cards),
    ("ip", _ips),
    ("ip", every(_MAC)),
    ("birth date", every(_BIRTH, 1)),
    ("birth date", every(_BIRTH_SHORT, 1)),
    ("birth date", every(_BIRTH_AFTER, 1)),
    ("document", every(_SSN)),
    ("document", every(_NINO)),
    ("login", keys),
    ("address", addresses),
)
"""What they find has a digit."""
