"""Thinking, taken out of what the other party sees: ``<think>…</think>`` in a reply's text."""

import re

_OPEN, _CLOSE = "<think>", "</think>"
_THOUGHT = re.compile(f"{_OPEN}(.*?)(?:{_CLOSE}|\\Z)", re.DOTALL)


def split_thinking(text: str) -> tuple[str, str | None]:
    """A text without its ``<think>`` blocks, and what stood in them (None: there were none).

    Some templates open the block themselves, so that only its end is in the text; a reply cut off while thinking has
    only its beginning.
    """
    head, close, tail = text.partition(_CLOSE)
    orphan = bool(close) and _OPEN not in head
    rest = tail if orphan else text
    thoughts = [head] if orphan else []
    thoughts += _THOUGHT.findall(rest)
    if not thoughts:
        return text, None
    return _THOUGHT.sub("", rest).strip(), "\n".join(thought.strip() for thought in thoughts)


class Thoughtless:
    """The same for text that comes in pieces, which may end in the middle of a tag. What a template opened itself has
    been passed on before its end is seen; only a whole text can be mended there."""

    def __init__(self) -> None:
        self._held = ""
        self._inside = False

    def feed(self, piece: str) -> str:
        """What can be shown now."""
        self._held += piece
        shown = []
        while (tag := _CLOSE if self._inside else _OPEN) in self._held:
            before, self._held = self._held.split(tag, 1)
            shown.append("" if self._inside else before)
            self._inside = not self._inside
        keep = _overlap(self._held, tag)
        ready, self._held = self._held[: len(self._held) - keep], self._held[len(self._held) - keep :]
        return "".join(shown) + ("" if self._inside else ready)

    def end(self) -> str:
        """What was held back in case it became a tag."""
        held, self._held = self._held, ""
        return "" if self._inside else held


def _overlap(text: str, tag: str) -> int:
    """How many characters at the end of a text may be the beginning of a tag."""
    return next((size for size in range(min(len(tag) - 1, len(text)), 0, -1) if text.endswith(tag[:size])), 0)
