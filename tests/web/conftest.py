"""A furnished house for the review's tests: in process with `visitor`, in a real browser with `open_page`."""

import html
import re
import shutil
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, Self

import httpx2
import pytest
import uvicorn
from argon2 import PasswordHasher
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright
from starlette.types import ASGIApp

from preceptor.dialogue.conversation import Context, Turn
from preceptor.library.desk import Desk
from preceptor.library.model import Effect, Evidence, Scenario, Strategy
from preceptor.library.rows import Use
from preceptor.library.store import Batch, Library
from preceptor.storage.database import Database
from preceptor.web import seal
from preceptor.web.accounts import Accounts
from preceptor.web.admission import Admission, Alone
from preceptor.web.app import app
from preceptor.web.house import House
from preceptor.web.people import Person, Role

CHROMIUM = shutil.which("chromium")
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
"""Hashing that costs a test nothing."""
Theme = Literal["light", "dark"]
LONGEST = 180_000.0
"""Milliseconds after which what a browser waits for counts as never coming."""


def talk(*texts: str) -> Context:
    """A conversation that the customer begins."""
    return Context(tuple(Turn("agent" if n % 2 else "customer", text) for n, text in enumerate(texts)))


OUTAGE = Scenario(
    "sc-outage",
    "The customer reports the same outage again.",
    (talk("Hello", "Hi, what is it?", "My line is dead again, the third time!"), talk("It is down again.")),
)
BILL = Scenario(
    "sc-bill", "The customer does not understand a charge on the bill.", (talk("What are these 12 euros?"),)
)


def strategy(id_: str, text: str, scenario: Scenario | None, value: float) -> Strategy:
    return Strategy(id_, text, f"Because of {id_}.", scenario.id if scenario else None, value, "accepted")


STRATEGIES = (
    strategy("st-sorry", "Apologise for the repeated trouble.", OUTAGE, 0.4),
    strategy("st-window", "Give a time window for the repair.", OUTAGE, 0.2),
    strategy("st-refund", "Promise a refund of $20 at once.", OUTAGE, 0.1),
    strategy("st-line", "Explain the charge line by line.", BILL, 0.3),
    strategy("st-name", "Use the customer's own words.", None, 0.05),
)


def evidence(one: Strategy, scenario: Scenario | None) -> tuple[Evidence, ...]:
    first = scenario.examples[0] if scenario else OUTAGE.examples[0]
    return (
        Evidence(
            "origin",
            "20261121-090000-aaaa",
            first,
            before="Please restart your router.",
            teacher="I am sorry that it is down again. A technician comes between 8 and 10.",
            reason=one.reason,
        ),
        Evidence(
            "retry", "20261121-090000-aaaa", first, "Please restart your router.", "I am sorry. Restart it, please."
        ),
        Evidence("acceptance", "20261121-090000-aaaa", effect=Effect(one.value, one.value - 0.1, one.value + 0.1, 40)),
        Evidence("no_harm", "20261121-090000-aaaa", effect=Effect(-0.01, -0.05, 0.03, 120)),
    )


