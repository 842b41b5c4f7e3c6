"""What all kinds of tools have in common, with a backend that does what it is told to."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from preceptor.dialogue.conversation import Conversation, Turn
from preceptor.dialogue.customers import Customer, draw_customers
from preceptor.dialogue.domain import Domain, ToolSpec
from preceptor.dialogue.outcome import Outcome
from preceptor.dialogue.tools.backend import Visit
from preceptor.dialogue.tools.record import Record
from preceptor.dialogue.tools.toolbox import AWAY, Bounds, Toolbox, made
from preceptor.errors import SettingsError, ToolFailed, Unavailable, UserError
from preceptor.llm.messages import ToolCall
from preceptor.storage.database import Database

pytestmark = pytest.mark.anyio
SPECS = (
    ToolSpec(
        name="refund",
        parameters={
            "type": "object",
            "properties": {"order": {"type": "integer"}, "why": {"enum": ["late", "broken"]}},
            "required": ["order"],
            "additionalProperties": False,
        },
    ),
    ToolSpec(name="look_up"),
    ToolSpec(
        name="note",
        parameters={
            "properties": {
                "metadata": {"type": "object", "properties": {"data": {"type": "number", "multipleOf": 0.01}}}
            }
        },
    ),
)
DOMAIN = Domain.model_validate(
    {
        "name": "Desk",
        "role": "You answer.",
        "goal": "Help.",
        "topics": [{"id": "bill", "description": "Your bill is wrong."}],
        "personas": [{"id": "calm", "description": "You are calm."}],
    }
)
ONE, OTHER = draw_customers(DOMAIN, 2, seed=1)
Work = Callable[[str, Mapping[str, Any], Visit], Awaitable[str]]


class Clerk:
    """A backend that keeps what it was asked."""

    def __init__(self, work: Work | None = None) -> None:
        self.asked: list[tuple[str, dict[str, Any], str]] = []
        self.left: list[str] = []
        self.closed = False
        self._work = work

    async def ready(self, visit: Visit) -> None: ...

    async def call(self, name: str, arguments: Mapping[str, Any], visit: Visit, key: str) -> str:
        self.asked.append((name, dict(arguments), visit.conversation))
        return await self._work(name, arguments, visit) if self._work else f"done {len(self.asked)}"

    def outcome(self, visit: Visit, conversation: Conversation) -> Outcome | None:
        return None

    async def leave(self, visit: Visit) -> None:
        self.left.append(visit.conversation)

    async def aclose(self) -> None:
        self.closed = True


def call(name: str, arguments: object = None) -> ToolCall:
    return ToolCall("c1", name, arguments if isinstance(arguments, str) else json.dumps(arguments or {}))


async def ask(box: Toolbox, *calls: ToolCall, customer: Customer = ONE) -> list[str]:
    async with box.open(customer) as session:
        return [await session.call(one) for one in calls]


async def test_a_result_is_told_as_it_is() -> None:
    clerk = Clerk()
    async with Toolbox(SPECS, clerk) as box:
        assert await ask(box, call("refund", {"order": 7})) == ["done 1"]
    assert clerk.asked[0][:2] == ("refund", {"order": 7})
    assert clerk.left == [clerk.asked[0][2]]
    assert clerk.closed
    assert str(box.use) == ""


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (call("refnd", {"order": 7}), "There is no tool 'refnd'. There are: refund, look_up, note."),
        (call("refund", "{order: 7"), "not valid JSON"),
        (call("refund", "[7]"), "must be a JSON object"),
        (call("refund", {}), "must contain ['order']"),
        (call("refund", {"order": "7"}), "order must be integer"),
        (call("refund", {"order": 7, "why": "bored"}), "why must be one of ['late', 'broken']"),
        (call("refund", {"order": 7, "amount": 5}), "must not contain {'amount'}"),
        (call("refund", '{"order": ' + "1" * 200_000 + "}"), "longer than 100,000 characters"),
        (call("look_up", '{"order": ' + "[" * 300 + "]" * 300 + "}"), "nested deeper than 64 levels"),
        (call("note", {"metadata": 1}), "metadata must be object"),
        (call("note", {"metadata": {"data": "x"}}), "metadata.data must be number"),
        (call("note", {"metadata": {"data": 1e308}}), "metadata.data"),
    ],
)
async def test_a_call_that_cannot_be_made_is_told_and_never_made(asked: ToolCall, told: str) -> None:
    clerk = Clerk()
    async with Toolbox(SPECS, clerk) as box:
        (result,) = await ask(box, asked)
    assert told in json.loads(result)["error"]
    assert len(result) < 400
    assert clerk.asked == []
    assert "failed" in str(box.use)


def test_calls_of_one_id_are_taken_in_their_order() -> None:
    calls = call("look_up", {"n": 1}), call("look_up", {"n": 2})
    given = [Turn("tool", text, tool_call_id="c1") for text in ("one", "two")]
    assert list(made([Turn("agent", "", calls), *given])) == list(zip(calls, ("one", "two"), strict=True))


async def test_no_arguments_at_all_are_none() -> None:
    async with Toolbox(SPECS, Clerk()) as box:
        assert await ask(box, call("look_up", "")) == ["done 1"]


async def test_a_call_given_up_while_its_row_is_written_was_never_made(tmp_path: Path) -> None:
    with Database.open(tmp_path / "p.db") as db:
        async with Toolbox(SPECS, clerk := Clerk(), record=Record(db, "r1")) as box:
            asking = asyncio.create_task(ask(box, call("refund", {"order": 7})))
            for _ in range(20):
                await asyncio.sleep(0)
            # On disk, and the loop has not heard of it.
            db.submit(lambda _: None).result()
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            assert clerk.asked == []
            assert await ask(box, call("refund", {"order": 7})) == ["done 1"]
        with db.reading() as connection:
            [row] = connection.execute(sa.text("SELECT result, again FROM tool_calls")).all()
    assert (row.result, row.again) == ("done 1", 0)


async def test_failures_are_told_to_the_agent_and_counted_for_people() -> None:
    async def work(name: str, arguments: Mapping[str, Any], visit: Visit) -> str:
        match arguments["order"]:
            case 1:
                raise ToolFailed("Order 1 is closed.")
            case 2:
                raise ToolFailed("The tool failed.", "broken", "KeyError (tools.py, line 3)")
            case 3:
                raise Unavailable("down")
            case 5:
                raise ToolFailed("No file \udc80\0.")
            case _:
                await asyncio.sleep(30)
        return ""

    async with Toolbox(SPECS, Clerk(work), bounds=Bounds(timeout=0.05)) as box:
        told = [
            json.loads(text)["error"]
            for text in await ask(box, *(call("refund", {"order": n}) for n in (1, 2, 3, 4, 5)))
        ]
    assert told == [
        "Order 1 is closed.",
        "The tool failed.",
        "The tool cannot be reached.",
        "The tool gave no answer in 0.05 seconds. It is not known whether it was done.",
        "No file ?\ufffd.",
    ]
    said = str(box.use)
    assert said.startswith("Of 5 tool calls 5 failed: ")
    assert "refund 1 (an error in the tool: KeyError (tools.py, line 3))" in said


async def test_a_long_result_is_cut_and_that_is_said() -> None:
    async def work(name: str, arguments: Mapping[str, Any], visit: Visit) -> str:
        return "x" * 10_000 + "\0"

    async with Toolbox(SPECS, Clerk(work), bounds=Bounds(tokens=100)) as box:
        (result,) = await ask(box, call("look_up"))
    assert result == "x" * 300 + "\n[cut: the first 300 of 10,001 characters]"


async def test_no_more_calls_at_a_time_than_allowed() -> None:
    going, most = 0, 0

    async def work(name: str, arguments: Mapping[str, Any], visit: Visit) -> str:
        nonlocal going, most
        going += 1
        most = max(most, going)
        await asyncio.sleep(0)
        going -= 1
        return ""

    async with Toolbox(SPECS, Clerk(work), bounds=Bounds(at_once=2)) as box:
        await asyncio.gather(*(ask(box, call("look_up")) for _ in range(6)))
    assert most == 2


async def test_conversations_of_a_customer_are_told_apart_and_keep_their_names() -> None:
    names: list[list[str]] = []
    for _ in range(2):
        clerk = Clerk()
        async with Toolbox(SPECS, clerk) as box:
            await ask(box, call("look_up"))
            await ask(box, call("look_up"))
            await ask(box, call("look_up"), customer=OTHER)
        names.append([asked[2] for asked in clerk.asked])
    assert len(set(names[0])) == 3
    assert names[0] == names[1]


@pytest.mark.parametrize(
    "schema", [{"type": "no such type"}, {"properties": {"a": {"$ref": "http://127.0.0.1:1/a.json"}}}]
)
def test_a_schema_that_is_none_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match="odd"):
        Toolbox((ToolSpec(name="odd", parameters=schema),), Clerk())


CALLS = (call("refund", {"order": 1}), call("look_up"), call("look_up"), call("refund", {"order": 2}))


async def test_what_was_called_is_not_called_again(place: str) -> None:
    with Database.open(place) as db:
        first, second = Clerk(), Clerk()
        async with Toolbox(SPECS, first, record=Record(db, "r1")) as box:
            before = await ask(box, *CALLS[:3])
        async with Toolbox(SPECS, second, record=Record(db, "r1")) as box:
            after = await ask(box, *CALLS)
        assert after == [*before, "done 1"]
        assert [asked[0] for asked in second.asked] == ["refund"]
        async with Toolbox(SPECS, other := Clerk(), record=Record(db, "r2")) as box:
            await ask(box, *CALLS)
        assert len(other.asked) == 4, "another run's calls are its own"


async def test_failures_are_found_again_and_counted_again(tmp_path: Path) -> None:
    async def work(name: str, arguments: Mapping[str, Any], visit: Visit) -> str:
        raise ToolFailed("Closed.")

    with Database.open(tmp_path / "p.db") as db:
        said = []
        for backend in (Clerk(work), Clerk()):
            async with Toolbox(SPECS, backend, record=Record(db, "r1")) as box:
                said.append((await ask(box, call("look_up")), str(box.use)))
        assert said[0] == said[1]


async def test_another_call_at_the_same_place_is_made(tmp_path: Path) -> None:
    with Database.open(tmp_path / "p.db") as db:
        clerk = Clerk()
        for calls in (CALLS[:2], CALLS[1:2]):
            clerk.asked.clear()
            async with Toolbox(SPECS, clerk, record=Record(db, "r1")) as box:
                await ask(box, *calls)
        assert [asked[0] for asked in clerk.asked] == ["look_up"]


async def ended_under_way(db: Database, asked: ToolCall) -> None:
    """A run that ends while a call is under way."""
    begun = asyncio.Event()

    async def work(name: str, arguments: Mapping[str, Any], visit: Visit) -> str:
        begun.set()
        await asyncio.sleep(30)
        return ""

    async with Toolbox(SPECS, Clerk(work), record=Record(db, "r1")) as box:
        going = asyncio.create_task(ask(box, asked))
        await begun.wait()
        going.cancel()
        await asyncio.gather(going, return_exceptions=True)


async def test_what_was_under_way_is_not_done_twice(tmp_path: Path) -> None:
    with Database.open(tmp_path / "p.db") as db:
        await ended_under_way(db, CALLS[0])
        told = []
        for _ in range(2):
            async with Toolbox(SPECS, clerk := Clerk(), record=Record(db, "r1")) as box:
                told += [*await ask(box, CALLS[0]), str(box.use)]
            assert clerk.asked == []
        assert told[:2] == told[2:]
        assert "not known whether this was done" in told[0]
        assert "under way when the run ended" in told[1]


async def test_a_run_ends_when_nobody_is_there_and_goes_on_as_if_it_had_not_asked(tmp_path: Path) -> None:
    async def work(name: str, arguments: Mapping[str, Any], visit: Visit) -> str:
        raise UserError("Nobody at http://127.0.0.1:9/.")

    calls = [call("refund", {"order": n}) for n in range(AWAY)]
    with Database.open(tmp_path / "p.db") as db:
        with pytest.raises(UserError, match=r"10 times in a row; resume when they can\. Nobody at http"):
            async with Toolbox(SPECS, Clerk(work), record=Record(db, "r1")) as box:
                await ask(box, *calls)
        async with Toolbox(SPECS, clerk := Clerk(), record=Record(db, "r1")) as box:
            assert await ask(box, *calls) == [f"done {n}" for n in range(1, AWAY + 1)]
        assert len(clerk.asked) == AWAY


async def test_what_only_looks_something_up_is_asked_again(tmp_path: Path) -> None:
    with Database.open(tmp_path / "p.db") as db:
        await ended_under_way(db, CALLS[1])
        harmless = frozenset({"look_up"})
        async with Toolbox(SPECS, Clerk(), record=Record(db, "r1"), harmless=harmless) as box:
            assert await ask(box, CALLS[1]) == ["done 1"]


async def test_what_is_gone_with_the_conversation_is_called_again(tmp_path: Path) -> None:
    with Database.open(tmp_path / "p.db") as db:
        for _ in range(2):
            async with Toolbox(SPECS, clerk := Clerk(), record=Record(db, "r1"), repeatable=True) as box:
                await ask(box, *CALLS)
            assert len(clerk.asked) == 4
            assert box.repeatable
