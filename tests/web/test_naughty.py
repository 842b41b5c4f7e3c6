"""Strings that have broken other people's pages, typed into every field and said by every model: each shows as itself,
and none becomes a part of the page."""

from collections import Counter
from html.parser import HTMLParser

import pytest

from preceptor.library.model import Scenario, Strategy
from preceptor.web.accounts import Accounts
from preceptor.web.admission import SignedIn
from preceptor.web.app import app
from preceptor.web.house import House
from preceptor.web.visits import bit

from .conftest import Visitor, alone
from .naughty import STRINGS, shown

pytestmark = pytest.mark.anyio
ACTIVE = {"script", "style", "link", "base", "meta", "img", "iframe", "object", "embed", "video", "audio", "template"}


class Parsed(HTMLParser):
    """A page as a browser would take it: its elements, its attributes, its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements = list[str]()
        self.active = Counter[str]()
        """What does something by itself: elements that load or run, attributes that do."""
        self.values = list[str]()
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.active.update({tag} & ACTIVE)
        self.active.update(name for name, _ in attrs if name.startswith(("on", "hx-", "data-hx-", "style", "srcdoc")))
        self.values += [value for _, value in attrs if value]

    def handle_data(self, data: str) -> None:
        self.text += data


async def test_what_is_searched_for_stands_in_the_field_again(visitor: Visitor) -> None:
    plain = Parsed((await visitor.get("/queue?q=nothing-has-this")).text)
    for text in STRINGS[::6]:
        page = Parsed((await visitor.http.get("/queue", params={"q": text})).text)
        assert text[:300] in page.values, text
        assert page.active == plain.active, text


async def test_what_was_typed_wrong_stands_in_its_fields_again(house: House, accounts: Accounts) -> None:
    async with Visitor(app(house, SignedIn(accounts))) as visitor:
        plain = Parsed((await visitor.get("/sign-in")).text)
        for text in STRINGS[::7]:
            page = Parsed((await visitor.http.get("/sign-in", params={"to": text})).text)
            assert text in page.values, text
            assert page.elements == plain.elements, text


async def test_a_reason_that_comes_too_late_is_not_lost(house: House) -> None:
    async with Visitor(app(house, alone())) as visitor:
        await visitor.get("/strategies/st-sorry")
        house.desk.comment("st-sorry", "bob", "first")
        house.desk.decide("st-sorry", "approved", "bob", seen=house.desk.view("st-sorry").seen)
        for text in STRINGS[::7]:
            page = Parsed((await visitor.post("/strategies/st-sorry/reject", {"note": text})).text)
            assert shown(text) in shown(page.text), text


async def test_comments_and_wordings_come_back_as_they_were_typed(visitor: Visitor, house: House) -> None:
    await visitor.get("/strategies/st-sorry")
    for text in STRINGS[::4]:
        comment = {**visitor.hidden, "note": text}
        origin = {"origin": "http://127.0.0.1"}
        await visitor.http.post("/strategies/st-sorry/comment", data=comment, headers=origin, follow_redirects=False)
    for text in STRINGS[::15]:
        page = await visitor.post(
            "/strategies/st-line/edit", {"text": text, "seen": house.desk.view("st-line").seen.token}
        )
        assert page.status_code == 200, text
    assert [entry.note for entry in house.desk.view("st-sorry").comments] == list(STRINGS[::4])
    assert [version.strategy.text for version in house.desk.view("st-line").history[1:]] == list(STRINGS[::15])


async def test_whoever_says_it_a_page_has_no_element_more(visitor: Visitor, house: House) -> None:
    """Ids of what was learned come from a file that somebody may have imported."""
    library = house.desk.library
    known = Parsed((await visitor.get("/strategies/st-sorry")).text)
    for text in STRINGS[::14]:
        home = Scenario("sc-" + text[:40], text, tags=(text,))
        library.put_scenario(home, text)
        library.put_strategy(Strategy("st-" + text[:40], text, text, home.id, measured="accepted"), text)
    for line in house.desk.page(limit=200).lines:
        if line.id.startswith("st-") and line.text in STRINGS:
            answer = await visitor.http.get(f"/strategies/{bit(line.id)}")
            assert answer.status_code == 200, line.id
            page = Parsed(answer.text)
            assert shown(line.text) in shown(page.text)
            assert page.active == known.active
