"""The pages of runs in a real browser.

`finished` comes first: its runs want an event loop of their own, and the browser's takes this thread's.
"""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from preceptor.settings.office import Office
from preceptor.web.app import app

from .conftest import Reader, Theme, alone, served
from .test_runs import finished, folder, house, office, the, the_pages

__all__ = ["finished", "folder", "office"]


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 360)])
def test_they_fit_are_readable_and_ask_nothing_elsewhere(
    finished: Path, browser: Browser, office: Office, theme: Theme, width: int
) -> None:
    with served(app(house(office), alone())) as base:
        for checks in (True, False):
            with Reader(browser, base, theme, width, scripts=True, checks=checks) as reader:
                for path in the_pages(office):
                    reader.page.goto(path)
                    assert reader.overflow == 0, path
                    if checks:
                        assert reader.violations() == [], path
                if not checks:
                    assert reader.faults == []


def test_a_report_is_seen_in_its_frame_with_its_style(finished: Path, browser: Browser, office: Office) -> None:
    run = the(office, "evaluate").id
    with (
        served(app(house(office), alone())) as base,
        Reader(browser, base, "light", 1280, scripts=True, checks=False) as reader,
    ):
        reader.page.goto(f"/runs/{run}/report")
        frame = reader.page.frame_locator("iframe.report")
        expect(frame.locator("h1")).to_contain_text("“teacher”")
        assert frame.locator("h1").evaluate("element => getComputedStyle(element).fontFamily") != "serif"
        assert reader.faults == []
