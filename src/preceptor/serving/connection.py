"""HTTP/1.1 to a server of models: connections that are kept, one exchange at a time on each, bytes given as they come.

Written on llhttp (httptools), which uvicorn parses requests with: a general client costs as much as everything else
that the gateway does for a request. It does what a gateway needs: no redirects, cookies, proxies, unpacking.

Promises: what is no answer, or is cut, or does not come in time is a fault and never an answer; who reads slowly stops
the server, not our memory; a connection on which anything was out of order is not used again.
"""

import asyncio
import socket
import ssl
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

import httptools
from aiohappyeyeballs import start_connection

from preceptor.errors import UserError

KEEPALIVE = 4.0
"""Seconds an idle connection is kept. Less than any server we know keeps it: vLLM closes after 5."""
HEAD = 1 << 16
"""Most bytes of an answer's head."""
HELD = 1 << 18
"""Bytes of an answer that may wait to be read; beyond, the server is made to wait."""
APART = 1 << 16
"""Bytes from which on a body is not copied behind its head, but written by itself."""
STAGGER = 0.25
"""Seconds after which a host's next address is tried beside the one that does not answer (RFC 8305)."""
Headers = list[tuple[bytes, bytes]]


class Broken(ConnectionError):
    """The connection ended before the answer was whole, or what came over it was no answer."""


class Unreachable(ConnectionError):
    """There was no connection to be had."""


@dataclass(frozen=True)
class Place:
    """Where a server listens."""

    host: str
    port: int
    secure: bool
    name: str
    """As the ``host`` header tells it."""
    base: str
    """The path that comes before every other."""

    @classmethod
    def of(cls, url: str) -> Self:
        """Raises: UserError: this is no URL of a server."""
        refused = UserError(f"{url!r} is no address of a server: http://HOST[:PORT]/PATH is asked for.")
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise refused from None
        if host is None or parts.scheme not in ("http", "https") or "@" in parts.netloc or parts.query:
            raise refused
        secure = parts.scheme == "https"
        return cls(host, port or (443 if secure else 80), secure, parts.netloc, parts.path.rstrip("/"))


