"""tau2-bench's tasks, tools and simulated users, for teaching and evaluation.

`domain` and `environment` go into `teach` and `evaluate` as any others; customers are spoken for by a model of one's
own, or by tau2's user simulator (`simulator`).
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio.to_thread

from preceptor.adapters.tau2.messages import arguments, spec_of, trajectory
from preceptor.adapters.tau2.package import part
from preceptor.dialogue.conversation import Conversation, Ending, Turn
from preceptor.dialogue.customers import Customer
from preceptor.dialogue.domain import Domain, Persona, Topic
from preceptor.dialogue.outcome import Check, Outcome
from preceptor.dialogue.tools.sandbox.tasks import slug
from preceptor.errors import BadReply, NotFound, PreceptorError, Unavailable, UserError
from preceptor.llm.messages import ToolCall

GREETING = "Hi! How can I help you today?"
"""What tau2's conversations open with."""
STOP, TRANSFER, OUT_OF_SCOPE = "###STOP###", "###TRANSFER###", "###OUT-OF-SCOPE###"
AS_TOLD = Persona(id="as-told", description="You are as you were told above.")


@dataclass(frozen=True)
class Benchmark:
    """One of tau2's domains. An `Environment`: each conversation finds tau2's own tools over a database of its own."""

    name: str
    tasks: Mapping[str, Any]
    """tau2's, by our topics' ids."""
    repeatable: bool = True
    noticed: bool = False

    @classmethod
    def load(cls, name: str, split: str | None = None, ids: Sequence[str] | None = None) -> "Benchmark":
        """A domain's tasks: all, those of a split (``train``, ``test``), or those with these ids.

        Raises:
            UserError: tau2-bench is not installed; the domain's users have tools of their own, as in telecom; a task
                begins in the middle of a conversation; two tasks' ids differ in their marks alone.
            NotFound: there is no such domain, split or task.
        """
        registry = part("registry").registry
        try:
            found = registry.get_tasks_loader(name)(split)
            environment = registry.get_env_constructor(name)()
        except (KeyError, ValueError) as fault:
            raise NotFound(f"tau2-bench has no domain {name!r} with a split {split!r}: {fault}.") from None
        if environment.user_tools is not None:
            raise UserError(f"tau2-bench's users in {name!r} have tools of their own, which is not supported.")
        tasks = {str(task.id): task for task in found}
        if missing := [one for one in ids or () if one not in tasks]:
            raise NotFound(f"tau2-bench's {name!r} has no task {missing[0]!r}.")
        wanted: dict[str, Any] = {}
        for id_ in ids or tasks:
            key, task = slug(id_), tasks[id_]
            if (other := wanted.setdefault(key, task)) is not task:
                raise UserError(f"Tasks {other.id!r} and {task.id!r} would be one topic, {key!r}; take one by its id.")
            if task.initial_state is not None and task.initial_state.message_history:
                raise UserError(f"Task {key!r} begins in the middle of a conversation, which is not supported.")
        return cls(name, wanted)

    def domain(self, role: str, goal: str, personas: Sequence[Persona] = (AS_TOLD,)) -> Domain:
        """Policy and tools are tau2's; topics are what the tasks tell their users."""
        environment = self._environment()
        return Domain(
            name=self.name,
            role=role,
            goal=goal,
            policy=environment.get_policy(),
            topics=tuple(Topic(id=key, description=str(task.user_scenario)) for key, task in self.tasks.items()),
            personas=tuple(personas),
            tools=tuple(map(spec_of, environment.get_tools())),
        )

    def customers(self, seeds: Sequence[int] = (0,), persona: Persona = AS_TOLD) -> tuple[Customer, ...]:
        """Everybody: one for each task and seed."""
        return tuple(
            Customer(Topic(id=key, description=str(task.user_scenario)), persona, seed)
            for key, task in self.tasks.items()
            for seed in seeds
        )

    def simulator(self, llm: str, **llm_args: Any) -> "Simulator":
        """tau2's user simulator, by a model as LiteLLM names it. What it costs is in no ledger of ours."""
        return Simulator(self, llm, llm_args)

    @asynccontextmanager
    async def open(self, customer: Customer) -> AsyncIterator["Visit"]:
        task = self.task(customer)
        yield Visit(self, task, await anyio.to_thread.run_sync(self._begun, task))

    def task(self, customer: Customer) -> Any:
        """Raises: NotFound: the customer comes with something else."""
        if customer.topic.id not in self.tasks:
            raise NotFound(f"tau2-bench's {self.name!r} has no task for the topic {customer.topic.id!r}.")
        return self.tasks[customer.topic.id]

    @property
    def constructor(self) -> Any:
        return part("registry").registry.get_env_constructor(self.name)

    def _environment(self) -> Any:
        return self.constructor()

    def _begun(self, task: Any) -> Any:
        environment, state = self._environment(), task.initial_state
        environment.set_state(
            initialization_data=state.initialization_data if state else None,
            initialization_actions=state.initialization_actions if state else None,
            message_history=[],
        )
        return environment


