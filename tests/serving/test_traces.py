"""OpenTelemetry traces: what stands in them and what does not, whom they come from and go on to, who waits for them."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import anthropic
import openai
import orjson
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from preceptor.library.store import Library
from preceptor.serving.access import Caller
from preceptor.serving.traces import Traces
from preceptor.serving.upstream import Upstream

from .stage import ABOUT_BREAD, LATE, Echo, Open, behind, chunk, gateway, plain, said, served, streamed

pytestmark = pytest.mark.anyio
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
REPLY = (
    b'{"id":"chatcmpl-9","object":"chat.completion","created":1,"model":"m-2","choices":[{"index":0,"message":'
    b'{"role":"assistant","content":"Soon, Ms Miller."},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":11,"completion_tokens":4,"total_tokens":15}}'
)
MESSAGES: list[Any] = [{"role": "user", "content": f"{ABOUT_BREAD} Mail me at ann@example.com."}]
BODY = orjson.dumps({"model": "m", "messages": MESSAGES, "temperature": 0.5})


async def ask(url: str, headers: Mapping[str, str] = MappingProxyType({}), body: bytes = BODY) -> int:
    async with plain() as session, session.post(f"{url}/v1/chat/completions", data=body, headers=headers) as got:
        await got.read()
        return got.status


class Kept:
    """Traces kept in memory."""

    def __init__(self, ratio: float = 1.0, *, messages: bool = False) -> None:
        self._memory = InMemorySpanExporter()
        self.traces = Traces(SimpleSpanProcessor(self._memory), ratio, messages=messages)

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self._memory.get_finished_spans())

    def of(self, kind: SpanKind) -> list[ReadableSpan]:
        return [span for span in self.spans if span.kind is kind]


def told(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


async def test_a_request_and_its_call_are_one_trace(library: Library, database: Path) -> None:
    kept, echo = Kept(), Echo([said(REPLY)])
    access = Open(Caller("shop", "default", key="key-1"))
    async with behind(echo, database, tracing=kept.traces, access=access) as (url, _):
        parent = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "other=1", "authorization": "Bearer sk-mine"}
        assert await ask(url, parent) == 200
    (call,), (request,) = kept.of(SpanKind.CLIENT), kept.of(SpanKind.SERVER)
    assert (request.name, call.name) == ("POST chat", "chat m")
    assert request.parent is not None
    assert call.parent is not None
    assert (f"{request.context.trace_id:032x}", f"{request.parent.span_id:016x}") == (TRACE, PARENT)
    assert call.parent.span_id == request.context.span_id
    # The upstream goes on from our call, and hears of who began it.
    sent = echo.seen[0].headers
    assert sent["traceparent"] == f"00-{TRACE}-{call.context.span_id:016x}-01"
    assert sent["tracestate"] == "other=1"
    here, there = told(request), told(call)
    assert (here["preceptor.teaching"], here["preceptor.tenant"], here["preceptor.key"]) == ("on", "shop", "key-1")
    assert here["preceptor.release"] == library.live_hash()
    assert len(here["preceptor.strategies"]) == 2
    assert here["preceptor.scenarios"]
    assert here["http.response.status_code"] == there["http.response.status_code"] == 200
    wanted = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "m",
        "gen_ai.request.temperature": 0.5,
        "gen_ai.response.model": "m-2",
        "gen_ai.response.id": "chatcmpl-9",
        "gen_ai.usage.input_tokens": 11,
        "gen_ai.usage.output_tokens": 4,
        "server.address": "127.0.0.1",
        "preceptor.upstream": "up-0",
    }
    assert wanted.items() <= there.items()
    assert request.start_time is not None
    assert call.start_time is not None
    assert request.start_time <= call.start_time <= (call.end_time or 0) <= (request.end_time or 0)


async def test_no_key_and_no_word_unless_asked_for(library: Library, database: Path) -> None:
    for messages in (False, True):
        kept, echo = Kept(messages=messages), Echo([said(REPLY)])
        async with behind(echo, database, tracing=kept.traces) as (url, _):
            headers = {"authorization": "Bearer sk-mine", "x-api-key": "sk-other"}
            async with (
                plain() as session,
                session.post(f"{url}/v1/chat/completions", data=BODY, headers=headers) as got,
            ):
                await got.read()
            async with plain() as session, session.post(f"{url}/v1/messages", data=b'{"messages":"bread"') as got:
                assert got.status == 400
        text = "".join(span.to_json() for span in kept.spans)
        assert "sk-" not in text
        assert LATE not in text
        assert "ann@example.com" not in text
        assert ("bread" in text) == ("Soon" in text) == messages
        if messages:
            (call,) = kept.of(SpanKind.CLIENT)
            (first,) = orjson.loads(told(call)["gen_ai.input.messages"])
            assert first["role"] == "user"
            assert "[e-mail 1]" in first["parts"][0]["content"]


async def test_streams_other_protocols_and_embeddings(library: Library, database: Path) -> None:
    kept = Kept()
    usage = b'data: {"id":"c","model":"m","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}\n\n'
    claude = b'{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":"end_turn",'
    claude += b'"usage":{"input_tokens":7,"output_tokens":5}}'
    vectors = b'{"object":"list","model":"e","usage":{"prompt_tokens":9,"total_tokens":9},"data":'
    listed = vectors + b'[{"object":"embedding","index":0,"embedding":[0.5]}]}'
    echo = Echo([streamed(chunk("Hel"), usage), said(claude), said(listed)])
    async with behind(echo, database, tracing=kept.traces) as (url, _):
        client = openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="x", max_retries=0)
        other = anthropic.AsyncAnthropic(base_url=url, api_key="x", max_retries=0)
        async with client, other:
            async for _ in await client.chat.completions.create(model="m", messages=MESSAGES, stream=True):
                pass
            await other.messages.create(model="m", max_tokens=9, messages=MESSAGES)
            await client.embeddings.create(model="e", input="x")
    stream, message, embedding = map(told, kept.of(SpanKind.CLIENT))
    assert stream["gen_ai.request.stream"] is True
    assert stream["gen_ai.usage.output_tokens"] == 2
    assert stream["gen_ai.response.time_to_first_chunk"] > 0
    assert (message["gen_ai.provider.name"], message["gen_ai.usage.input_tokens"]) == ("anthropic", 7)
    assert message["gen_ai.request.max_tokens"] == 9
    assert (embedding["gen_ai.operation.name"], embedding["gen_ai.usage.input_tokens"]) == ("embeddings", 9)


async def test_each_call_has_its_span_and_failures_say_so(library: Library, database: Path) -> None:
    kept = Kept()
    async with served(Echo([said(b"{}", 503)])) as bad, served(Echo()) as good:
        lines = [Upstream("bad", f"{bad}/v1"), Upstream("good", f"{good}/v1", weight=0)]
        async with served(gateway(database, upstreams=lines, tracing=kept.traces), lifespan=True) as url:
            assert await ask(url) == 200
    first, second = kept.of(SpanKind.CLIENT)
    assert (told(first)["error.type"], first.status.status_code) == ("503", StatusCode.ERROR)
    assert "error.type" not in told(second)
    kept = Kept()
    async with served(gateway(database, "http://127.0.0.1:1", tracing=kept.traces), lifespan=True) as url:
        assert await ask(url) == 502
        async with plain() as session, session.get(f"{url}/healthz") as got:
            assert got.status == 200
    (call,), (request,) = kept.of(SpanKind.CLIENT), kept.of(SpanKind.SERVER)
    assert told(call)["error.type"] == told(request)["error.type"] == "upstream_unreachable"
    assert request.status.status_code is StatusCode.ERROR


async def test_what_is_not_sampled_is_passed_on_all_the_same(library: Library, database: Path) -> None:
    kept, echo = Kept(ratio=0.0), Echo()
    async with behind(echo, database, tracing=kept.traces) as (url, _):
        for flag in ("", "00", "01"):
            assert await ask(url, {"traceparent": f"00-{TRACE}-{PARENT}-{flag}"} if flag else {}) == 200
            flags = int(echo.seen[-1].headers["traceparent"][-2:], 16)
            assert flags & 1 == int(flag or "00")
    # Whoever began a trace has said whether it is kept.
    assert len(kept.spans) == 2


async def test_without_traces_those_of_others_pass_untouched(library: Library, database: Path) -> None:
    echo, carried = Echo(), f"00-{TRACE}-{PARENT}-01"
    async with behind(echo, database) as (url, _):
        assert await ask(url, {"traceparent": carried}) == 200
    assert echo.seen[0].headers["traceparent"] == carried


async def test_a_receiver_hears_of_them(library: Library, database: Path) -> None:
    receiver = Echo([said(b"", headers=((b"content-type", b"application/x-protobuf"),))])
    async with served(receiver) as there:
        traces = Traces.sent(f"{there}/v1/traces")
        async with behind(Echo(), database, tracing=traces) as (url, _):
            assert await ask(url) == 200
    heard = ExportTraceServiceRequest.FromString(receiver.seen[0].body)
    (resource,) = heard.resource_spans
    names = {span.name for scope in resource.scope_spans for span in scope.spans}
    assert names == {"POST chat", "chat m"}
    about = {one.key: one.value.string_value for one in resource.resource.attributes}
    assert about["service.name"] == "preceptor"


async def test_no_request_waits_for_a_receiver_that_is_away(library: Library, database: Path) -> None:
    traces = Traces.sent("http://127.0.0.1:1/v1/traces")
    async with behind(Echo(), database, tracing=traces) as (url, _):
        assert {await ask(url) for _ in range(20)} == {200}


def test_nothing_of_it_is_imported_without_need() -> None:
    program = "import sys, preceptor.settings.serving, preceptor.cli.serve, preceptor.serving.server; "
    program += "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
