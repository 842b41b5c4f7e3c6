"""The tools of a run: an environment around whatever stands behind them.

Here is what all kinds have in common: arguments are read and checked, time and length are bounded, failures become
results, calls are written down, counted, and never made twice.
"""

from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import anyio
import orjson

from preceptor.dialogue.conversation import Conversation, Turn
from preceptor.dialogue.customers import Customer
from preceptor.dialogue.domain import ToolSpec
from preceptor.dialogue.environment import Environment, Session
from preceptor.dialogue.outcome import Outcome
from preceptor.dialogue.tools.arguments import Check, check, checker, parsed
from preceptor.dialogue.tools.backend import Backend, Visit
from preceptor.dialogue.tools.record import Given, Record
from preceptor.dialogue.tools.use import Use
from preceptor.errors import PreceptorError, ToolFailed, UserError
from preceptor.llm.messages import ToolCall
from preceptor.storage.canonical import content_hash, short_id

CHARACTERS = 3
"""Of a token, as a safe estimate where no tokeniser is known."""
SAID = 300
"""Characters of a failure that the agent is told."""
AWAY = 10
"""Calls in a row that reach nobody, after which a run ends: what it would learn without its tools is of no use."""


@dataclass(frozen=True)
class Bounds:
    timeout: float = 30.0
    """Seconds a call may take."""
    tokens: int = 2_000
    """Of a result, about; what is longer is cut, and the agent told."""
    at_once: int = 8
    """Calls at a time; the others wait."""


BOUNDS = Bounds()


