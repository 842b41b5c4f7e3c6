"""`python wiretap.py LOG COMMAND…`: a command of Python's, and when it sent each request and read each 429, by itself.

What was on its way when a server said "later" cannot be told by anybody but the client from what was sent regardless:
so this wraps what its HTTP stands on, in its process, and the command runs as ever. A request counts as sent when its
first byte is handed to the connection, and a 429 as read when its head has been taken from there.
"""

from __future__ import annotations

import runpy
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, TextIO

import httpx2


@dataclass(frozen=True)
class Early:
    """A request that was sent though a Retry-After had been read and was not over."""

    after: float
    """Seconds since it was read."""
    before: float
    """Seconds until it would have been over."""


def early(lines: Iterable[str]) -> list[Early]:
    """Of a log, in the order in which things happened to the client."""
    found, holds = list[Early](), list[tuple[float, float]]()
    for line in lines:
        now, *until = (float(word) for word in line.split() if word[0].isdigit())
        holds = [hold for hold in holds if now < hold[1]]
        if until:
            holds.append((now, until[0]))
        elif holds:
            found.append(Early(now - min(read for read, _ in holds), max(over for _, over in holds) - now))
    return found


def _wait(headers: dict[str, str]) -> float | None:
    """Seconds that a reply asks to wait for."""
    if "retry-after-ms" in headers:
        return float(headers["retry-after-ms"]) / 1000
    told = headers.get("retry-after")
    if told is None:
        return None
    return float(told) if told.isdigit() else parsedate_to_datetime(told).timestamp() - time.time()


def tap(log: TextIO) -> None:
    """Write down what this process sends and reads from now on, by its monotonic clock."""
    usual = httpx2.AsyncHTTPTransport.handle_async_request

    async def note(event: str, info: dict[str, Any]) -> None:
        now = time.monotonic()
        if event == "http11.send_request_headers.started":
            log.write(f"{now:.6f} sent\n")
        elif event == "http11.receive_response_headers.complete":
            _, status, _, headers, *_ = info["return_value"]
            wait = _wait({name.decode().lower(): value.decode() for name, value in headers})
            if status >= 400 and wait is not None:
                log.write(f"{now:.6f} read {now + wait:.6f}\n")

    async def tapped(self: httpx2.AsyncHTTPTransport, request: httpx2.Request) -> httpx2.Response:
        its_own = request.extensions.get("trace")

        async def traced(event: str, info: dict[str, Any]) -> None:
            if its_own:
                await its_own(event, info)
            await note(event, info)

        request.extensions["trace"] = traced
        return await usual(self, request)

    httpx2.AsyncHTTPTransport.handle_async_request = tapped  # type: ignore[method-assign]


def main() -> None:
    _, log, *words = sys.argv
    sys.argv = words
    with Path(log).open("w", buffering=1) as file:
        tap(file)
        runpy.run_path(words[0], run_name="__main__")


if __name__ == "__main__":
    main()
