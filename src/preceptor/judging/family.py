"""Whether two models are of one family: judges favour their own kind (Panickssery et al., arXiv 2404.13076)."""

import re

_HOUSES = {
    "openai": ("gpt", "chatgpt", "o", "davinci"),
    "google": ("gemini", "gemma", "palm"),
    "mistral": ("mistral", "mixtral", "ministral", "codestral", "magistral", "devstral", "pixtral"),
    "cohere": ("command", "aya"),
    "xai": ("grok",),
}
"""Houses whose models go by several names; others are told by the letters their names begin with."""
_HOUSE = {name: house for house, names in _HOUSES.items() for name in names}


def family(model: str) -> str:
    """``gpt-4.1`` and ``openai/o3`` are of one, ``Qwen/Qwen3-8B`` is of another; empty where a name has no letters."""
    found = re.match(r"[a-z]*", model.rsplit("/", 1)[-1].lower())
    letters = found[0] if found else ""
    return _HOUSE.get(letters, letters)


def kin(judge: str, teacher: str) -> str:
    """A sentence of warning where a judge is of the teacher's family; else empty."""
    if not family(judge) or family(judge) != family(teacher):
        return ""
    return f"The judge, {judge}, is of the teacher's family ({teacher}): judges favour their own kind."
