"""Characters that a reader does not see, or takes for others; and what a text says without them.

What writing needs is let through: joiners within scripts that join, and within pictures made of several.
"""

import re
import unicodedata

_SPELLING = re.compile(
    # Joiners in Persian or Hindi, and between pictures; what makes a sign a picture, once (a row of such selectors
    # carries bytes); ends of lines.
    r"(?<=[\u0600-\u06ff\u0750-\u077f\u0900-\u0dff])[\u200c\u200d]+(?=[\u0600-\u06ff\u0750-\u077f\u0900-\u0dff])|"
    r"(?<=[\u2600-\u27bf\ufe0f\U0001f000-\U0001faff])\u200d(?=[\u2600-\u27bf\U0001f000-\U0001faff])|"
    r"(?<![\ufe00-\ufe0f\w])\ufe0f|(?<=[0-9#*])\ufe0f(?=\u20e3)|\u20e3|\r(?=\n)"
)
"""What is not seen and belongs there."""
_HEAPED = re.compile(r"[\u0300-\u036f]{3}|[\u0334-\u0338]")
"""More marks on a letter than any language puts there, or letters struck out."""
_BLANKS = frozenset("\u2800\u3164\u115f\u1160\uffa0\u034f")
"""What is drawn as nothing, though it counts as a letter or mark."""
_ALIKE = frozenset("асеорхуіјѕһԁԛԝАВЕКМНОРСТУХІЈЅZοανρτυκχιΑΒΕΖΗΙΚΜΝΟΡΤΥΧ")
"""Cyrillic and Greek letters that look like Latin ones."""
_LOOKS_LATIN = ("CYRILLIC", "GREEK", "CHEROKEE", "ARMENIAN", "COPTIC", "LISU")
_DRESSED = ("SMALL CAPITAL", "TURNED", "NEGATIVE", "REGIONAL INDICATOR", "BRAILLE", "REVERSED", "TAG ")


def shown(text: str) -> str:
    """What a reader makes of it: unseen characters gone, letters in disguise as themselves."""
    return unicodedata.normalize("NFKC", "".join(char for char in text.replace("\r\n", "\n") if not _unseen(char)))


def visible(text: str) -> str:
    """A text for people to judge: what is not seen is named, as ``⟨U+202E⟩``, so that it does nothing to the screen."""
    if text.isascii() and text.isprintable():
        return text
    spared = {place for match in _SPELLING.finditer(text) for place in range(*match.span())}
    marked = (
        f"⟨U+{ord(char):04X}⟩" if place not in spared and _unseen(char) else char for place, char in enumerate(text)
    )
    return "".join(marked)


def hides(text: str) -> bool:
    """Whether a text has characters that are not seen, or that pass for others."""
    left = _SPELLING.sub("", text)
    if left.isascii() and left.isprintable():
        return False
    plain = unicodedata.normalize("NFKC", left)
    return any(map(_unseen, left)) or bool(_HEAPED.search(plain)) or any(map(_dressed, left)) or _foreign(plain)


def _unseen(char: str) -> bool:
    """Invisible, bidirectional, striking out or private characters; ordinary white space is fine."""
    if char in "\n\t ":
        return False
    if "\u0334" <= char <= "\u0338" or char in _BLANKS or "\ufe00" <= char <= "\ufe0f" or char >= "\U000e0000":
        return True
    return unicodedata.category(char) in ("Cf", "Cc", "Co", "Cn", "Cs", "Me", "Zl", "Zp")


def _dressed(char: str) -> bool:
    """Letters drawn as something else, which no normal form takes back."""
    if char.isascii():
        return False
    name = unicodedata.name(char, "")
    return ("LATIN" in name or "BRAILLE" in name or "REGIONAL" in name) and any(one in name for one in _DRESSED)


def _foreign(text: str) -> bool:
    """Words of two alphabets that look alike; or, in Latin text, words of letters that only look Latin."""
    words = [word for word in text.split() if not word.isascii()]
    if any(map(_mixed, words)):
        return True
    latin = sum(char.isascii() and char.isalpha() for char in text)
    letters = sum(map(str.isalpha, text))
    return 2 * latin > letters and any(_passes(word) for word in words)


def _passes(word: str) -> bool:
    letters = [char for char in word if char.isalpha()]
    return len(letters) > 1 and all(char in _ALIKE for char in letters)


def _mixed(word: str) -> bool:
    """Letters of look-alike alphabets in one word."""
    scripts = {unicodedata.name(char, "").split(" ")[0] for char in word if char.isalpha()}
    return "LATIN" in scripts and any(script in scripts for script in _LOOKS_LATIN)
