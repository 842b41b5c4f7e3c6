"""Where in a text personal data stand: twelve kinds, found by their form and by the words before them.

=========== =========================================================================================================
e-mail      also written out: jane at example dot com
link        an address with something in it that lets somebody in or says who it is: a token, a session, a password
login       a password, PIN or user name, as said ("my password is …")
iban        with right check digits, or called one
card        13 to 19 digits with a right check digit (Luhn)
ip          version 4 and 6
birth date  a date called one
document    numbers of passports, licences, identity cards, social security
phone       with a country's code, in a usual grouping, or called one
address     streets with numbers, post boxes, postcodes; whatever is called an address and has a number in it
order       numbers of orders, bookings, customers, accounts…: called one, after #, or a code of letters and digits
name        somebody introduced; names a file gives are known without (`library.redaction`)
=========== =========================================================================================================

Expressions that can be read, for English first. They find what has a form or is announced; a rare name that nobody
introduces, or a street without a number, slips through. What an agent asked for in the turn before counts as announced.
"""

import ipaddress
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

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


def _words(name: str) -> frozenset[str]:
    """Of a file in `words`; lines after # are for readers."""
    lines = (Path(__file__).parent / "words" / f"{name}.txt").read_text("utf-8").splitlines()
    return frozenset(word for line in lines if not line.startswith("#") for word in line.split())


_CAPITAL = f"[{''.join(letter for letter in map(chr, range(0x41, 0x530)) if letter.isupper())}]"
"""Latin, Greek and Cyrillic ones."""


def _wide(expression: str) -> re.Pattern[str]:
    """With capitals of all kinds for those of English."""
    return re.compile(re.sub(r"\[A-Z(?:ÄÖÜ|ÁÉÍÓÚÑ|À-Ý)?\](?=\[)", lambda _: _CAPITAL, expression))


