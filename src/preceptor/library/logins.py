"""What lets somebody in: passwords, PINs, user names, keys.

Announced ("my password is …"), or a word as people make them for computers in a sentence that speaks of passwords.
"""

import re
from collections.abc import Iterator

from preceptor.library.expressions import BEFORE, every, without_stop, words_of

_KEY = re.compile(r"(?<![\w/])(?=[A-Za-z_-]{0,24}\d)(?=[\w-]{0,30}[a-zA-Z])[\w-]{24,200}(?!\w)")
_SECRETS = (
    r"(?:(?:wi-?fi|wpa2?|api|access|network|security|encryption)\s+(?:key|token)|pass?\s?w(?:or|r|ro|o)ds?|pswd"
    r"|usr\s?-?name|pw|pass\s?codes?|pass\s?phrase|passwd|pwd|pin(?:\s+(?:code|number))?|security\s+(?:code"
    r"|answer|word)|memorable\s+word"
    r"|user\s?-?names?|user\s?id|(?:online|web|portal|sign-?in)\s+id|login(?:\s+(?:name|id))?|log-in|screen\s+name"
    r"|nickname|handle"
    r"|account\s+name|cvv|cvc|secret(?:\s+word)?)"
)
_WHERE = r"(?:\s+(?:for|to|on|of|with|at)\s+(?:the\s+|my\s+|your\s+|this\s+)?\w+(?:\s+\w+)?)?"
_LOGIN = re.compile(
    rf"\b{_SECRETS}\b{_WHERE}(?:\s*(?::|=|->|→)\s*|\s+(?:is|was|are|would\s+be|should\s+be"
    rf"|used\s+to\s+be)\s*:?\s+|\s+I\s+(?:use|used|set|chose|have)\s+is\s+|'s\s+)"
    r"(?:(?:now|still|currently|simply|just|set\s+to|the|called|as\s+follows:?|literally|like)\s+)*([\"'“‘`]?)(\S+)",
    re.I,
)
_LOGIN_BARE = re.compile(rf"\b{_SECRETS}\s+[\"'“‘`]?(?=\S*(?:[\d_]|\w\.\w|[^\w\s.,;:!?'\"“”‘’`()-]))(\S{{4,}})", re.I)
_LOGIN_QUOTED = re.compile(rf"\b{_SECRETS}\b[^\"“‘`\n.?!]{{0,30}}[\"“‘`]([^\"”’`\n]{{2,40}})[\"”’`]", re.I)
_LOGIN_AFTER = re.compile(
    rf"(?<!\S)(\S{{1,200}})\s+(?:is|was|as|for)\s+(?:my|the|our)\s+(?:\w+\s+)?{_SECRETS}\b(?!\s+(?:reset|change|page"
    rf"|screen"
    rf"|link|problem|issue|form))",
    re.I,
)
_LOGIN_AS = re.compile(
    r"\b(?:log(?:ged|ging)?|sign(?:ed|ing)?)\s?-?(?:in|on)\s+(?:as|with|under"
    r"|using)\s+[\"'“‘`]?(?=\S*[\d_.@-])(\S{3,})",
    re.I,
)
_LOGIN_SET = re.compile(
    r"\b(?:set|chang(?:ed?|ing)|reset|chose|picked|made|put|updated|switched)\b[^\n.?!]{0,25}"
    rf"\b{_SECRETS}\s+(?:to|as|into)\s+[\"'“‘`]?(\S{{3,100}})",
    re.I,
)
_LOGIN_WITH = re.compile(
    r"\b(?:code|words?|phrase|key|secret|name)\b[^\n.?!]{0,12}\b(?:log(?:ged|ging)?|sign(?:ed|ing)?|get|got)\s?-?(?:in"
    r"|on)\b"
    r"[^\n.?!:=]{0,12}(?:\s(?:is|was|are)|\s?[:=])\s+[\"'“‘`]?(\S{3,100})",
    re.I,
)
_USER = re.compile(r"\buser\s*(?:[:=]\s*|\s(?=\S{0,40}\d)(?=\S{0,40}[a-z]\S{0,40}))[\"'“‘`]?(\S{5,100})", re.I)
_LOGIN_DASH = re.compile(rf"\b{_SECRETS}{_WHERE}\s*[-–]\s+[\"'“‘`]?(\S{{3,100}})", re.I)
_LOGIN_FAR = re.compile(
    rf"\b{_SECRETS}\b[^\n.!]{{0,50}}?(?:\s(?:is|was|are|be|to|as|from|with|it['’]?s|that['’]?s)"
    rf"|\s?[:=])\s+[\"'“‘`]?(\S{{4,100}})",
    re.I,
)
_PAIR = re.compile(r"\b(?:credentials|login|log-in|logins)\b[^\n/]{0,15}[\s:]\s*([^\s/]{3,100}\s?/\s?\S{3,100})", re.I)
NO_SECRET = words_of("no_secret")
LOGIN_MARKS = (
    *(
        " id",
        "pas",
        "pw",
        "pin",
        "pswd",
        "usr",
        "user",
        "log",
        "security",
        "secret",
        "cvv",
        "cvc",
        "key",
        "token",
        "nickname",
        "handle",
        "sign",
    ),
    *("screen name", "account name", "memorable", "credential", "code", "word", "phrase"),
)


