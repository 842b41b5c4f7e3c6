"""Stopping and doing things at once."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from preceptor.errors import BadReply, BudgetExhausted, Defect, Rejected, Stopped, Unavailable
from preceptor.llm.clock import SystemClock
from preceptor.llm.messages import Request
from preceptor.llm.parallel import gather
from preceptor.llm.scripted import ScriptedModel
from preceptor.llm.stopping import Stop, Stoppable

pytestmark = pytest.mark.anyio


def job(result: int | Exception, turns: int, ended: list[object]) -> Callable[[], Awaitable[int]]:
    async def run() -> int:
        try:
            for _ in range(turns):
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise
        ended.append(result)
        if isinstance(result, Exception):
            raise result
        return result

    return run


async def test_results_come_in_order() -> None:
    ended: list[object] = []
    assert await gather([job(1, 5, ended), job(2, 1, ended), job(3, 3, ended)]) == [1, 2, 3]
    assert ended == [2, 3, 1]
    assert await gather([job(0, 0, ended) for _ in range(0)]) == []


async def test_a_stop_lets_the_others_end() -> None:
    first, second, ended = Stopped("first"), BudgetExhausted("second"), list[object]()
    with pytest.raises(Stopped) as told:
        await gather([job(1, 9, ended), job(first, 5, ended), job(second, 1, ended)])
    assert told.value is first
    assert ended == [second, first, 1]


@pytest.mark.parametrize("fault", [BadReply("empty"), Rejected("no")])
async def test_so_does_an_answer_that_cannot_be_used(fault: Exception) -> None:
    ended = list[object]()
    with pytest.raises(type(fault)) as told:
        await gather([job(1, 9, ended), job(fault, 2, ended), job(BadReply("later"), 1, ended)])
    assert told.value is fault
    assert ended[-1] == 1
    with pytest.raises(Stopped):
        await gather([job(fault, 1, ended), job(Stopped("stop"), 2, ended)])


async def test_any_other_fault_cancels_them() -> None:
    fault, ended = Unavailable("no"), list[object]()
    with pytest.raises(Unavailable) as told:
        await gather([job(1, 50, ended), job(fault, 2, ended)])
    assert told.value is fault
    assert ended == [fault, "cancelled"]


async def test_nothing_is_sent_once_the_flag_is_set(asking: Callable[..., Request]) -> None:
    stop = Stop()
    asked = ScriptedModel("m", ["ok"])
    model = Stoppable(asked, stop)
    assert (await model.ask(asking())).text == "ok"
    stop.set("Interrupted.")
    with pytest.raises(Stopped, match="Interrupted"):
        await model.ask(asking())
    assert len(asked.requests) == 1
    assert model.name == "m"


async def test_a_pause_lasts_until_the_stop() -> None:
    stop = Stop()
    await stop.pause(SystemClock(), 0.001)
    waiting = asyncio.create_task(stop.pause(SystemClock(), 60))
    await asyncio.sleep(0)
    stop.set()
    with pytest.raises(Stopped):
        await waiting


async def test_a_script_that_ends_too_early_says_so(asking: Callable[..., Request]) -> None:
    with pytest.raises(Defect, match="'m'"):
        await ScriptedModel("m", []).ask(asking())
