"""What each arm sends its model, how much of it, and what the customer gets to see."""

from dataclasses import replace

import pytest

from preceptor.dialogue.conversation import Context, Turn
from preceptor.dialogue.domain import Domain, Persona, Topic
from preceptor.errors import BadReply, UserError
from preceptor.evaluation.arms.correction import REVIEW, Correcting, self_correction
from preceptor.evaluation.arms.few_shot import few_shot
from preceptor.evaluation.arms.instruction import instruction
from preceptor.evaluation.arms.library import general_only, whole_library
from preceptor.evaluation.arms.null import null
from preceptor.evaluation.arms.passages import divided, passages
from preceptor.evaluation.arms.prompted import Prompted, other_prompt
from preceptor.evaluation.arms.slotted import SLOT_TOKENS, Slotted, inserted, shipped
from preceptor.evaluation.arms.thinking import THOUGHTS, chain_of_thought
from preceptor.library.model import Evidence, Guidance, Scenario, Strategy
from preceptor.llm.messages import Message, Reply, Request, ToolCall
from preceptor.llm.scripted import ScriptedModel
from preceptor.retrieval.selector import about_tokens
from preceptor.simulated.reading import Reader
from preceptor.simulated.world import World, shipped_names
from preceptor.student.student import Student

pytestmark = pytest.mark.anyio
POLICY = "Parcels are sent on the same day.\nNobody on this desk can grant a refund.\nThe cellar opens at nine."
DOMAIN = Domain(
    name="Desk",
    role="You answer customers.",
    goal="Help.",
    policy=POLICY,
    topics=(Topic(id="bill", description="Your bill is wrong."),),
    personas=(Persona(id="calm", description="You are calm."),),
)
CONTEXT = Context((Turn("customer", "I would like a refund for the broken lamp."),))
LIBRARY = Guidance(
    "Desk",
    (Scenario("sc-1", "The customer wants money back.", (CONTEXT,)),),
    (
        Strategy("st-1", "Ask for the order's number.", "", "sc-1", 0.2),
        Strategy("st-2", "Greet them by name.", "", None, 0.1),
        Strategy("st-3", "Say who decides about money.", "", "sc-1", 0.4),
    ),
    placement="in_last",
)


def student(*replies: str | Reply) -> Student:
    return Student(ScriptedModel("m", replies or ["Certainly."]), DOMAIN)


def asked(arm: Student | Slotted | Correcting | Prompted, call: int = -1) -> Request:
    """One of an arm's requests."""
    model = arm.model if isinstance(arm, Student) else arm.student.model
    assert isinstance(model, ScriptedModel)
    return model.requests[call]


def sent(arm: Student | Slotted | Correcting | Prompted, call: int = -1) -> tuple[Message, ...]:
    return asked(arm, call).messages


def taught(said: str, reply: str) -> Evidence:
    return Evidence("origin", "", Context((Turn("customer", said),)), teacher=reply)


EVIDENCE = (
    taught("Where is my parcel?", "It left us on Monday."),
    taught("The lamp arrived broken and I want a refund.", "I am sorry about the lamp. The office decides on refunds."),
    Evidence("acceptance", "", reason="No reply of a teacher in it."),
    taught("Can I visit the cellar?", "Yes, from nine."),
)


async def test_the_whole_library_stands_in_every_prompt_the_most_valuable_first() -> None:
    arm = whole_library(student(), LIBRARY)
    await arm.reply(CONTEXT, 1)
    lines = inserted(arm, CONTEXT).splitlines()[1:]
    assert lines == ["- Say who decides about money.", "- Ask for the order's number.", "- Greet them by name."]
    assert inserted(arm, CONTEXT) in sent(arm)[-1].content, "where the library's student heeds it"


async def test_a_smaller_library_is_the_beginning_of_a_larger() -> None:
    arm = whole_library(student(), LIBRARY, tokens=about_tokens("Say who decides about money."))
    assert inserted(arm, CONTEXT).splitlines()[1:] == ["- Say who decides about money."]


async def test_general_strategies_stand_alone() -> None:
    assert inserted(general_only(student(), LIBRARY), CONTEXT).splitlines()[1:] == ["- Greet them by name."]


async def test_a_library_without_general_strategies_leaves_the_prompt_as_it_is() -> None:
    bare = replace(LIBRARY, strategies=LIBRARY.strategies[:1])
    arm = general_only(student(), bare)
    alone = student()
    await arm.reply(CONTEXT, 1)
    await alone.reply(CONTEXT, 1)
    assert sent(arm) == sent(alone)


async def test_the_library_arm_is_held_to_the_same_budget() -> None:
    arm = student().using(LIBRARY, tokens=about_tokens("Say who decides about money."))
    assert len(inserted(arm, CONTEXT).splitlines()) <= 2


async def test_an_instruction_is_the_same_everywhere() -> None:
    arm = instruction(replace(student(), placement="in_last"), "Be kind.")
    await arm.reply(CONTEXT, 1)
    assert "Be kind." in sent(arm)[-1].content
    assert inserted(instruction(student()), CONTEXT) == shipped("instruction")


def test_an_instruction_that_is_too_long_is_refused() -> None:
    with pytest.raises(UserError, match="may add 5"):
        instruction(student(), "Be kind to everybody, always, and mean it.", tokens=5)


