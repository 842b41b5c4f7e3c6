"""Releases on the pages: put together from what is approved, published, rolled back, evaluated."""

import re

import pytest

from preceptor.library.desk import Desk
from preceptor.web.app import app
from preceptor.web.house import House

from .conftest import Visitor, alone

pytestmark = pytest.mark.anyio


def approve(house: House, *ids: str) -> None:
    for id_ in ids:
        house.desk.library.decide(id_, "approved", "ann")


async def test_from_nothing_to_a_live_release_and_back(visitor: Visitor, house: House) -> None:
    text = (await visitor.get("/releases")).text
    assert "no release is live" in text
    assert "Nothing is approved yet." in text
    approve(house, "st-sorry", "st-line")
    text = (await visitor.get("/releases")).text
    assert "2 strategies are approved" in text
    assert "Apologise for the repeated trouble." in text
    expected = re.search(r'name="expected" value="(\w+)"', text)
    assert expected
    made = await visitor.post("/releases/new", {"expected": expected[1], "note": "the <first>"})
    assert "It is not live yet" in made.text
    assert "the &lt;first&gt;" in made.text
    assert house.desk.library.live_hash() is None
    path = made.url.path
    live = await visitor.post(f"{path}/publish", {"live": "", "note": "go"})
    assert "The release is live." in live.text
    first = house.desk.library.live_hash()
    assert first == path.rsplit("/", 1)[1]

    approve(house, "st-window")
    await visitor.get("/releases")
    second = (await visitor.post("/releases/new")).url.path
    assert "1 strategy added" in (await visitor.get(second)).text.lower()
    await visitor.post(f"{second}/publish", {"live": first or ""})
    assert house.desk.library.live_hash() == second.rsplit("/", 1)[1]
    back = await visitor.post("/releases/rollback", {"live": second.rsplit("/", 1)[1], "note": "complaints"})
    assert "which is live now" in back.text
    assert house.desk.library.live_hash() == first
    trail = await visitor.get("/trail")
    assert trail.status_code == 200
    assert trail.text.count(f"having seen release {first[:12]}, 2 strategies") == 3, "put together, live, back"


async def test_a_release_is_put_together_of_some_of_what_is_approved(visitor: Visitor, house: House) -> None:
    approve(house, "st-sorry", "st-line", "st-name")
    page = await visitor.get("/releases/new")
    assert "In every conversation" in page.text
    assert page.text.count('name="id"') == 3
    made = await visitor.post("/releases/new", {"chosen": "yes", "id": "st-line"})
    release = house.desk.library.get_release(made.url.path.rsplit("/", 1)[1])
    assert [strategy.id for strategy in release.guidance.strategies] == ["st-line"]
    assert (await visitor.post("/releases/new", {"chosen": "yes"})).status_code == 400
    assert (await visitor.post("/releases/new", {"chosen": "yes", "id": "st-window"})).status_code == 409


async def test_what_changed_since_somebody_looked_is_not_released(visitor: Visitor, house: House) -> None:
    approve(house, "st-sorry")
    await visitor.get("/releases")
    before = house.desk.candidate().hash
    approve(house, "st-line")
    assert (await visitor.post("/releases/new", {"expected": before})).status_code == 409
    made = (await visitor.post("/releases/new")).url.path
    stale = await visitor.post(f"{made}/publish", {"live": "somethingelse"})
    assert stale.status_code == 409
    assert "Another release is live than when you looked." in stale.text
    assert house.desk.library.live_hash() is None


async def test_what_is_no_longer_approved_is_not_published(visitor: Visitor, house: House) -> None:
    approve(house, "st-sorry", "st-line")
    await visitor.get("/releases")
    made = (await visitor.post("/releases/new")).url.path
    house.desk.library.decide("st-line", "rejected", "ben")
    assert (await visitor.post(f"{made}/publish", {"live": ""})).status_code == 409
    assert house.desk.library.live_hash() is None


async def test_without_models_nothing_is_evaluated(house: House) -> None:
    approve(house, "st-sorry")
    made = house.desk.assemble("ann")
    async with Visitor(app(House(Desk(house.desk.library)), alone())) as visitor:
        page = await visitor.get(f"/releases/{made.hash}")
        assert "Evaluate it beside" not in page.text
        assert (await visitor.post(f"/releases/{made.hash}/evaluate")).status_code == 404
    async with Visitor(app(house, alone())) as visitor:
        assert (await visitor.get("/releases/none")).status_code == 404
