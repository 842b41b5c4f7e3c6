"""Customers' data taken out of texts: conversations that come in, training sets, recordings and traces that go out.

What has a form or is announced is found by `private`; what else may be a customer's, by what `leak` keeps out of
strategies: numbers of three digits or more and codes that the customer or a tool brought up, names somebody introduced.
Each gets a placeholder, the same one wherever it stands in texts that belong together, so that a reply still repeats
what it was told. What the owner's own text holds (policy, prices) stays. A datum found once is found everywhere: an
order number is replaced also where it stands alone, a first name also where the full one was given before.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from preceptor.dialogue.conversation import Context, Turn
from preceptor.library.leak import CODE, NUMBER, figures, names
from preceptor.library.private import Kind, Span, answers, disjoint, spans

Finder = Callable[[str], Sequence[Span]]
"""Finds more than `private` does, such as a model for names."""
_KEYS: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    ("e-mail", re.compile(r"e_?mail", re.I)),
    ("login", re.compile(r"passw|passcode|^pin$|secret|token|api_?key|user_?name|user_?id|login|^cvv$", re.I)),
    ("iban", re.compile(r"iban", re.I)),
    ("card", re.compile(r"card_?(?:number|no)|^pan$|credit_?card$", re.I)),
    ("ip", re.compile(r"^ip(?:_?addr(?:ess)?)?$", re.I)),
    ("birth date", re.compile(r"^dob$|birth", re.I)),
    ("document", re.compile(r"passport|licen[cs]e|^ssn$|national_?id|tax_?id", re.I)),
    ("phone", re.compile(r"phone|mobile|^tel$|^fax$|whatsapp", re.I)),
    ("address", re.compile(r"^address|street|^zip|post(?:al)?_?code", re.I)),
    (
        "order",
        re.compile(
            r"(?:order|booking|reservation|customer|client|account|ticket|case|tracking)_?(?:id|no|number|ref)$", re.I
        ),
    ),
    ("name", re.compile(r"^(?:(?:first|last|full|sur|family|given|customer|user|patient|guest|holder)_?)?name$", re.I)),
)
"""By the names that tools give their fields."""
_DEEP = 60
"""Levels of a tool's JSON that are looked into; deeper, it is taken as text."""


