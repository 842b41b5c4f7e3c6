"""The gateway on a socket: uvicorn with uvloop and httptools, set up for a program that only passes things on."""

import functools
import socket
from collections.abc import Callable
from typing import Any, cast

import uvicorn

from preceptor.serving.wire import Patience, Wire

KEEPALIVE = 75
"""Seconds an idle client's connection is kept: longer than clients keep theirs, so that they and not we close it."""
PATIENT = Patience()
GRACE = 30
"""Seconds that requests under way are given when we are told to stop."""


def config(
    app: object, patience: Patience = PATIENT, refused: Callable[[str], None] = lambda code: None
) -> uvicorn.Config:
    """How uvicorn is to run. `patience`: with clients. `refused`: told the code of each refusal that the application
    hears nothing of."""
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        loop="uvloop",
        # What uvicorn makes a connection with; it takes a class, and calls it.
        http=cast(Any, functools.partial(Wire, patience, refused)),
        ws="none",
        lifespan="on",
        # Ours says more, and its own lines would hold the client's query.
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=False,
        # Nothing here goes by the client's address, and rewriting it costs every request a step.
        proxy_headers=False,
        timeout_keep_alive=KEEPALIVE,
        timeout_graceful_shutdown=GRACE,
    )


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Raises:
        OSError: the port is taken, or the address is not this machine's.
    """
    listening = socket.create_server((host, port), backlog=2048, family=_family(host))
    # Connections inherit it. asyncio sets it only on sockets that were made with TCP named, which these
    # are not. Without it, an event of a stream waits until the one before is acknowledged.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
