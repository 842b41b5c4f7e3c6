"""What a student does with a reply that must not reach a customer."""

import pytest

from preceptor.dialogue.conversation import Context, Turn
from preceptor.dialogue.domain import Domain, Persona, Topic
from preceptor.errors import BadReply
from preceptor.library.model import Strategy
from preceptor.llm.scripted import ScriptedModel
from preceptor.student.slot import HEADER
from preceptor.student.student import Student

pytestmark = pytest.mark.anyio
DOMAIN = Domain(
    name="Desk",
    role="You answer customers.",
    goal="Help.",
    topics=(Topic(id="bill", description="Your bill is wrong."),),
    personas=(Persona(id="calm", description="You are calm."),),
)
CONTEXT = Context((Turn("customer", "My bill is wrong."),))
ASK = Strategy("st-1", "Ask for the number.", "why", None)


def student(reply: str) -> Student:
    return Student(ScriptedModel("m", [reply]), DOMAIN)


async def test_a_recited_slot_never_reaches_the_customer() -> None:
    with pytest.raises(BadReply, match="recited its guidance"):
        await student(f"({HEADER}\n- Ask for the number.)").reply_with(CONTEXT, [ASK], seed=1)


async def test_a_reply_that_follows_it_does() -> None:
    turn = await student("What is your number?").reply_with(CONTEXT, [ASK], seed=1)
    assert turn.text == "What is your number?"


async def test_what_the_student_says_without_a_slot_is_its_own() -> None:
    turn = await student(f"{HEADER} none.").reply_with(CONTEXT, [], seed=1)
    assert turn.text == f"{HEADER} none."