_I = re.IGNORECASE
_BEFORE = 80
"""Characters before a datum that may say what it is. Like every bound in the expressions below it keeps the time to
read a text in step with its length: what a stranger sends may be a megabyte of the same three letters."""
EMAIL = re.compile(
    r"[\w.+'%-]{0,63}[\w+%-]\s?(?:@|\(at\)|\[at\])\s?[\w-]+(?:(?:\.|\s?(?:\(dot\)|\[dot\])\s?)[\w-]+)+", _I
)
_EMAIL_WORDS = re.compile(r"\b[\w+-]{1,64}(?:(?: dot |\.)[\w+-]{1,64}){0,4} at [\w-]{1,63}(?: dot [\w-]{1,63})+\b", _I)
_LINK = re.compile(
    r"(?:\bhttps?://|\bwww\.|\b(?:[a-z0-9-]{1,63}\.){1,8}[a-z]{2,24}/)[^\s<>\"'”)\]]*[^\s<>\"'”)\].,;:!?]", _I
)
_TOKEN_PART = re.compile(r"\d{3,}(?:-\d{3,})+|(?=[\w-]*\d)(?=[\w-]*[a-zA-Z])[\w-]{12,}|[0-9a-f]{12,}|\d{6,}")
_PARAMETER = re.compile(r"[?&#;](?!utm_)[\w.\[\]-]+=([^&#\s]{4,})")
_CREDENTIALS = re.compile(r"://[^/\s@]+@")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]){11,30}\b", _I)
_CALLED_IBAN = re.compile(
    r"\bIBAN\b[\s:#-]*(?:(?:is|number|no\.?|code)[\s:]+){0,2}([A-Z]{2}\d{2}(?:[ -]?\w*\d\w*)+)", _I
)
_CARD = re.compile(r"(?<![\d.])\d(?:[ .\-–]?\d){12,18}(?![\d])")
_IP4 = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d)")
_IP6 = re.compile(r"(?<![\w:.])[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}(?:\d{1,3}(?:\.\d{1,3}){3})?(?![\w:])", _I)
_VERSION = re.compile(r"(?:version|firmware|release|build|\bv)\s*(?:is|:)?\s*$", _I)
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)\.?"
)
_DATE = (
    r"(?:\d{1,4}\s?[./\-–]\s?\d{1,2}\s?[./\-–]\s?\d{1,4}|\d{1,2}\s?(?:st|nd|rd|th)?\s?[-/ ]?(?:of\s+)?(?:the\s+)?"
    + _MONTH
    + r"(?:[\s,/-]+(?:of\s+)?(?:in\s+)?'?\d{2,4})?|"
    + _MONTH
    + r"\s+(?:the\s+)?\d{1,2}(?:st|nd|rd|th)?(?:[\s,]+(?:of\s+)?'?\d{2,4})?|\d{1,2}\s\d{1,2}\s\d{4}|\d{8}|\d{6})"
)
_BIRTH_WORDS = r"(?:date\s+of\s+birth|d\.?\s?o\.?\s?b\b\.?|birth\s?-?date|b-?day|birthday|birth|born)"
_BIRTH = re.compile(rf"\b{_BIRTH_WORDS}[^\d\n!]{{0,40}}?\b({_DATE})(?![\d])", _I)
_BIRTH_AFTER = re.compile(rf"\b({_DATE})[\s,]*(?:\(|is\s|was\s|as\s|-\s|–\s)[^\d\n.!?]{{0,20}}?{_BIRTH_WORDS}", _I)
_LINKS = (
    r"(?:[\s:=#–\-\"'“(]|\b(?:number|numbers|no|nr|num|id|ids|code|is|was|are|it'?s|that'?s|of|the|my|our|as"
    r"|reads?|says?|for\s+this|here)\b\.?){0,12}"
)
_DOCUMENT = re.compile(
    r"\b(?:passport|driv(?:er'?s?|ing)[\s-]+(?:licen[cs]e|permit)|licen[cs]e(?:\s+plate)?|national\s+id(?:entity)?"
    r"(?:\s+card)?|(?:identity|id)\s+(?:card|document)|social\s+security|ssn|sin|national\s+insurance|ni\s+number"
    r"|tax(?:payer)?\s+(?:id|identification|number)|residence\s+permit|visa\s+(?:no|number|id)|nino|(?:personal\s+)?id(?:entification)?\s+(?:number|no|nr))\b"
    + r"[^\d\n!]{0,40}?"
    + r"\b((?=[A-Z0-9/.-]{0,30}\d)[A-Z0-9](?:[A-Z0-9]|[ /.-](?=[A-Z]{0,3}\d)){4,24})\b",
    _I,
)
_SSN = re.compile(r"(?<![\d-])\d{3}-\d{2}-\d{4}(?![\d-])")
_NINO = re.compile(r"\b[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]\s?\d{2}\s?\d{2}\s?\d{2}\s?[A-D]\b")
_PHONE = re.compile(
    r"(?<![\w.,/#-])(?:\+|00)?\(?\d(?:[\s().\-–/]{0,3}\d){5,14}(?:\s*(?:ext|x|extension)\.?\s*\d{1,5})?(?![\w])"
)
_GROUPED = re.compile(r"(?:\+?1[\s.-]?)?\(?\d{3}\)?[\s.-]?\s?\d{3}[\s.-]\d{4}(?:\s*(?:ext|x|extension)\.?\s*\d+)?")
_NATIONAL = re.compile(r"\(?0\d{2,5}\)?[\s/.-]?\d{2,4}[\s.-]?\d{2,5}(?:[\s.-]?\d{2,4}){0,2}")
_PHONE_WORDS = re.compile(
    r"\b(?:phone|telephone|tel|mobile|cell|cellphone|landline|fax|whatsapp|call|text|ring|reach|sms|dial|contact"
    r"|handy|number\s+to\s+use|call-?back)\b[^\d\n]{0,40}$",
    _I,
)
_DATELIKE = re.compile(r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{4}")
_STREETS = (
    r"(?:street|road|avenue|lane|drive|boulevard|court|square|terrace|crescent|close|highway|parkway|circle|trail"
    r"|place|gardens|grove|mews|row|walk|hill|plaza|loop|alley|quay|turnpike|broadway|way)"
)
_SHORT_STREETS = r"(?:St|Rd|Ave|Av|Ln|Dr|Blvd|Ct|Sq|Ter|Cres|Hwy|Pkwy|Cir|Pl|Gdns)\b\.?"
_REST = (
    r"(?:,?\s+(?:apt|apartment|suite|ste|unit|flat|floor|fl|room|no|#)\.?\s*#?\w+)?"
    r"(?:,\s*[A-Z][\w'’.-]*(?:[ -][A-Z][\w'’.-]*){0,3})?(?:,?\s+[A-Z]{2}\b)?(?:,?\s+\d{4,5}(?:-\d{4})?\b)?"
)
_STREET = _wide(
    r"(?<![\w$€£#.,])\d{1,5}[A-Za-z]?(?:[-/]\d+[A-Za-z]?)?,?\s+(?:[NSEW]{1,2}\.?\s+|(?:North|South|East"
    r"|West)\s+)?(?:(?:(?:[A-Z][\w'’.-]*|"
    r"\d+(?:st|nd|rd|th))\s+){1,4}(?:" + _SHORT_STREETS + r"|(?i:" + _STREETS + r")\b)|Broadway\b)" + _REST
)
_STREET_LOWER = re.compile(
    r"(?<![\w$€£#.,])\d{1,5}[a-z]?,?\s+(?!(?:on|in|at|of|to|by|the|my|from|minutes?|hours?|days?|miles?|meters?"
    r"|times?|a|an|or|and|per"
    r"|more|people|percent|items?|steps?|blocks?|ways?)\b)[a-z'’-]{3,}(?:\s+(?!(?:on|in|at|of|to|by|the|my|from"
    r"|a|an|and)\b)[a-z'’-]{2,})?"
    r"\s+(?:street|road|avenue|lane|drive|boulevard|court|crescent|terrace|st|rd|ave|ln|blvd)\b\.?",
    _I,
)
_STREET_FIRST = _wide(
    r"\b(?:[A-ZÄÖÜ][\wäöüß.-]{0,40}(?:straße|strasse|str\.|weg|platz|gasse|allee|ring|damm|ufer|laan|straat|gracht"
    r"|gatan|vej|gade|katu)"
    r"|(?:Calle|Avenida|Plaza|Paseo|Via|Viale|Corso|Piazza|Rua|Ulica|ul\.)(?:\s+(?:de|del|la|las|los|di|da|do"
    r"|dos|della))*"
    r"(?:\s+[A-ZÁÉÍÓÚÑ][\w'’áéíóúñ-]*){1,4}|(?:Am|An der|Auf der|Im|Unter den|Zum"
    r"|Zur)\s+[A-ZÄÖÜ][\wäöüß-]+(?:\s+[A-ZÄÖÜ][\wäöüß-]+)?)"
    r",?\s+(?:n[°ºo]\.?\s*)?\d{1,4}\s?[a-zA-Z]?\b(?:,?\s*\d{4,5}(?:\s?[A-Z]{2})?\s+[A-ZÄÖÜ][\wäöüß-]+)?"
)
_FRENCH = _wide(
    r"\b\d{1,4}(?:\s?(?:bis|ter))?,?\s+(?:rue|avenue|boulevard|place|chemin|impasse|allée|quai"
    r"|cours)\s+(?:(?:de|du|des|la|le|les|l'|d')\s*)*"
    r"[A-ZÀ-Ý][\w'’à-ÿ-]*(?:[ -][A-ZÀ-Ý][\w'’à-ÿ-]*){0,3}(?:,?\s*\d{5}\s+[A-ZÀ-Ý][\w'’à-ÿ-]+)?"
)
_POSTBOX = re.compile(r"\bP\.?\s?O\.?\s?Box\s+\d+(?:,\s*[A-Z][\w ]*?(?:,?\s+[A-Z]{2})?(?:\s+\d{5})?(?=[,.;]|$))?", _I)
_UK_POST = re.compile(r"\b(?:[A-Z]{1,2}\d[A-Z\d]?\s\d[A-Z]{2}|[A-Z]{1,2}\d[A-Z\d]?\d[A-Z]{2})\b")
_CITY_ZIP = _wide(r"\b[A-Z][\w'’.-]{0,40}(?:\s[A-Z][\w'’.-]{0,40}){0,2},?\s+[A-Z]{2},?\s+\d{5}(?:-\d{4})?\b")
_POSTCODE = re.compile(
    r"\b(?:zip|postal|post)\s?-?\s?code" + _LINKS + r"((?=[A-Z0-9 -]{0,12}\d)[A-Z0-9]{2,5}(?:[ -]?\d[A-Z0-9]{1,3})?)\b",
    _I,
)
_CALLED_ADDRESS = re.compile(
    r"\b(?<!mail )(?<!e-mail )(?<!email )(?<!ip )(?<!web )address(?:\s+(?:on\s+file|is|was|to|should\s+be|now"
    r"|here))*\s*[:=\-–]?\s*"
    r"((?=[^\n.!?]{0,60}\d)[^\n!?;]{6,100}?)(?=[.!?;](?:\s|$)|\n|$|\s(?:and|but|so|please|thanks|which|because|my)\b)",
    _I,
)
_LIVE = re.compile(
    r"\b(?:i\s+live|living|reside|moved|delivered?|ship(?:ped)?|sen[dt](?:\s+it)?|moving)\s+(?:at"
    r"|to)\s+((?:\w+\s)?\d{1,5}[a-z]?\s+[^\n.!?,;]{4,60}|[A-Z][^\n.!?,;]{3,40}\s\d{1,4}[a-z]?\b)"
)
_THINGS = (
    r"(?:orders?|bookings?|reservations?|confirmation|reference|references|ref|tickets?|cases?|customers?|clients?"
    r"|accounts?|acct|members?|membership|polic(?:y|ies)|invoices?|tracking|contracts?|loyalty|flyer|claims?|parcels?"
    r"|shipments?|serial|imei|subscriber|subscription|pnr|record\s+locator|purchase|receipt|registration"
    r"|patient|package|user)"
)
_ORDER = re.compile(
    rf"\b{_THINGS}\b"
    r"(?:[\s:=#–\-\"'“(,]|\b(?:number|numbers|no|nr|num|id|ids|code|codes|reference|ref|card|is|was|are|it'?s|that'?s|"
    r"of\s+mine|the|my|as|reads?|says?|called|under|with|here|confirmation|booking|placed)\b\.?){1,10}"
    r"(#?(?=[\w/-]{0,40}\d)[A-Z0-9][\w/-]{3,40}(?:[ -]\d{2,}){0,4}|\b[A-Z0-9]{6}\b)(?!\w)",
    _I,
)
_ORDER_AFTER = re.compile(
    r"(?<![\w/#.-])(#?(?=[\w/-]{0,40}\d)[A-Z0-9][\w/-]{4,40})\s?[,(]?\s?(?:is\s+|was\s+)?(?:my|the|our)\s+"
    rf"(?:\w+\s+)?{_THINGS}\b",
    _I,
)
_UNITS = re.compile(
    r"\s*(?:%|€|\$|£|(?:items?|units?|pieces?|euros?|dollars?|pounds?|usd|eur|gbp|bucks|people|days?|weeks?|hours?"
    r"|minutes?|months?|years?|times|[ap]m|gb|mb|kg|points?|miles?|percent|o'clock)\b)",
    _I,
)
_HASHED = re.compile(r"(?<!\w)#\s?(?=[\w-]*\d)[A-Z]{0,4}[\w-]{4,}", _I)
_CODE = re.compile(
    r"(?<![\w-])(?:[A-Z]{1,5}[-_/]\d{4,}(?:[-_/]\w+)*|[A-Z]{1,5}\d{5,}[A-Z]{0,2}"
    r"|[A-Z]{2,5}-[A-Z0-9]{2,}-?\d{3,}\w*)(?![\w-])"
)
_SECRETS = (
    r"(?:pass\s?words?|pw|pass\s?codes?|pass\s?phrase|passwd|pwd|pin(?:\s+(?:code|number))?|security\s+(?:code"
    r"|answer|word)|memorable\s+word"
    r"|user\s?-?names?|user\s?id|user|login(?:\s+(?:name|id))?|log-in|screen\s+name|nickname|handle"
    r"|account\s+name|cvv|cvc|secret(?:\s+word)?)"
)
_WHERE = r"(?:\s+(?:for|to|on|of|with|at)\s+(?:the\s+|my\s+|your\s+|this\s+)?\w+(?:\s+\w+)?)?"
_LOGIN = re.compile(
    rf"\b{_SECRETS}\b{_WHERE}(?:\s*(?::|=|->|→)\s*|\s+(?:is|was|are|would\s+be|should\s+be"
    rf"|used\s+to\s+be)\s*:?\s+|\s*[-–]\s+|\s+I\s+(?:use|used|set|chose|have)\s+is\s+|'s\s+)"
    r"(?:(?:now|still|currently|simply|just|set\s+to|the|called|as\s+follows:?|literally|like)\s+)*([\"'“‘`]?)(\S+)",
    _I,
)
_LOGIN_BARE = re.compile(rf"\b{_SECRETS}\s+[\"'“‘`]?(?=\S*(?:[\d_]|[^\w\s.,;:!?'\"“”‘’`()-]))(\S{{4,}})", _I)
_LOGIN_QUOTED = re.compile(rf"\b{_SECRETS}\b[^\"“‘`\n.?!]{{0,30}}[\"“‘`]([^\"”’`\n]{{2,40}})[\"”’`]", _I)
_LOGIN_AFTER = re.compile(
    rf"(?<!\S)(\S{{1,200}})\s+(?:is|was|as|for)\s+(?:my|the|our)\s+(?:\w+\s+)?{_SECRETS}\b(?!\s+(?:reset|change|page|screen"
    rf"|link|problem|issue|form))",
    _I,
)
_LOGIN_AS = re.compile(
    r"\b(?:log(?:ged|ging)?|sign(?:ed|ing)?)\s?-?(?:in|on)\s+(?:as|with|under"
    r"|using)\s+[\"'“‘`]?(?=\S*[\d_.@-])(\S{3,})",
    _I,
)
_LOGIN_SET = re.compile(
    r"\b(?:set|chang(?:ed?|ing)|reset|chose|picked|made|put|updated|switched)\b[^\n.?!]{0,25}"
    rf"\b{_SECRETS}\s+(?:to|as|into)\s+[\"'“‘`]?(\S{{3,100}})",
    _I,
)
_LOGIN_WITH = re.compile(
    r"\b(?:code|words?|phrase|key|secret|name)\b[^\n.?!]{0,12}\b(?:log(?:ged|ging)?|sign(?:ed|ing)?|get|got)\s?-?(?:in|on)\b"
    r"[^\n.?!:=]{0,12}(?:\s(?:is|was|are)|\s?[:=])\s+[\"'“‘`]?(\S{3,100})",
    _I,
)
_PAIR = re.compile(r"\b(?:credentials|login|log-in|logins)\b[^\n/]{0,15}[\s:]\s*([^\s/]{3,100}\s?/\s?\S{3,100})", _I)
_NO_SECRET = _words("no_secret")
_PERSON = (
    rf"(?-i:{_CAPITAL}[^\W\d_]*(?:['’-][^\W\d_]+){{0,3}}\.?(?: (?:(?:van|von|de|der|den|da|di|del|la|le|bin|al|el"
    rf"|O)[ '’])*{_CAPITAL}[^\W\d_]*(?:['’-][^\W\d_]+){{0,3}}){{0,3}})"
)
"""A blank alone parts names, and a hyphen the parts of one: were there two ways to read it, all would be tried."""
_NAMED = re.compile(
    r"(?:\b(?:my|the|her|his|full|first|last|family|sur|passenger|account\s+holder)?\s?-?name(?:'s|\s+is|\s+was"
    r"|:|\s+on\s+(?:the\s+)?"
    r"(?:account|booking|order|card|file|contract|ticket)(?:\s+is|\s?:))|\bcall\s+me|\bnames?:|\bthis\s+is|\bi\s?am|\bi['’]m|\bit['’]s"
    r"|\bspeaking\s+(?:with|to)|(?:\bam|['’]m|\bis|\bwas)\s+called|\b(?:spoke|talked|chatted)\s+(?:to|with)|"
    r"\bmr\.?|\bmrs\.?|\bms\.?|\bmiss|\bdr\.?|\bon\s+behalf\s+of|\bregards,|\bsincerely,|\bcheers,|\bbest,"
    r"|\b(?:under|in)\s+the\s+name(?:\s+of)?|"
    r"\b(?:passengers?|travell?er|holder|cardholder|customer|guest|patient|recipient|sender|contact|attn|attention|signed"
    r"|c/o)\s?:|"
    r"\bmy\s+(?:late\s+)?(?:husband|wife|spouse|partner|fianc[ée]e?|girlfriend|boyfriend|son|daughter|mother|father|mum|mom"
    r"|dad|brother|sister|uncle|aunt|cousin|grand\w{3,8}|friend|colleague|boss|assistant|secretary|lawyer|neighbou?r"
    r"|flatmate|roommate|landlord|tenant),?)"
    rf"\s+({_PERSON})",
    _I,
)
_NAMED_AFTER = re.compile(
    rf"(?<![\w'’-])({_PERSON})\s+(?:(?:is|was)\s+(?:my|his|her|the)\s+(?:(?:full|first|last|maiden|given)\s+)?name\b"
    r"|(?:speaking|calling|writing|here)\s*(?:[.,!\n]|\Z))",
    _I,
)
_SIGNED = re.compile(
    r"\b(?:thanks|thank\s+you|thx|wishes|regards|cheers|greetings|yours|faithfully|sincerely|respectfully|cordially"
    rf"|love)(?:\s+again|\s+in\s+advance)?\s?[,!.\n]\s*[–-]?\s?({_PERSON})\W*\Z",
    _I,
)
_NAMED_LOWER = re.compile(
    r"\bmy\s+(?:(?:full|first|last|family)\s+)?name(?:'s|\s+is|:)\s+([a-z][a-z'’-]+(?:\s+(?!(?:and|i|but|on|is"
    r"|from|so|please|my|with|in|at|for)\b)[a-z'’-]{2,})?)"
)
_ENDS = re.compile(r"\s*(?:[^\w\s]|$)|\s+(?:and|from|here|again|calling|speaking|writing|with|at|your?)\b", _I)
_STRONG = re.compile(
    r"name|call\s+me|called|:|\bmy\s|mr|mrs|ms|miss|dr|behalf|speaking|regards|sincerely|cheers|best", _I
)
_NO_NAME = _words("no_name")
_ASKED: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    ("birth date", re.compile(r"date\s+of\s+birth|birth\s?date|birthday|\bd\.?o\.?b\b|when\s+were\s+you\s+born", _I)),
    (
        "login",
        re.compile(
            r"pass\s?word|pass\s?code|\bpin\b|user\s?-?name|user\s?id|login|security\s+(?:code|answer|word)", _I
        ),
    ),
    ("document", re.compile(r"passport|licen[cs]e|\bid\s+(?:card|number)|social\s+security|\bssn\b|identity", _I)),
    (
        "address",
        re.compile(r"(?<!mail )(?<!ip )\baddress|zip\s?code|postcode|postal\s+code|where\s+do\s+you\s+live", _I),
    ),
    ("phone", re.compile(r"phone|mobile\s+number|call\s+you\s+(?:back\s+)?on|contact\s+number", _I)),
    ("order", re.compile(rf"{_THINGS}[\s-]+(?:number|no\b|id|code|reference|confirmation)|reference\s+number", _I)),
    (
        "name",
        re.compile(
            r"\b(?:full|first|last|your|sur)\s?name|who\s+am\s+i\s+(?:speaking|talking|chatting)|whom?\s+do\s+i\s+have",
            _I,
        ),
    ),
)
_SHORT_REPLY = 8
"""Words of a reply that is taken to be nothing but what was asked for, and thanks."""


