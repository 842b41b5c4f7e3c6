"""Conversations from logs: which are used, what is compared in them, what reaches the teacher, how they are sorted."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from preceptor.dialogue.agents import ModelAgent
from preceptor.dialogue.conversation import Context, Conversation, Turn
from preceptor.dialogue.customers import Voice
from preceptor.dialogue.domain import Domain, Persona, Topic
from preceptor.errors import NotFound, SettingsError
from preceptor.judging.judge import Judge
from preceptor.judging.verdicts import Comparison
from preceptor.library.model import Scenario
from preceptor.llm.messages import Request, ToolCall
from preceptor.llm.scripted import ScriptedModel
from preceptor.retrieval.embedding import StaticEmbedder
from preceptor.settings.teaching import logged
from preceptor.student.student import Student
from preceptor.teaching.crew import Crew
from preceptor.teaching.moments import Moment, draw_logged, meet, occasions
from preceptor.teaching.scenarios import WAVE, Book, place_moments
from preceptor.teaching.settings import Teaching
from preceptor.teaching.strategies import write

DOMAIN = Domain(
    name="Desk",
    role="You answer customers.",
    goal="Help.",
    topics=(Topic(id="bill", description="Your bill is wrong."),),
    personas=(Persona(id="calm", description="You are calm."),),
)
CALL = ToolCall("c1", "look", '{"line":4711}')
LOGGED = Conversation(
    (
        Turn("customer", "My line is dead again."),
        Turn("agent", "", (CALL,)),
        Turn("tool", '{"fault":"cabinet 8842"}', tool_call_id="c1"),
        Turn("agent", "Sorry that it is dead again. Somebody comes to mend it tomorrow between eight and ten."),
        Turn("customer", "Will I get money back?"),
        Turn("agent", "I opened a claim."),
        Turn("agent", "Anything else?"),
        Turn("customer", "No."),
    ),
    customer="desk:1",
    source="desk",
)


def crew(teacher: ScriptedModel, settings: Teaching | None = None) -> Crew:
    """A student that says little, and a judge to whom the longer reply is the better."""
    quiet = ScriptedModel("unused", [])

    def judge(request: Request) -> str:
        said = request.messages[-1].content
        first, second = (len(said.split(f"<{name}>")[1].split(f"</{name}>")[0]) for name in ("first", "second"))
        return json.dumps({"better": "first" if first > second else "second" if second > first else "tie"})

    return Crew(
        DOMAIN,
        ModelAgent(teacher, DOMAIN, name="teacher"),
        Student(ScriptedModel("student", lambda request: "I see."), DOMAIN),
        Voice(quiet, DOMAIN),
        Judge(ScriptedModel("judge", judge), DOMAIN),
        StaticEmbedder(),
        settings or Teaching(),
        lambda event: None,
    )


def numbered(count: int) -> list[Conversation]:
    return [
        Conversation((Turn("customer", f"Case {n}."), Turn("agent", "Yes.")), customer=f"d:{n}") for n in range(count)
    ]


def test_a_context_is_wherever_the_agent_had_to_act_and_the_reference_all_that_was_then_done() -> None:
    found = list(occasions(LOGGED))
    assert [context.turns[-1].party for context, _ in found] == ["customer", "tool", "customer"]
    assert [len(context.turns) for context, _ in found] == [1, 3, 5]
    assert [done for _, done in found] == [LOGGED.turns[1:4], LOGGED.turns[3:4], LOGGED.turns[5:7]]


def test_before_a_customer_has_come_there_is_nothing_to_answer() -> None:
    """As where an agent looks somebody up and then calls them: no prompt could be made of it, nor anything learned."""
    looked = (Turn("agent", "", (ToolCall("1", "look_up", "{}"),)), Turn("tool", "{}", tool_call_id="1"))
    called = Conversation(
        (*looked, Turn("agent", "Hello!"), Turn("customer", "Yes?"), Turn("agent", "About your bill."))
    )
    assert [len(context.turns) for context, _ in occasions(called)] == [4]


def test_as_many_conversations_as_asked_for_are_drawn_by_the_seed_in_their_order() -> None:
    logs = numbered(200)
    assert draw_logged(iter(logs), None, 0) == tuple(logs)
    assert draw_logged(logs, 300, 0) == tuple(logs)
    drawn = draw_logged(iter(logs), 50, 0)
    assert len(drawn) == 50
    assert list(drawn) == sorted(drawn, key=logs.index)
    assert {logs.index(conversation) < 100 for conversation in drawn} == {True, False}
    assert set(draw_logged(logs[::-1], 50, 0)) == set(drawn)
    assert set(draw_logged(logs, 50, 1)) != set(drawn)


@pytest.mark.anyio
async def test_what_a_person_did_reaches_the_teacher_tools_and_all() -> None:
    asked: list[str] = []

    def teacher(request: Request) -> str:
        if request.schema is None:
            return "I am sorry that it broke again. I look at the line."
        asked.append(request.messages[-1].content)
        return json.dumps({"strategies": [{"text": "Say sorry."}]})

    who = crew(ScriptedModel("teacher", teacher))
    moments = await meet(who, who.student, [], 1.0, [LOGGED])
    assert [moment.customer for moment in moments] == ["desk:1", "desk:1", "desk:1"]
    assert [moment.first for moment in moments] == [True, False, False]
    await write(who, Scenario("sc-1", "A line is dead again."), (), moments[:1])
    reference = asked[0].split("<reference>")[1].split("</reference>")[0]
    assert "look(" in reference
    assert "cabinet 8842" in reference
    assert "between eight and ten" in reference
    assert "claim" not in reference


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Say that somebody comes to mend it tomorrow between eight and ten.", "copies"),
        ("Tell them it is cabinet 8842.", "data"),
    ],
)
async def test_a_strategy_may_not_repeat_what_the_person_did(text: str, reason: str) -> None:
    def teacher(request: Request) -> str:
        return json.dumps({"strategies": [{"text": text}]}) if request.schema else "I am sorry, I look at it."

    who = crew(ScriptedModel("teacher", teacher))
    moments = await meet(who, who.student, [], 1.0, [LOGGED])
    draft = await write(who, Scenario("sc-1", "A line is dead again."), (), moments[:1])
    assert not draft.strategies
    assert [reason in why for _, why in draft.refused] == [True]


def moments(count: int, kinds: Sequence[str], *, short: bool = True) -> list[Moment]:
    """Moments of customers who say what kind they are, in words of their own."""
    said = [f"{kinds[n % len(kinds)]} {' '.join(chr(97 + int(d)) * 5 for d in str(n))}" for n in range(count)]
    verdict = Comparison("win" if short else "tie", "", orders_agree=True)
    reply = Turn("agent", "Yes.")
    return [Moment(Context((Turn("customer", t),)), f"c:{t}", reply, reply, (), verdict, False) for t in said]


def sorting(asked: list[str]) -> ScriptedModel:
    """A teacher who knows a context's kind by its first word."""

    def teacher(request: Request) -> str:
        said = request.messages[-1].content
        listed = re.findall(r"^(\d+)\. About (\w+)", said, re.MULTILINE)
        kind = said.split("Customer: ")[1].split()[0]
        asked.append(kind)
        number = next((int(n) for n, name in listed if name == kind), 0)
        return json.dumps({"scenario": number, "description": "" if number else f"About {kind} case {len(asked)}."})

    return ScriptedModel("teacher", teacher)


