"""What a reply says of itself, picked up on the side while its bytes are passed on: id, model, tokens.

Works for every protocol the gateway speaks, plain and streaming. A stream is cut into events, of which the first and
those that tell the usage are read, when the stream is over. A reply that tells no usage (a stream that was not asked
to, or that was cut) is estimated, never taken for free.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import orjson

from preceptor.llm.messages import Usage
from preceptor.llm.wire import count

BYTES_PER_TOKEN = 4
"""What a token is taken to be where nobody counted: about that much English text in today's tokenisers."""
KEPT = 1 << 20
"""Most bytes of a reply that are kept to be read; an event longer than this is not."""
WHOLE = 1 << 16
"""Bytes up to which a plain reply is parsed as a whole; of a longer one (embeddings), only the usage is looked for."""
_SAID = re.compile(rb'"(?:content|text|delta|arguments|reasoning_content|thinking|partial_json)": ?"((?:[^"\\]|\\.)+)"')
_USAGE = re.compile(r'"usage"\s*:\s*(?=\{)')
_scan: Callable[[str, int], tuple[Any, int]] = json.JSONDecoder().scan_once  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Heard:
    """What a reply told."""

    usage: Usage
    id: str = ""
    model: str = ""
    estimated: bool = False
    """The reply did not say what it took."""
    tape: bytes = b""
    """The whole reply, where somebody asked for it."""


class Ear:
    """Listens to one reply."""

    def __init__(self, asked: int, told: Callable[[Heard], None], *, taped: bool = False) -> None:
        """`asked`: bytes of the request, for estimates. `told`: called once, before the client can know that the reply
        is over. `taped`: keep the reply, if it is not longer than `KEPT`."""
        self._asked = asked
        self._told = told
        self._events: bool | None = None
        self._rest = b""
        self._first = b""
        self._usage = b""
        """The last event that told the usage."""
        self._said = 0
        """Bytes of text in a stream."""
        self._over = False
        self._tape: list[bytes] | None = [] if taped else None
        self._taped = 0

    def hear(self, piece: bytes) -> None:
        """A piece of the reply."""
        if self._tape is not None:
            self._record(piece)
        if self._events is None:
            self._events = not piece.lstrip().startswith((b"{", b"["))
        if not self._events:
            # The usage of a long reply stands at its end.
            self._rest = (self._rest + piece)[-KEPT:] if self._rest else piece
            return
        buffer = self._rest + piece if self._rest else piece
        end = max(buffer.rfind(b"\n\n") + 2, buffer.rfind(b"\r\n\r\n") + 4)
        if end < 4:
            self._rest = buffer if len(buffer) < KEPT else b""
            return
        self._rest = buffer[end:]
        self._read(buffer[:end] if self._rest else buffer)

    def _read(self, events: bytes) -> None:
        self._first = self._first or events
        self._said += sum(map(len, _SAID.findall(events)))
        if b'"usage"' in events:
            self._usage = events

    def _record(self, piece: bytes) -> None:
        assert self._tape is not None
        self._taped += len(piece)
        if self._taped <= KEPT:
            self._tape.append(piece)
        else:
            self._tape.clear()

    def over(self) -> None:
        """The reply has ended, or was cut."""
        if not self._over:
            self._over = True
            heard = self._heard()
            self._told(replace(heard, tape=b"".join(self._tape)) if self._tape else heard)

    def _heard(self) -> Heard:
        found = [_opened(self._rest)] if not self._events else [*_events(self._first), *_events(self._usage)]
        usages = [usage for data in found if (usage := _usage_of(data))]
        about = next(map(_about, found), {})
        name, model = (str(about.get(key) or "") for key in ("id", "model"))
        if usages:
            # Anthropic's streams tell the prompt's tokens first and the reply's last.
            prompt, completion = (max(usage[place] for usage in usages) for place in (0, 1))
            return Heard(Usage(prompt, completion), name, model)
        said = self._said if self._events else len(self._rest)
        return Heard(Usage(_tokens(self._asked), _tokens(said)), name, model, estimated=True)


def _tokens(size: int) -> int:
    return -(-size // BYTES_PER_TOKEN)


def _opened(whole: bytes) -> dict[str, Any]:
    """A plain reply; of a long one, no more than its usage."""
    if len(whole) <= WHOLE:
        return _object(whole)
    text = whole[-WHOLE:].decode("utf-8", "replace")
    for match in reversed(list(_USAGE.finditer(text))):
        try:
            return {"usage": _scan(text, match.end())[0]}
        except (ValueError, StopIteration):
            continue
    return {}


def data_of(reply: bytes) -> list[dict[str, Any]]:
    """What is in a reply: the object it is, or those of its events."""
    return [_object(reply)] if reply.lstrip().startswith(b"{") else _events(reply)


def _events(events: bytes) -> list[dict[str, Any]]:
    lines = (line for line in events.splitlines() if line.startswith(b"data:"))
    return [data for line in lines if (data := _object(line[5:]))]


def _object(text: bytes) -> dict[str, Any]:
    try:
        data = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    return data if isinstance(data, dict) else {}


def _about(data: dict[str, Any]) -> dict[str, Any]:
    """The object that has id, model and usage: the data itself, or what an event is about."""
    inner = data.get("response") or data.get("message")
    return inner if isinstance(inner, dict) else data


def _usage_of(data: dict[str, Any]) -> tuple[int, int] | None:
    usage = data.get("usage") or _about(data).get("usage")
    if not isinstance(usage, dict):
        return None
    told = {name: count(value) for name, value in usage.items()}
    cached = told.get("cache_creation_input_tokens", 0) + told.get("cache_read_input_tokens", 0)
    prompt = told.get("prompt_tokens") or told.get("input_tokens", 0) + cached
    completion = told.get("completion_tokens") or told.get("output_tokens", 0)
    return (prompt, completion) if prompt or completion else None
