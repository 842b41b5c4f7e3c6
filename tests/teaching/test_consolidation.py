"""What recurs or is merged: kept where it helps, and nowhere else."""

import json
import random
from collections.abc import Mapping

import pytest

from preceptor.dialogue.agents import ModelAgent
from preceptor.dialogue.conversation import Context, Turn
from preceptor.dialogue.customers import Voice
from preceptor.dialogue.domain import Domain, Persona, Topic
from preceptor.judging.judge import Judge
from preceptor.judging.verdicts import Comparison
from preceptor.library.model import Scenario, Strategy
from preceptor.llm.messages import Request
from preceptor.llm.scripted import ScriptedModel
from preceptor.retrieval.embedding import StaticEmbedder
from preceptor.student.student import Student
from preceptor.teaching.acceptance import HARMS, UNDECIDED
from preceptor.teaching.consolidation import consolidate
from preceptor.teaching.crew import Crew
from preceptor.teaching.events import Event, Note
from preceptor.teaching.moments import Moment
from preceptor.teaching.notebook import Notebook
from preceptor.teaching.settings import Teaching

pytestmark = pytest.mark.anyio
DOMAIN = Domain(
    name="Desk",
    role="You answer customers.",
    goal="Help.",
    topics=(Topic(id="line", description="A line is dead."),),
    personas=(Persona(id="calm", description="You are calm."),),
)
COLOURS = ("red", "blue", "green", "white", "black", "pink", "grey")


def crew(worth: Mapping[str, float], heard: list[Event], one: frozenset[str] = frozenset()) -> Crew:
    """A student that does what it is told, and a judge to whom that is worth something by the colour of the line.

    A worth of 0.5: the reply is better in half of the pairs more than it is worse. The teacher takes all instructions
    for one, and the scenarios of the colours in `one`.
    """

    def student(request: Request) -> str:
        said = str(random.Random(repr(request)).random())
        return f"DONE {said}" if "call back" in str(request.messages) else said

    def judge(request: Request) -> str:
        text = request.messages[-1].content
        first, second = ("DONE" in text.partition(f"<{n}>")[2].partition(f"</{n}>")[0] for n in ("first", "second"))
        colour = next(colour for colour in COLOURS if colour in text)
        replies = sorted(word for word in text.split() if word.startswith("0."))
        good = random.Random(str(replies)).random() < (1 + worth.get(colour, 0)) / 2
        return json.dumps({"better": "tie" if first == second else "first" if first == good else "second"})

    def teacher(request: Request) -> str:
        text = request.messages[-1].content
        if "<others>" in text:
            return json.dumps({"same": list(range(1, 40))})
        talk, _, listed = text.partition("<scenarios>")
        known = [line for line in listed.splitlines() if any(f"A {colour} line" in line for colour in one)]
        mine = any(f"{colour} line" in talk for colour in one)
        number = int(known[0].partition(".")[0]) if mine and known else 0
        return json.dumps({"scenario": number, "description": "Something else."})

    return Crew(
        DOMAIN,
        ModelAgent(ScriptedModel("teacher", teacher), DOMAIN),
        Student(ScriptedModel("student", student), DOMAIN),
        Voice(ScriptedModel("customer", []), DOMAIN),
        Judge(ScriptedModel("judge", judge), DOMAIN),
        StaticEmbedder(),
        Teaching(),
        heard.append,
    )


def notebook(*colours: str) -> Notebook:
    """A scenario a colour, with 30 moments each."""
    book = Notebook("Desk", 0.05)
    for colour in colours:
        book.book.open(Scenario(colour, f"A {colour} line is dead."))
        for n in range(30):
            context = Context((Turn("customer", f"My {colour} line is dead, says customer {n}."),))
            verdict = Comparison("win", "", orders_agree=True)
            moment = Moment(
                context, f"{colour} {n}", Turn("agent", "So?"), Turn("agent", "Sorry."), (), verdict, first=True
            )
            book.book.add(colour, moment, 30)
    return book


def told(colour: str, text: str = "Offer to call back.", value: float = 0.0) -> Strategy:
    return Strategy(Strategy.new_id(text, colour), text, "why", colour, value)


def accept(book: Notebook, strategy: Strategy) -> None:
    book.accepted[strategy.id] = Strategy(
        strategy.id, strategy.text, "why", strategy.scenario, strategy.value, "accepted"
    )


async def test_where_it_harms_what_recurs_is_not_carried_by_a_scenario_that_it_helps() -> None:
    book = notebook("red", "blue")
    accept(book, told("red", value=0.9))
    book.refuse(told("blue"), UNDECIDED)
    await consolidate(crew({"red": 0.9, "blue": -0.4}, []), book)
    assert {strategy.scenario for strategy in book.accepted.values()} == {"red"}


async def test_of_open_scenarios_those_it_helps_get_it_in_the_words_that_were_tried() -> None:
    book = notebook("red", "blue", "green")
    book.refuse(told("red", "Do offer to call back.", 0.3), UNDECIDED)
    book.refuse(told("blue"), UNDECIDED)
    book.refuse(told("green", "Say that you call back."), UNDECIDED)
    await consolidate(crew({"red": 0.6, "blue": -0.4, "green": 0.6}, []), book)
    kept = {strategy.scenario: strategy for strategy in book.accepted.values()}
    assert kept.keys() == {"red", "green"}
    assert {strategy.text for strategy in kept.values()} == {"Do offer to call back."}
    assert all(strategy.value > 0.3 for strategy in kept.values())
    assert all(book.evidence[strategy.id][-1].effect for strategy in kept.values())


async def test_what_was_shown_to_harm_gets_no_second_hearing() -> None:
    book = notebook("red", "blue")
    for colour in ("red", "blue"):
        book.refuse(told(colour), HARMS)
    await consolidate(crew({"red": 0.9, "blue": 0.9}, []), book)
    assert not book.accepted


async def test_a_scenario_that_is_no_more_or_too_small_does_not_count() -> None:
    book = notebook("red", "green")
    book.source_customers["green"] = {f"green {n}" for n in range(25)}
    for colour in ("red", "green", "merged"):
        book.refuse(told(colour), UNDECIDED)
    await consolidate(crew({"red": 0.6, "green": 0.6}, []), book)
    assert not book.accepted


@pytest.mark.parametrize(("harmed", "general"), [(-1.0, False), (0.5, True)])
async def test_what_becomes_general_loses_nowhere(harmed: float, general: bool) -> None:
    book = notebook(*COLOURS)
    for colour in COLOURS[:3]:
        accept(book, told(colour, value=0.6))
    await consolidate(crew(dict.fromkeys(COLOURS, 0.9) | {"grey": harmed}, []), book)
    assert (None in {strategy.scenario for strategy in book.accepted.values()}) is general


@pytest.mark.parametrize(("worth", "merged"), [(-0.6, False), (0.3, True)])
async def test_scenarios_stay_apart_when_what_helps_in_one_harms_in_the_other(worth: float, merged: bool) -> None:
    book = notebook("red", "blue")
    accept(book, told("red", value=0.6))
    heard: list[Event] = []
    await consolidate(crew({"red": 0.6, "blue": worth}, heard, frozenset({"red", "blue"})), book)
    assert book.book.scenarios.keys() == ({"red"} if merged else {"red", "blue"})
    notes = [event.text for event in heard if isinstance(event, Note)]
    assert len(notes) == 1
    assert notes[0].startswith("Merged" if merged else "Kept apart")
