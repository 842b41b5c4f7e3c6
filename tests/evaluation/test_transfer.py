"""Matrices and successions, from measurements made up for the purpose."""

import math
from collections.abc import Mapping

import pytest

from preceptor.dialogue.conversation import Context, Conversation, Turn
from preceptor.dialogue.customers import Customer
from preceptor.dialogue.domain import Persona, Topic
from preceptor.evaluation.attribution import Contribution
from preceptor.evaluation.report import Report
from preceptor.evaluation.results import Served
from preceptor.evaluation.transfer import Carried, Column, Matrix, succession, transfer
from preceptor.judging.verdicts import Rating
from preceptor.library.model import Guidance, Scenario, Strategy

from .conftest import Scene

SAID = {
    "bill": ("My bill is twice as high as last month.", "You charged me twice on this bill.", "The bill is wrong."),
    "line": ("My internet is down again.", "The line keeps dropping out.", "There is no connection since noon."),
}


def library(*names: str) -> Guidance:
    """Knows these scenarios, with a strategy each; the other is known and has none."""
    scenarios = tuple(
        Scenario(name, said[0], tuple(Context((Turn("customer", text),)) for text in said))
        for name, said in SAID.items()
    )
    strategies = tuple(Strategy(f"st-{name}", f"Help with the {name}.", "", name, 1.0, "accepted") for name in names)
    return Guidance("Helpdesk", scenarios, strategies, false_injections=0.9)


def served(arm: str, number: int, name: str, satisfaction: int) -> Served:
    customer = Customer(Topic(id=name, description=name), Persona(id="calm", description="calm"), number)
    said = SAID[name][number % 3]
    conversation = Conversation((Turn("customer", said), Turn("agent", "Yes.")), "resolved")
    return Served(arm, customer, conversation, (Rating(satisfaction, True, True, ""),))


def report(scores: Mapping[str, Mapping[str, int]], each: int = 12) -> Report:
    """Satisfaction by arm and topic; a little noise that all arms share."""
    return Report.of(
        served(arm, number, name, score + number % 2)
        for arm, by_topic in scores.items()
        for name, score in by_topic.items()
        for number in range(each)
    )


def test_gains_are_paired_and_adjusted_over_the_whole_matrix() -> None:
    one = report({"alone": {"bill": 2}, "ours": {"bill": 4}, "theirs": {"bill": 2}})
    other = report({"alone": {"bill": 3}, "ours": {"bill": 1}, "theirs": {"bill": 3}})
    here, there = Column("desk", "small"), Column("desk", "tiny")
    matrix = Matrix.of({here: one, there: other})
    words = {(cell.library, cell.column): cell.verdict.word for cell in matrix.cells}
    assert words == {
        ("ours", here): "better", ("theirs", here): "not decided",
        ("ours", there): "worse", ("theirs", there): "not decided",
    }  # fmt: skip
    cell = matrix.cell("ours", here)
    assert cell is not None
    assert (cell.gain.value, cell.alone.value, cell.verdict.comparisons) == (2, 2.5, 4)
    assert matrix.libraries == ("ours", "theirs")
    assert matrix.cell("nobody's", here) is None


def test_what_strategies_do_elsewhere_is_told_of_them_together() -> None:
    def did(id_: str, wins: int, ties: int, losses: int) -> Contribution:
        return Contribution("strategy", id_, "Do.", None, 5, 0.1, 5, 0.1, None, wins, ties, losses, 0)

    rows = (did("a", 3, 1, 0), did("b", 1, 3, 0), did("c", 0, 3, 1), did("d", 0, 4, 0), did("e", 0, 0, 0))
    carried = Carried(Column("desk", "small"), "ours", rows)
    assert [one.id for one in carried.judged] == ["a", "b", "c", "d"]
    assert carried.effect.value == (0.75 + 0.25 - 0.25 + 0) / 4
    assert (carried.above.value, carried.above.n) == (2 / 3, 3)
    assert carried.counted("not measured") == 5


def test_a_release_that_forgets_is_found_out() -> None:
    first, second = library("bill"), library("bill", "line")
    found = succession(
        report({"alone": {"bill": 2, "line": 2}, "first": {"bill": 4, "line": 2}, "second": {"bill": 1, "line": 4}}),
        {"first": first, "second": second},
    )
    assert [stage.customers for stage in found.stages] == [12, 12]
    assert [[gain.value for gain in stage.gains] for stage in found.stages] == [[2, -1], [0, 2]]
    assert found.backward.value == -3
    assert found.backward.high < 0
    assert found.forward.value == 0
    # Over all customers what it gained for the others would hide what it lost for these.
    assert [(verdict.old, verdict.word) for verdict in found.lost] == [("first", "worse")]


def test_one_that_forgets_nothing_is_not() -> None:
    scores = {"alone": {"bill": 2, "line": 2}, "first": {"bill": 4, "line": 3}, "second": {"bill": 4, "line": 4}}
    found = succession(report(scores), {"first": library("bill"), "second": library("bill", "line")})
    assert (found.backward.value, found.forward.value) == (0, 1)
    assert found.lost == ()


def test_without_a_later_stage_forward_transfer_is_not_known() -> None:
    scores = {"alone": {"bill": 2}, "first": {"bill": 4}, "second": {"bill": 4}}
    found = succession(report(scores), {"first": library("bill"), "second": library("bill")})
    assert math.isnan(found.forward.value)
    assert [stage.customers for stage in found.stages] == [12, 0]


@pytest.mark.anyio
async def test_from_python_libraries_are_tried_on_students(scene: Scene) -> None:
    here, there = Column("desk", "one"), Column("desk", "other")
    students = {here: scene.student, there: scene.student}
    crowd, judges = scene.customers(3), {here: scene.judge, there: scene.judge}
    matrix = await transfer(students, {"ours": library("bill")}, {here: crowd, there: crowd}, judges)
    assert matrix.columns == (here, there)
    one, other = matrix.cell("ours", here), matrix.cell("ours", there)
    assert one is not None
    assert other is not None
    # The same student, customers and library: what it gains is the same, wherever the column is said to be.
    assert (one.gain, one.alone) == (other.gain, other.alone)
    assert one.gain.n == 3