def furnish(library: Library) -> None:
    """Two scenarios and five strategies, each with evidence; nothing is decided."""
    scenarios: Mapping[str | None, Scenario] = {scenario.id: scenario for scenario in (OUTAGE, BILL)}
    found = {one.id: evidence(one, scenarios.get(one.scenario)) for one in STRATEGIES}
    library.store(Batch((OUTAGE, BILL), STRATEGIES, found, use=Use("Helpdesk")), "20261121-090000-aaaa", "1")


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once, because making it takes longer than most tests of it."""
    place = tmp_path_factory.mktemp("furnished") / "p.db"
    with Database.open(place) as opened:
        furnish(Library(opened))
    return place


@pytest.fixture
def db(furnished: Path, tmp_path: Path) -> Iterator[Database]:
    shutil.copy(furnished, tmp_path / "p.db")
    with Database.open(tmp_path / "p.db") as opened:
        yield opened


@pytest.fixture
def house(db: Database) -> House:
    return House(Desk(Library(db)))


@pytest.fixture
def accounts(db: Database) -> Accounts:
    return Accounts(db, QUICK)


def alone(role: Role = "admin", name: str = "ann") -> Admission:
    return Alone(Person(name, role))


class Visitor:
    """A browser without a screen: keeps cookies, says where its forms come from, and does not run scripts."""

    def __init__(self, app: ASGIApp, address: str = "127.0.0.1") -> None:
        transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False, client=(address, 40000))
        self.http = httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1", follow_redirects=True)
        self.hidden = dict[str, str]()
        """What the forms of the page seen last carry."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()

    async def get(self, path: str, headers: Mapping[str, str] | None = None) -> httpx2.Response:
        return self._seen(await self.http.get(path, headers=headers))

    async def post(
        self, path: str, values: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> httpx2.Response:
        """Send a form of the page that was seen last."""
        sent = {"origin": "http://127.0.0.1"} | dict(headers or {})
        return self._seen(await self.http.post(path, data=self.hidden | dict(values or {}), headers=sent))

    def _seen(self, response: httpx2.Response) -> httpx2.Response:
        fields = re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', response.text)
        self.hidden = {name: html.unescape(value) for name, value in fields} or self.hidden
        if cookie := self.http.cookies.get(seal.COOKIE):
            self.hidden["seal"] = seal.seal_of(cookie)  # the page may have no form
        return response


@pytest.fixture
async def visitor(house: House) -> AsyncIterator[Visitor]:
    """Alone at the machine, as an admin."""
    async with Visitor(app(house, alone())) as one:
        yield one


@contextmanager
def served(app: ASGIApp) -> Iterator[str]:
    """An application behind a port of its own; its address."""
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off", timeout_graceful_shutdown=1))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        thread = threading.Thread(target=lambda: server.run([taken]), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"
        server.should_exit = True
        thread.join()


class Reader:
    """A window on the review, and what went wrong in it: console messages, errors, requests to anywhere else."""

    def __init__(self, browser: Browser, base: str, theme: Theme, width: int, *, scripts: bool, checks: bool) -> None:
        self.context = browser.new_context(
            base_url=base,
            viewport={"width": width, "height": 900},
            color_scheme=theme,
            java_script_enabled=scripts,
            # axe is put into the page, which the page's own policy forbids, as it should.
            bypass_csp=checks,
        )
        self._base = base
        self.context.set_default_timeout(LONGEST)
        self.page: Page = self.context.new_page()
        self.faults = list[str]()
        self.page.on("console", lambda message: self.faults.append(message.text))
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("request", lambda request: self._asked(request.url))

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()

    def _asked(self, url: str) -> None:
        if not url.startswith((f"{self._base}/", "data:")):
            self.faults.append(url)

    def violations(self) -> list[str]:
        found = Axe().run(self.page, None, {"runOnly": WCAG}).response["violations"]
        return [f"{fault['id']}: {node['html'][:200]}" for fault in found for node in fault["nodes"]]

    @property
    def overflow(self) -> int:
        """Pixels that the page is wider than its window."""
        return max(0, int(self.page.evaluate("document.documentElement.scrollWidth - innerWidth")))


OpenPage = Callable[..., Reader]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """For a module without async tests: Playwright's loop runs in this thread as long as the browser is open."""
    if CHROMIUM is None:
        pytest.skip("needs chromium on the PATH (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        # Without its sandbox: in a container Chromium has none to start, and it opens nothing but our own pages.
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"], timeout=LONGEST)
        expect.set_options(timeout=LONGEST)
        yield opened
        opened.close()


@pytest.fixture
def open_page(browser: Browser, house: House) -> Iterator[OpenPage]:
    """Open a page in the browser: ``open_page("/queue", theme="dark", width=360, scripts=False)``."""
    readers = list[Reader]()
    with served(app(house, alone())) as base:

        def opened(
            path: str, *, theme: Theme = "light", width: int = 1280, scripts: bool = True, checks: bool = False
        ) -> Reader:
            reader = Reader(browser, base, theme, width, scripts=scripts, checks=checks)
            readers.append(reader)
            reader.page.goto(path)
            return reader

        yield opened
        for reader in readers:
            reader.context.close()
