"""What counts as an answer."""

from collections.abc import Mapping, Sequence

import pytest

from preceptor.dialogue.conversation import Conversation, Turn
from preceptor.dialogue.customers import Customer
from preceptor.dialogue.domain import Persona, Topic
from preceptor.evaluation.report import Report
from preceptor.evaluation.results import Served
from preceptor.experiments.answers import Answer, answers
from preceptor.experiments.plan import Comparison, Kind, Plan, Question
from preceptor.judging.verdicts import Rating

TALK = Conversation((Turn("customer", "Hello."), Turn("agent", "Yes.")), "resolved")


def report(scores: Mapping[str, Sequence[tuple[int, bool]]]) -> Report:
    """Satisfaction and whether policy was kept, of each arm's customers."""
    return Report.of(
        Served(
            arm,
            Customer(Topic(id="bill", description="A bill."), Persona(id="calm", description="Calm."), number),
            TALK,
            (Rating(satisfaction, True, kept, ""),),
        )
        for arm, rows in scores.items()
        for number, (satisfaction, kept) in enumerate(rows)
    )


def asked(kind: Kind, *comparisons: Comparison, found: Report, elsewhere: Report | None = None) -> Answer:
    question = Question("q", "Is it so?", kind, comparisons)
    plan = Plan("Coaching", (question,), 0.05, (), 10, 10, (), (), {})
    (answer,) = answers(plan, found, {"other, desk": elsewhere} if elsewhere else {})
    return answer


def level(satisfaction: int, kept: bool = True, size: int = 200) -> list[tuple[int, bool]]:
    return [(satisfaction + number % 2, kept) for number in range(size)]


@pytest.mark.parametrize(("new", "word"), [(4, "yes"), (1, "no"), (2, "not decided")])
def test_superiority(new: int, word: str) -> None:
    found = report({"old": level(2), "new": level(new)})
    assert asked("superiority", Comparison("new", "old"), found=found).word == word


def test_several_comparisons_are_adjusted_for_one_another_and_may_be_answered_in_part() -> None:
    found = report({"old": level(2), "new": level(3), "same": level(3)})
    answer = asked("superiority", Comparison("new", "old"), Comparison("new", "same"), found=found)
    assert answer.words == ("yes", "not decided")
    assert answer.word == "partly"
    assert [verdict.comparisons for verdict in answer.verdicts] == [2, 2]


def test_a_comparison_elsewhere_is_answered_from_there() -> None:
    here, there = report({"old": level(2), "new": level(4)}), report({"old": level(4), "new": level(2)})
    answer = asked("superiority", Comparison("new", "old", where="other, desk"), found=here, elsewhere=there)
    assert answer.word == "no"


@pytest.mark.parametrize(
    ("broken", "size", "word"), [(0, 200, "yes"), (1, 200, "yes"), (40, 200, "no"), (0, 12, "not decided")]
)
def test_no_loss_is_within_the_margin_or_it_is_not_known(broken: int, size: int, word: str) -> None:
    rows = [(3, number >= broken) for number in range(size)]
    found = report({"old": [(3, True)] * size, "new": rows})
    assert asked("no loss", Comparison("new", "old", "policy_kept"), found=found).word == word


def test_a_size_is_a_figure_and_no_contest() -> None:
    found = report({"old": level(2), "new": level(3)})
    assert asked("size", Comparison("new", "old", "tokens"), found=found).word == "see figures"


def test_the_hash_of_a_plan_is_that_of_what_it_asks() -> None:
    plan = Plan("Coaching", (), 0.05, (), 10, 10, (), ("/here",), {})
    other = Plan("Coaching", (), 0.05, (), 10, 10, (), ("/there",), {})
    wider = Plan("Coaching", (), 0.10, (), 10, 10, (), ("/here",), {})
    assert plan.hash == other.hash != wider.hash