def spans(text: str, asked: str = "") -> list[Span]:
    """The data in a text, in order, none overlapping. `asked`: what the other party said before."""
    found = [Span(start, end, kind) for kind, finder in _FINDERS for start, end in finder(text)]
    if asked and len(text.split()) <= _SHORT_REPLY:
        found += [span for kind, pattern in _ASKED if pattern.search(asked) for span in _answer(text, kind)]
    return disjoint(found, text)


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


def _all(pattern: re.Pattern[str], group: int = 0) -> Callable[[str], Iterator[tuple[int, int]]]:
    return lambda text: (match.span(group) for match in pattern.finditer(text))


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
    yield from _all(_CALLED_IBAN, 1)(text)


def _ips(text: str) -> Iterator[tuple[int, int]]:
    for match in (*_IP4.finditer(text), *_IP6.finditer(text)):
        try:
            ipaddress.ip_address(re.sub(r"\b0+(?=\d+\.|\d+$)", "", match[0]) if "." in match[0] else match[0])
        except ValueError:
            continue
        if not _VERSION.search(text[max(0, match.start() - _BEFORE) : match.start()]) and any(
            letter.isalnum() for letter in match[0]
        ):
            yield match.span()


def _links(text: str) -> Iterator[tuple[int, int]]:
    for match in _LINK.finditer(text):
        link = match[0]
        path = re.split(r"[?#]", link.split("://")[-1])[0].split("/")[1:]
        if _PARAMETER.search(link) or _CREDENTIALS.search(link) or any(_TOKEN_PART.fullmatch(part) for part in path):
            yield match.span()


