"""A report opened as a reader opens it: from the file, without a network, in a real browser; both themes, any width."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

import invented
from preceptor.evaluation.rendering import figures, page

CHROMIUM = shutil.which("chromium")
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
WIDE, NARROW = 1280, 360
Theme = Literal["light", "dark"]
LONGEST = 180_000.0
"""Milliseconds after which what a browser waits for counts as never coming."""

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="needs chromium on the PATH (Debian: apt-get install chromium)"
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # Without its sandbox: in a container Chromium has none to start, and it opens nothing but our own files.
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"], timeout=LONGEST)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three arms, with pages of transcripts."""
    target = tmp_path_factory.mktemp("report") / "report.html"
    found = figures.compute(invented.report(210, invented.ARMS[:3]), invented.provenance(), invented.attribution())
    page.render(found, stem=target.stem).write(target)
    return target


class Reader:
    """A window on a file, and what went wrong in it."""

    def __init__(self, browser: Browser, theme: Theme, width: int) -> None:
        # axe is put into the page, which the page's own policy forbids, as it should.
        self._context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=theme, offline=True, bypass_csp=True
        )
        self._context.set_default_timeout(LONGEST)
        self.page: Page = self._context.new_page()
        self.faults = list[str]()
        self.page.on("console", lambda message: self.faults.append(message.text))
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("request", lambda request: self._asked(request.url))

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *_: object) -> None:
        self._context.close()

    def _asked(self, url: str) -> None:
        if not url.startswith(("file:", "data:")):
            self.faults.append(url)

    def violations(self, within: str = "html") -> list[str]:
        found = Axe().run(self.page, within, {"runOnly": WCAG}).response["violations"]
        return [f"{fault['id']}: {node['html'][:200]}" for fault in found for node in fault["nodes"]]


@pytest.mark.parametrize(("theme", "width"), [("light", WIDE), ("dark", NARROW)])
def test_it_opens_offline_and_everybody_can_read_it(browser: Browser, report: Path, theme: Theme, width: int) -> None:
    with Reader(browser, theme, width) as reader:
        reader.page.goto(report.as_uri())
        reader.page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        assert reader.page.locator("h1").is_visible()
        assert reader.violations() == []
        assert reader.page.evaluate("document.documentElement.scrollWidth") <= width
        assert reader.faults == []


def test_a_page_of_transcripts_is_as_readable(browser: Browser, report: Path) -> None:
    with Reader(browser, "dark", NARROW) as reader:
        reader.page.goto(report.as_uri())
        reader.page.get_by_role("link", name="from No. 34", exact=True).click()
        assert "Transcripts, customers 34 to 66" in reader.page.locator("h1").inner_text()
        # The sections are alike, and all of them would take axe half a minute.
        assert reader.violations("header") + reader.violations("section:nth-of-type(-n+2)") == []
        reader.page.get_by_role("link", name="The report").click()
        assert "serves customers" in reader.page.locator("h1").inner_text()
        assert reader.faults == []


def test_a_loss_leads_to_its_transcript(browser: Browser, report: Path) -> None:
    with Reader(browser, "light", WIDE) as reader:
        reader.page.goto(report.as_uri())
        link = reader.page.locator("section:has(#losses) a").first
        number = link.inner_text()
        link.click()
        talk = reader.page.locator("details:target")
        assert talk.locator("summary").inner_text().startswith(f"{number}:")
        assert reader.page.locator("details:target .said").count() > 0


def test_it_prints_with_what_was_folded_open(browser: Browser, report: Path) -> None:
    with Reader(browser, "dark", WIDE) as reader:
        reader.page.goto(report.as_uri())
        reader.page.emulate_media(media="print")
        assert reader.page.locator("details .said").first.is_visible()
        assert (
            reader.page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(255, 255, 255)"
        )
        assert reader.page.pdf().startswith(b"%PDF")
