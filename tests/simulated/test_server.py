"""The server, met through the real OpenAI client: the same replies as in process, and every fault on order."""

from collections.abc import Mapping
from typing import Any

import anyio
import httpx2
import openai
import pytest

from preceptor.errors import Garbled, RateLimited, Rejected, Unavailable
from preceptor.llm import wire
from preceptor.llm.messages import Request
from preceptor.simulated.faults import Faults, Faulty
from preceptor.simulated.model import SimulatedModel
from preceptor.simulated.server import create_app
from preceptor.simulated.world import World

from .conftest import chat, task

pytestmark = pytest.mark.anyio
ASKED = chat("My rolls should have been here an hour ago.", seed=4)
Cast = Mapping[str, SimulatedModel]


class Naps:
    """Sleeps that take no time and are remembered."""

    def __init__(self) -> None:
        self.taken: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)


def client(world: World, faults: Faults | None = None, naps: Naps | None = None) -> openai.AsyncOpenAI:
    app = create_app(world, faults, latency=0.2, sleep=naps or Naps())
    http = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app))
    return openai.AsyncOpenAI(base_url="http://world.test/v1", api_key="none", http_client=http, max_retries=0)


async def complete(asking: openai.AsyncOpenAI, request: Request, model: str = "clumsy", **more: Any) -> Any:
    return await asking.chat.completions.create(**{**wire.render_request(request, model), **more})


@pytest.mark.parametrize(
    ("model", "request_"),
    [
        ("clumsy", ASKED),
        ("customer", task("customer_turn", "Your bread has not been delivered.", 3, conversation="(nothing yet)")),
        ("judge", task("rate_conversation", conversation="Customer: Where is my bread, order 1?\nAgent: No idea.")),
    ],
)
async def test_over_http_and_in_process_the_reply_is_the_same(
    world: World, cast: Cast, model: str, request_: Request
) -> None:
    served = await complete(client(world), request_, model)
    here = cast[model].answer(request_)
    assert served.choices[0].message.content == here.text
    assert served.usage.prompt_tokens == here.usage.prompt_tokens
    assert served.usage.completion_tokens == here.usage.completion_tokens


async def test_streams_say_the_same_in_pieces(world: World, cast: Cast) -> None:
    stream = await complete(client(world), ASKED, stream=True, stream_options={"include_usage": True})
    chunks = [chunk async for chunk in stream]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == cast["clumsy"].answer(ASKED).text
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert chunks[-1].usage.total_tokens == cast["clumsy"].answer(ASKED).usage.total


async def test_models_are_listed_and_shown(world: World) -> None:
    asking = client(world)
    assert [model.id async for model in asking.models.list()] == list(world.models)
    assert (await asking.models.retrieve("judge")).id == "judge"
    with pytest.raises(openai.NotFoundError):
        await asking.models.retrieve("nobody")


async def test_tools_are_taken_and_ignored(world: World, cast: Cast) -> None:
    tool = {"type": "function", "function": {"name": "look", "description": "", "parameters": {}}}
    served = await complete(client(world), ASKED, tools=[tool])
    assert served.choices[0].message.content == cast["clumsy"].answer(ASKED).text


async def test_a_wrong_model_and_a_wrong_body_are_refused(world: World) -> None:
    asking = client(world)
    with pytest.raises(openai.NotFoundError, match="does not exist"):
        await complete(asking, ASKED, "gpt-17")
    with pytest.raises(openai.BadRequestError, match="messages"):
        await asking.post("/chat/completions", cast_to=object, body={"model": "clumsy", "messages": []})
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=create_app(world))) as http:
        broken = await http.post("http://world.test/v1/chat/completions", content=b"{nope")
        assert broken.status_code == 400
        assert "not valid JSON" in broken.json()["error"]["message"]
        assert (await http.get("http://world.test/v2/else")).json()["error"]["type"] == "invalid_request_error"
        assert (await http.get("http://world.test/v1/chat/completions")).status_code == 405


async def test_latency_is_taken_per_reply(world: World) -> None:
    naps = Naps()
    await complete(client(world, naps=naps), ASKED)
    assert naps.taken == [0.2]


