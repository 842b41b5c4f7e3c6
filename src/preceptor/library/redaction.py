"""Customers' data taken out of texts that are handed on, such as training sets.

What counts as data is what `leak` keeps out of strategies: e-mail addresses, numbers of three digits or more and codes
that the customer or a tool brought up, names somebody introduced. Each gets a placeholder, the same one wherever it
stands, so that a reply still repeats what it was told. What the owner's own text holds (policy, prices) stays. Simple
patterns find simple data: an address or a rare name without an introduction slips through.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from preceptor.dialogue.conversation import Context
from preceptor.library.leak import CODE, EMAIL, NUMBER, figures, names


@dataclass(frozen=True)
class Redaction:
    """The data of some conversations that belong together, and their placeholders."""

    figures: frozenset[str]
    """Numbers without separators, codes in lower case."""
    names: tuple[str, ...]
    public: str
    """Text whose contents are no secret."""
    _placeholders: dict[tuple[str, str], str] = field(default_factory=dict)

    @classmethod
    def of(cls, contexts: Iterable[Context], public: str = "") -> "Redaction":
        turns = [turn for context in contexts for turn in context.turns]
        told = " \n".join(turn.text for turn in turns if turn.party != "agent")
        known = set(re.findall(r"\w+", public.casefold()))
        found = dict.fromkeys(name for name in names(" \n".join(turn.text for turn in turns)))
        mine = frozenset(figures(told)) - frozenset(figures(public))
        return cls(mine, tuple(name for name in found if name.casefold() not in known), public)

    def text(self, text: str) -> str:
        """The text with placeholders such as ``[number 1]``, counted in order of appearance."""
        text = EMAIL.sub(lambda m: m[0] if m[0] in self.public else self._placeholder("e-mail", m[0].casefold()), text)
        text = CODE.sub(self._figure("code", str.casefold), text)
        text = NUMBER.sub(self._figure("number", lambda found: re.sub(r"\D", "", found)), text)
        for name in self.names:
            text = re.sub(rf"\b{re.escape(name)}\b", lambda m: self._placeholder("name", m[0]), text)
        return text

    def _figure(self, kind: str, plain: Callable[[str], str]) -> Callable[[re.Match[str]], str]:
        def replaced(match: re.Match[str]) -> str:
            key = plain(match[0])
            return self._placeholder(kind, key) if key in self.figures else match[0]

        return replaced

    def _placeholder(self, kind: str, key: str) -> str:
        count = sum(other == kind for other, _ in self._placeholders)
        return self._placeholders.setdefault((kind, key), f"[{kind} {count + 1}]")
