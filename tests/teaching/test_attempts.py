"""Attempts at one task held side by side: which are paired, what the teacher says of them, what is made of it."""

import json
from dataclasses import replace

import pytest

from preceptor import Customers, Domain, ModelAgent, World
from preceptor.dialogue.agents import ModelAgent as Agent
from preceptor.dialogue.conversation import Conversation, Turn
from preceptor.dialogue.customers import Voice
from preceptor.dialogue.domain import Persona, Topic
from preceptor.dialogue.outcome import Check, Outcome
from preceptor.judging.judge import Judge
from preceptor.library.model import Scenario
from preceptor.llm.messages import Request, ToolCall
from preceptor.llm.scripted import ScriptedModel
from preceptor.retrieval.embedding import StaticEmbedder
from preceptor.simulated.model import models
from preceptor.simulated.truth import Truth
from preceptor.student.student import Student
from preceptor.teaching.attempts import numbered, pair_up, tell_apart
from preceptor.teaching.crew import Crew
from preceptor.teaching.events import Event, Note
from preceptor.teaching.moments import draw_logged, meet
from preceptor.teaching.settings import Teaching
from preceptor.teaching.strategies import write

DOMAIN = Domain(
    name="Desk",
    role="You answer customers.",
    goal="Help.",
    topics=(Topic(id="fare", description="You want to change a flight."),),
    personas=(Persona(id="calm", description="You are calm."),),
)
PASSED, FAILED = Outcome((Check("reward", True),)), Outcome((Check("reward", False, "0"),))


def attempt(task: str, outcome: Outcome | None, *actions: str, said: str = "Done.") -> Conversation:
    calls = (ToolCall(f"c{n}", name, f'{{"n": {n}}}') for n, name in enumerate(actions))
    made = [turn for call in calls for turn in (Turn("agent", "", (call,)), Turn("tool", "{}", (), call.id))]
    turns = (
        Turn("customer", f"Please change it, {task}."),
        Turn("agent", "Which flight?"),
        Turn("customer", "Tomorrow's, code QX88ZT."),
        *made,
        Turn("agent", said),
    )
    return Conversation(turns, customer=f"log:{task}", source="log", outcome=outcome, task=task)


def crew(teacher: ScriptedModel, tell: list[Event] | None = None, student: str = "I see.") -> Crew:
    """Whose judge thinks the longer reply the better."""

    def judge(request: Request) -> str:
        said = request.messages[-1].content
        first, second = (len(said.split(f"<{name}>")[1].split(f"</{name}>")[0]) for name in ("first", "second"))
        return json.dumps({"better": "first" if first > second else "second" if second > first else "tie"})

    return Crew(
        DOMAIN,
        Agent(teacher, DOMAIN, name="teacher"),
        Student(ScriptedModel("student", lambda request: student), DOMAIN),
        Voice(ScriptedModel("unused", []), DOMAIN),
        Judge(ScriptedModel("judge", judge), DOMAIN),
        StaticEmbedder(),
        Teaching(),
        (tell if tell is not None else []).append,
    )


def test_a_failed_attempt_is_paired_with_the_passed_one_that_began_most_like_it() -> None:
    failed = attempt("a", FAILED, "find", "look", "cancel")
    near, far = attempt("a", PASSED, "find", "look", "change"), attempt("a", PASSED, "find", "change")
    again = attempt("a", FAILED, said="No.")
    other = attempt("b", FAILED), attempt("b", PASSED, "find")
    alone = attempt("c", FAILED), attempt("d", PASSED), attempt("e", None), replace(failed, task="")
    logs = [far, failed, again, near, *other, *alone]
    pairs = pair_up(logs, 10)
    assert [(pair.failed, pair.passed) for pair in pairs] == [(failed, near), other, (again, far)]
    assert pair_up(logs, 2) == pairs[:2]
    assert pair_up(logs, 0) == ()


def test_attempts_at_a_task_are_drawn_together() -> None:
    logs = [attempt(f"t{n // 2}", PASSED, said=f"{n}") for n in range(200)]
    drawn = draw_logged(logs, 40, 3)
    assert len({log.task for log in drawn}) == 20


def test_each_answer_has_its_number() -> None:
    text = numbered(attempt("a", FAILED, "look"))
    assert [line for line in text.splitlines() if line.startswith("Answer")] == ["Answer 1:", "Answer 2:", "Answer 3:"]
    assert text.index("Answer 1:") < text.index("Which flight?") < text.index("code QX88ZT") < text.index("Answer 2:")
    assert text.index("Answer 2:") < text.index("look(") < text.index("Answer 3:") < text.index("Done.")


