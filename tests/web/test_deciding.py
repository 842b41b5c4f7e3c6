"""Each decision as a form alone makes it: what it does, where one is then, and what happens when it cannot be made."""

import re
from typing import NoReturn

import pytest

from preceptor.library.desk import Desk
from preceptor.library.queue import Filter
from preceptor.web.app import app
from preceptor.web.house import House

from .conftest import Visitor, alone

pytestmark = pytest.mark.anyio


def state(house: House, id_: str) -> str:
    return house.desk.view(id_).state


async def test_the_queue_begins_with_the_first_undecided_and_moves_on(visitor: Visitor, house: House) -> None:
    page = await visitor.get("/queue?sort=effect")
    assert "0 of 5 decided" in page.text
    found = re.search(r'href="(/strategies/[^"]*)" data-key="Enter"', page.text)
    assert found
    assert found[1] == "/strategies/st-sorry?sort=effect"
    seen = list[str]()
    for _ in range(5):
        id_ = page.url.path.split("/")[-1] if seen else "st-sorry"
        page = await visitor.get(f"/strategies/{id_}?sort=effect")
        seen.append(id_)
        page = await visitor.post(f"/strategies/{id_}/approve?sort=effect")
    assert seen == ["st-sorry", "st-line", "st-window", "st-refund", "st-name"], "by effect"
    assert page.url.path == "/queue"
    assert "That was the last one" in page.text
    assert "All 5 strategies of this list are decided" in page.text
    assert house.desk.counts().decided == 5


async def test_previous_and_next_go_through_decided_ones_too(visitor: Visitor) -> None:
    await visitor.get("/strategies/st-line?sort=effect")
    await visitor.post("/strategies/st-line/approve?sort=effect")
    page = await visitor.get("/strategies/st-window?sort=effect")
    assert '"/strategies/st-line?sort=effect" data-key="k"' in page.text
    assert "3 of 5" in page.text
    assert "1 of 5 decided" in page.text


async def test_a_rejection_needs_a_reason_and_keeps_it(visitor: Visitor, house: House) -> None:
    await visitor.get("/strategies/st-refund")
    page = await visitor.post("/strategies/st-refund/reject", {"note": "  "})
    assert page.status_code == 400
    assert "A rejection needs a reason" in page.text
    assert state(house, "st-refund") == "undecided"
    await visitor.post("/strategies/st-refund/reject", {"note": "We never promise money."})
    assert state(house, "st-refund") == "rejected"
    assert "We never promise money." in (await visitor.get("/strategies/st-refund")).text
    await visitor.post("/strategies/st-refund/reopen")
    assert state(house, "st-refund") == "undecided"


async def test_a_new_wording_is_a_version_whose_measurement_is_stale(visitor: Visitor, house: House) -> None:
    await visitor.get("/strategies/st-sorry")
    page = await visitor.post("/strategies/st-sorry/edit", {"text": "Apologise once for the repeated trouble."})
    assert page.url.path == "/strategies/st-sorry"
    assert "edited after it was measured" in page.text
    assert "<ins>once</ins>" in page.text
    view = house.desk.view("st-sorry")
    assert (view.strategy.version, view.state, view.author, view.stale) == (2, "undecided", "ann", True)
    page = await visitor.post("/strategies/st-sorry/edit-and-approve", {"text": "Apologise, but once."})
    assert page.url.path != "/strategies/st-sorry"
    assert state(house, "st-sorry") == "approved"


async def test_deferring_with_a_day_and_without(visitor: Visitor, house: House) -> None:
    await visitor.get("/strategies/st-sorry")
    assert (await visitor.post("/strategies/st-sorry/defer", {"until": "soon"})).status_code == 400
    assert (await visitor.post("/strategies/st-sorry/defer", {"until": "2020-01-01"})).status_code == 400
    await visitor.post("/strategies/st-sorry/defer", {"until": "2999-12-24", "note": "After the holidays"})
    assert "deferred until 24 Dec 2999" in (await visitor.get("/queue?state=deferred")).text
    await visitor.get("/strategies/st-line")
    await visitor.post("/strategies/st-line/defer")
    assert house.desk.counts().states["deferred"] == 2


async def test_a_comment_changes_nothing_else(visitor: Visitor, house: House) -> None:
    await visitor.get("/strategies/st-sorry")
    assert (await visitor.post("/strategies/st-sorry/comment", {"note": ""})).status_code == 400
    page = await visitor.post("/strategies/st-sorry/comment", {"note": "Ask legal."})
    assert page.url.path == "/strategies/st-sorry"
    assert "Ask legal." in page.text
    assert state(house, "st-sorry") == "undecided"


async def test_who_comes_second_hears_who_was_first_and_keeps_what_they_wrote(house: House) -> None:
    async with Visitor(app(house, alone(name="ann"))) as ann, Visitor(app(house, alone(name="bob"))) as bob:
        for one in (ann, bob):
            await one.get("/strategies/st-sorry")
        await ann.post("/strategies/st-sorry/approve")
        for path, typed in (("approve", {}), ("reject", {"note": "Too meek, I find"}), ("edit", {"text": "Say sorry"})):
            page = await bob.post(f"/strategies/st-sorry/{path}", typed)
            assert page.status_code == 409
            assert "ann" in page.text
            assert all(text in page.text for text in typed.values())
        assert [entry.who for entry in house.desk.view("st-sorry").decisions] == ["ann"]


