"""A manager's walk: from what a teaching run has left to a published release of ten strategies, on the pages alone.

What a person does is counted: each key, each text typed, each button. At six seconds each, reading included, which is
what somebody takes who has not seen the pages before, it must end within five minutes.
"""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from preceptor.dialogue.conversation import Context, Turn
from preceptor.library.desk import Desk
from preceptor.library.model import Effect, Evidence, Scenario, Strategy
from preceptor.library.rows import Use
from preceptor.library.store import Batch, Library
from preceptor.storage.database import Database
from preceptor.web.app import app
from preceptor.web.house import House

from .conftest import Reader, alone, served

PACE = 6.0
"""Seconds a person takes for one thing."""
WORDS = ("apologise", "say when", "offer a credit", "ask for the postcode", "repeat the order", "explain the bill")


def taught(library: Library) -> None:
    """Fifteen strategies that helped, in five situations."""
    run = "20261121-090000-aaaa"
    scenarios = [
        Scenario(f"sc-{n}", f"Situation number {n} of the walk.", (Context((Turn("customer", f"It is case {n}."),)),))
        for n in range(5)
    ]
    strategies = [
        Strategy(f"st-{n:02}", f"In case {n} {WORDS[n % 6]}, at step {n // 6}.", "", f"sc-{n % 5}", 0.3, "accepted")
        for n in range(15)
    ]
    evidence = {
        one.id: [
            Evidence("origin", run, scenarios[n % 5].examples[0], "Hm.", "", "Better.", "It was curt."),
            Evidence("acceptance", run, effect=Effect(0.3, 0.1, 0.5, 40)),
        ]
        for n, one in enumerate(strategies)
    }
    library.store(Batch(scenarios, strategies, evidence, use=Use("Helpdesk")), run, "1")


class Manager:
    """Somebody at the pages, who is counted."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.done = 0

    def presses(self, key: str) -> None:
        self.done += 1
        self.page.keyboard.press(key)

    def types(self, text: str) -> None:
        self.done += 1
        self.page.keyboard.insert_text(text)

    def clicks(self, role: str, name: str) -> None:
        self.done += 1
        self.page.get_by_role(role, name=re.compile(name)).first.click()  # type: ignore[arg-type]

    def sees(self, text: str) -> None:
        expect(self.page.get_by_role("main")).to_contain_text(text)
        # A page hears no key before its script has run.
        self.page.wait_for_load_state()


@pytest.fixture
def house(tmp_path: Path) -> House:
    library = Library(Database.open(tmp_path / "p.db"))
    taught(library)
    return House(Desk(library))


def test_from_a_teaching_run_to_a_published_release(browser: Browser, house: House) -> None:
    with (
        served(app(house, alone())) as base,
        Reader(browser, base, "light", 1280, scripts=True, checks=False) as reader,
    ):
        manager = Manager(reader.page)
        reader.page.goto("/")
        manager.sees("0 of 15 decided")
        manager.presses("Enter")
        expect(reader.page).to_have_url(re.compile("/strategies/"))
        for decided in range(15):
            manager.sees(f"{decided} of 15 decided")
            if decided in (2, 6):
                manager.presses("e")
                manager.presses("Control+End")
                manager.types(" Be brief.")
                manager.clicks("button", "Save and approve")
            elif decided in (4, 8, 11):
                manager.presses("r")
                manager.types("Not our way of doing it.")
                manager.presses("Control+Enter")
            elif decided < 13:
                manager.presses("a")
            else:
                break
        manager.sees("13 of 15 decided")
        manager.clicks("link", "^Releases$")
        manager.sees("10 strategies are approved")
        manager.clicks("button", "Put all of it together")
        manager.sees("It is not live yet")
        manager.clicks("button", "^Publish")
        manager.sees("The release is live.")
        assert reader.faults == []
    live = house.desk.library.live()
    assert live is not None
    assert len(live.guidance.strategies) == 10
    assert sum(strategy.text.endswith("Be brief.") for strategy in live.guidance.strategies) == 2
    assert house.desk.counts().decided == 13
    assert manager.done * PACE < 300
    house.desk.library.db.close()
