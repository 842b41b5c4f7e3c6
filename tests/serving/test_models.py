"""`/v1/models`: what may be asked for here, of all upstreams and by the key."""

from pathlib import Path

import anthropic
import openai
import orjson
import pytest

from preceptor.library.store import Library
from preceptor.serving.access import Caller
from preceptor.serving.upstream import Upstream

from .stage import Echo, Open, behind, gateway, plain, said, served

pytestmark = pytest.mark.anyio


def listed(*names: str) -> bytes:
    models = [{"id": name, "object": "model", "created": 5, "owned_by": "them", "x": [1]} for name in names]
    return orjson.dumps({"object": "list", "data": models, "more": 1})


def keyed(*models: str) -> Open:
    return Open(Caller("shop", "default", models=frozenset(models)))


async def names(url: str) -> list[str]:
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="x", max_retries=0) as client:
        return [model.id async for model in client.models.list()]


async def test_a_key_sees_what_it_may_ask_for(library: Library, database: Path) -> None:
    echo = Echo([said(listed("a", "b", "c"))])
    async with behind(echo, database, access=keyed("b", "z")) as (url, _):
        assert await names(url) == ["b"]
        async with plain() as session:
            for name, status in (("b", 200), ("a", 403)):
                async with session.get(f"{url}/v1/models/{name}") as got:
                    assert got.status == status
    assert [seen.path for seen in echo.seen] == ["/v1/models", "/v1/models/b"]


async def test_without_limits_one_upstreams_list_passes_byte_for_byte(library: Library, database: Path) -> None:
    echo = Echo([said(b' {"data" :[{"id":"a"}]}')])
    async with behind(echo, database) as (url, _), plain() as session, session.get(f"{url}/v1/models?limit=5") as got:
        assert await got.read() == b' {"data" :[{"id":"a"}]}'


async def test_lists_of_several_upstreams_are_one(library: Library, database: Path) -> None:
    first, second = Echo([said(listed("a", "b"))]), Echo([said(listed("b", "c", "d"))])
    async with served(first) as one, served(second) as two:
        lines = [
            Upstream("one", f"{one}/v1", models=frozenset({"a", "own"})),
            Upstream("two", f"{two}/v1"),
            Upstream("away", "http://127.0.0.1:1/v1"),
        ]
        async with served(gateway(database, upstreams=lines), lifespan=True) as url:
            assert await names(url) == ["a", "own", "b", "c", "d"]


async def test_an_upstream_of_one_model_answers_for_all_of_a_key(library: Library, database: Path) -> None:
    async with served(Echo([said(listed("llama"))])) as one:
        lines = [Upstream("one", f"{one}/v1", model="llama")]
        async with served(gateway(database, upstreams=lines, access=keyed("gpt")), lifespan=True) as url:
            assert await names(url) == ["gpt"]


async def test_anthropics_list_keeps_its_form(library: Library, database: Path) -> None:
    models = [
        {"type": "model", "id": name, "display_name": name, "created_at": "2026-01-01T00:00:00Z"} for name in "ab"
    ]
    whole = orjson.dumps({"data": models, "has_more": True, "first_id": "a", "last_id": "b"})
    echo = Echo([said(whole)])
    async with behind(echo, database, access=keyed("b")) as (url, _):
        client = anthropic.AsyncAnthropic(base_url=url, api_key="x", max_retries=0)
        page = await client.models.list()
        await client.close()
    assert [model.id for model in page.data] == ["b"]
    assert (page.first_id, page.last_id, page.has_more) == ("b", "b", False)
    assert echo.seen[0].headers["x-api-key"] == "sk-upstream"


@pytest.mark.parametrize("body", [b"[]", b"{}", b'{"data":3}', b'{"data":[{"id":3}]}', b"no"])
async def test_lists_that_are_none_are_told(library: Library, database: Path, body: bytes) -> None:
    async with behind(Echo([said(body)]), database, access=keyed("b")) as (url, _):
        with pytest.raises(openai.InternalServerError, match="No upstream tells its models"):
            await names(url)


async def test_embeddings_go_where_their_model_is(library: Library, database: Path) -> None:
    first, second = Echo(), Echo()
    async with served(first) as one, served(second) as two:
        lines = [
            Upstream("one", f"{one}/v1", models=frozenset({"chat"})),
            Upstream("two", f"{two}/v1", models=frozenset({"e"})),
        ]
        async with served(gateway(database, upstreams=lines), lifespan=True) as url, plain() as session:
            got = await session.post(f"{url}/v1/embeddings", data=b'{"model":"e"}')
            assert got.status == 200
    assert (len(first.seen), len(second.seen)) == (0, 1)