async def test_four_eyes(house: House) -> None:
    strict = House(Desk(house.desk.library, four_eyes=True))
    async with Visitor(app(strict, alone(name="ann"))) as ann, Visitor(app(strict, alone(name="bob"))) as bob:
        await ann.get("/strategies/st-sorry")
        page = await ann.post("/strategies/st-sorry/edit", {"text": "Say sorry once."})
        page = await ann.post("/strategies/st-sorry/approve")
        assert page.status_code == 403
        assert "four eyes" in page.text
        await bob.get("/strategies/st-sorry")
        await bob.post("/strategies/st-sorry/approve")
        assert state(house, "st-sorry") == "approved"


async def test_all_at_once_leaves_out_what_is_flagged_and_asks_for_the_count(visitor: Visitor, house: House) -> None:
    page = await visitor.get("/queue/all")
    assert "4 strategies will be approved" in page.text
    assert "1 flagged one is left out" in page.text
    token = re.search(r'all/approve.*?name="token" value="(\w+)"', page.text, re.DOTALL)
    assert token
    for count in ("5", "", "four", "3"):
        assert (await visitor.post("/queue/all/approve", {"count": count, "token": token[1]})).status_code in (400, 409)
    assert house.desk.counts().decided == 0
    page = await visitor.post("/queue/all/approve", {"count": "4", "token": token[1]})
    assert "4 strategies approved." in page.text
    assert state(house, "st-refund") == "undecided"


async def test_all_means_all_that_match(visitor: Visitor, house: House) -> None:
    page = await visitor.get("/queue/all?q=charge")
    token = re.search(r'all/reject.*?name="token" value="(\w+)"', page.text, re.DOTALL)
    assert token
    values = {"count": "1", "token": token[1], "note": "Billing is not for the student."}
    await visitor.post("/queue/all/reject?q=charge", values)
    assert [line.id for line in house.desk.page(Filter(state="rejected")).lines] == ["st-line"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=REFUND", ["st-refund"]),
        ("q=outage+window", ["st-window"]),
        ("flagged=yes", ["st-refund"]),
        ("flag=promise+of+money", ["st-refund"]),
        ("scenario=sc-bill", ["st-line"]),
        ("scenario=general", ["st-name"]),
        ("state=approved", []),
        ("measured=refused", []),
        ("sort=effect&reverse=yes&flagged=no", ["st-name", "st-window", "st-line", "st-sorry"]),
        ("state=nonsense&sort=nonsense&page=999999&measured=%00&flagged=maybe&q=refund", ["st-refund"]),
    ],
)
async def test_what_is_shown_is_what_the_address_asks_for(visitor: Visitor, query: str, found: list[str]) -> None:
    page = await visitor.get(f"/queue?{query}")
    assert page.status_code == 200
    assert re.findall(r'class="text" href="/strategies/([\w-]+)', page.text) == found


async def test_the_trail_tells_it_all_and_can_be_taken_away(visitor: Visitor, house: House) -> None:
    await visitor.get("/strategies/st-sorry")
    await visitor.post("/strategies/st-sorry/reject", {"note": "=1+1"})
    page = await visitor.get("/trail?what=decide&verify=yes")
    assert "Nothing was altered" in page.text
    assert "=1+1" in page.text
    assert "version 1, +40 in 100" in page.text
    csv = await visitor.get("/trail.csv?what=decide")
    assert csv.headers["content-disposition"] == 'attachment; filename="trail.csv"'
    assert "'=1+1" in csv.text
    lines = (await visitor.get("/trail.jsonl")).text.splitlines()
    assert len(lines) == len(list(house.desk.lines()))
    assert (await visitor.get("/trail?since=soon")).status_code == 400
    ever = await visitor.get("/trail?since=0001-01-01&until=9999-12-31")
    assert "=1+1" in ever.text


async def test_what_is_not_there_is_said_in_words(visitor: Visitor) -> None:
    page = await visitor.get("/strategies/st-none")
    assert page.status_code == 404
    assert "The nearest is" in page.text
    await visitor.get("/strategies/st-sorry")
    assert (await visitor.post("/strategies/st-none/approve")).status_code == 404
    assert (await visitor.post("/strategies/st-sorry/approve", {"seen": "never"})).status_code == 400
    assert (await visitor.get("/strategies/st-sorry/approve")).status_code == 405


async def test_what_was_done_is_said_however_long_the_search_and_the_wording(visitor: Visitor) -> None:
    await visitor.get("/strategies/st-sorry")
    await visitor.post("/strategies/st-sorry/edit", {"text": "Sorry \N{PARTY POPPER}" * 400})
    page = await visitor.post(f"/strategies/st-sorry/approve?q={'trouble+' * 90}")
    assert "Approved: Sorry" in page.text
    assert all(len(value) < 4000 for value in page.history[0].headers.get_list("set-cookie")), (
        "browsers drop longer ones"
    )


async def test_a_defect_is_told_as_one_and_shows_nothing_of_itself(house: House) -> None:
    class Broken(Desk):
        def trail(self, *_: object, **__: object) -> NoReturn:
            raise RuntimeError("password=secret")

    async with Visitor(app(House(Broken(house.desk.library)), alone())) as visitor:
        page = await visitor.get("/trail")
        assert page.status_code == 500
        assert "the fault is ours" in page.text
        assert "secret" not in page.text
        assert "default-src" in page.headers["content-security-policy"]
