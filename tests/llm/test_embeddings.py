"""Vectors over HTTP."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx2
import orjson
import pytest

from preceptor.errors import Garbled, RateLimited, Unavailable
from preceptor.llm.embeddings import OpenAIEmbeddings

pytestmark = pytest.mark.anyio


def embeddings(handler: Callable[[httpx2.Request], httpx2.Response]) -> OpenAIEmbeddings:
    http = httpx2.AsyncClient(transport=httpx2.MockTransport(handler))
    return OpenAIEmbeddings("http://vectors.test/v1", "mini", "sk-secret", http_client=http)


def data(texts: list[str]) -> list[dict[str, Any]]:
    """One vector for each text, told backwards, as a server may."""
    return [{"index": index, "embedding": [len(text), 1]} for index, text in reversed(list(enumerate(texts)))]


async def test_vectors_come_in_the_order_of_the_texts_whatever_their_number() -> None:
    sizes = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        body = orjson.loads(request.content)
        sizes.append(len(body["input"]))
        assert (str(request.url), body["model"]) == ("http://vectors.test/v1/embeddings", "mini")
        return httpx2.Response(200, json={"data": data(body["input"])})

    async with embeddings(handler) as asked:
        vectors = await asked.embed(["x" * size for size in range(70)])
        assert await asked.embed([]) == []
    assert vectors == [[float(size), 1.0] for size in range(70)]
    assert len(sizes) > 1
    assert sum(sizes) == 70


@pytest.mark.parametrize(
    "body",
    [{}, {"data": []}, {"data": [{"embedding": [1]}]}, {"data": [{"embedding": "x"}, {"embedding": [1]}]}, [],
     {"data": [{"embedding": [1]}, {"embedding": [1, 2]}]}, {"data": ["x", "y"]}, {"data": {"embedding": [1]}}],
)  # fmt: skip
async def test_what_is_not_a_vector_for_each_text_is_garbled(body: object) -> None:
    with pytest.raises(Garbled):
        await embeddings(lambda _: httpx2.Response(200, json=body)).embed(["a", "b"])


async def test_a_reply_that_trickles_in_is_not_waited_for_beyond_the_time() -> None:
    class Trickle(httpx2.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            while True:
                yield b" "
                await asyncio.sleep(0.005)

    http = httpx2.AsyncClient(transport=httpx2.MockTransport(lambda _: httpx2.Response(200, stream=Trickle())))
    asked = OpenAIEmbeddings("http://vectors.test/v1", "mini", timeout=0.05, http_client=http)
    with pytest.raises(Unavailable, match="in time"):
        await asked.embed(["a"])


async def test_faults_are_sorted() -> None:
    with pytest.raises(RateLimited) as fault:
        await embeddings(lambda _: httpx2.Response(429, headers={"retry-after": "2"}, json={})).embed(["a"])
    assert fault.value.retry_after == 2.0