def _phones(text: str) -> Iterator[tuple[int, int]]:
    for match in _PHONE.finditer(text):
        said, digits = match[0], _digits(match[0])
        if not 6 <= len(digits) <= 15 + 5 or _DATELIKE.match(said):
            continue
        called = _PHONE_WORDS.search(text[max(0, match.start() - _BEFORE) : match.start()]) is not None
        foreign = said.startswith(("+", "00")) and len(digits) >= 8
        if called or foreign or _GROUPED.fullmatch(said) or _NATIONAL.fullmatch(said):
            yield match.span()


def _orders(text: str) -> Iterator[tuple[int, int]]:
    for match in _ORDER.finditer(text):
        start, end = match.span(1)
        plain_word = not any(letter.isdigit() for letter in match[1])
        if _UNITS.match(text, end) or (plain_word and not match[1].isupper()):
            continue
        if re.fullmatch(r"\d{4}", match[1]) and re.search(
            r"(?:\bin|from|since|of)\s*$", text[max(0, start - _BEFORE) : start]
        ):
            continue  # a year
        yield start, end
    for match in _ORDER_AFTER.finditer(text):
        if not _DATELIKE.fullmatch(match[1]):
            yield match.span(1)
    yield from _all(_HASHED)(text)
    yield from _all(_CODE)(text)