async def test_rate_limits_say_how_long_to_wait(world: World) -> None:
    with pytest.raises(openai.RateLimitError) as caught:
        await complete(client(world, Faults(rate_limit=1.0, retry_after=2.5)), ASKED)
    assert caught.value.response.headers["retry-after"] == "2.5"


async def test_server_errors_and_stalls(world: World) -> None:
    with pytest.raises(openai.InternalServerError):
        await complete(client(world, Faults(server_error=1.0)), ASKED)
    naps = Naps()
    with pytest.raises(openai.InternalServerError):
        await complete(client(world, Faults(stall=1.0, stall_seconds=90), naps), ASKED)
    assert naps.taken == [90]


@pytest.mark.parametrize("faults", [Faults(cut=1.0), Faults(broken_json=1.0)])
async def test_broken_bodies(world: World, faults: Faults) -> None:
    app = create_app(world, faults, sleep=Naps())
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app)) as http:
        reply = await http.post("http://world.test/v1/chat/completions", json=wire.render_request(ASKED, "clumsy"))
        assert reply.status_code == 200
        with pytest.raises(ValueError, match=r"."):
            reply.json()


async def test_cut_streams_end_without_a_finish(world: World, cast: Cast) -> None:
    stream = await complete(client(world, Faults(cut=1.0)), ASKED, stream=True)
    chunks = [chunk async for chunk in stream]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert len(text) < len(cast["clumsy"].answer(ASKED).text)
    assert all(chunk.choices[0].finish_reason is None for chunk in chunks)


@pytest.mark.parametrize("feature", ["seed", "system", "temperature", "response_format"])
async def test_features_can_be_rejected(world: World, feature: Any) -> None:
    judged = task("rate_conversation", conversation="Customer: Hm.")
    with pytest.raises(openai.BadRequestError) as caught:
        await complete(client(world, Faults(rejects=frozenset([feature]))), judged, "judge", temperature=0.5)
    assert caught.value.param == feature


async def test_faults_come_at_their_rate_and_pass_on_another_attempt(world: World) -> None:
    asking, failed = client(world, Faults(server_error=0.3, seed=2)), 0
    for seed in range(100):
        try:
            await complete(asking, chat("Where is my bread?", seed=seed))
        except openai.InternalServerError:
            failed += 1
            served = [await _again(asking, seed) for _ in range(6)]
            assert any(served)
    assert 18 <= failed <= 42


async def _again(asking: openai.AsyncOpenAI, seed: int) -> bool:
    try:
        await complete(asking, chat("Where is my bread?", seed=seed))
    except openai.InternalServerError:
        return False
    return True


async def test_too_many_at_once_are_turned_away(world: World) -> None:
    gate, refused = anyio.Event(), []

    async def wait(seconds: float) -> None:
        await gate.wait()

    app = create_app(world, Faults(most=2), sleep=wait)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app)) as http:

        async def ask(seed: int) -> None:
            body = wire.render_request(chat("Where is my bread?", seed=seed), "clumsy")
            reply = await http.post("http://world.test/v1/chat/completions", json=body)
            refused.append(reply.status_code)

        async with anyio.create_task_group() as group:
            for seed in range(4):
                group.start_soon(ask, seed)
            await anyio.wait_all_tasks_blocked()
            gate.set()
    assert sorted(refused) == [200, 200, 429, 429]


@pytest.mark.parametrize(
    ("faults", "error"),
    [
        (Faults(rate_limit=1.0, retry_after=3.0), RateLimited),
        (Faults(server_error=1.0), Unavailable),
        (Faults(stall=1.0), Unavailable),
        (Faults(cut=1.0), Garbled),
        (Faults(broken_json=1.0), Garbled),
        (Faults(rejects=frozenset(["seed"])), Rejected),
    ],
)
async def test_the_same_faults_in_process(cast: Cast, faults: Faults, error: type[Exception]) -> None:
    with pytest.raises(error):
        await Faulty(cast["clumsy"], faults, sleep=Naps()).ask(ASKED)


async def test_a_line_without_faults_changes_nothing(cast: Cast) -> None:
    assert await Faulty(cast["clumsy"], Faults(), 0.1, Naps()).ask(ASKED) == await cast["clumsy"].ask(ASKED)
