"""A model behind any OpenAI-compatible endpoint: vLLM, Ollama, llama.cpp, TGI, Azure, OpenRouter and the rest.

One request, one HTTP call: retries, limits and budgets are wrappers (`llm.stack`). What went wrong is classified here
(`faults`), what a model lacks is worked around here (`capabilities`, `trimming`); the refusal that taught it comes out
as `Adjusted`, so that the next attempt is counted and paced like any other.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import httpx2
import openai
import orjson

from preceptor.errors import Adjusted, Garbled, ProviderError, Rejected, Unavailable
from preceptor.llm.capabilities import Capabilities, Fitted, is_too_long
from preceptor.llm.clock import Clock, SystemClock
from preceptor.llm.faults import classify, retry_after, whole
from preceptor.llm.leaving import Held, door
from preceptor.llm.listening import Ear, listener
from preceptor.llm.messages import Reply, Request
from preceptor.llm.thinking import Thoughtless
from preceptor.llm.trimming import excess, exchanges, without_oldest
from preceptor.llm.wire import Piece, parse_piece, parse_reply, render_request
from preceptor.storage.canonical import content_hash

_PATH = "/chat/completions"
_CONNECT = 10.0
"""Seconds: a server that is there takes a connection at once, however long it then thinks."""


class OpenAIModel:
    """One model of one endpoint.

    `name` identifies it in ledgers and reports; `model` is its name there. `timeout` is in seconds, for the whole
    reply. `context_length`, where known, is in tokens of prompt and reply together.
    """

    def __init__(
        self,
        name: str,
        base_url: str,
        model: str,
        api_key: str = "",
        timeout: float = 120.0,
        http_client: httpx2.AsyncClient | None = None,
        context_length: int | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._name = name
        self._model = model
        self._secret = api_key
        self._timeout = timeout
        self._context_length = context_length
        self._clock = clock or SystemClock()
        self._client = connect(base_url, api_key, timeout, http_client)
        self._capabilities = Capabilities()
        self._left_out: dict[str, int] = {}

    def __repr__(self) -> str:
        return f"OpenAIModel({self._name!r})"

    @property
    def name(self) -> str:
        return self._name

    @property
    def lacks(self) -> frozenset[str]:
        """Features this model was found not to take."""
        return frozenset(self._capabilities.lacks)

    async def ask(self, request: Request) -> Reply:
        """One attempt.

        Raises:
            Adjusted: it was refused for something that is now known; ask again.
            RateLimited, Unavailable, Rejected, BadReply
            Held: it was not sent; only where a limiter looks (`leaving`).
        """
        fitted = self._fit(request)
        began = self._clock.now()
        if (ear := listener()) and not request.tools and request.schema is None:
            # A server that does not stream as asked is asked in the plain way.
            with suppress(Rejected):
                reply = await self._aloud(request, fitted, ear)
                return replace(reply, notes=(*fitted.notes, *reply.notes), seconds=self._clock.now() - began)
        content = _content(self._body(fitted))
        try:
            # The SDK's own time-out starts anew with each byte that trickles in.
            async with asyncio.timeout(self._timeout):
                response = await self._client.post(_PATH, content=content, cast_to=httpx2.Response, options=OPTIONS)
        except openai.APIError as fault:
            raise self._understood(fault, request, fitted) from None
        except TimeoutError:
            raise Unavailable(f"{self._name} did not answer in time ({self._timeout:g} s).") from None
        reply = parse_reply(_json(response, self._name))
        return replace(reply, notes=(*fitted.notes, *reply.notes), seconds=self._clock.now() - began)

    async def _aloud(self, request: Request, fitted: Fitted, ear: Ear) -> Reply:
        """`ask`, telling the text as it comes."""
        said, thoughtless, heard = list[str](), Thoughtless(), ""
        finish: str | None = None
        usage: Mapping[str, Any] | None = None
        try:
            async with asyncio.timeout(self._timeout):
                stream = await self._streamed(request, fitted, {"stream_options": {"include_usage": True}})
                async for piece in self._pieces(stream):
                    usage, finish = piece.usage or usage, piece.finish or finish
                    if piece.text:
                        said.append(piece.text)
                        heard += thoughtless.feed(piece.text)
                        ear(heard)
        except TimeoutError:
            raise Unavailable(f"{self._name} did not answer in time ({self._timeout:g} s).") from None
        if finish is None:
            raise Garbled(f"The stream from {self._name} was cut off.")
        message = {"role": "assistant", "content": "".join(said)}
        return parse_reply({"choices": [{"message": message, "finish_reason": finish}], "usage": usage})

    async def stream(self, request: Request) -> AsyncIterator[str]:
        """The reply's text, piece by piece, without thinking. What the model lacks is worked around on the way.

        Raises:
            ProviderError: before the first piece, or when the stream breaks.
        """
        thoughtless, finished = Thoughtless(), False
        async for piece in await self._open_stream(request):
            finished = finished or piece.finish is not None
            if spoken := thoughtless.feed(piece.text):
                yield spoken
        if rest := thoughtless.end():
            yield rest
        if not finished:
            raise Garbled(f"The stream from {self._name} was cut off.")

    async def aclose(self) -> None:
        await self._client.close()

    async def _open_stream(self, request: Request) -> AsyncIterator[Piece]:
        while True:
            try:
                return self._pieces(await self._streamed(request, self._fit(request), {}))
            except Adjusted:
                continue

    async def _streamed(self, request: Request, fitted: Fitted, more: dict[str, Any]) -> openai.AsyncStream[object]:
        """Raises: as `ask`."""
        try:
            return await self._client.post(
                _PATH,
                content=_content({**self._body(fitted), **more, "stream": True}),
                # Plain data: the SDK's own classes are made of whatever comes, and break where they are read.
                cast_to=object,
                options=OPTIONS,
                stream=True,
                stream_cls=openai.AsyncStream[object],
            )
        except openai.APIError as fault:
            raise self._understood(fault, request, fitted) from None

    async def _pieces(self, stream: openai.AsyncStream[object]) -> AsyncIterator[Piece]:
        try:
            async with stream:
                async for event in stream:
                    yield parse_piece(event)
        except openai.APIError as fault:
            raise classify(fault, self._name, self._secret) from None
        except (httpx2.HTTPError, ValueError) as fault:
            raise Garbled(f"The stream from {self._name} broke: {fault!r}.") from None

    def _body(self, fitted: Fitted) -> dict[str, Any]:
        return render_request(fitted.request, self._model, fitted.limit_field, fitted.silence)

    def _fit(self, request: Request) -> Fitted:
        count = self._count(request)
        fitted = self._capabilities.fit(without_oldest(request, count) if count else request)
        if not count:
            return fitted
        note = f"the {count} oldest exchanges were left out: the conversation does not fit the model's context"
        return replace(fitted, notes=(*fitted.notes, note))

    def _understood(self, fault: openai.APIError, request: Request, sent: Fitted) -> ProviderError:
        told = classify(fault, self._name, self._secret)
        if not isinstance(fault, openai.APIStatusError):
            return told
        # A server that calls a refusal an internal error is read like one that does not.
        refusal = told if isinstance(told, Rejected) else Rejected(str(told), fault.status_code)
        if self._capabilities.learn(refusal, sent, whole(fault)) or (is_too_long(refusal) and self._shorten(request)):
            return Adjusted(str(refusal))
        return told

    def _count(self, request: Request) -> int:
        """How many exchanges to leave out."""
        told = self._left_out.get(content_hash(request), 0) if self._left_out else 0
        return told if self._context_length is None else max(told, excess(request, self._context_length))

    def _shorten(self, request: Request) -> bool:
        """Leave out a quarter of what could still go; False: nothing could.

        Kept by request and not by model, so that what a request is sent as does not depend on which came before.
        """
        count = self._count(request)
        rest = exchanges(request) - count
        self._left_out[content_hash(request)] = count + -(-rest // 4)
        return rest > 0


OPTIONS: Any = {
    # The SDK would add these from the environment, for whatever endpoint.
    "headers": {"OpenAI-Organization": openai.Omit(), "OpenAI-Project": openai.Omit()},
}


def connect(
    base_url: str, api_key: str, timeout: float, http_client: httpx2.AsyncClient | None = None
) -> openai.AsyncOpenAI:
    """An SDK client that does not retry and takes nothing from the environment. Keyless servers get a stand-in key.

    `timeout` is in seconds.
    """
    return openai.AsyncOpenAI(
        base_url=base_url,
        api_key=api_key or "none",
        admin_api_key="",
        webhook_secret="",
        timeout=httpx2.Timeout(timeout, connect=min(timeout, _CONNECT)),
        max_retries=0,
        http_client=http_client or connections(),
    )


def connections() -> httpx2.AsyncClient:
    """For several models to share: of a pool's idle connections each is looked at for each call, and a pool to a model
    has more of them than are in use."""
    return openai.DefaultAsyncHttpxClient(event_hooks={"request": [_look], "response": [_listen]})


async def _look(request: httpx2.Request) -> None:
    """Have the last look taken with the connection in hand. What it raises there reaches who asked."""
    if (passed := door()) is None:
        return

    async def last(event: str, _: Mapping[str, Any]) -> None:
        if event.endswith(".send_request_headers.started") and passed.held:
            raise Held

    request.extensions["trace"] = last


async def _listen(response: httpx2.Response) -> None:
    """No more than its head has come."""
    if (passed := door()) and (response.status_code == 429 or response.status_code >= 500):
        passed.hold(retry_after(response.headers, time.time()))


def _content(body: object) -> bytes:
    try:
        return orjson.dumps(body)
    except orjson.JSONEncodeError as fault:
        raise Rejected(f"The request cannot be sent as JSON: {fault}.") from None


def _json(response: httpx2.Response, who: str) -> object:
    try:
        return orjson.loads(response.content)
    except orjson.JSONDecodeError:
        raise Garbled(f"{who} sent a reply that is not JSON.") from None
