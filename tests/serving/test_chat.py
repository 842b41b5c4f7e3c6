"""Chat completions through the gateway: what is added, what is not, and what comes back; with the real client."""

import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import httpx2
import openai
import orjson
import pytest

from preceptor.dialogue.conversation import Context, Turn
from preceptor.dialogue.domain import Domain, Persona, Topic
from preceptor.library.model import Placement
from preceptor.library.store import Library
from preceptor.llm import wire
from preceptor.llm.messages import Request
from preceptor.llm.scripted import ScriptedModel
from preceptor.serving.app import Gateway
from preceptor.simulated.server import create_app
from preceptor.simulated.world import World
from preceptor.student.student import Student

from .stage import (
    ABOUT_BREAD,
    LATE,
    POLITE,
    Echo,
    behind,
    chunk,
    fill,
    gateway,
    plain,
    said,
    served,
    serving,
    streamed,
)

pytestmark = pytest.mark.anyio
SLOT = f"Guidance for this conversation:\n- {LATE}\n- {POLITE}"
MESSAGES: list[Any] = [{"role": "system", "content": "You serve bakers."}, {"role": "user", "content": ABOUT_BREAD}]
NONSENSE: list[Any] = [{"role": "user", "content": "Quarks zirp."}]


@pytest.fixture
async def echo() -> Echo:
    return Echo()


@pytest.fixture
async def front(library: Library, database: Path, echo: Echo) -> AsyncIterator[tuple[str, Gateway]]:
    async with behind(echo, database) as place:
        yield place


@pytest.fixture
async def client(front: tuple[str, Gateway]) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{front[0]}/v1", api_key="sk-mine", max_retries=0) as asking:
        yield asking


async def test_strategies_stand_in_the_system_message(client: openai.AsyncOpenAI, echo: Echo, library: Library) -> None:
    answer = await client.chat.completions.with_raw_response.create(model="m", messages=MESSAGES)
    assert answer.parse().choices[0].message.content == "Hello."
    live = library.live()
    assert live is not None
    assert answer.headers["x-preceptor-release"] == live.hash
    assert answer.headers["x-preceptor-teaching"] == "on"
    (seen,) = echo.seen
    assert seen.json["messages"] == [{"role": "system", "content": f"You serve bakers.\n\n{SLOT}"}, MESSAGES[1]]
    assert seen.headers["authorization"] == "Bearer sk-upstream"
    assert "sk-mine" not in str(seen)


async def test_streams_come_through_byte_for_byte(client: openai.AsyncOpenAI, echo: Echo) -> None:
    echo.answers.append(streamed(chunk("Hel"), chunk("lo"), b"data: [DONE]\n\n", pause=0.01))
    stream = await client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
    assert [event.choices[0].delta.content async for event in stream] == ["Hel", "lo"]
    assert SLOT in echo.seen[0].json["messages"][0]["content"]


async def test_nothing_near_leaves_the_body_as_it_came(front: tuple[str, Gateway], echo: Echo) -> None:
    body = b'{"model" :"m",  "messages":[{"content":"Quarks zirp \\u00e9 \xc3\xa9.","role":"user"}],\n "x":1.50,"x":2}'
    async with plain() as session, session.post(f"{front[0]}/v1/chat/completions", data=body) as answer:
        assert answer.headers["x-preceptor-teaching"] == "abstained"
        assert "x-preceptor-release" in answer.headers
    assert echo.seen[0].body == body


async def test_all_but_the_slot_stays_byte_for_byte(front: tuple[str, Gateway], echo: Echo) -> None:
    before = b'{ "model":"m","n" : 2,"stream_options":{"a":[1.0,1e5]},"messages":[ {"role":"system","content":"S\\n'
    image = b'{"type":"image_url","image_url":{"url":"data:x"}}'
    after = b'"},{"role":"user","content":[' + image + b',{"type":"text","text":"%s"}]}]}\n'
    body = before + after % ABOUT_BREAD.encode()
    async with plain() as session, session.post(f"{front[0]}/v1/chat/completions", data=body) as answer:
        assert answer.headers["x-preceptor-teaching"] == "on"
    put_in = orjson.dumps(f"\n\n{SLOT}")[1:-1]
    assert echo.seen[0].body == before + put_in + after % ABOUT_BREAD.encode()