class Toolbox:
    """An `Environment`. Use it as an async context manager: leaving waits until every call is on disk."""

    noticed = False

    def __init__(
        self,
        specs: tuple[ToolSpec, ...],
        backend: Backend,
        *,
        bounds: Bounds = BOUNDS,
        record: Record | None = None,
        repeatable: bool = False,
        harmless: frozenset[str] = frozenset(),
        trusted: bool = True,
    ) -> None:
        """
        Args:
            record: where calls are written down. Without one nothing is, and a run cannot be resumed exactly.
            repeatable: what calls change is gone with the conversation; they are made again instead of written down.
            harmless: tools that change nothing. Was one under way when a run ended, it is called again.
            trusted: a person wrote the schemas, so that arguments can be held against them here.

        Raises:
            SettingsError: a tool's parameters are no JSON schema.
        """
        self.specs = specs
        self.repeatable = repeatable
        self.use = Use()
        self._backend = backend
        self._bounds = bounds
        self._record = record
        self._harmless = harmless
        self._checks: dict[str, Check | None] = {spec.name: checker(spec) if trusted else None for spec in specs}
        self._places = anyio.CapacityLimiter(bounds.at_once)
        self._opened: Counter[str] = Counter()
        self._away: list[str] = []
        """Calls that were not made, one after the other, because nobody was there."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None
    ) -> None:
        with anyio.CancelScope(shield=True):
            await self._backend.aclose()
            if self._record is not None and fault is None:
                await self._record.written()

    @asynccontextmanager
    async def open(self, customer: Customer) -> AsyncIterator["Desk"]:
        # A customer's conversations are begun in one order, however their calls come back, so their number names them.
        count = self._opened[customer.key]
        self._opened[customer.key] += 1
        run = self._record.run if self._record else ""
        name = short_id("co", [run, customer.key, count])
        visit = Visit(name, customer.key, customer.topic.id, customer.seed)
        try:
            yield Desk(self, visit)
        finally:
            with anyio.CancelScope(shield=True):
                await self._backend.leave(visit)

    def arguments(self, call: ToolCall) -> dict[str, Any]:
        """Raises: ToolFailed: there is no such tool, or it cannot be called so."""
        if call.name not in self._checks:
            names = ", ".join(self._checks) or "none"
            raise ToolFailed(f"There is no tool {call.name[:80]!r}. There are: {names}.", "unknown")
        arguments = parsed(call.arguments)
        checked = self._checks[call.name]
        if checked is not None:
            check(checked, arguments)
        return arguments

    async def answer(self, visit: Visit, key: str, name: str, arguments: Mapping[str, Any]) -> str:
        """The result of a call: what it gave before, or what it gives now."""
        record = None if self.repeatable else self._record
        if record is None:
            return (await self._called(visit, key, name, arguments)).result
        if (before := record.given(key)) is not None:
            self.use.note(name, ToolFailed("", before.mishap) if before.mishap else None)
            return before.result
        if record.begun(key) and name not in self._harmless:
            given = self.failed(
                name, ToolFailed("It is not known whether this was done. Look before you try again.", "interrupted")
            )
        else:
            await record.begin(key, visit, name, arguments)
            given = await self._called(visit, key, name, arguments)
        record.finish(key, given)
        return given.result

    def outcome(self, visit: Visit, conversation: Conversation) -> Outcome | None:
        return self._backend.outcome(visit, conversation)

    def failed(self, name: str, fault: ToolFailed) -> Given:
        """A failure as the agent is told it."""
        self.use.note(name if name in self._checks else "(unknown)", fault)
        said = " ".join(_clean(fault.message).split())
        return Given(orjson.dumps({"error": said[:SAID]}).decode(), fault.why)

    async def _called(self, visit: Visit, key: str, name: str, arguments: Mapping[str, Any]) -> Given:
        try:
            await self._backend.ready(visit)
            async with self._places:
                with anyio.fail_after(self._bounds.timeout):
                    result = await self._backend.call(name, arguments, visit, key)
        except TimeoutError:
            said = f"The tool gave no answer in {self._bounds.timeout:g} seconds. It is not known whether it was done."
            return self.failed(name, ToolFailed(said, "late"))
        except ToolFailed as fault:
            self._away.clear()
            return self.failed(name, fault)
        except PreceptorError as fault:
            return await self._missed(name, key, fault)
        self._away.clear()
        self.use.note(name, None)
        return Given(bounded(result, self._bounds.tokens))

    async def _missed(self, name: str, key: str, fault: PreceptorError) -> Given:
        """A call that was not made, because nobody is there. After some in a row a person has to see to it.

        Raises:
            UserError
        """
        self._away.append(key)
        if len(self._away) >= AWAY:
            if self._record is not None and not self.repeatable:
                await self._record.forget(self._away)
            raise UserError(f"The tools could not be reached, {AWAY} times in a row; resume when they can. {fault}")
        return self.failed(name, ToolFailed("The tool cannot be reached.", "unreachable", str(fault)))


@dataclass
class Desk:
    """The tools in one conversation."""

    box: Toolbox
    visit: Visit
    _so_far: str = ""
    """Names all calls until now and what they gave."""

    async def call(self, call: ToolCall) -> str:
        try:
            arguments = self.box.arguments(call)
        except ToolFailed as fault:
            return self.box.failed(call.name, fault).result
        key = self._key(call.name, arguments)
        result = await self.box.answer(self.visit, key, call.name, arguments)
        self._so_far = content_hash([key, result])
        return result

    def remember(self, call: ToolCall, result: str) -> None:
        """Take note of a call that was made before, without making it."""
        with suppress(ToolFailed):
            self._so_far = content_hash([self._key(call.name, self.box.arguments(call)), result])

    def _key(self, name: str, arguments: Mapping[str, Any]) -> str:
        return content_hash([self.visit.conversation, self._so_far, name, arguments])

    def outcome(self, conversation: Conversation) -> Outcome | None:
        return self.box.outcome(self.visit, conversation)


@asynccontextmanager
async def taken_up(environment: Environment, customer: Customer, turns: Sequence[Turn]) -> AsyncIterator[Session]:
    """A session in which a conversation has come so far: what was called is called again where nothing but the session
    changes by it, and otherwise only known."""
    async with environment.open(customer) as session:
        for call, result in made(turns):
            if environment.repeatable:
                await session.call(call)
            elif isinstance(session, Desk):
                session.remember(call, result)
        yield session


def made(turns: Sequence[Turn]) -> Iterator[tuple[ToolCall, str]]:
    """The calls of a conversation that were answered, with what they gave."""
    asked: list[ToolCall] = []
    for turn in turns:
        if turn.tool_calls:
            asked = list(turn.tool_calls)
        elif call := next((one for one in asked if one.id == turn.tool_call_id), None):
            asked.remove(call)  # some models give several calls one id
            yield call, turn.text


def bounded(result: str, tokens: int) -> str:
    """A result no longer than so many tokens, about, and what was left out said."""
    clean, most = _clean(result), tokens * CHARACTERS
    if len(clean) <= most:
        return clean
    return f"{clean[:most]}\n[cut: the first {most:,} of {len(clean):,} characters]"


def _clean(text: str) -> str:
    """Without NUL and halves of characters, which can be kept in no database and sent to no model."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