@pytest.mark.anyio
async def test_moments_by_the_thousand_are_sorted_in_waves_into_one_scenario_a_kind() -> None:
    """Every new description is in words of its own, so only the list of known ones keeps them together."""
    asked: list[str] = []
    book, kinds = Book(), ["bills", "lines", "moves"]
    who = crew(sorting(asked), Teaching(near_duplicate=1.0))
    many = moments(2 * WAVE, kinds)
    placed = await place_moments(who, book, many)
    assert sorted(scenario.description.split()[1] for scenario in book.scenarios.values()) == kinds
    assert (placed.opening, placed.placed + placed.joined, placed.left) == (WAVE, WAVE, 0)
    assert sum(map(len, book.moments.values())) == len(many)
    assert all(len(scenario.examples) == who.settings.examples for scenario in book.scenarios.values())
    # The first wave is asked about once, and once more for its descriptions; the later one only once.
    assert len(asked) <= 3 * WAVE


@pytest.mark.anyio
async def test_near_duplicates_join_unasked_and_good_moments_are_not_asked_about_where_nothing_is_known() -> None:
    asked: list[str] = []
    book, who = Book(), crew(sorting(asked))
    placed = await place_moments(who, book, moments(5, ["bills"], short=False))
    assert (placed.left, asked, book.scenarios) == (5, [], {})
    await place_moments(who, book, moments(1, ["bills"]))
    before = len(asked)
    placed = await place_moments(who, book, moments(1, ["bills"], short=False))
    assert (placed.joined, placed.at_home, len(asked)) == (1, 1, before)
    placed = await place_moments(who, book, moments(3, ["lines"], short=False))
    assert (placed.left, len(book.scenarios)) == (3, 1)


