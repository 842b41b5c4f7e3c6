"""Requests as OpenTelemetry traces, after its conventions for HTTP and generative AI (extra ``otel``): a server's span
for each request, and within it a client's for each call to an upstream.

Promises: no key and, unless asked for, no word of a message is in a span; a trace that was begun before us goes on
through us to the upstream; requests wait for no receiver, and when it is away or slow, spans are lost and nothing else.
Only imported where traces are asked for.
"""

import contextlib
import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any

import anyio.to_thread
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from preceptor.dialogue.conversation import Context
from preceptor.library.redaction import Redaction
from preceptor.serving.connection import Place
from preceptor.serving.recording import STRANGE, reply
from preceptor.serving.relay import Headers, Scope, Traced
from preceptor.serving.upstream import Upstream
from preceptor.serving.visit import Visit

NAME = "preceptor"
PATIENCE = 5.0
"""Seconds a receiver may take for a handful of spans; as long, at most, a gateway that ends waits for it."""
CARRIED = (b"traceparent", b"tracestate")
OPERATIONS: Mapping[str, str] = {"chat": "chat", "responses": "chat", "messages": "chat", "embeddings": "embeddings"}
"""What the conventions call our routes."""
ASKED = {
    "temperature": "gen_ai.request.temperature",
    "top_p": "gen_ai.request.top_p",
    "max_tokens": "gen_ai.request.max_tokens",
    "max_completion_tokens": "gen_ai.request.max_tokens",
    "max_output_tokens": "gen_ai.request.max_tokens",
}
"""Numbers in requests that have a name there."""
ROLES = {"customer": "user", "agent": "assistant", "tool": "tool"}


class Traces:
    """Makes them. One for each process; it is told of the end of requests as `Beside`."""

    lost = 0

    def __init__(self, processor: SpanProcessor, ratio: float = 1.0, *, messages: bool = False) -> None:
        """`processor`: where spans go. `ratio`: the share of traces begun here that are kept; of those begun before us,
        who began them has said. `messages`: with what was said, customers' data replaced."""
        self.taped = messages
        about = Resource.create({"service.name": NAME, "service.version": version(NAME)})
        self._provider = TracerProvider(
            sampler=ParentBased(TraceIdRatioBased(ratio)), resource=about, shutdown_on_exit=False
        )
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer(NAME, version(NAME))

    @classmethod
    def sent(cls, endpoint: str, ratio: float = 1.0, *, messages: bool = False) -> "Traces":
        """To an OTLP receiver, such as ``http://127.0.0.1:4318/v1/traces``."""
        exporter: SpanExporter = OTLPSpanExporter(endpoint, timeout=PATIENCE)
        return cls(BatchSpanProcessor(exporter), ratio, messages=messages)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await anyio.to_thread.run_sync(self._provider.shutdown)

    def begin(self, scope: Scope) -> Traced | None:
        """A request has come. Those of machines that look after us, every few seconds, would drown the rest."""
        if not scope["path"].startswith("/v1/"):
            return None
        carried = {name.decode(): value.decode("latin-1") for name, value in scope["headers"] if name in CARRIED}
        before = _FORM.extract(carried)
        about = {"http.request.method": scope["method"], "url.path": scope["path"][:200], "url.scheme": "http"}
        span = self._tracer.start_span(scope["method"], before, SpanKind.SERVER, about)
        return _Request(self._tracer, span, scope["method"])

    def note(self, visit: Visit) -> None:
        if isinstance(visit.traced, _Request):
            visit.traced.end(visit, messages=self.taped)


_FORM = TraceContextTextMapPropagator()


class _Request:
    """One trace's part of ours."""

    def __init__(self, tracer: trace.Tracer, span: Span, method: str) -> None:
        self._tracer = tracer
        self._method = method
        self._span = span
        self._within = trace.set_span_in_context(span)
        self._call: Span | None = None
        self._ended = 0
        """When the call did, in nanoseconds."""

    def calling(self, upstream: Upstream, headers: Headers) -> Headers:
        self._finish()
        self._call = self._tracer.start_span("call", self._within, SpanKind.CLIENT)
        if self._call.is_recording():
            self._call.set_attributes(_where(upstream))
        carrier: dict[str, str] = {}
        _FORM.inject(carrier, trace.set_span_in_context(self._call))
        more = [(name.encode(), value.encode("latin-1")) for name, value in carrier.items()]
        return [header for header in headers if header[0] not in CARRIED] + more

    def called(self, status: int, fault: str) -> None:
        if self._call is None:
            return
        self._ended = time.time_ns()
        if status:
            self._call.set_attribute("http.response.status_code", status)
        if fault or status >= 400:
            self._call.set_attribute("error.type", fault or str(status))
            self._call.set_status(StatusCode.ERROR)

    def end(self, visit: Visit, *, messages: bool) -> None:
        """The request is over, and all that is to be known of it is."""
        if self._call is not None and self._call.is_recording():
            _tell_call(self._call, visit)
            if messages:
                _tell_messages(self._call, visit)
        self._finish()
        if self._span.is_recording():
            self._span.update_name(f"{self._method} {visit.route}")
            _tell_request(self._span, visit)
        self._span.end()

    def _finish(self) -> None:
        if self._call is not None:
            self._call.end(self._ended or None)
            self._call, self._ended = None, 0