@pytest.mark.parametrize("placement", get_args(Placement))
async def test_the_prompt_is_the_one_that_was_taught_with(placement: Placement, database: Path) -> None:
    library = fill(database, placement=placement)
    release = library.release("ann")
    library.db.close()
    turns = (
        Turn("customer", ABOUT_BREAD),
        Turn("agent", 'Which "shop"?'),
        Turn("customer", "Mine, the van é 🚚 never came."),
    )
    domain = Domain(
        name="B",
        role="You serve bakers.",
        goal="Help.",
        topics=(Topic(id="b", description="Bread."),),
        personas=(Persona(id="c", description="Calm."),),
    )
    student = Student(ScriptedModel("m", []), domain).using(release)
    plain_prompt = replace(student, finder=None).prompt(Context(turns), "")
    body = wire.render_request(Request(plain_prompt), "m")
    echo = Echo()
    async with behind(echo, database) as (url, _), plain() as session:
        for data in (orjson.dumps(body), httpx2.Request("POST", url, json=body).content):
            async with session.post(f"{url}/v1/chat/completions", data=data) as answer:
                assert answer.headers["x-preceptor-teaching"] == "on"
    expected = student.prompt(Context(turns), student.inserted(Context(turns)))
    assert len(expected) >= len(plain_prompt)
    for seen in echo.seen:
        assert wire.parse_messages(seen.json["messages"]) == expected != plain_prompt


async def test_without_a_system_message_one_is_put_in_front(client: openai.AsyncOpenAI, echo: Echo) -> None:
    await client.chat.completions.create(model="m", messages=MESSAGES[1:])
    assert echo.seen[0].json["messages"] == [{"role": "system", "content": SLOT}, MESSAGES[1]]


async def test_teaching_is_turned_off_by_header_or_field(client: openai.AsyncOpenAI, echo: Echo) -> None:
    create = client.chat.completions.with_raw_response.create
    by_header = await create(model="m", messages=MESSAGES, extra_headers={"x-preceptor-teaching": "off"})
    by_field = await create(model="m", messages=MESSAGES, extra_body={"preceptor": {"teaching": "off"}})
    assert by_header.headers["x-preceptor-teaching"] == by_field.headers["x-preceptor-teaching"] == "off"
    assert "x-preceptor-release" not in by_header.headers
    for seen in echo.seen:
        assert seen.json == {"model": "m", "messages": MESSAGES}
        assert not [name for name in seen.headers if name.startswith("x-preceptor")]


async def test_an_explanation_names_scenarios_strategies_and_time(client: openai.AsyncOpenAI, library: Library) -> None:
    answer = await client.chat.completions.with_raw_response.create(
        model="m", messages=MESSAGES, extra_body={"preceptor": {"explain": True}}
    )
    told = orjson.loads(answer.headers["x-preceptor-explain"])
    live = library.live()
    assert live is not None
    names = {strategy.id: strategy.text for strategy in live.guidance.strategies}
    assert [names[name] for name in told["strategies"]] == [LATE, POLITE]
    assert told["scenarios"][0][0] in {scenario.id for scenario in live.guidance.scenarios}
    assert told["ms"] >= 0


async def test_a_request_may_name_a_release(client: openai.AsyncOpenAI, echo: Echo, library: Library) -> None:
    first = library.live()
    assert first is not None
    polite = next(one for one in library.strategies() if one.text == POLITE)
    library.decide(polite.id, "rejected", "ann")
    library.release("ann")
    create = client.chat.completions.with_raw_response.create
    named = await create(model="m", messages=MESSAGES, extra_headers={"x-preceptor-release": first.hash[:12]})
    assert named.headers["x-preceptor-release"] == first.hash
    assert POLITE in echo.seen[-1].json["messages"][0]["content"]
    with pytest.raises(openai.NotFoundError, match="There is no release 'ffff'"):
        await create(model="m", messages=MESSAGES, extra_body={"preceptor": {"release": "ffff"}})
    with pytest.raises(openai.BadRequestError, match=r"preceptor\.colour"):
        await create(model="m", messages=MESSAGES, extra_body={"preceptor": {"colour": "red"}})


async def test_errors_of_the_upstream_are_passed_through(client: openai.AsyncOpenAI, echo: Echo) -> None:
    echo.answers.append(said(b'{"error":{"message":"No.","type":"x","param":"p","code":"c"}}', 422))
    with pytest.raises(openai.UnprocessableEntityError, match=r"No\.") as caught:
        await client.chat.completions.create(model="m", messages=MESSAGES)
    assert caught.value.param == "p"
    echo.answers.append(said(b"{}", 429, ((b"content-type", b"application/json"), (b"retry-after", b"7"))))
    with pytest.raises(openai.RateLimitError) as limited:
        await client.chat.completions.create(model="m", messages=MESSAGES)
    assert limited.value.response.headers["retry-after"] == "7"


