"""Where strategies stand in the prompt."""

import pytest

from preceptor.library.model import Placement, Strategy
from preceptor.llm.messages import Message
from preceptor.student.slot import place, render, repeats

MESSAGES = (
    Message("system", "Rules."),
    Message("user", "first"),
    Message("assistant", "answer"),
    Message("user", "last"),
)
SLOT = render([Strategy("st-1", "Ask for\n the number.", "why", "sc-1"), Strategy("st-2", "Be brief.", "why", None)])


def test_a_line_per_strategy_in_order() -> None:
    assert SLOT.splitlines()[1:] == ["- Ask for the number.", "- Be brief."]


@pytest.mark.parametrize("placement", ["system_end", "before_last", "in_last", "prefix"])
def test_no_strategies_leave_the_prompt_as_it_is(placement: Placement) -> None:
    assert place(MESSAGES, render([]), placement) == MESSAGES


@pytest.mark.parametrize(
    ("placement", "roles", "index"),
    [
        ("system_end", ["system", "user", "assistant", "user"], 0),
        ("before_last", ["system", "user", "assistant", "system", "user"], 3),
        ("in_last", ["system", "user", "assistant", "user"], 3),
        ("prefix", ["system", "user", "assistant", "user", "assistant"], 4),
    ],
)
def test_the_slot_stands_where_it_is_told_and_nowhere_else(placement: Placement, roles: list[str], index: int) -> None:
    placed = place(MESSAGES, SLOT, placement)
    assert [message.role for message in placed] == roles
    assert [SLOT in message.content for message in placed] == [n == index for n in range(len(placed))]
    untouched = [message for message in placed if SLOT not in message.content]
    assert untouched == [message for message in MESSAGES if message in placed]
    assert len(untouched) >= 3


@pytest.mark.parametrize(
    ("reply", "recited"),
    [
        (f"({SLOT})", True),
        ("(guidance for this\nconversation:\n- Provide the customer with an account number.)", True),
        ("Of course. [Note to the agent, not written by the customer.]", True),
        ("I have made a note of your number for the engineer. Could you be brief?", False),
    ],
)
def test_a_reply_that_recites_the_slot_is_told_from_one_that_follows_it(reply: str, recited: bool) -> None:
    assert repeats(reply) is recited