def _where(upstream: Upstream) -> dict[str, Any]:
    place = Place.of(upstream.base_url)
    return {"preceptor.upstream": upstream.name, "server.address": place.host, "server.port": place.port}


def _tell_request(span: Span, visit: Visit) -> None:
    told: dict[str, Any] = {"http.route": visit.route, "http.response.status_code": visit.status or None}
    if visit.refused or visit.status >= 500:
        told["error.type"] = visit.refused or str(visit.status)
    if visit.status >= 500:
        span.set_status(StatusCode.ERROR)
    if (caller := visit.caller) is not None:
        told |= {"preceptor.tenant": caller.tenant, "preceptor.key": caller.key or None}
    if (given := visit.given) is not None:
        told |= {"preceptor.teaching": given.state, "preceptor.release": given.release or None}
        told |= {"preceptor.arm": given.arm, "preceptor.reason": given.reason or None}
        told["gen_ai.conversation.id"] = given.conversation or None
        if (finding := given.finding) is not None:
            told["preceptor.scenarios"] = [name for name, _ in finding.found.matches]
            told["preceptor.strategies"] = [strategy.id for strategy in finding.found.strategies]
            told["preceptor.finding_seconds"] = finding.seconds
            told["preceptor.embedder"] = finding.embedder
    _set(span, told)


def _tell_call(span: Span, visit: Visit) -> None:
    trip, asked, heard = visit.trip, visit.asked, visit.heard
    assert trip is not None, "a call is of a trip"
    operation = OPERATIONS.get(visit.route)
    span.update_name(" ".join(filter(None, (operation or f"{trip.method} {visit.route}", _clean(trip.model)))))
    told: dict[str, Any] = {"http.request.method": trip.method, "gen_ai.request.model": _clean(trip.model)}
    if operation:
        told |= {"gen_ai.operation.name": operation}
        told["gen_ai.provider.name"] = "anthropic" if visit.route == "messages" else "openai"
    if asked is not None:
        told["gen_ai.request.stream"] = asked.stream or None
        for name, known in ASKED.items():
            if type(value := asked.document.get(name)) in (int, float) and abs(value) < 1 << 53:
                told[known] = value
        if asked.stream and trip.first_byte:
            told["gen_ai.response.time_to_first_chunk"] = trip.first_byte
    if heard is not None:
        told |= {"gen_ai.response.id": _clean(heard.id), "gen_ai.response.model": _clean(heard.model)}
        told["preceptor.tokens_estimated"] = heard.estimated or None
        told["gen_ai.usage.input_tokens"] = heard.usage.prompt_tokens
        told["gen_ai.usage.output_tokens"] = heard.usage.completion_tokens
    if trip.cut:
        told["error.type"] = "cut"
        span.set_status(StatusCode.ERROR)
    _set(span, told)


def _tell_messages(span: Span, visit: Visit) -> None:
    """What was said, as far as simple patterns find customers' data without it."""
    if visit.asked is None:
        return
    turns = visit.asked.turns
    redaction = Redaction.of([Context(turns)])
    said = [_message(ROLES[turn.party], redaction.text(turn.text)) for turn in turns]
    told = {"gen_ai.input.messages": json.dumps(said)}
    with contextlib.suppress(*STRANGE):
        if visit.heard is not None and (answer := reply(visit.heard.tape)):
            told["gen_ai.output.messages"] = json.dumps([_message("assistant", redaction.text(answer["content"]))])
    _set(span, told)


def _message(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "text", "content": text}]}


def _set(span: Span, told: Mapping[str, Any]) -> None:
    for name, value in told.items():
        if value is not None and (not isinstance(value, Sequence) or value):
            span.set_attribute(name, value)


def _clean(text: str | None) -> str | None:
    """JSON can name halves of characters, which cannot be written."""
    return text.encode("utf-8", "replace").decode()[:200] if text else None
