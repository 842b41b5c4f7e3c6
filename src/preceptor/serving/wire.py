"""Connections that clients hold: uvicorn's, with bounds on what a client may do before and after its request.

Promises: a head is neither endless nor endlessly slow, and nor is a client that takes nothing of its answer; what is no
HTTP is refused in the protocol's shape; a body that was refused is neither kept nor waited for, but read past for a
while, since clients hear no refusal while they speak. Trailers are dropped: what was decided by the head is not
changed after it.
"""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from preceptor.serving.protocols import openai
from preceptor.serving.protocols.messages import Messages
from preceptor.serving.refusals import Refused

PAST = 5.0
"""Seconds for which what is left of a refused body is read past; then the connection is closed."""


_UPGRADE = re.compile(rb"\r\n(?:upgrade[ \t]*:[^\r]*\r\n)+", re.IGNORECASE)


@dataclass(frozen=True)
class Patience:
    """What a connection may do."""

    head: int = 64 << 10
    """Most bytes of a request's line and headers; more is refused with 431."""
    head_seconds: float = 10.0
    """From a head's first byte to its last; a slower one is refused with 408."""
    taking_seconds: float = 60.0
    """For which a client may take nothing of an answer that waits for it; then it is cut off."""


class _Unfit(Exception):
    """Stops the parser."""


class Wire(HttpToolsProtocol):
    """One connection."""

    def __init__(self, patience: Patience, refused: Callable[[str], None], **config: Any) -> None:
        """`refused`: told the code of each refusal made here. `config`: uvicorn's."""
        super().__init__(**config)
        self._patience = patience
        self._refused = refused
        self.url = b""
        self._fault: Refused | None = None
        self._before = True
        """No head has come in since the last request's end."""
        self._size = 0
        """Bytes that came since the last request's end, and more than 0 when a head has begun."""
        self._head: list[bytes] = []
        """What came of a head, while it is coming in."""
        self._upgrading = False
        """The head that came in would have another protocol spoken."""
        self._slow: asyncio.TimerHandle | None = None
        self._past: asyncio.TimerHandle | None = None
        self._stuck: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        # uvicorn does so only after a first request.
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._slow, self._past, self._stuck):
            if timer is not None:
                timer.cancel()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._size += len(data)
        if self._before:
            self._head.append(data)
        super().data_received(data)
        if self._before and self._size and not self.transport.is_closing():
            if self._size > self._patience.head:
                self._refuse(_long(self._patience.head))
            elif self._slow is None:
                self._slow = self.loop.call_later(self._patience.head_seconds, self._late)

    def on_message_begin(self) -> None:
        self._size = self._size or 1
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._before:
            return
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self._slow is not None:
            self._slow.cancel()
            self._slow = None
        head = self._patience.head
        if self._size > head and len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > head:
            self._fault = _long(head)
            raise _Unfit
        if self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT":
            self._upgrading = True
            raise _Unfit
        self._before = False
        self._head.clear()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._before, self._size = True, 0
        self._head.clear()
        if self._past is not None:
            self._past.cancel()
            self._past = None
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self._before and self._past is None:
            self._past = self.loop.call_later(PAST, self.transport.close)

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._stuck is None:
            self._stuck = self.loop.call_later(self._patience.taking_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._stuck is not None:
            self._stuck.cancel()
            self._stuck = None

    def send_400_response(self, msg: str) -> None:
        """uvicorn's name for what is done when the parser fails."""
        if self._upgrading and not self._fault:
            self._stay()
            return
        self._refuse(self._fault or Refused(400, "This is not HTTP as it is meant to be.", code="malformed_http"))

    def _stay(self) -> None:
        """Read a head again without its offer of another protocol: the parser would take the body for that one."""
        head, end, rest = b"".join(self._head).partition(b"\r\n\r\n")
        self._head.clear()
        self._upgrading, self._size = False, 0
        without, found = _UPGRADE.subn(b"\r\n", head + end)
        if not found:
            self.send_400_response("")
            return
        self.parser = httptools.HttpRequestParser(self)
        self.data_received(without + rest)

    def _late(self) -> None:
        self._refuse(Refused(408, "The request's head did not come in in time.", code="slow_head"))

    def _refuse(self, refused: Refused) -> None:
        self._refused(refused.code or refused.kind)
        cycle = cast(RequestResponseCycle | None, self.cycle)
        if cycle is not None and cycle.response_started and not cycle.response_complete:
            # Within an answer nothing can be said.
            self.transport.abort()
            return
        body = (Messages().error if self.url.startswith(b"/v1/messages") else openai.error)(refused)
        head = (
            f"HTTP/1.1 {refused.status} {HTTPStatus(refused.status).phrase}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()


def _long(head: int) -> Refused:
    most = f"{head / 1024:g} KiB"
    return Refused(431, f"The request's headers are longer than {most}, the most taken here.", code="headers_too_long")