def test_bad_rows_are_told_and_a_log_without_any_conversation_is_refused(tmp_path: Path) -> None:
    path, told = tmp_path / "desk.jsonl", list[str]()
    good = json.dumps({"messages": [{"role": "user", "content": "Hello."}]})
    path.write_text("\n".join([good, "{", "7", '{"a": 1}', "[]", good]))
    assert len(list(logged([path], told.append))) == 2
    assert len(told) == 1
    assert told[0].startswith("desk.jsonl: 4 rows could not be read; line 2: Not valid JSON")
    assert "line 3" in told[0]
    assert "line 4" in told[0]
    for empty in ("", "{}\n"):
        path.write_text(empty)
        with pytest.raises(SettingsError, match="holds no conversation"):
            list(logged([path], told.append))
    with pytest.raises(NotFound):
        list(logged([tmp_path / "none.jsonl"], told.append))


@pytest.mark.anyio
async def test_the_same_words_after_different_results_are_not_near_duplicates() -> None:
    asked: list[str] = []

    def teacher(request: Request) -> str:
        said = request.messages[-1].content
        state = "missing" if "missing" in said.split("<scenarios>")[0] else "sent"
        asked.append(state)
        listed = re.findall(r"^(\d+)\. It is (\w+)", said, re.MULTILINE)
        number = next((int(n) for n, name in listed if name == state), 0)
        return json.dumps({"scenario": number, "description": "" if number else f"It is {state}."})

    def moment(n: int, state: str) -> Moment:
        call, reply = ToolCall("c", "track", "{}"), Turn("agent", "Yes.")
        row = {"parcel": n, "service": "express", "depot": "Kelso", "cover": "none", "state": state}
        shown = Turn("tool", json.dumps(row), tool_call_id="c")
        context = Context((Turn("customer", "Where is my parcel?"), Turn("agent", "", (call,)), shown))
        return Moment(context, f"c:{n}", reply, reply, (), Comparison("win", "", orders_agree=True), first=True)

    book, who = Book(), crew(ScriptedModel("teacher", teacher))
    await place_moments(who, book, [moment(1, "sent")])
    await place_moments(who, book, [moment(2, "missing"), moment(3, "sent")])
    assert sorted(scenario.description for scenario in book.scenarios.values()) == ["It is missing.", "It is sent."]
    # Each is asked about once, and once more for its description; the third is like the first and joins unasked.
    assert asked == ["sent", "sent", "missing", "missing"]
