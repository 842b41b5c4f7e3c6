"""tau2-bench both ways: our student as its agent, its tasks and users as our environment. The benchmark itself is a
stand-in (`stub`), whose interface is the real one's."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from preceptor.adapters.tau2.agent import Agents
from preceptor.adapters.tau2.benchmark import AS_TOLD, GREETING, Benchmark
from preceptor.dialogue.agents import ModelAgent
from preceptor.dialogue.conversation import Conversation
from preceptor.dialogue.customers import Customer, Voice
from preceptor.dialogue.domain import Domain, Topic
from preceptor.dialogue.rollout import Rollout
from preceptor.errors import BadReply, Defect, NotFound, Unavailable, UserError
from preceptor.library.model import Strategy
from preceptor.llm.messages import Message, Reply, ToolCall
from preceptor.llm.scripted import Answer, ScriptedModel
from preceptor.retrieval.selector import Found
from preceptor.student.student import Student

STUB = Path(__file__).with_name("stub")
DOMAIN = Domain.model_validate(
    {
        "name": "Desk",
        "role": "You answer customers.",
        "goal": "Help them.",
        "policy": "Ours.",
        "topics": [{"id": "any", "description": "Anything."}],
        "personas": [{"id": "calm", "description": "You are calm."}],
    }
)


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """tau2-bench, as if it were installed."""
    monkeypatch.syspath_prepend(str(STUB))
    yield
    for name in [name for name in sys.modules if name.split(".")[0] == "tau2"]:
        del sys.modules[name]


def calls(*made: tuple[str, str], text: str = "") -> Reply:
    called = tuple(ToolCall(f"c{n}", name, given) for n, (name, given) in enumerate(made))
    return Reply(Message("assistant", text, called), finish="tool_calls")


def simulate(agent: Any, environment: Any, user: Any) -> list[Any]:
    """A simulation as tau2's orchestrator runs one: each message once, tools' results alone or bundled."""
    from tau2.data_model.message import AssistantMessage, MultiToolMessage

    greeting = AssistantMessage(role="assistant", content=GREETING)
    mine, theirs = agent.get_init_state(message_history=[greeting]), user.get_init_state()
    said, theirs = user.generate_next_message(greeting, theirs)
    messages: list[Any] = [greeting, said]
    while "###" not in (said.content or ""):
        answer, mine = agent.generate_next_message(messages[-1], mine)
        assert answer.has_text_content() != answer.is_tool_call()
        messages.append(answer)
        if answer.is_tool_call():
            results = [environment.get_response(call) for call in answer.tool_calls]
            bundled = MultiToolMessage(role="tool", tool_messages=results)
            messages.append(results[0] if len(results) == 1 else bundled)
        else:
            said, theirs = user.generate_next_message(answer, theirs)
            messages.append(said)
    return messages


def run(agents: Agents) -> tuple[list[Any], Any]:
    """What comes of the first task with the agent that tau2 is given, and that task."""
    from tau2.registry import registry

    registry.register_agent_factory(agents.create, "preceptor")
    task = registry.get_tasks_loader("desk")("train")[0]
    environment = registry.get_env_constructor("desk")()
    factory = registry.get_agent_factory("preceptor")
    agent = factory(
        tools=environment.get_tools(), domain_policy=environment.get_policy(), llm="x", llm_args={}, task=task
    )
    agent.set_seed(7)
    user = registry.get_user_constructor("user_simulator")(llm="x", instructions=str(task.user_scenario))
    return simulate(agent, environment, user), task


class TestOurStudentAsItsAgent:
    def test_it_talks_and_acts(self) -> None:
        model = ScriptedModel(
            "student", [calls(("look_up", '{"order": "2"}'), ("cancel", '{"order": "2"}')), "It is done: GOLD-42."]
        )
        with Agents(Student(model, DOMAIN)) as agents:
            messages, task = run(agents)
        assert [message.role for message in messages] == ["assistant", "user", "assistant", "tool", "assistant", "user"]
        from tau2.evaluator.evaluator_env import EnvironmentEvaluator
        from tau2.registry import registry

        flat = [one for message in messages for one in getattr(message, "tool_messages", [message])]
        reward = EnvironmentEvaluator.calculate_reward(registry.get_env_constructor("desk"), task, flat)
        assert reward.reward == 1

    def test_it_is_given_tau2s_policy_and_tools_and_the_whole_conversation(self) -> None:
        model = ScriptedModel("student", [calls(("look_up", '{"order": "2"}')), "It is done."])
        with Agents(Student(model, DOMAIN)) as agents:
            run(agents)
        first, second = model.requests
        assert "Cancel open orders only." in first.messages[0].content
        assert "Ours." not in first.messages[0].content
        assert [tool.name for tool in first.tools] == ["look_up", "cancel"]
        assert [message.role for message in second.messages] == ["system", "assistant", "user", "assistant", "tool"]
        assert second.messages[-1].tool_call_id == second.messages[-2].tool_calls[0].id
        assert first.sampling.seed == 7

    def test_it_never_sees_gold(self) -> None:
        model = ScriptedModel("student", ["It is done."])
        with Agents(Student(model, DOMAIN)) as agents:
            _, task = run(agents)
        assert task.evaluation_criteria.communicate_info == ["GOLD-42"]
        assert "GOLD" not in str(model.requests)
        with Agents(Student(model, DOMAIN)) as agents:
            agents.create([], "", task=_Untouchable())

    def test_what_it_was_taught_is_in_its_prompt(self) -> None:
        model = ScriptedModel("student", ["It is done."])
        student = Student(model, DOMAIN, finder=_Always())
        with Agents(student) as agents:
            run(agents)
        assert "Look the order up first." in "".join(message.content for message in model.requests[0].messages)

    def test_text_beside_a_call_is_left_out_for_both_sides(self) -> None:
        model = ScriptedModel("student", [calls(("look_up", '{"order": "2"}'), text="One moment."), "It is done."])
        with Agents(Student(model, DOMAIN)) as agents:
            messages, _ = run(agents)
        assert messages[2].content is None
        assert "One moment." not in str(model.requests[1])

    @pytest.mark.parametrize("unusable", ["", BadReply("nonsense"), calls(("look_up", "{order: 2"))])
    def test_an_unusable_reply_is_asked_for_again(self, unusable: Answer) -> None:
        model = ScriptedModel("student", [unusable, "It is done."])
        with Agents(Student(model, DOMAIN)) as agents:
            messages, _ = run(agents)
        assert messages[2].content == "It is done."
        assert [request.sampling.seed for request in model.requests] == [7, 8]

    def test_one_that_stays_unusable_is_told(self) -> None:
        model = ScriptedModel("student", [""] * 3)
        with Agents(Student(model, DOMAIN)) as agents, pytest.raises(BadReply):
            run(agents)

    def test_outside_of_its_context_it_cannot_be_asked(self) -> None:
        with pytest.raises(Defect):
            run(Agents(Student(ScriptedModel("student", []), DOMAIN)))

    def test_a_conversation_can_be_taken_up_where_it_stands(self) -> None:
        model = ScriptedModel("student", [calls(("look_up", '{"order": "2"}')), "It is done.", "It is done still."])
        with Agents(Student(model, DOMAIN)) as agents:
            messages, _ = run(agents)
            agent = agents.create([], "")
            answer, _ = agent.generate_next_message(messages[-1], agent.get_init_state(messages[:-1]))
        assert answer.content == "It is done still."
        assert len(model.requests[-1].messages) == 1 + len(messages)


class _Untouchable:
    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"The task's {name} was looked at.")


class _Always:
    def find(self, context: Any) -> Found:
        strategy = Strategy("st-1", "Look the order up first.", "", "sc-1")
        return Found((("sc-1", 1.0),), abstained=False, strategies=(strategy,))


class TestItsTasksAsOurEnvironment:
    pytestmark = pytest.mark.anyio

    async def play(self, topic: str, agent: list[Answer], llm: str = "x") -> Conversation:
        benchmark = Benchmark.load("desk")
        domain = benchmark.domain("You answer customers.", "Help them.")
        customer = next(one for one in benchmark.customers() if one.topic.id == topic)
        rollout = Rollout(benchmark.simulator(llm), environment=benchmark)
        return await rollout.play(ModelAgent(ScriptedModel("agent", agent), domain), customer)

    async def test_a_conversation_is_judged_by_its_evaluators(self) -> None:
        done = calls(("cancel", '{"order": "2"}'))
        conversation = await self.play("desk-cancel", [done, "It is done, gold-42."])
        assert conversation.ending == "resolved"
        assert kept(conversation) == {"end state": True, "information given": True}
        conversation = await self.play("desk-cancel", [done, "It is done."])
        assert kept(conversation) == {"end state": True, "information given": False}
        conversation = await self.play("desk-cancel", ["It is done."])
        assert kept(conversation) == {"end state": False, "information given": False}

    async def test_each_conversation_has_its_database_as_its_task_begins(self) -> None:
        conversation = await self.play("again", [calls(("look_up", '{"order": "1"}')), "It is done already."])
        assert json.loads(conversation.turns[2].text)["status"] == "cancelled"
        assert kept(conversation) == {"end state": True}
        conversation = await self.play("desk-cancel", [calls(("look_up", '{"order": "1"}')), "It is done."])
        assert json.loads(conversation.turns[2].text)["status"] == "sent"

    async def test_calls_that_fail_or_cannot_be_read_are_told(self) -> None:
        bad = calls(("cancel", "{order"), ("look_up", '{"order": "9"}'), ("sell", '{"order": "1"}'))
        conversation = await self.play("again", [bad, "It is done already."])
        assert [turn.text.startswith("Error") for turn in conversation.turns if turn.party == "tool"] == [True] * 3
        assert kept(conversation) == {"end state": True}

    async def test_how_its_users_end_a_conversation(self) -> None:
        assert (await self.play("again", ["No."])).ending == "left"
        assert (await self.play("again", ["No."], llm="shy")).ending == "broken"
        with pytest.raises(Unavailable, match="no such model"):
            await self.play("again", ["No."], llm="broken")

    async def test_a_customer_of_another_benchmark_is_said_to_be_one(self) -> None:
        stranger = Customer(Topic(id="other", description="Anything."), AS_TOLD, 0)
        with pytest.raises(NotFound, match="no task for the topic 'other'"):
            await Benchmark.load("desk").simulator("x").say(stranger, ())

    async def test_a_model_of_ones_own_can_speak_for_its_users(self) -> None:
        benchmark = Benchmark.load("desk", "train")
        domain = benchmark.domain("You answer customers.", "Help them.")
        voice = ScriptedModel("customer", ['{"message": "Hello."}', '{"message": "Bye.", "ends": "left"}'])
        rollout = Rollout(Voice(voice, domain), environment=benchmark)
        await rollout.play(ModelAgent(ScriptedModel("agent", ["No."]), domain), benchmark.customers()[0])
        said = "".join(message.content for request in voice.requests for message in request.messages)
        assert "You want order 2 cancelled." in said
        assert "GOLD" not in said

    def test_a_domain_has_its_policy_tools_and_tasks(self) -> None:
        domain = Benchmark.load("desk").domain("You answer customers.", "Help them.")
        assert domain.policy == "Cancel open orders only."
        assert [tool.name for tool in domain.tools] == ["look_up", "cancel"]
        assert [topic.id for topic in domain.topics] == ["desk-cancel", "again"]
        assert "GOLD" not in domain.model_dump_json()

    def test_tasks_are_those_of_a_split_or_those_named(self) -> None:
        assert list(Benchmark.load("desk", "train").tasks) == ["desk-cancel"]
        assert list(Benchmark.load("desk", ids=["again"]).tasks) == ["again"]

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            (("none", None), "'none'"),
            (("desk", "exam"), "'exam'"),
            (("desk", None, ["third"]), "'third'"),
            (("telecom", None), "tools of their own"),
            (("twins", None), r"'\[desk\]a b' and 'desk-a\|b' would be one topic, 'desk-a-b'"),
        ],
    )
    def test_what_is_not_there_is_said(self, given: tuple[Any, ...], said: str) -> None:
        with pytest.raises((NotFound, UserError), match=said):
            Benchmark.load(*given)


def kept(conversation: Conversation) -> dict[str, bool]:
    assert conversation.outcome is not None
    return {check.name: check.kept for check in conversation.outcome.checks}


def test_without_tau2_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place != str(STUB)])
    with pytest.raises(UserError, match=r"sierra-research/tau2-bench"):
        Benchmark.load("airline")
