"""A taught student as an agent of tau2-bench.

tau2 asks agents from threads that have no event loop, several at a time; models are asked on one, in a thread of its
own.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property
from types import TracebackType
from typing import Any, Self

from anyio.from_thread import BlockingPortal, start_blocking_portal

from preceptor.adapters.tau2.messages import agent_message, spec_of, turns_of
from preceptor.adapters.tau2.package import part
from preceptor.dialogue.agents import ModelAgent
from preceptor.dialogue.conversation import Context, Turn
from preceptor.errors import BadReply, Defect
from preceptor.student.student import Student

TRIES = 3
"""Times that a reply is asked for in one place before tau2 is told that there is none."""


@dataclass(frozen=True)
class Talk:
    """An agent's state: the conversation as it has seen it."""

    turns: tuple[Turn, ...] = ()


class Agents:
    """Makes agents of a student (or of a model alone). Use it as a context manager, around the whole of tau2's run:

    with Agents(student.using(release)) as agents:
        registry.register_agent_factory(agents.create, "preceptor")
        …
    """

    def __init__(self, student: Student | ModelAgent) -> None:
        self._student = student
        self._open = ExitStack()
        self._portal: BlockingPortal | None = None

    def __enter__(self) -> Self:
        self._portal = self._open.enter_context(start_blocking_portal())
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self._portal = None
        self._open.close()

    def create(self, tools: Sequence[Any], domain_policy: str, **_: Any) -> Any:
        """The factory that tau2 calls, once for each simulation. What it hands over beside tools and policy, the task
        with its gold actions among it, is not looked at.

        Raises:
            UserError: tau2-bench is not installed.
        """
        domain = self._student.domain.model_copy(
            update={"policy": domain_policy, "tools": tuple(map(spec_of, tools)), "rules": (), "escalation": None}
        )
        return self._kind(tools, domain_policy, self, replace(self._student, domain=domain))

    def ask(self, student: Student | ModelAgent, context: Context, seed: int) -> Turn:
        """Raises: BadReply: `TRIES` replies were unusable. ProviderError, Stopped: from the model."""
        if self._portal is None:
            raise Defect("Agents were asked outside of their context manager.")
        return self._portal.call(_reply, student, context, seed)

    @cached_property
    def _kind(self) -> type:
        """tau2's agents have a base class, which is there when tau2 is."""
        base: Any = part("agent.base_agent").HalfDuplexAgent
        return type("PreceptorAgent", (_Asking, base), {})


class _Asking:
    """What an agent does; `HalfDuplexAgent` is beside it."""

    def __init__(self, tools: Sequence[Any], domain_policy: str, agents: Agents, student: Student | ModelAgent) -> None:
        super().__init__(tools, domain_policy)  # type: ignore[call-arg]
        self._agents = agents
        self._student = student
        self._seed = 0

    def set_seed(self, seed: int) -> None:
        self._seed = seed

    def get_init_state(self, message_history: Sequence[Any] | None = None) -> Talk:
        return Talk(tuple(turn for message in message_history or () for turn in turns_of(message)))

    def generate_next_message(self, message: Any, state: Talk) -> tuple[Any, Talk]:
        """The student's message after a user's or after tools' results, and the state that goes with it."""
        turns = (*state.turns, *turns_of(message))
        turn = self._agents.ask(self._student, Context(turns), self._seed)
        return agent_message(turn), Talk((*turns, turn))


async def _reply(student: Student | ModelAgent, context: Context, seed: int) -> Turn:
    """A turn that can be told to tau2."""
    for attempt in range(TRIES):
        try:
            turn = await student.reply(context, seed + attempt)
            agent_message(turn)
        except BadReply:
            if attempt == TRIES - 1:
                raise
        else:
            # The user never sees what is said beside a call, so the student must not believe that it was said.
            return replace(turn, text="") if turn.tool_calls else turn
    raise AssertionError