def _logins(text: str) -> Iterator[tuple[int, int]]:
    for match in _LOGIN.finditer(text):
        start, end = match.span(2)
        if match[1] or _secret(match[2]):
            yield start, _without_stop(text, start, end)
    for pattern, plain in _LOGINS:
        for match in pattern.finditer(text):
            start, end = match.span(1)
            if _secret(match[1]) and (plain or _UNLIKE_WORDS.search(match[1].rstrip(".,;:!?"))):
                yield start, _without_stop(text, start, end)
    yield from _all(_LOGIN_QUOTED, 1)(text)


_UNLIKE_WORDS = re.compile(r"[\d_@#$%^&*!?+=.]|[a-z][A-Z]")
_LOGINS = (
    *((_LOGIN_BARE, True), (_LOGIN_AS, True), (_PAIR, True)),
    *((_LOGIN_AFTER, False), (_LOGIN_SET, False), (_LOGIN_WITH, False)),
)
"""And whether what they find may also look like a word: "they ask for my password"."""


def _secret(word: str) -> bool:
    return word.strip(".,;:!?\"'”’`()").casefold() not in _NO_SECRET and any(letter.isalnum() for letter in word)


def _without_stop(text: str, start: int, end: int) -> int:
    """The end of a word without the stop after it."""
    while end - 1 > start and text[end - 1] in ".,;:?\"'”’`)":
        end -= 1
    return end


