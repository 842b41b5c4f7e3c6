"""The playground in a real browser."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from preceptor.library.desk import Desk
from preceptor.settings.stage import Stage
from preceptor.web.app import app
from preceptor.web.house import House

from .conftest import Reader, Theme, alone, served
from .test_playground import LIST, NUTS, folder, stage

__all__ = ["folder", "stage"]


def until(page: Page, holds: Callable[[], bool]) -> None:
    """Look again, as a reader does whose page does not change by itself."""
    for _ in range(1000):
        if holds():
            return
        page.wait_for_timeout(100)
        page.reload()
    pytest.fail("it never came")


@pytest.mark.parametrize(
    ("theme", "width", "scripts"), [("light", 1280, True), ("dark", 360, True), ("light", 640, False)]
)
def test_a_talk(browser: Browser, stage: Stage, theme: Theme, width: int, scripts: bool, tmp_path: Path) -> None:
    house = House(Desk(stage.library), stage=stage, simulated=True)
    with (
        served(app(house, alone())) as base,
        Reader(browser, base, theme, width, scripts=scripts, checks=False) as reader,
        Reader(browser, base, theme, width, scripts=True, checks=True) as checker,
    ):
        page = reader.page
        page.goto("/playground")
        assert not scripts or reader.overflow == 0
        page.get_by_label("The teacher answers, too").check()
        page.get_by_role("button", name="Begin").click()
        page.get_by_label("What the customer says next").fill(NUTS)
        page.get_by_role("button", name="Send").click()
        if not scripts:
            until(page, lambda: page.get_by_text("Strategies in the prompt").is_visible())
        expect(page.get_by_text("Strategies in the prompt")).to_be_visible()
        expect(page.get_by_role("main")).to_contain_text(LIST)
        assert reader.faults == []
        for address in ("/playground", page.url):
            checker.page.goto(address)
            assert checker.violations() == []
            assert checker.overflow == 0
        page.get_by_label(LIST).uncheck()
        page.get_by_role("button", name="Answer again with these").click()
        if not scripts:
            until(page, lambda: page.get_by_label(LIST).count() == 1 and not page.get_by_label(LIST).is_checked())
        expect(page.get_by_label(LIST)).not_to_be_checked()