@pytest.mark.anyio
async def test_what_made_the_difference_is_tried_where_the_student_falls_short_too() -> None:
    written = [
        {"text": "Look the booking up before you cancel.", "reason": "It did not look."},
        {"text": "Use the code QX88ZT.", "reason": "It is theirs."},
        {"text": "Say that change number seven hundred is on its way to you now.", "reason": "It was said so."},
    ]
    shown: list[str] = []

    def teacher(request: Request) -> str:
        if request.schema is None:
            return "Let me look that up before anything else."
        if request.schema.name == "tell_apart":
            shown.append(request.messages[-1].content)
            return json.dumps({"answer": 2, "missing": "The other looked first.", "strategies": written})
        return json.dumps({"missing": "More.", "strategies": written[:1]})

    heard: list[Event] = []
    who = crew(ScriptedModel("teacher", teacher), heard)
    failed = attempt("a", FAILED, "cancel")
    passed = attempt("a", PASSED, "look", said="Change number seven hundred is on its way to you now.")
    found = await tell_apart(who, pair_up([failed, passed], 5))
    assert [note.text for note in heard if isinstance(note, Note)] == [
        "1 attempts that failed, at 1 tasks, held against ones that passed: the teacher says for 1 where it was."
    ]
    assert "Answer 2:\nAgent calls cancel" in shown[0]
    assert "Agent calls look" in shown[0].split("<passed>")[1]

    moments = await meet(who, who.student, [], 1.0, [failed, passed])
    assert [bool(moment.reference) for moment in moments] == [False] * 3 + [True] * 3, "what failed is no example"
    assert {moment.customer for moment in moments} == {"a"}
    here = next(replace(moment, contrast=found[key]) for moment in moments if (key := moment.context.key) in found)
    draft = await write(who, Scenario("sc-1", "A change."), (), [here])
    refused = {strategy.text: reason for strategy, reason in draft.refused}
    assert set(refused) == {written[1]["text"], written[2]["text"]}
    asked = [entry for entries in draft.evidence.values() for entry in entries if entry.kind == "origin"]
    assert {entry.reason for entry in asked} == {"The other looked first."}


@pytest.mark.anyio
@pytest.mark.parametrize("answer", ["no JSON", '{"answer": 9, "strategies": []}', '{"answer": 0, "strategies": []}'])
async def test_an_answer_of_no_use_is_none(answer: str) -> None:
    heard: list[Event] = []
    who = crew(ScriptedModel("teacher", lambda request: answer), heard)
    assert await tell_apart(who, pair_up([attempt("a", FAILED), attempt("a", PASSED, "look")], 5)) == {}
    assert "of no use" in next(note.text for note in heard if isinstance(note, Note))


@pytest.mark.anyio
async def test_in_a_world_the_teacher_names_an_answer_that_lacked_something_and_asks_for_it() -> None:
    world = World.shipped("broadband")
    cast, truth, domain = models(world), Truth(world), Domain.parse(world.domain, "world")
    crowd = Customers.draw(domain, cast["customer"], 12, seed=5)
    student, teacher = (ModelAgent(cast[world.roles[role]], domain) for role in ("student", "teacher"))
    logs = []
    for who in crowd.who:
        for agent, outcome in ((student, FAILED), (teacher, PASSED)):
            talk = await crowd.talk(agent, who)
            logs.append(replace(talk, source="log", outcome=outcome, task=who.key))
    team = Crew.gather(
        domain,
        teacher=cast[world.roles["teacher"]],
        student=cast[world.roles["student"]],
        customer=cast["customer"],
        judge=cast[world.roles["judge"]],
        settings=Teaching(),
    )
    found = await tell_apart(team, pair_up(logs, 50))
    assert len(found) >= 9
    asked = 0
    for log in (log for log in logs if log.outcome == FAILED):
        acts = {context.key: act for (context, _), act in zip(log.contexts(), truth.acts(lines(log)), strict=True)}
        for key, contrast in found.items():
            if key in acts:
                assert acts[key].missing or acts[key].harmful
                asked += any(truth.asks(one.text) & acts[key].missing for one in contrast.written.strategies)
    assert asked >= len(found) * 0.6, "most of what is written asks for what was missing"


def lines(log: Conversation) -> list[tuple[str, str]]:
    return [(turn.party, turn.text) for turn in log.turns]
