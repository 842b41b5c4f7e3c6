"""The access log: a line of JSON for each request, without a word of what was said unless that is asked for."""

import contextlib
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import anyio.to_thread
import orjson

from preceptor.dialogue.conversation import Context
from preceptor.library.redaction import Redaction
from preceptor.serving.lines import Lines
from preceptor.serving.recording import STRANGE, reply
from preceptor.serving.visit import Visit

QUIET = frozenset({"healthz", "readyz", "metrics"})
"""Routes that are asked every few seconds by machines, and would drown the rest."""


class AccessLog:
    """Writes a line for each request that is over."""

    def __init__(self, lines: Lines, *, messages: bool = False) -> None:
        """`messages`: with what was said last and what was answered, customers' data replaced."""
        self._lines = lines
        self.taped = messages

    @property
    def lost(self) -> int:
        return self._lines.lost

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        self._lines.open()
        try:
            yield
        finally:
            await anyio.to_thread.run_sync(self._lines.close)

    def note(self, visit: Visit) -> None:
        if visit.route not in QUIET:
            self._lines.put(orjson.dumps(told(visit) | (words(visit) if self.taped else {})))


def told(visit: Visit) -> dict[str, Any]:
    """What is said of a request. Milliseconds, tokens; what does not apply is left out."""
    said: dict[str, Any] = {
        "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "route": visit.route,
        "status": visit.status,
        "ms": _ms(time.perf_counter() - visit.began),
        "refused": visit.refused or None,
    }
    if visit.caller is not None:
        said |= {"tenant": visit.caller.tenant, "key": visit.caller.key or None}
    if (given := visit.given) is not None:
        said |= {"teaching": given.state, "release": given.release[:12] or None, "reason": given.reason or None}
        if given.finding is not None:
            said["strategies"] = [strategy.id for strategy in given.finding.found.strategies] or None
            said["finding_ms"] = _ms(given.finding.seconds)
    if (trip := visit.trip) is not None:
        said |= {"model": _clean(trip.model), "upstream": trip.upstream, "tries": trip.tries, "cut": trip.cut or None}
        said["first_byte_ms"] = _ms(trip.first_byte) if trip.first_byte else None
    if (heard := visit.heard) is not None:
        said |= {"answer": _clean(heard.id) or None, "prompt_tokens": heard.usage.prompt_tokens}
        said |= {"completion_tokens": heard.usage.completion_tokens, "estimated": heard.estimated or None}
    return {name: value for name, value in said.items() if value is not None}


def words(visit: Visit) -> dict[str, str]:
    """What the customer said last and what was answered, without customers' data, as far as simple patterns find it."""
    asked, heard = visit.asked, visit.heard
    if asked is None:
        return {}
    redaction = Redaction.of([Context(asked.turns)])
    said = next((turn.text for turn in reversed(asked.turns) if turn.party == "customer"), "")
    found = {"said": _whole(redaction.text(said))}
    with contextlib.suppress(*STRANGE):
        if heard is not None and (answered := reply(heard.tape)):
            found["answered"] = _whole(redaction.text(answered["content"]))
    return found


def _whole(text: str) -> str:
    """JSON can name halves of characters, which cannot be written."""
    return text.encode("utf-8", "replace").decode()


def _clean(model: str | None) -> str | None:
    return model and _whole(model)[:200]


def _ms(seconds: float) -> float:
    return round(1000 * seconds, 2)
