"""The gateway as an ASGI application: routes, the body of a request, and what the client is told when things go wrong.

Raw ASGI: a framework's request and response objects cost as much as everything done here. Routes and rights go by
``scope["path"]``, never by a URL put together from headers.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

import orjson

from preceptor.errors import NotFound, PreceptorError
from preceptor.serving.access import LOCAL, Access, Watch
from preceptor.serving.coach import NO_TRIAL, Coach, body_of, wishes_in
from preceptor.serving.contract import below, document, routed
from preceptor.serving.guide import Finder
from preceptor.serving.metrics import CONTENT_TYPE, Metrics
from preceptor.serving.models import offered
from preceptor.serving.outcomes import Outcomes
from preceptor.serving.protocols import openai
from preceptor.serving.protocols.asked import Asked, Speech, model_of, opened
from preceptor.serving.protocols.chat import Chat
from preceptor.serving.protocols.feedback import read_feedback
from preceptor.serving.protocols.messages import Messages
from preceptor.serving.protocols.responses import Responses
from preceptor.serving.refusals import Refused
from preceptor.serving.relay import Receive, Scope, Send, Trip, forwarded, relay
from preceptor.serving.releases import Releases
from preceptor.serving.siblings import ALONE, OWN, Siblings
from preceptor.serving.splice import Edit, quoted
from preceptor.serving.trial import Trial
from preceptor.serving.upstream import Upstreams
from preceptor.serving.usage import Ear, Heard
from preceptor.serving.visit import Beside, Tracing, Visit

Headers = Mapping[bytes, bytes]
PARTING = [(b"connection", b"close")]
"""For a client that may be better off with another worker."""
CLOSE = {"connection": "close"}
"""For what leaves a body half read."""
PLAIN = "/:@!$&'()*+,;=~"
"""What stands for itself in a path."""


@dataclass(frozen=True)
class Bounds:
    """What a request may be."""

    body: int = 32 << 20
    """Most bytes of a body; a longer one is refused with 413."""
    seconds: float = 60.0
    """For a body to come in; a slower one is refused with 408."""


class Gateway:
    """Made once for each process. Serve it, or use `running` around it in a test."""

    def __init__(
        self,
        upstreams: Upstreams,
        releases: Releases,
        access: Access,
        bounds: Bounds = Bounds(),
        metrics: Metrics | None = None,
        finder: Finder | None = None,
        beside: Sequence[Beside] = (),
        trial: Trial = NO_TRIAL,
        outcomes: Outcomes | None = None,
        siblings: Siblings = ALONE,
        tracing: Tracing | None = None,
        watch: Watch = LOCAL,
    ) -> None:
        self.upstreams = upstreams
        self.releases = releases
        self.access = access
        self.bounds = bounds
        self.metrics = metrics or Metrics()
        self.finder = finder or Finder()
        self.coach = Coach(releases, self.finder, trial)
        self.outcomes = outcomes
        self.siblings = siblings
        self.tracing = tracing
        self.watch = watch
        self.beside = (*beside, *filter(None, (outcomes, tracing)))
        self._documents: dict[bool, bytes] = {}
        """The served document, by whether keys are asked for."""
        self._taped = any(one.taped for one in self.beside)
        self._routes, self._below = routed(
            {
                "chat": self._teaching(Chat()),
                "responses": self._teaching(Responses()),
                "messages": self._teaching(Messages()),
                "embeddings": self._passing,
                "models": self._models,
                "model": self._passing,
                "feedback": self._feedback,
                "healthz": self._alive,
                "readyz": self._ready,
                "metrics": self._metrics,
                "openapi": self._document,
            }
        )

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Gateway"]:
        """Connections open, releases followed."""
        async with contextlib.AsyncExitStack() as stack:
            for one in (self.access.running(self.releases.carry), *(other.running() for other in self.beside)):
                await stack.enter_async_context(one)
            await self.releases.look()
            following = asyncio.create_task(self.releases.follow())
            try:
                yield self
            finally:
                following.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await following
                self.finder.close()
                await self.upstreams.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._lifespan(receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        async with self.running():
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        visit = Visit("other")
        if self.tracing is not None:
            visit.traced = self.tracing.begin(scope)
        self.metrics.under_way += 1
        try:
            await self._route(scope, receive, send, visit)
        except Refused as refused:
            await _refuse(send, visit, refused)
        except Exception:
            if visit.trip and visit.trip.started:
                raise
            await _refuse(send, visit, Refused(500, "The gateway failed; this is a defect.", code="defect"))
            raise
        finally:
            self.metrics.under_way -= 1
            self._note(visit)

    async def _route(self, scope: Scope, receive: Receive, send: Send, visit: Visit) -> None:
        path = scope["path"]
        methods = self._routes.get(path) or below(self._below, path)
        if methods is None:
            raise Refused(404, f"There is no {scope['method']} {path[:200]} here.", code="not_found")
        handler = methods.get(scope["method"])
        if handler is None:
            allowed = ", ".join(methods)
            raise Refused(405, f"{path} takes {allowed}.", code="method_not_allowed", headers={"allow": allowed})
        await handler(scope, receive, send, visit)

    def _teaching(self, speech: Speech) -> Callable[[Scope, Receive, Send, Visit], Awaitable[None]]:
        async def handle(scope: Scope, receive: Receive, send: Send, visit: Visit) -> None:
            visit.route, visit.error = speech.name, speech.error
            headers = dict(scope["headers"])
            caller = visit.caller = self.access.admit(headers)
            body = await self._body(headers, receive)
            asked = visit.asked = speech.read(body)
            caller.check(asked.model)
            wishes = wishes_in(headers, asked.wishes)
            given = visit.given = await self.coach.give(speech, asked, caller, wishes)
            visit.trip = Trip(
                "POST",
                speech.path,
                body_of(asked, body, given.edits),
                forwarded(scope["headers"]),
                given.headers(explain=wishes.explain) + (PARTING if self.siblings.parting else []),
                asked.model,
                lambda model: body_of(asked, body, (*given.edits, _named(asked, model))),
                keyed=speech.keyed,
                broken=speech.broken,
            )
            visit.trip.ear = Ear(len(body), lambda heard: self._heard(visit, heard), taped=self._taped)
            visit.trip.traced = visit.traced
            await relay(self.upstreams, visit.trip, receive, send)

        return handle

    async def _passing(self, scope: Scope, receive: Receive, send: Send, visit: Visit) -> None:
        """Embeddings, and what an upstream says of a model."""
        path = quote(scope["path"].removeprefix("/v1"), safe=PLAIN)
        visit.route = path.split("/")[1]
        headers = dict(scope["headers"])
        caller = visit.caller = self.access.admit(headers)
        body, model = None, None
        if scope["method"] == "POST":
            body = await self._body(headers, receive)
            model = model_of(opened(body))
        elif "/" in path[1:]:
            model = scope["path"].removeprefix("/v1/models/")
        if model is not None or body is not None:
            caller.check(model)
        await self._relayed(scope, receive, send, visit, path, body, model)

    async def _relayed(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        visit: Visit,
        path: str,
        body: bytes | None = None,
        model: str | None = None,
    ) -> None:
        """Pass a request on that nothing is taught."""
        query = scope["query_string"].decode("latin-1")
        visit.trip = Trip(
            scope["method"],
            f"{path}?{query}" if query else path,
            body,
            forwarded(scope["headers"]),
            [],
            model,
            broken=openai.broken,
        )
        if body:
            visit.trip.ear = Ear(len(body), lambda heard: self._heard(visit, heard))
        visit.trip.traced = visit.traced
        await relay(self.upstreams, visit.trip, receive, send)

    async def _models(self, scope: Scope, receive: Receive, send: Send, visit: Visit) -> None:
        visit.route = "models"
        headers = dict(scope["headers"])
        caller = visit.caller = self.access.admit(headers)
        lines = self.upstreams.lines
        if len(lines) == 1 and not lines[0].upstream.models and not caller.models:
            await self._relayed(scope, receive, send, visit, "/models")
            return
        query = scope["query_string"].decode("latin-1")
        path = f"/models?{query}" if query else "/models"
        keyed = Messages().keyed if b"anthropic-version" in headers else openai.keyed
        found = await offered(lines, path, forwarded(scope["headers"]), keyed, caller.models)
        await _answer(send, visit, 200, orjson.dumps(found))

    async def _body(self, headers: Headers, receive: Receive) -> bytes:
        """Raises: Refused: too long, too slow, or packed."""
        if headers.get(b"content-encoding", b"identity") != b"identity":
            raise Refused(
                415, "Compressed request bodies are not read; send this one as it is.", code="compressed_body"
            )
        if int(headers.get(b"content-length", b"0")) > self.bounds.body:
            raise self._too_long()
        event = await receive()
        if not event.get("more_body"):
            return self._bounded(event.get("body", b""))
        pieces = [event.get("body", b"")]
        size = len(pieces[0])
        try:
            async with asyncio.timeout(self.bounds.seconds):
                while event.get("more_body"):
                    event = await receive()
                    pieces.append(event.get("body", b""))
                    size += len(pieces[-1])
                    if size > self.bounds.body:
                        raise self._too_long()
        except TimeoutError:
            raise Refused(408, "The body did not come in in time.", code="slow_body", headers=CLOSE) from None
        if event["type"] == "http.disconnect":
            raise Refused(400, "The client left before the body was there.", code="client_left")
        return b"".join(pieces)

    def _bounded(self, body: bytes) -> bytes:
        if len(body) > self.bounds.body:
            raise self._too_long()
        return body

    def _too_long(self) -> Refused:
        # The connection is kept: what is still to come of the body is read past (see `wire`).
        most = f"{self.bounds.body / (1 << 20):g} MiB"
        return Refused(413, f"The body is longer than {most}, the most this gateway takes.", code="body_too_long")

    async def _feedback(self, scope: Scope, receive: Receive, send: Send, visit: Visit) -> None:
        visit.route = "feedback"
        headers = dict(scope["headers"])
        caller = visit.caller = self.access.admit(headers)
        told = read_feedback(await self._body(headers, receive))
        if self.outcomes is None:
            raise Refused(404, "No feedback is kept here.", code="not_found")
        try:
            name = await self.outcomes.tell(caller.tenant, told.conversation, told.response, told.measures)
        except NotFound as fault:
            raise Refused(404, str(fault), "response", "response_not_found") from None
        except PreceptorError:
            busy = {"retry-after": "5"}
            raise Refused(503, "Feedback cannot be kept at present.", None, "feedback_unavailable", busy) from None
        await _answer(send, visit, 200, orjson.dumps({"conversation": name, "kept": sorted(told.measures)}))

    async def _alive(self, scope: Scope, receive: Receive, send: Send, visit: Visit) -> None:
        visit.route = "healthz"
        await _answer(send, visit, 200, orjson.dumps({"alive": True}))

    async def _ready(self, scope: Scope, receive: Receive, send: Send, visit: Visit) -> None:
        """Whether requests would be answered; that they would go untaught is said, but is no reason to take us out."""
        visit.route = "readyz"
        ready = self.upstreams.ready
        faults = {name: shelf.fault for name, shelf in self.releases.shelves.items() if shelf.fault}
        said = {"ready": ready, "libraries": dict.fromkeys(self.releases.shelves, "") | faults}
        await _answer(send, visit, 200 if ready else 503, orjson.dumps(said))

    async def _metrics(self, scope: Scope, receive: Receive, send: Send, visit: Visit) -> None:
        visit.route = "metrics"
        self.watch.admit(dict(scope["headers"]), scope.get("client"))
        self.metrics.look(
            {name: shelf.read for name, shelf in self.releases.shelves.items()},
            {line.upstream.name: line.healthy for line in self.upstreams.lines},
            sum(one.lost for one in self.beside),
        )
        text = self.metrics.text()
        if scope["query_string"] != OWN:
            text = await self.siblings.gather(text)
        await _answer(send, visit, 200, text, CONTENT_TYPE)

    async def _document(self, scope: Scope, receive: Receive, send: Send, visit: Visit) -> None:
        visit.route = "openapi"
        keyed = self.access.keyed
        if keyed not in self._documents:
            self._documents[keyed] = orjson.dumps(document(self.bounds.body, keyed=keyed))
        await _answer(send, visit, 200, self._documents[keyed])

    def _heard(self, visit: Visit, heard: Heard) -> None:
        """An answer is about to end."""
        trip, caller = visit.trip, visit.caller
        assert trip is not None, "answers come to trips"
        assert caller is not None, "nobody is heard who was not admitted"
        if trip.status < 400:
            visit.heard, visit.cost = heard, self.access.charge(caller, trip.upstream, heard.usage)

    def _note(self, visit: Visit) -> None:
        trip, given = visit.trip, visit.given
        if trip is not None:
            if trip.ear is not None and trip.started:
                trip.ear.over()
            # It leads back to the visit; a body would stay until garbage is collected.
            trip.ear = None
            visit.status = trip.status or visit.status
        self.metrics.ended(
            visit.route,
            visit.status,
            trip.upstream if trip else "",
            trip.tries if trip else 0,
            trip.first_byte if trip else 0.0,
            cut=trip is not None and trip.cut,
        )
        if visit.refused:
            self.metrics.refused(visit.refused)
        if visit.caller is not None:
            if visit.heard is not None:
                self.metrics.took(visit.caller.tenant, visit.cost, estimated=visit.heard.estimated)
            if given is not None:
                self.metrics.taught(visit.caller.tenant, given.state)
        if given is not None and given.finding is not None:
            self.metrics.found(given.finding.seconds, late=given.finding.late)
        for one in self.beside:
            one.note(visit)


def _named(asked: Asked, model: str) -> Edit:
    """Another model's name in a body."""
    part = asked.document.part("model")
    return asked.document.added("model", quoted(model)) if part is None else Edit(part.start, part.end, quoted(model))


async def _refuse(send: Send, visit: Visit, refused: Refused) -> None:
    visit.refused = refused.code or refused.kind
    more = [(name.encode(), value.encode("latin-1", "replace")) for name, value in refused.headers.items()]
    given = visit.given.headers(explain=False) if visit.given else []
    await _answer(send, visit, refused.status, visit.error(refused), headers=[*more, *given])


async def _answer(
    send: Send,
    visit: Visit,
    status: int,
    body: bytes,
    kind: str = "application/json",
    headers: list[tuple[bytes, bytes]] | None = None,
) -> None:
    visit.status = status
    about = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode()), *(headers or [])]
    await send({"type": "http.response.start", "status": status, "headers": about})
    await send({"type": "http.response.body", "body": body})
