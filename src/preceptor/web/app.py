"""The review as an ASGI application: the table of pages made into routes, and everything that holds for all of them."""

import inspect
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from typing import TypeVar, cast

import anyio.to_thread
from jinja2 import Environment
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from preceptor.errors import PreceptorError
from preceptor.web import forms, seal
from preceptor.web.admission import Admission
from preceptor.web.attempts import Attempts
from preceptor.web.drawing import environment
from preceptor.web.forms import Form
from preceptor.web.guard import LOCAL, Guard
from preceptor.web.house import House
from preceptor.web.refusals import TITLES, Refused, status_of
from preceptor.web.routing import Handler, Page
from preceptor.web.statics import statics
from preceptor.web.table import PAGES
from preceptor.web.visits import Visit

T = TypeVar("T")

AT_ONCE = 8
"""Pages made at the same time, each in a thread; the rest wait their turn."""
SIGN_IN = "/sign-in"


def app(house: House, admission: Admission, hosts: Iterable[str] = LOCAL, *, https: bool = False) -> ASGIApp:
    """The review of one project.

    Args:
        house: what its pages draw on; whoever made it closes it.
        admission: who visitors are.
        hosts: names (without port) under which browsers may ask for it.
        https: browsers come by https, so cookies are for that alone.
    """
    desk = _Desk(house, admission, environment(), Attempts(), anyio.CapacityLimiter(AT_ONCE))
    routes: list[BaseRoute] = [*(desk.route(page) for page in PAGES), statics()]
    faults = {HTTPException: desk.astray, Exception: desk.broken}
    return Guard(Starlette(routes=routes, exception_handlers=faults), hosts, https)  # type: ignore[arg-type]


@dataclass(frozen=True)
class _Desk:
    house: House
    admission: Admission
    templates: Environment
    attempts: Attempts
    threads: anyio.CapacityLimiter

    def route(self, page: Page) -> Route:
        async def serve(request: Request) -> Response:
            visit = self._visit(request)
            try:
                visit = replace(visit, person=await self._in_thread(lambda: self.admission.who(request)))
                response = self._barred(visit, page) or await self._made(await self._read(visit, page), page.handler)
            except Refused as refused:
                response = _refusal(visit, refused.status, refused.text)
            except PreceptorError as fault:
                response = _refusal(visit, status_of(fault), str(fault))
            if visit.cookie != request.cookies.get(seal.COOKIE) and not _gives_cookie(response):
                seal.put(response, visit.cookie, request)
            return response

        return Route(page.path, serve, methods=[page.method])

    async def astray(self, request: Request, fault: HTTPException) -> Response:
        """A path that is none, or is not asked so."""
        person = await self._in_thread(lambda: self.admission.who(request))
        text = "Nothing has this address. It may have been mistyped, or be gone."
        return _refusal(replace(self._visit(request), person=person), fault.status_code, text)

    async def broken(self, request: Request, fault: Exception) -> Response:
        """A defect: told as such here, with its traceback where the server writes."""
        return _refusal(self._visit(request), 500, "Nothing was changed. Please report what you did just before.")

    def _visit(self, request: Request) -> Visit:
        cookie = seal.value_of(request) or seal.fresh()
        return Visit(request, self.house, None, Form(), cookie, self.templates, self.admission, self.attempts)

    def _barred(self, visit: Visit, page: Page) -> Response | None:
        """What somebody gets who may not see a page."""
        if page.role is None or visit.may(page.role):
            return None
        if visit.person is not None:
            what = f"This needs the role of {page.role}; yours is {visit.person.role}."
            raise Refused(403, f"{what} An admin can change it with `preceptor accounts role`.")
        if self.admission.accounts is None:
            raise Refused(403, "Nobody has vouched for you. Come through the proxy that knows you.")
        return _to_sign_in(visit)

    async def _read(self, visit: Visit, page: Page) -> Visit:
        if page.method == "GET":
            return visit
        form = await forms.read(visit.request)
        if not seal.sealed(visit.cookie, form.text(seal.FIELD)):
            raise Refused(403, "This form is too old, so nothing was done. Go back, reload the page, and try again.")
        return replace(visit, form=form)

    async def _made(self, visit: Visit, handler: Handler) -> Response:
        if inspect.iscoroutinefunction(handler):
            return await cast(Callable[[Visit], Awaitable[Response]], handler)(visit)
        return await self._in_thread(lambda: cast(Callable[[Visit], Response], handler)(visit))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await anyio.to_thread.run_sync(work, limiter=self.threads)


def _refusal(visit: Visit, status: int, text: str) -> Response:
    title = TITLES.get(status, TITLES[400])
    return visit.page("part_said.html" if visit.part else "refusal.html", status, title=title, text=text)


def _to_sign_in(visit: Visit) -> Response:
    if visit.part:
        return Response(status_code=401, headers={"hx-redirect": visit.at(SIGN_IN)})
    request = visit.request
    back = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    if request.method != "GET" or back == "/":
        return RedirectResponse(visit.at(SIGN_IN), 303)
    return RedirectResponse(visit.at(SIGN_IN, to=f"{back}?{visit.query}" if visit.query else back), 303)


def _gives_cookie(response: Response) -> bool:
    mark = f"{seal.COOKIE}=".encode()
    return any(name == b"set-cookie" and value.startswith(mark) for name, value in response.raw_headers)