def _names(text: str) -> Iterator[tuple[int, int]]:
    lower = set(re.findall(r"\b[a-z][a-z'’]+\b", text))
    for match in _NAMED.finditer(text):
        start = match.start(1)
        strong = _STRONG.search(match[0][: start - match.start()]) is not None
        words = list(re.finditer(r"[^\W\d_]+(?:['’-][^\W\d_]+)*", match[1]))
        while words and (words[-1][0].casefold() in _NO_NAME or (not strong and words[-1][0].casefold() in lower)):
            words.pop()
        if not words or words[0][0].casefold() in _NO_NAME:
            continue
        # "I'm Late because…": one word after a weak announcement is a name only if it could end there.
        if not strong and len(words) == 1 and not _ENDS.match(text, start + words[0].end()):
            continue
        # "It's Christmas, come on!"
        if len(words) == 1 and match[0][:2].casefold() == "it" and text[start + words[0].end() :].startswith(","):
            continue
        yield start, start + words[-1].end()
    for match in (*_NAMED_AFTER.finditer(text), *_SIGNED.finditer(text)):
        if not any(word.casefold() in _NO_NAME for word in match[1].split()):
            yield match.span(1)
    for match in _NAMED_LOWER.finditer(text):
        if match[1].split()[0] not in _NO_NAME:
            yield match.span(1)


