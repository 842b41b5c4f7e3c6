"""A model none of whose answers can be used ends the run; one that fails now and then is counted."""

import pydantic
import pytest

from preceptor.errors import BadReply, Denied, Rejected, Stopped, Unavailable
from preceptor.llm.messages import Message, Request, Sampling
from preceptor.llm.prompts import Prompt
from preceptor.llm.scripted import Answer, ScriptedModel
from preceptor.llm.stopping import Stop
from preceptor.llm.tasks import Task
from preceptor.llm.watching import ENOUGH, FEW, SPEECH, Watched

pytestmark = pytest.mark.anyio


class Verdict(pydantic.BaseModel):
    better: str


TASK = Task("verdict", Verdict, Prompt("# system\nJudge.\n\n# user\n{reply}"))
HELLO = Request((Message("user", "hello"),))
GOOD = '{"better": "first"}'


def watched(*answers: Answer, stop: Stop | None = None) -> Watched:
    return Watched(ScriptedModel("small", answers), "judge", stop or Stop())


async def ask(model: Watched, times: int) -> None:
    for number in range(times):
        with pytest.raises(BadReply):
            await TASK.ask(model, Sampling(), reply=str(number))


async def test_no_answer_ever_in_the_form_asked_for() -> None:
    stop = Stop()
    model = watched(*["no"] * ENOUGH, stop=stop)
    await ask(model, ENOUGH // 2 - 1)
    assert not stop.is_set
    with pytest.raises(Stopped, match=rf"Not one of {ENOUGH} answers of the judge \(small\) .*'verdict'.* resume"):
        await TASK.ask(model, Sampling(), reply="once more")
    assert isinstance(stop.fault, Denied)


async def test_one_answer_that_fits_is_enough_to_go_on() -> None:
    model = watched(GOOD, *["no"] * 2 * ENOUGH)
    await TASK.ask(model, Sampling(), reply="hi")
    await ask(model, ENOUGH)
    model.check()
    assert (model.used["verdict"], model.unused["verdict"]) == (1, 2 * ENOUGH)


async def test_an_answer_that_fits_when_asked_again_counts_both_ways() -> None:
    model = watched("no", GOOD)
    await TASK.ask(model, Sampling(), reply="hi")
    assert (model.used.total(), model.unused.total()) == (1, 1)


async def test_speech_that_is_always_empty() -> None:
    model = watched(*[BadReply("The reply is empty.")] * ENOUGH)
    for _ in range(ENOUGH - 1):
        with pytest.raises(BadReply):
            await model.ask(HELLO)
    with pytest.raises(Stopped, match="The reply is empty"):
        await model.ask(HELLO)


@pytest.mark.parametrize("fault", [Denied("wrong key"), Unavailable("away")])
async def test_a_model_that_cannot_be_asked_stops_the_run(fault: Exception) -> None:
    stop = Stop()
    with pytest.raises(Stopped, match=str(fault)):
        await watched(fault, stop=stop).ask(HELLO)
    assert stop.is_set
    assert stop.fault is fault


async def test_a_refused_request_does_not() -> None:
    stop = Stop()
    with pytest.raises(Rejected):
        await watched(Rejected("too rude"), stop=stop).ask(HELLO)
    assert not stop.is_set


async def test_a_short_run_is_judged_when_it_is_over() -> None:
    model = watched("Hello.", *["no"] * FEW)
    await model.ask(HELLO)
    await ask(model, FEW // 2)
    with pytest.raises(Denied, match=f"Not one of {FEW} answers"):
        model.check()


async def test_too_few_answers_say_nothing() -> None:
    model = watched("no", "no", BadReply("empty"))
    await ask(model, 1)
    with pytest.raises(BadReply):
        await model.ask(HELLO)
    model.check()
    assert model.unused == {"verdict": 2, SPEECH: 1}