async def test_models_and_embeddings_are_passed_through(client: openai.AsyncOpenAI, echo: Echo) -> None:
    echo.answers += [
        said(b'{"object":"list","data":[{"id":"m","object":"model","created":0,"owned_by":"o"}]}'),
        said(b'{"id":"m","object":"model","created":0,"owned_by":"o"}'),
        said(b'{"object":"list","model":"e","data":[{"object":"embedding","index":0,"embedding":[0.5]}],"usage":{}}'),
    ]
    assert [model.id async for model in client.models.list()] == ["m"]
    assert (await client.models.retrieve("m")).id == "m"
    vectors = await client.embeddings.create(model="e", input=ABOUT_BREAD, encoding_format="float")
    assert vectors.data[0].embedding == [0.5]
    assert [seen.path for seen in echo.seen] == ["/v1/models", "/v1/models/m", "/v1/embeddings"]
    assert echo.seen[2].json["input"] == ABOUT_BREAD


async def test_a_world_answers_through_the_gateway_in_process(library: Library, database: Path) -> None:
    world = World.shipped("broadband")
    async with served(create_app(world)) as url, gateway(database, url).running() as ours:
        http = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=ours))
        async with openai.AsyncOpenAI(base_url="http://g.test/v1", api_key="none", http_client=http) as client:
            assert [model.id async for model in client.models.list()] == list(world.models)
            name = world.roles["student"]
            alone = await client.chat.completions.create(model=name, messages=NONSENSE, seed=1)
            stream = await client.chat.completions.create(model=name, messages=NONSENSE, seed=1, stream=True)
            pieces = [event.choices[0].delta.content or "" async for event in stream if event.choices]
            assert "".join(pieces) == alone.choices[0].message.content
            with pytest.raises(openai.NotFoundError, match="does not exist"):
                await client.chat.completions.create(model="gpt-17", messages=NONSENSE)


async def test_nothing_released_and_no_database_go_through_untaught(database: Path, echo: Echo) -> None:
    fill(database).db.close()
    for place, state in ((database, "none"), (None, "unavailable")):
        async with behind(echo, place) as (url, _), plain() as session:
            body = orjson.dumps({"model": "m", "messages": MESSAGES})
            async with session.post(f"{url}/v1/chat/completions", data=body) as answer:
                assert (answer.status, answer.headers["x-preceptor-teaching"]) == (200, state)
            assert echo.seen[-1].body == body
            async with session.get(f"{url}/metrics") as answer:
                assert f'preceptor_teaching_total{{state="{state}",tenant="default"}} 1.0' in await answer.text()
            async with session.get(f"{url}/readyz") as answer:
                assert answer.status == 200


async def test_health_and_unknown_routes(front: tuple[str, Gateway]) -> None:
    async with plain() as session:
        for path, status in (("/healthz", 200), ("/readyz", 200), ("/v1/chat/completions", 405), ("/v2/x", 404)):
            async with session.get(front[0] + path) as answer:
                assert answer.status == status
                if status >= 400:
                    assert (await answer.json())["error"]["type"] == "invalid_request_error"


async def test_large_bodies_go_through_whole(client: openai.AsyncOpenAI, echo: Echo) -> None:
    image = "data:image/png;base64," + "A" * 3_000_000
    content: Any = [{"type": "text", "text": ABOUT_BREAD}, {"type": "image_url", "image_url": {"url": image}}]
    await client.chat.completions.create(model="m", messages=[MESSAGES[0], {"role": "user", "content": content}])
    assert echo.seen[0].json["messages"][1]["content"] == content
    assert SLOT in echo.seen[0].json["messages"][0]["content"]


async def test_small_writes_are_not_held_back(library: Library, database: Path) -> None:
    """Nagle's algorithm would hold an event until the one before is acknowledged."""
    async with (
        serving(gateway(database), lifespan=True) as (url, server),
        plain() as session,
        session.get(f"{url}/healthz"),
    ):
        (connection,) = server.server_state.connections
        wire_end = connection.transport.get_extra_info("socket")
        assert wire_end.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
