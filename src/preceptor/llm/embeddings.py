"""Vectors from an OpenAI-compatible embeddings endpoint."""

import asyncio
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import httpx2
import openai
import orjson

from preceptor.errors import Garbled, Unavailable
from preceptor.llm.client import OPTIONS, connect
from preceptor.llm.faults import classify

_BATCH = 32
"""Texts to a request: what the strictest servers (TEI) take by default."""


class OpenAIEmbeddings:
    """One embedding model of one endpoint. One batch, one HTTP call; faults come as from `OpenAIModel`.

    `timeout` is in seconds, for the whole reply to a batch.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        api_key: str = "",
        timeout: float = 60.0,
        http_client: httpx2.AsyncClient | None = None,
    ) -> None:
        self._model = model
        self._secret = api_key
        self._timeout = timeout
        self._client = connect(base_url, api_key, timeout, http_client)
        self._who = f"{base_url} {model}"

    @property
    def name(self) -> str:
        return self._who

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """A vector for each text, in order.

        Raises:
            RateLimited, Unavailable, Rejected, Denied
            Garbled: the reply does not hold as many vectors, all of one length.
        """
        vectors = [
            vector
            for start in range(0, len(texts), _BATCH)
            for vector in await self._batch(texts[start : start + _BATCH])
        ]
        if len({len(vector) for vector in vectors}) > 1:
            raise Garbled(f"{self._who} sent vectors of different lengths.")
        return vectors

    async def aclose(self) -> None:
        await self._client.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _batch(self, texts: Sequence[str]) -> list[list[float]]:
        body = orjson.dumps({"model": self._model, "input": list(texts), "encoding_format": "float"})
        try:
            async with asyncio.timeout(self._timeout):
                response = await self._client.post(
                    "/embeddings", content=body, cast_to=httpx2.Response, options=OPTIONS
                )
        except openai.APIError as fault:
            raise classify(fault, self._who, self._secret) from None
        except TimeoutError:
            raise Unavailable(f"{self._who} did not answer in time ({self._timeout:g} s).") from None
        try:
            return _vectors(orjson.loads(response.content)["data"], len(texts))
        except (orjson.JSONDecodeError, LookupError, TypeError, ValueError, AttributeError):
            raise Garbled(f"{self._who} sent a reply that does not hold {len(texts)} vectors.") from None


def _vectors(data: Sequence[Mapping[str, Any]], count: int) -> list[list[float]]:
    vectors = {item.get("index", place): [float(x) for x in item["embedding"]] for place, item in enumerate(data)}
    if sorted(vectors) != list(range(count)):
        raise ValueError("not one vector for each text")
    return [vectors[index] for index in range(count)]