@dataclass(frozen=True)
class Redaction:
    """The data of some conversations that belong together, and their placeholders."""

    public: str
    """Text whose contents are no secret."""
    figures: frozenset[str]
    """Numbers without separators, codes in lower case, to be replaced though they have no kind."""
    known: dict[str, tuple[str, str]]
    """By text found: its kind and what it is the same as."""
    more: Finder | None = None
    found: Counter[str] = field(default_factory=Counter)
    """How often a datum was replaced, by kind."""
    _placeholders: dict[tuple[str, str], str] = field(default_factory=dict)
    _counts: Counter[str] = field(default_factory=Counter)
    _found: dict[tuple[str, str], list[Span]] = field(default_factory=dict)
    """What was found in texts by now: each is looked at twice, to learn and to replace."""
    _patterns: list[re.Pattern[str]] = field(default_factory=list)
    """All of `known` as one, once it is needed."""

    @classmethod
    def of(
        cls,
        contexts: Iterable[Context],
        public: str = "",
        *,
        people: Iterable[str] = (),
        figured: bool = True,
        more: Finder | None = None,
    ) -> "Redaction":
        """What is to be replaced in `contexts`, and in what belongs to them.

        `people`: names known beside what was said. `figured`: also numbers and codes that have no kind we know, if
        the customer or a tool brought them up; for what leaves the house, where too much taken out does no harm.
        """
        made = cls(public, frozenset(), {}, more)
        for person in people:
            made._know(person, "name")
        seen: set[tuple[Turn, ...]] = set()
        turns = [turn for context in contexts for turn in _once(context.turns, seen)]
        for before, turn in zip([None, *turns], turns, strict=False):
            made._look(turn, before.text if before and before.party != turn.party else "")
        if not figured:
            return made
        told = " \n".join(turn.text for turn in turns if turn.party != "agent")
        known = set(re.findall(r"\w+", public.casefold()))
        for name in names(" \n".join(turn.text for turn in turns)):
            if name.casefold() not in known:
                made._know(name, "name")
        mine = frozenset(figures(told)) - frozenset(figures(public))
        return cls(public, mine, made.known, more)

    def text(self, text: str) -> str:
        """The text with placeholders such as ``[phone 1]``, counted in order of appearance."""
        return self._filled(text, [*self._spans(text, ""), *self._standing(text)])

    def json(self, text: str) -> str:
        """Of a tool's arguments or result the same, and JSON again: a number that is data becomes a text."""
        try:
            value = orjson.loads(text)
            if not isinstance(value, dict | list):
                return self.text(text)
            return orjson.dumps(self._value(value)).decode()
        except (orjson.JSONDecodeError, TypeError, _TooDeep):
            return self.text(text)

    def _look(self, turn: Turn, asked: str) -> None:
        """Learn what a turn holds."""
        for text in (turn.text, *(call.arguments for call in turn.tool_calls)):
            if text[:1] in ("{", "["):
                for key, value in _leaves(text):
                    self._field(key, value)
            for span in self._spans(text, asked if turn.party == "customer" else ""):
                self._know(text[span.start : span.end], span.kind)

    def _field(self, key: str, value: str) -> None:
        kind = next((kind for kind, pattern in _KEYS if pattern.search(key)), None)
        if kind and len(value) > 2 and not (kind == "name" and not value[:1].isupper()):
            self._know(value, kind)
        for span in self._spans(value, ""):
            self._know(value[span.start : span.end], span.kind)

    def _know(self, text: str, kind: Kind) -> None:
        text = text.strip()
        if len(text) < 2 or self._is_public(text):
            return
        key = _plain(text, kind)
        if kind == "name":
            # The parts of a full name mean the same person.
            key = self.known.get(text, (kind, key))[1]
            for part in re.findall(r"[^\W\d_]+(?:['’-][^\W\d_]+)*", text):
                if len(part) > 2 and part[:1].isupper() and not self._is_public(part):
                    self.known.setdefault(part, (kind, key))
        self.known.setdefault(text, (kind, key))
        self._patterns.clear()

    def _is_public(self, text: str) -> bool:
        return bool(self.public) and re.search(rf"(?<!\w){re.escape(text)}(?!\w)", self.public) is not None

    def _spans(self, text: str, asked: str) -> list[Span]:
        key = text, asked if answers(text, asked) else ""
        if key not in self._found:
            found = spans(*key)
            if self.more is not None:
                found = disjoint([*found, *self.more(text)], text)
            self._found[key] = [span for span in found if not self._is_public(text[span.start : span.end])]
        return self._found[key]

    def _standing(self, text: str) -> Iterator[Span]:
        """What is known by now, wherever it stands."""
        if self.known:
            for match in self._everything().finditer(text):
                kind = self.known[match[0]][0]
                yield Span(match.start(), match.end(), kind)  # type: ignore[arg-type]

    def _everything(self) -> re.Pattern[str]:
        if not self._patterns:
            said = "|".join(map(re.escape, sorted(self.known, key=len, reverse=True)))
            self._patterns.append(re.compile(rf"(?<!\w)(?:{said})(?!\w)"))
        return self._patterns[0]

    def _filled(self, text: str, found: Sequence[Span]) -> str:
        pieces, last = [], 0
        for span in disjoint(found, text):
            pieces += [self._figures(text[last : span.start]), self._instead(text[span.start : span.end], span.kind)]
            last = span.end
        return "".join((*pieces, self._figures(text[last:])))

    def _instead(self, said: str, kind: str) -> str:
        kind, key = self.known.get(said, (kind, _plain(said, kind)))
        return self._placeholder(kind, key)

    def _figures(self, text: str) -> str:
        if not self.figures:
            return text
        text = CODE.sub(self._figure("code", str.casefold), text)
        return NUMBER.sub(self._figure("number", lambda found: re.sub(r"\D", "", found)), text)

    def _figure(self, kind: str, plain: Callable[[str], str]) -> Callable[[re.Match[str]], str]:
        def replaced(match: re.Match[str]) -> str:
            key = plain(match[0])
            return self._placeholder(kind, key) if key in self.figures else match[0]

        return replaced

    def _placeholder(self, kind: str, key: str) -> str:
        self.found[kind] += 1
        if (kind, key) not in self._placeholders:
            self._counts[kind] += 1
            self._placeholders[kind, key] = f"[{kind} {self._counts[kind]}]"
        return self._placeholders[kind, key]

    def _value(self, value: object, key: str = "", depth: int = 0) -> object:
        if depth > _DEEP:
            raise _TooDeep
        match value:
            case str():
                return self.json(value) if value[:1] in ("{", "[") else self.text(value)
            case bool() | None:
                return value
            case int() | float():
                said = self.text(str(value))
                return value if said == str(value) else said
            case list():
                return [self._value(item, key, depth + 1) for item in value]
            case dict():
                return {self.text(name): self._value(item, name, depth + 1) for name, item in value.items()}
        return value


class _TooDeep(Exception):
    pass


def _once(turns: tuple[Turn, ...], seen: set[tuple[Turn, ...]]) -> tuple[Turn, ...]:
    """Contexts of one conversation hold its beginnings again and again."""
    if turns in seen:
        return ()
    seen.add(turns)
    return turns


def _plain(text: str, kind: str) -> str:
    """What is the same however it is written."""
    if kind in ("card", "phone"):
        return re.sub(r"\D", "", text)
    if kind in ("iban", "order", "document"):
        return re.sub(r"[\W_]", "", text).casefold()
    return " ".join(text.split()).casefold()


def _leaves(text: str) -> list[tuple[str, str]]:
    """(field, value) of all that is said in a JSON text, as far down as we look."""
    try:
        waiting: list[tuple[str, Any, int]] = [("", orjson.loads(text), 0)]
    except orjson.JSONDecodeError:
        return []
    found = []
    while waiting:
        key, value, depth = waiting.pop()
        if isinstance(value, dict) and depth < _DEEP:
            waiting += [(name, item, depth + 1) for name, item in value.items()]
        elif isinstance(value, list) and depth < _DEEP:
            waiting += [(key, item, depth + 1) for item in value]
        elif isinstance(value, str) or (isinstance(value, int | float) and not isinstance(value, bool)):
            found.append((key, str(value)))
    return found
