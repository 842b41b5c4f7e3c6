"""Each screen in a real browser: in both themes, on a phone, at 200 %, under the strict policy, and checked by axe."""

import pytest

from preceptor.dialogue.conversation import Context, Turn
from preceptor.library.model import Effect, Evidence
from preceptor.library.store import Batch
from preceptor.llm.messages import ToolCall
from preceptor.web.house import House

from .conftest import OUTAGE, OpenPage, Theme, strategy
from .screens import SCREENS


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(open_page: OpenPage, theme: Theme) -> None:
    reader = open_page("/queue", theme=theme, checks=True)
    for path in SCREENS:
        reader.page.goto(path)
        assert reader.violations() == [], path


def test_nothing_is_asked_elsewhere_and_nothing_is_refused_by_the_policy(open_page: OpenPage) -> None:
    reader = open_page("/queue")
    for path in SCREENS:
        reader.faults.clear()
        response = reader.page.goto(path)
        assert response is not None
        missing = "Failed to load resource: the server responded with a status of 404 (Not Found)"
        expected = [] if response.ok else [missing]
        assert reader.faults == expected, path


@pytest.mark.parametrize("width", [360, 640])
def test_it_fits_a_phone_and_200_per_cent(open_page: OpenPage, width: int) -> None:
    """640 pixels are what a window of 1,280 has at 200 %."""
    reader = open_page("/queue", width=width)
    for path in SCREENS:
        reader.page.goto(path)
        assert reader.overflow == 0, path


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 360)])
def test_a_strategy_with_everything_that_can_be_said_of_one(
    open_page: OpenPage, house: House, theme: Theme, width: int
) -> None:
    """Harm, losses, a double, a contradiction, flags, a long conversation, tools, edits, decisions and a release."""
    turns = [Turn("agent" if n % 2 else "customer", f"Turn {n}") for n in range(12)]
    call = ToolCall("1", "line_check", '{"line": 7}')
    seen = Context((*turns, Turn("agent", "", (call,)), Turn("tool", "dead", (), "1"), Turn("customer", "And now?")))
    hurt = Effect(-0.2, -0.4, -0.05, 30)
    found = [
        Evidence("origin", "run", seen, "Restart it.", teacher="A technician comes.", reason="It helps nobody."),
        Evidence("retry", "run", seen, "Restart it.", "A technician comes between 8 and 10."),
        Evidence("loss", "run", seen, "I see.", "A technician comes at once, and we pay $20."),
        Evidence("acceptance", "run", effect=Effect(0.3, -0.1, 0.6, 40), reason="Not decided."),
        Evidence("no_harm", "run", effect=hurt),
        Evidence("general", "run", effect=Effect(0.2, 0.1, 0.3, 50, "satisfaction")),
    ]
    told = "Give a time window for the broken outdoor cabinet near the old market square and promise a refund of $20."
    others = (strategy("st-like", told.replace("Give a", "Always give the customer a"), OUTAGE, 0.1),)
    against = strategy("st-against", f"Never {told.lower()}", OUTAGE, 0.1)
    rich = strategy("st-rich", told, OUTAGE, 0.3)
    house.desk.library.store(Batch((), (rich, *others, against), {rich.id: found}), "run", "rich")
    house.desk.edit("st-rich", f"{told} (a@b.example)", "bob", seen=house.desk.view("st-rich").seen)
    house.desk.comment("st-rich", "eve", "Hm.")
    house.desk.decide("st-rich", "approved", "eve", "Fine.", seen=house.desk.view("st-rich").seen)
    house.desk.library.release("eve")
    reader = open_page("/strategies/st-rich", theme=theme, width=width, checks=True)
    text = reader.page.locator("main").inner_text()
    for said in (
        "Contradicts",
        "Says nearly the same",
        "Personal data",
        "judged worse",
        "7 earlier turns",
        "which is live",
    ):
        assert said.casefold() in text.casefold(), said
    assert text.index("Where it hurt") < text.index("−20 in 100") < text.index("Altogether") < text.index("+30 in 100")
    reader.page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert "line_check" in reader.page.locator("main").inner_text()
    assert reader.violations() == []
    assert reader.overflow == 0