def _answer(text: str, kind: Kind) -> Iterator[Span]:
    """What of a short reply is what was asked for."""
    match kind:
        case "birth date":
            wanted = re.compile(rf"(?<!\d){_DATE}(?!\d)", _I)
        case "login":
            wanted = re.compile(r"(?=\S*[\d_@#$%^&*!]|\S+$)(?<!\S)\S{4,}")
        case "name":
            wanted = re.compile(
                r"\A(?:(?:sure|yes|ok|okay|it'?s|hi"
                r"|well)[,.!]?\s+)*([^\W\d_]+(?:['’-][^\W\d_]+)*(?:\s+[^\W\d_]+(?:['’-][^\W\d_]+)*){0,2})[.!]?\Z",
                _I,
            )
        case "address":
            wanted = re.compile(
                r"\A(?:(?:sure|yes|ok|okay|it'?s|the|is)[,.!:]?\s+)*(?=.*\d)(.+?)[.!]?\Z", _I | re.DOTALL
            )
        case "phone":
            wanted = re.compile(r"\+?\(?\d(?:[\s().\-–/]{0,3}\d){4,14}")
        case _:
            wanted = re.compile(r"#?(?=[\w/-]*\d)[A-Z0-9][\w/-]{3,}(?:[ -][\w-]*\d[\w-]*)*|\b[A-Z]{6}\b", _I)
    for match in wanted.finditer(text):
        start, end = match.span(1) if wanted.groups else match.span()
        words = re.findall(r"[^\W_]+(?:['’][^\W_]+)?", text[start:end].casefold())
        if kind in ("name", "login") and any(
            word in _NO_NAME | _NO_SECRET | {"don't", "can't", "know", "remember"} for word in words
        ):
            continue
        if kind == "order" and not any(letter.isdigit() for letter in match[0]) and not match[0].isupper():
            continue
        yield Span(start, _without_stop(text, start, end), kind)


_FINDERS: tuple[tuple[Kind, Callable[[str], Iterator[tuple[int, int]]]], ...] = (
    ("e-mail", _all(EMAIL)),
    ("e-mail", _all(_EMAIL_WORDS)),
    ("link", _links),
    ("login", _logins),
    ("iban", _ibans),
    ("card", _cards),
    ("ip", _ips),
    ("birth date", _all(_BIRTH, 1)),
    ("birth date", _all(_BIRTH_AFTER, 1)),
    ("document", _all(_DOCUMENT, 1)),
    ("document", _all(_SSN)),
    ("document", _all(_NINO)),
    ("phone", _phones),
    ("address", _all(_STREET)),
    ("address", _all(_STREET_LOWER)),
    ("address", _all(_STREET_FIRST)),
    ("address", _all(_FRENCH)),
    ("address", _all(_POSTBOX)),
    ("address", _all(_UK_POST)),
    ("address", _all(_CITY_ZIP)),
    ("address", _all(_POSTCODE, 1)),
    ("address", _all(_CALLED_ADDRESS, 1)),
    ("address", _all(_LIVE, 1)),
    ("order", _orders),
    ("name", _names),
)
