"""Strings that have broken other people's pages.

`blns.json` is the Big List of Naughty Strings as published on npm (big-list-of-naughty-strings 1.0.0, MIT, © 2015 Max
Woolf); `vectors.txt` are known ways of smuggling markup, addresses, templates and formulas, a line each.
"""

import json
import re
from pathlib import Path

_HERE = Path(__file__).parent / "strings"
_LISTED = json.loads((_HERE / "blns.json").read_text("utf-8"))
_VECTORS = (_HERE / "vectors.txt").read_text("utf-8").splitlines()

STRINGS: tuple[str, ...] = tuple(dict.fromkeys(text.strip() for text in (*_LISTED, *_VECTORS) if text.strip()))
"""As they are kept: without space around them, each once."""


def shown(text: str) -> str:
    """As a page shows it: a browser makes one line end of any, and any run of space one space."""
    return re.sub(r"\s+", " ", text).strip()
