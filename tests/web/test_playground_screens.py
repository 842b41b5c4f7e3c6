"""The playground in a real browser."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from preceptor.library.desk import Desk
from preceptor.settings.stage import Stage
from preceptor.web.app import app
from preceptor.web.house import House

from .conftest import Reader, Theme, alone, served
from .test_playground import LIST, NUTS, folder, stage

__all__ = ["folder", "stage"]


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
            page.wait_for_timeout(500)
            page.reload()
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
            page.wait_for_timeout(500)
            page.reload()
        expect(page.get_by_label(LIST)).not_to_be_checked()
