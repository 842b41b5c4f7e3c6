"""A page's place: its path, who may see it, and the function that makes it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from starlette.responses import Response

from preceptor.web.people import Role
from preceptor.web.visits import Visit

Handler = Callable[[Visit], Response] | Callable[[Visit], Awaitable[Response]]
"""A plain function runs in a worker thread and may wait for the database; an async one must not."""


@dataclass(frozen=True)
class Page:
    """One line of the table of routes and roles (`table.PAGES`), from which both routing and rights come."""

    method: Literal["GET", "POST"]
    path: str
    """As Starlette has it: ``/strategies/{id}``."""
    role: Role | None
    """The lowest role that may; None: everybody, signed in or not."""
    handler: Handler