@dataclass(frozen=True)
class Visit:
    """A conversation's tools. A `Session`."""

    benchmark: Benchmark
    task: Any
    environment: Any

    async def call(self, call: ToolCall) -> str:
        try:
            given = arguments(call)
        except BadReply as fault:
            return f"Error: {fault}"
        made = part("data_model.message").ToolCall(id=call.id, name=call.name, arguments=given, requestor="assistant")
        return str(self.environment.get_response(made).content)

    def outcome(self, conversation: Conversation) -> Outcome | None:
        """By tau2's own evaluators, but for what they would ask a model: the end state, and what was to be said."""
        said = trajectory(conversation.turns)
        environment = part("evaluator.evaluator_env").EnvironmentEvaluator.calculate_reward(
            environment_constructor=self.benchmark.constructor, task=self.task, full_trajectory=said
        )
        told = part("evaluator.evaluator_communicate").CommunicateEvaluator.calculate_reward(
            task=self.task, full_trajectory=said
        )
        checks = [Check("end state", environment.reward == 1)]
        if told.communicate_checks:
            checks.append(Check("information given", told.reward == 1))
        return Outcome(tuple(checks))


@dataclass(frozen=True)
class Simulator:
    """tau2's user simulator, as whoever speaks for customers."""

    benchmark: Benchmark
    llm: str
    llm_args: Mapping[str, Any] = field(default_factory=dict)

    async def say(self, customer: Customer, turns: tuple[Turn, ...]) -> tuple[Turn, Ending]:
        """The user's next message, and whether the conversation ends with it.

        Raises:
            BadReply: it said nothing, or its task gives it nothing more to say.
            Unavailable: its model could not be asked.
        """
        try:
            said = await anyio.to_thread.run_sync(self._say, customer, turns)
        except PreceptorError:
            raise
        except Exception as fault:
            raise Unavailable(f"tau2's user simulator failed: {type(fault).__name__}: {fault}") from fault
        if OUT_OF_SCOPE in said:
            raise BadReply("tau2's user simulator found nothing in its task to go on with.")
        text = said.replace(STOP, "").replace(TRANSFER, "").strip()
        ending: Ending = "resolved" if STOP in said else "left" if TRANSFER in said else "open"
        if not text and ending == "open":
            raise BadReply("tau2's user simulator said nothing.")
        return Turn("customer", text), ending

    def _say(self, customer: Customer, turns: tuple[Turn, ...]) -> str:
        message = part("data_model.message")
        heard: list[Any] = [message.AssistantMessage(role="assistant", content=GREETING)]
        for turn in turns:
            if turn.party == "customer":
                heard.append(message.UserMessage(role="user", content=turn.text))
            elif turn.party == "agent" and not turn.tool_calls:
                heard.append(message.AssistantMessage(role="assistant", content=turn.text))
        scenario = str(self.benchmark.task(customer).user_scenario)
        simulator = part("registry").registry.get_user_constructor("user_simulator")
        user = simulator(instructions=scenario, tools=None, llm=self.llm, llm_args=dict(self.llm_args))
        user.set_seed(customer.seed)
        said, _ = user.generate_next_message(heard[-1], user.get_init_state(message_history=heard[:-1]))
        return said.content or ""