class Connection(asyncio.Protocol):
    """One connection. After `ask`, it is the answer, until it goes back to its `Pool`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, patience: float) -> None:
        """`patience`: seconds the server may say nothing, before its answer and between any two pieces of it."""
        self.status = 0
        self.headers: Headers = []
        """Of the answer; names in lower case."""
        self.length: int | None = None
        """Bytes of its body, where it says so."""
        self.heard = False
        """Something has come since it was asked."""
        self.since = 0.0
        """When it was last of use, by the loop's clock."""
        self.transport: asyncio.Transport | None = None
        """None: lost."""
        self._loop = loop
        self._parser = httptools.HttpResponseParser(self)
        self._timer: asyncio.TimerHandle | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._asked = self._known = self._framed = self._whole = self._keep = self._held_up = False
        self._fault: Exception | None = None
        self._pieces: list[bytes] = []
        self._waiting = self._head = self._unsent = 0
        self._patience = patience

    # -- what a relay does --------------------------------------------------------------------------------------------

    async def ask(self, head: bytes, body: bytes) -> None:
        """Send a request and wait for the head of its answer.

        Raises:
            Broken, TimeoutError: the connection is of no more use.
        """
        self._begin()
        transport = self.transport
        if transport is None or transport.is_closing():
            raise Broken("the connection was closed")
        if len(body) < APART:
            transport.write(head + body)
        else:
            transport.write(head)
            transport.write(body)
            self._unsent = transport.get_write_buffer_size()
        while not self._known:
            await self._change()

    async def piece(self) -> bytes:
        """What has come of the body since, as soon as there is any; empty at its end.

        Raises:
            Broken, TimeoutError
        """
        while not self._pieces:
            if self._whole:
                return b""
            await self._change()
        pieces, self._pieces, self._waiting = self._pieces, [], 0
        if self._held_up:
            self._hold(False)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def whole(self) -> bytes:
        """All of the body.

        Raises:
            Broken, TimeoutError
        """
        pieces = []
        while piece := await self.piece():
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    @property
    def usable(self) -> bool:
        """Whether it may be asked again."""
        transport = self.transport
        free = not self._asked or (self._whole and self._keep and not self._pieces)
        # An answer may have come before all of the request had gone.
        return free and transport is not None and not transport.is_closing() and not transport.get_write_buffer_size()

    def rest(self) -> None:
        """Its answer was read."""
        self._asked, self._pieces, self.headers = False, [], []
        self.since = self._loop.time()

    def close(self) -> None:
        """At once, whatever is under way."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if self.transport:
            self.transport.abort()

    # -- what the event loop and the parser do ------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # No assertion: uvloop's transports are of a class of their own.
        self.transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        if not self._asked:
            # Nobody asked; a later answer must not be taken for this.
            self.close()
            return
        self.heard = True
        self.since = self._loop.time()
        if not self._known:
            self._head += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail(Broken("what came was no answer"))
        if not self._known:
            if self._head > HEAD:
                self._fail(Broken("the head of the answer is too long"))
        elif self._waiting > HELD and not self._held_up:
            self._hold(True)
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is None and self._known and not self._framed:
            # An answer that says nothing of its length ends with its connection.
            self._whole = True
        self._fail(Broken("the connection ended"))
        self.transport = None
        self.close()
        self._wake()

    def on_message_begin(self) -> None:
        if self._whole:
            # The beginning of a second answer to one request: whose is it?
            self._keep = False

    def on_header(self, name: bytes, value: bytes) -> None:
        # Trailers come here, too, when the headers have long gone on.
        if not self._known:
            self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        if self._known:
            return
        if self._head > HEAD and sum(len(name) + len(value) for name, value in self.headers) > HEAD:
            raise Broken("the head of the answer is too long")
        status = self._parser.get_status_code()
        if status < 200:
            # News on the way, such as 103 Early Hints, before the answer.
            self.headers = []
            return
        self.status, self._known = status, True
        for name, value in self.headers:
            if name == b"content-length":
                self.length, self._framed = int(value), True
            elif name == b"transfer-encoding":
                self._framed = True

    def on_body(self, body: bytes) -> None:
        if not self._whole:
            self._pieces.append(body)
            self._waiting += len(body)

    def on_message_complete(self) -> None:
        if self._known:
            self._keep = not self._whole and self._parser.should_keep_alive()
            self._whole = True

    # -- inside -------------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._asked = True
        self.heard = self._known = self._framed = self._whole = self._keep = False
        self.headers, self.length, self._fault = [], None, None
        self._waiting = self._head = self._unsent = 0
        self.since = self._loop.time()
        # One timer for many exchanges: it looks when the last piece came, instead of being set anew with each.
        if self._timer is None:
            self._timer = self._loop.call_later(self._patience, self._look)

    def _look(self) -> None:
        """Has anything come in time?"""
        self._timer = None
        if not self._asked or self._whole or self._fault or self.transport is None:
            return
        now, unsent = self._loop.time(), self.transport.get_write_buffer_size()
        if self._held_up or unsent < self._unsent:
            # It is the client who is slow, or we are still sending.
            self.since = now
        self._unsent = unsent
        left = self.since + self._patience - now
        if left > 0:
            self._timer = self._loop.call_later(left, self._look)
        else:
            self._fail(TimeoutError("nothing came in time"))
            self._wake()

    def _hold(self, up: bool) -> None:
        self._held_up = up
        if self.transport is None or self.transport.is_closing():
            return
        if up:
            self.transport.pause_reading()
        else:
            # Waiting for the client is not the server's silence.
            self.since = self._loop.time()
            self.transport.resume_reading()

    def _fail(self, fault: Exception) -> None:
        self._keep = False
        if not self._whole:
            self._fault = self._fault or fault

    async def _change(self) -> None:
        """Until something has happened. Raises: Broken, TimeoutError: it was the end."""
        if self._fault:
            raise self._fault
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Pool:
    """Connections to one place."""

    def __init__(self, place: Place, reach: float, patience: float) -> None:
        """`reach`: seconds it may take to connect. `patience`: those a server may say nothing."""
        self._place = place
        self._reach = reach
        self._patience = patience
        self._secured = ssl.create_default_context() if place.secure else None
        self._idle: list[Connection] = []
        """The latest used last."""
        self._reaper: asyncio.TimerHandle | None = None

    def idle(self) -> Connection | None:
        """One that is open already."""
        while self._idle:
            found = self._idle.pop()
            if found.usable and asyncio.get_running_loop().time() - found.since < KEEPALIVE:
                return found
            found.close()
        return None

    async def connect(self) -> Connection:
        """A new one.

        Raises:
            Unreachable
            TimeoutError: it took too long.
        """
        loop, place = asyncio.get_running_loop(), self._place
        try:
            async with asyncio.timeout(self._reach):
                addresses = await loop.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
                wire = await start_connection(addresses, happy_eyeballs_delay=STAGGER, loop=loop)
                # Otherwise the second write of a request could wait for the first to be acknowledged.
                wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                _, made = await loop.create_connection(
                    lambda: Connection(loop, self._patience),
                    sock=wire,
                    ssl=self._secured,
                    server_hostname=place.host if place.secure else None,
                )
        except TimeoutError:
            raise
        except OSError as fault:
            raise Unreachable(*fault.args) from fault
        return made

    def put_back(self, connection: Connection) -> None:
        """Keep it for the next, if it is of any use; to be called when an answer was read, or given up."""
        if not connection.usable:
            connection.close()
            return
        connection.rest()
        self._idle.append(connection)
        if self._reaper is None:
            self._reaper = asyncio.get_running_loop().call_later(KEEPALIVE, self._reap)

    def _reap(self) -> None:
        loop = asyncio.get_running_loop()
        kept: list[Connection] = []
        for one in self._idle:
            if one.usable and loop.time() - one.since < KEEPALIVE:
                kept.append(one)
            else:
                one.close()
        self._idle = kept
        left = kept[0].since + KEEPALIVE - loop.time() if kept else 0.0
        self._reaper = loop.call_later(max(left, 0.0), self._reap) if kept else None

    def close(self) -> None:
        if self._reaper:
            self._reaper.cancel()
            self._reaper = None
        for one in self._idle:
            one.close()
        self._idle.clear()
