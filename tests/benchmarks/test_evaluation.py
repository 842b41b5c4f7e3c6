"""What `make bench-evaluation` decides, shows and asks for."""

import json

import anyio
import pytest

from bench_evaluation import ASKED, Found, arms_table, decisions, effects_table, every_arm, figures, targets, texts
from classroom import ALONE, TAUGHT, TEACHER, Classroom
from preceptor import Context, Customers, Turn, evaluate
from preceptor.evaluation.attribution import Attribution, Contribution
from preceptor.evaluation.statistics import Interval
from preceptor.library.model import Evidence, Guidance, Scenario, Strategy
from preceptor.teaching.teach import Taught

CONTEXT = Context((Turn("customer", "My line has been dead since the morning."),))
STRATEGY = Strategy("st-1", "Give a time window for what happens next.", "", "sc-1", 0.3)
UNSEEN = 10


@pytest.fixture(scope="module")
def room() -> Classroom:
    return Classroom.open("broadband", UNSEEN, 0)


@pytest.fixture(scope="module")
def found(room: Classroom) -> Found:
    return anyio.run(serve, room)


async def serve(room: Classroom) -> Found:
    guidance = Guidance("broadband", (Scenario("sc-1", "An outage.", (CONTEXT,)),), (STRATEGY,))
    evidence = Evidence("origin", "", CONTEXT, teacher="You will hear from us between four and six.")
    arms = every_arm(room, Taught(guidance, (), (), {"st-1": (evidence,)}, ()), 250)
    report = await evaluate(arms, room.customers, room.judge, duels=1)
    row = Contribution(
        "strategy", "st-1", STRATEGY.text, "sc-1", 9, 0.1, 8, 0.8, Interval(-0.5, -0.9, -0.1, 8), 1, 2, 5, 0, 0.01, 0.02
    )
    effects = Attribution(TAUGHT, 90, UNSEEN, 2, (row,), ())
    return Found("broadband", report, texts(arms, report), effects, frozenset(["st-1"]), 1.0)


def test_every_arm_serves_the_same_customers_within_its_budget(found: Found) -> None:
    unlimited = {"whole library, unlimited", "other prompt"}
    assert all(0 <= tokens <= 250 for arm, tokens in found.texts.items() if arm not in unlimited)
    assert found.texts[ALONE] == found.texts[TEACHER] == found.texts["null"] == 0
    assert len(found.report.arms) == 15
    assert len({tuple(one.customer.key for one in arm.served) for arm in found.report.arms}) == 1


def test_each_question_is_answered_and_the_answers_are_asked_for(found: Found) -> None:
    answers = {verdict.old: verdict for verdict in decisions(found.report)}
    assert tuple(answers) == ASKED
    assert all((one.new, one.comparisons) == (TAUGHT, len(ASKED)) for one in answers.values())
    assert answers[TEACHER].word == "worse"
    asked = targets(found, UNSEEN)
    assert asked[f"broadband: library against {TEACHER}"]["ok"]
    assert not asked["broadband: library against general strategies"]["ok"], "ten customers decide little"
    assert not targets(found, 400)["broadband: customers scored in every arm"]["ok"]


def test_what_is_shown_and_recorded(found: Found) -> None:
    assert "few-shot, imitated 50%" in arms_table(found)
    assert "1 hurts" in effects_table(found)
    recorded = json.loads(json.dumps(figures(found), allow_nan=False))
    assert recorded["harmful"] == {"flagged": 1, "true": 1}
    assert recorded["library_against"][ALONE]["difference"][0] == pytest.approx(
        recorded["arms"][TAUGHT]["against_student"][0]
    )


def test_teaching_never_meets_the_unseen(room: Classroom) -> None:
    later = Customers.draw(room.domain, room.student.model, UNSEEN, seed=0)
    assert not {one.key for one in later.who} & {one.key for one in room.customers.who}
