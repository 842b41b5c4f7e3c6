"""One strategy tried by itself, and where."""

import pytest

from preceptor.dialogue.conversation import Context, Turn
from preceptor.library.model import Evidence, Scenario
from preceptor.teaching.trying import others, sources


def context(*said: str) -> Context:
    return Context(tuple(Turn("customer" if n % 2 == 0 else "agent", text) for n, text in enumerate(said)))


LONG = "My line has been dead since Tuesday and nobody has called me back."
ELSEWHERE = context("I was promised a technician for this morning and nobody came.")
SOURCE = context(LONG)
LATER = context(LONG, "I am sorry.", "When is it mended?")
"""The same conversation, further on."""


def test_what_it_was_written_from_is_known_from_its_origins() -> None:
    evidence = [Evidence("origin", "r", SOURCE), Evidence("retry", "r", LATER), Evidence("origin", "r", SOURCE)]
    assert sources(evidence) == (SOURCE,)


def test_it_is_not_measured_in_conversations_it_was_written_from() -> None:
    scenario = Scenario("sc-1", "d", (SOURCE, ELSEWHERE, LATER))
    assert others([scenario], [SOURCE]) == (ELSEWHERE,)
    assert others([scenario], []) == (SOURCE, ELSEWHERE, LATER)
    assert others([], [SOURCE]) == ()


def test_a_general_strategy_is_tried_in_each_scenario_in_turn() -> None:
    one, two = ([context(f"My {what} number {n} has been broken for days now.") for n in range(3)] for what in "ab")
    found = others([Scenario("sc-1", "d", tuple(one)), Scenario("sc-2", "d", tuple(two[:2]))], [])
    assert found == (one[0], two[0], one[1], two[1], one[2])


@pytest.mark.parametrize("known", [[], [LATER]])
def test_nothing_is_left_where_there_is_nothing(known: list[Context]) -> None:
    assert others([Scenario("sc-1", "d", (SOURCE,))], [*known, SOURCE]) == ()
