"""One measurement: the student's reply with and without strategies."""

import json
from dataclasses import replace

import anyio
import pytest

from preceptor.dialogue.agents import ModelAgent
from preceptor.dialogue.conversation import Context, Turn
from preceptor.dialogue.customers import Voice
from preceptor.dialogue.domain import Domain, Persona, Topic
from preceptor.errors import Rejected
from preceptor.judging.judge import Judge
from preceptor.library.model import Strategy
from preceptor.llm.messages import Message, Reply, Request
from preceptor.llm.scripted import Answer, ScriptedModel
from preceptor.retrieval.embedding import StaticEmbedder
from preceptor.student.slot import HEADER
from preceptor.student.student import Student
from preceptor.teaching.crew import Crew
from preceptor.teaching.pairs import hold_against
from preceptor.teaching.settings import Teaching

pytestmark = pytest.mark.anyio
DOMAIN = Domain(
    name="Desk",
    role="You answer customers.",
    goal="Help.",
    topics=(Topic(id="bill", description="Your bill is wrong."),),
    personas=(Persona(id="calm", description="You are calm."),),
)
CONTEXT = Context((Turn("customer", "My bill is wrong."),))
ASK = Strategy("st-1", "Ask for the number.", "why", "sc-1")
RECITED = f"({HEADER}\n- Ask for the number.)"


def crew(alone: Answer, told: Answer) -> Crew:
    """A student that says one thing alone and another with a slot, before a judge who sees no difference."""
    quiet = ScriptedModel("unused", [])

    def student(request: Request) -> Answer:
        return told if HEADER in request.messages[0].content else alone

    return Crew(
        DOMAIN,
        ModelAgent(quiet, DOMAIN),
        Student(ScriptedModel("student", student), DOMAIN),
        Voice(quiet, DOMAIN),
        Judge(ScriptedModel("judge", lambda request: json.dumps({"better": "tie"})), DOMAIN),
        StaticEmbedder(),
        Teaching(),
        lambda event: None,
    )


@pytest.mark.parametrize(
    ("alone", "told", "score"),
    [
        ("I see.", "What is your number?", 0),
        ("I see.", RECITED, -1),
        ("I see.", " ", -1),
        (" ", "What is your number?", 1),
    ],
)
async def test_a_reply_that_cannot_be_shown_loses_against_one_that_can(alone: str, told: str, score: int) -> None:
    pair = await hold_against(crew(alone, told), CONTEXT, (), [ASK], "acceptance")
    assert pair is not None
    assert pair.score == score


@pytest.mark.parametrize("told", [" ", Rejected("No assistant message may come last.")])
async def test_nothing_is_measured_where_neither_reply_can_be_used_or_the_server_refuses(told: Answer) -> None:
    assert await hold_against(crew(" ", told), CONTEXT, (), [ASK], "acceptance") is None


async def test_both_replies_are_asked_for_at_once() -> None:
    arrived: list[Request] = []
    both_there = anyio.Event()

    class Meeting:
        """Answers nobody until both requests are there."""

        name = "student"

        async def ask(self, request: Request) -> Reply:
            arrived.append(request)
            if len(arrived) == 2:
                both_there.set()
            await both_there.wait()
            return Reply(Message("assistant", f"Reply to {len(request.messages[0].content)} characters."))

    who = crew("unused", "unused")
    who = replace(who, student=Student(Meeting(), DOMAIN))
    with anyio.fail_after(10):
        assert await hold_against(who, CONTEXT, (), [ASK], "acceptance") is not None
    assert [HEADER in request.messages[0].content for request in arrived] == [False, True]