async def test_examples_are_those_of_the_nearest_contexts_the_nearest_last() -> None:
    arm = few_shot(student(), EVIDENCE, limit=2)
    text = inserted(arm, CONTEXT)
    assert text.count("Customer: ") == 2
    assert text.endswith("Agent: I am sorry about the lamp. The office decides on refunds.")
    await arm.reply(CONTEXT, 1)
    assert text in sent(arm)[0].content


def test_an_example_that_does_not_fit_leaves_room_for_the_next() -> None:
    long = taught("The lamp arrived broken and I want a refund, please.", "word " * 500)
    text = inserted(few_shot(student(), [*EVIDENCE, long], tokens=60), CONTEXT)
    assert "word word" not in text
    assert "The office decides" in text


def test_few_shot_needs_a_teachers_reply() -> None:
    with pytest.raises(UserError, match="no reply of a teacher"):
        few_shot(student(), EVIDENCE[2:3])


def test_passages_are_those_that_fit_the_conversation() -> None:
    text = inserted(passages(student(), ["The lamp has a warranty of two years."], limit=2), CONTEXT)
    assert "grant a refund" in text
    assert "warranty" in text
    assert "cellar" not in text


def test_a_long_paragraph_is_divided_and_items_stand_alone() -> None:
    long = " ".join(f"Rule {n} says that nobody may do what is written under it." for n in range(9))
    assert divided(f"- One thing.\n- Another\n  thing.\n\n{long}")[:3] == [
        "One thing.",
        "Another thing.",
        "Rule 0 says that nobody may do what is written under it.",
    ]


def test_passages_need_a_text() -> None:
    bare = replace(student(), domain=DOMAIN.model_copy(update={"policy": ""}))
    with pytest.raises(UserError, match="no policy"):
        passages(bare)


async def test_thoughts_never_reach_the_customer() -> None:
    arm = chain_of_thought(student("<think>They are angry.</think>\nI am sorry."))
    turn = await arm.reply(CONTEXT, 1)
    assert turn.text == "I am sorry."
    assert asked(arm).sampling.max_tokens == student().sampling.max_tokens + THOUGHTS


async def test_a_student_that_only_thinks_has_said_nothing() -> None:
    with pytest.raises(BadReply, match="empty"):
        await chain_of_thought(student("<think>They are angry. What would")).reply(CONTEXT, 1)


async def test_a_draft_is_reviewed_and_written_once_more() -> None:
    arm = self_correction(student("No.", "It is <rude> & short.", "I am sorry, but the office decides."), tokens=120)
    turn = await arm.reply(CONTEXT, 1)
    assert turn.text == "I am sorry, but the office decides."
    assert sent(arm, 1)[-1].content.startswith("<conversation>\nCustomer: I would like a refund")
    assert "Agent: No.\n</conversation>" in sent(arm, 1)[-1].content
    assert "Agent: No.\n\nThe review: It is <rude> & short." in sent(arm)[0].content
    assert asked(arm, 1).sampling.max_tokens < 120


@pytest.mark.parametrize("review", ["fine", "Fine.", "<think>Hm.</think> fine", BadReply("Nothing came.")])
async def test_a_draft_that_needs_nothing_is_sent(review: str | Exception) -> None:
    arm = self_correction(Student(ScriptedModel("m", ["Yes.", review]), DOMAIN))
    assert (await arm.reply(CONTEXT, 1)).text == "Yes."


async def test_an_action_is_not_reviewed() -> None:
    call = Reply(Message("assistant", "", (ToolCall("1", "look_up", "{}"),)))
    arm = self_correction(student(call))
    assert (await arm.reply(CONTEXT, 1)).tool_calls


async def test_another_prompt_takes_the_place_of_the_students() -> None:
    arm = other_prompt(student(), "Speak like a pirate.\n{policy}\n{unknown}")
    await arm.reply(CONTEXT, 1)
    assert sent(arm)[0].content == f"Speak like a pirate.\n{POLICY}\n{{unknown}}"
    assert inserted(arm, CONTEXT) == sent(arm)[0].content


def test_another_prompt_may_be_longer_by_what_an_arm_may_add() -> None:
    other_prompt(student(), "{role} {goal} {policy} Be kind.", tokens=10)
    with pytest.raises(UserError, match="other prompt"):
        other_prompt(student(), "{role} {goal} {policy}" + " Be kind." * 10, tokens=10)


async def test_nothing_is_asked_for_nothing() -> None:
    arm = null()
    assert (await arm.reply(CONTEXT, 1)) == (await arm.reply(Context((Turn("customer", "Bye."),)), 2))
    assert inserted(arm, CONTEXT) == ""


@pytest.mark.parametrize("name", shipped_names())
def test_simulated_readers_take_no_shipped_text_for_advice(name: str) -> None:
    """A world's students would follow it, and the arm would be measured for a misreading."""
    reader = Reader(World.shipped(name))
    texts = [shipped(text) for text in ("instruction", "chain_of_thought", "few_shot", "passages", "revise")]
    for text in (*texts, REVIEW.text):
        found = reader.instructions(text)
        assert not found.told | found.forbidden, text
        assert about_tokens(text) < SLOT_TOKENS
