"""How a run ends that does not end well: told to stop, twice; or with a model whose answers are of no use.

The real command, in a process of its own where it is interrupted, over HTTP, against a server that counts what reaches
it.
"""

import time
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from bench_reliability import Memory
from desk import Desk, Ended, Teaching, endpoints, simulated
from preceptor.llm import wire
from preceptor.llm.messages import Message, Reply, Usage
from preceptor.simulated.server import create_app
from preceptor.simulated.world import World
from witness import Hold, Served, serving, watching

WORLD = Path(__file__).parents[1] / "simulated" / "small.yaml"
SMALL = {"customers": 6, "iterations": 1, "held_out": 4, "consolidate": False, "choose_placement": False}
LONGEST = 180.0
"""Seconds after which what a test waits for counts as never coming."""


@pytest.fixture(scope="module")
def world() -> World:
    return World.load(WORLD)


@pytest.fixture(scope="module")
def undisturbed(world: World, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The hash of what the same run learns when it is left alone."""
    folder = tmp_path_factory.mktemp("whole") / "desk"
    desk = Desk.open(folder, world, simulated(str(WORLD), world.roles), SMALL, here=True)
    assert desk.teach().code == 0
    return desk.hash


@contextmanager
def going(desk: Desk, until: Callable[[Teaching], bool]) -> Iterator[Teaching]:
    """A run that has come so far."""
    teaching = desk.start()
    try:
        wait(lambda: until(teaching))
        yield teaching
    finally:
        if teaching.running:
            teaching.kill()


def wait(until: Callable[[], bool]) -> None:
    last = time.monotonic() + LONGEST
    while not until():
        assert time.monotonic() < last, "it never came"
        time.sleep(0.005)


def served_desk(folder: Path, world: World, served: Served, **roles: str) -> Desk:
    return Desk.open(folder / "desk", world, endpoints(served.url, {**world.roles, **roles}), SMALL, here=True)


def test_ctrl_c_once_finishes_what_is_in_flight_and_says_how_to_go_on(
    world: World, undisturbed: str, tmp_path: Path
) -> None:
    hold = Hold(12)
    with serving(world, latency=0.1, sleep=hold) as served:
        desk = served_desk(tmp_path, world, served)
        with going(desk, lambda _: served.tally.calls > 12 and served.tally.open > 2) as teaching:
            teaching.interrupt()
            wait(lambda: "Finishing what is in flight" in teaching.told)
            hold.let_go()
            ended = teaching.ended()
        assert ended.code == 130
        assert "Finishing what is in flight" in ended.err
        assert "what was finished is saved" in ended.err
        assert ended.resumable
        memory = Memory.of(desk)
        assert memory.status == "stopped"
        assert {memory.rows[name].state for name in served.tally.arrivals} == {"done"}
        assert desk.teach().code == 0
        assert served.tally.again == {}
    assert desk.hash == undisturbed


def test_ctrl_c_twice_ends_at_once_and_loses_nothing(world: World, undisturbed: str, tmp_path: Path) -> None:
    answered, hold = 12, Hold(12)

    def stuck(_: Teaching) -> bool:
        return served.tally.calls - served.tally.open >= answered and served.tally.open > 0

    with serving(world, sleep=hold) as served:
        desk = served_desk(tmp_path, world, served)
        with going(desk, stuck) as teaching:
            teaching.interrupt()
            wait(lambda: "Ctrl-C again" in teaching.told)
            assert teaching.running
            teaching.interrupt()
            ended = teaching.ended()
        assert ended.code == 130
        assert ended.resumable
        memory = Memory.of(desk)
        flying = memory.in_flight
        assert 0 < len(flying) < len(memory.rows)
        hold.let_go()
        assert desk.teach().code == 0
        assert set(served.tally.again) <= flying
    assert desk.hash == undisturbed


def useless(ended: Ended, role: str, desk: Desk, served: Served) -> None:
    """It ended with one sentence about the role, and how to go on, and what was asked is kept."""
    assert ended.code == 1
    why, onward = ended.err.splitlines()
    assert why.startswith("preceptor: Not one of ")
    assert f"answers of the {role} (" in why
    assert "preceptor doctor" in why
    assert onward.startswith("Go on with it: preceptor teach --resume ")
    memory = Memory.of(desk)
    assert memory.status == "failed"
    assert {memory.rows[name].state for name in served.tally.arrivals} == {"done"}
    assert served.tally.again == {}


def test_a_judge_whose_replies_never_parse(world: World, undisturbed: str, tmp_path: Path) -> None:
    text = WORLD.read_text().replace("unparsable: 0.2", "unparsable: 1.0")
    (tmp_path / "world.yaml").write_text(text)
    with serving(World.load(tmp_path / "world.yaml")) as served:
        desk = served_desk(tmp_path, world, served, judge="noisy")
        useless(desk.teach(), "judge", desk, served)
        useless(desk.teach(), "judge", desk, served)
        judge = f"models.judge={{kind='openai', base_url='{served.url}', model='{world.roles['judge']}'}}"
        assert desk.teach("--set", judge).code == 0
        assert served.tally.again == {}
    assert desk.hash == undisturbed


class Prosaic:
    """Passes everything on, but answers one model's structured requests in prose."""

    def __init__(self, app: ASGIApp, model: str) -> None:
        self.app, self.model = app, model

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = (await receive())["body"]
        name, request = wire.parse_request(orjson.loads(body))
        if name == self.model and request.schema:
            reply = wire.render_reply(Reply(Message("assistant", "I would rather talk."), Usage(9, 5)), name)
            await Response(orjson.dumps(reply), media_type="application/json")(scope, receive, send)
        else:

            async def again() -> MutableMapping[str, Any]:
                return {"type": "http.request", "body": body, "more_body": False}

            await self.app(scope, again, send)


def test_a_teacher_whose_replies_never_parse(world: World, tmp_path: Path) -> None:
    with watching(Prosaic(create_app(world), world.roles["teacher"])) as served:
        desk = served_desk(tmp_path, world, served)
        useless(desk.teach(), "teacher", desk, served)