def logins(text: str) -> Iterator[tuple[int, int]]:
    for match in _LOGIN.finditer(text):
        start, end = match.span(2)
        if match[1] or _secret(match[2]):
            yield start, without_stop(text, start, end)
    for pattern, plain in _LOGINS:
        for match in pattern.finditer(text):
            start, end = match.span(1)
            if _secret(match[1]) and (plain or _UNLIKE_WORDS.search(match[1].rstrip(".,;:!?"))):
                yield start, without_stop(text, start, end)
    yield from every(_LOGIN_QUOTED, 1)(text)
    for match in _SECRET_LIKE.finditer(text):
        start, end = match.start(), without_stop(text, *match.span())
        before, after = text[max(0, start - BEFORE) : start], text[end : end + BEFORE // 2]
        if _SPOKEN_OF.search(_SENTENCE.split(before)[-1]) or _SPOKEN_OF.search(_SENTENCE.split(after)[0]):
            yield start, end


_SECRET_LIKE = re.compile(
    r"(?<![\w.@/-])(?!www\.)(?!(?:i?(?:phone|pad|os)|galaxy|pixel|win(?:dows)?|mac(?:os)?|android|chrome|v|ver|http"
    r"|wpa|sha|aes)\d)"
    r"(?=\S{0,40}\d|\S{0,40}\w[!#$%&*?]\w)(?=[^\s\d]{0,40}[a-z][^\s\d]{0,40}[a-z])(?=\S{0,40}[a-z]{3})[^\s,;:/\"'“”()<>]{6,60}",
    re.I,
)
"""With three letters on end and a digit or a sign within: what people make of words for computers."""
_SPOKEN_OF = re.compile(rf"\b{_SECRETS}\b", re.I)
_SENTENCE = re.compile(r"[.!?]\s|\n")
_UNLIKE_WORDS = re.compile(r"[\d_@#$%^&*!?+=.]|[a-z][A-Z]")
_LOGINS = (
    *((_LOGIN_BARE, True), (_LOGIN_AS, True), (_PAIR, True)),
    *(
        (_LOGIN_AFTER, False),
        (_LOGIN_SET, False),
        (_LOGIN_WITH, False),
        (_LOGIN_FAR, False),
        (_USER, False),
        (_LOGIN_DASH, False),
    ),
)
"""And whether what they find may also look like a word: "they ask for my password"."""


def _secret(word: str) -> bool:
    word = word.strip(".,;:!?\"'”’`()…*").casefold()
    return (
        word not in NO_SECRET
        and any(map(str.isalnum, word))
        and len(word) > 1
        and not re.fullmatch(r"\d{1,2}|[a-z]+(?:ed|ing)", word)
    )


keys = every(_KEY)
"""Long ones, without an announcement."""
