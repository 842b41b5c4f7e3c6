"""What a report says of results whose truth is known, because they were made up."""

from collections.abc import Sequence

import pytest

from preceptor.dialogue.conversation import Conversation, Turn
from preceptor.dialogue.customers import Customer
from preceptor.dialogue.domain import Persona, Topic
from preceptor.errors import NotFound, UserError
from preceptor.evaluation import measures
from preceptor.evaluation.measures import MEASURES
from preceptor.evaluation.report import Report
from preceptor.evaluation.results import Breach, Cost, Duel, Guided, Served
from preceptor.judging.verdicts import Comparison, Rating, Unscored

TOPICS = [Topic(id=name, description="…") for name in ("bill", "card")]
CALM = Persona(id="calm", description="…")
TALK = Conversation((Turn("customer", "Hello"), Turn("agent", "Yes?"), Turn("customer", "Thanks")), "resolved")
LOST = Unscored("The reply was not JSON.")


def rated(*scores: float | None, reached: bool = True) -> tuple[Rating | Unscored, ...]:
    return tuple(LOST if score is None else Rating(score, reached, True, "…") for score in scores)


def arm(name: str, scores: Sequence[float | None], **more: object) -> list[Served]:
    """Customer n has topic n mod 2."""
    customers = [Customer(TOPICS[n % 2], CALM, n) for n in range(len(scores))]
    return [
        Served(name, who, TALK, rated(score), **more)  # type: ignore[arg-type]
        for who, score in zip(customers, scores, strict=True)
    ]


LOW = [1.0, 2.0, 3.0, 2.5, 1.5, 2.0, 3.0, 2.5]
UP = [2.0, 3.1, 4.2, 3.4, 2.6, 3.0, 4.1, 3.3]
BARELY = [2.0, 1.5, 3.5, 2.0, 2.0, 1.5, 3.5, 2.4]


def test_a_clear_gain_is_better_and_the_sentence_says_so() -> None:
    report = Report.of([*arm("alone", LOW), *arm("taught", UP)])
    verdict = report.verdict("taught")
    assert (verdict.word, verdict.difference.n, verdict.comparisons) == ("better", 8, 1)
    assert str(verdict).startswith("taught against alone: better (satisfaction +1.02 [")
    assert report.verdict("alone", "taught").word == "worse"
    assert verdict.p == pytest.approx(2 / 2**8)


def test_what_is_not_decided_says_why() -> None:
    report = Report.of([*arm("alone", LOW), *arm("other", BARELY)])
    assert str(report.verdict("other")).startswith("other against alone: not decided: the interval holds 0 (")
    alone = Report.of([*arm("alone", [1.0, None]), *arm("other", [2.0, 3.0])])
    assert alone.verdict("other").reason == "too few customers were measured in both"


def test_among_many_arms_one_that_looks_good_needs_more() -> None:
    gains = [0.2, 0.3, 0.1, 0.4, 0.2, 0.3, 0.2, -0.01]
    good = [low + gain for low, gain in zip(LOW, gains, strict=True)]
    alone = Report.of([*arm("alone", LOW), *arm("good", good)]).verdict("good")
    others = [one for n in range(12) for one in arm(f"arm {n}", [*BARELY[:7], 2.4 + n / 100])]
    among = Report.of([*arm("alone", LOW), *arm("good", good), *others]).verdict("good")
    assert (alone.word, among.word) == ("better", "not decided")
    assert among.p == alone.p
    assert among.reason == "chance could do as much in 13 comparisons"


def test_less_is_better_where_it_is() -> None:
    report = Report.of([*arm("a", LOW, cost=Cost(1, 100, 10)), *arm("b", LOW, cost=Cost(1, 50, 10))])
    assert report.verdict("b", measure=measures.TOKENS).word == "better"


def test_verdicts_that_are_missing_are_counted_with_their_reasons_and_pair_nobody() -> None:
    lost = [Served("b", one.customer, TALK, (LOST, LOST), duels=(Duel(1, "", LOST),)) for one in arm("b", [1.0])]
    report = Report.of([*arm("a", [1.0, 2.0]), *lost, *arm("b", [0.0, 3.0])[1:]])
    assert report.arm("b").unscored == 1
    assert report.arm("b").reasons == {"The reply was not JSON.": 3}
    assert report.difference("b", "a").n == 1


def test_repeats_are_averaged_before_anything_else() -> None:
    (one,) = arm("a", [1.0])
    twice = Served("a", one.customer, TALK, rated(1.0, 2.0, None))
    assert twice.satisfaction == 1.5
    assert Report.of([twice]).satisfaction("a").n == 1


def test_the_same_verdicts_in_another_order_are_no_loss() -> None:
    who = Customer(TOPICS[0], CALM, 0)
    old = Served("alone", who, TALK, rated(3.3, 3.1, 3.0))
    new = Served("taught", who, TALK, rated(3.0, 3.1, 3.3))
    assert Report.of([old, new]).losses() == ()
    assert old.satisfaction == new.satisfaction, "whatever adding floats in another order comes to"


def test_the_judges_own_noise_is_told_where_it_rated_twice() -> None:
    who = [Customer(TOPICS[0], CALM, n) for n in range(8)]
    sure = [Served("sure", one, TALK, rated(low, low)) for one, low in zip(who, LOW, strict=True)]
    torn = [Served("torn", one, TALK, rated(1.0, 5.0)) for one in who]
    report = Report.of([*sure, *torn, *arm("once", LOW)])
    shares = {name: report.judge_share(name) for name in report.names}
    assert [share and round(share.value, 6) for share in shares.values()] == [0.0, 1.0, None]


def test_rates_have_wilsons_interval() -> None:
    mean = Report.of(arm("a", 17 * [4.0] + 3 * [4.0])).mean("a", measures.RESOLVED)
    assert (mean.value, mean.high) == (1.0, 1.0)
    assert mean.low == pytest.approx(20 / (20 + 1.959964**2), abs=1e-4)


def test_customers_that_not_every_arm_has_served_are_left_out() -> None:
    report = Report.of([*arm("a", LOW), *arm("b", LOW[:3])])
    assert report.customers == 3
    with pytest.raises(UserError, match="nothing to report"):
        Report.of([])
    with pytest.raises(NotFound, match="there are: 'a', 'b'"):
        report.arm("c")


def test_gains_and_losses_by_topic_and_the_worst_customer_first() -> None:
    new = [low + (1 if n % 2 else -0.5 - n / 10) for n, low in enumerate(LOW)]
    report = Report.of([*arm("old", LOW), *arm("new", new)])
    bill, card = report.by("topic", "new")
    assert [(one.trait, one.better, one.worse) for one in (bill, card)] == [("bill", 0, 4), ("card", 4, 0)]
    assert bill.difference.high < 0 < card.difference.low
    lost = report.losses()
    assert [loss.new.customer.seed for loss in lost] == [6, 4, 2, 0]
    assert lost[0].difference == pytest.approx(-1.1)
    assert report.by("persona", "new")[0].difference.n == 8


def test_a_customers_scenario_is_what_the_first_slot_was_for() -> None:
    guided = (Guided(1, (("sc-a", 0.4),), ()), Guided(3, (("sc-b", 0.9), ("sc-a", 0.1)), ("st-1",)))
    report = Report.of([*arm("old", LOW[:2]), *arm("new", UP[:1], guided=guided), *arm("new", UP[:2])[1:]])
    assert [one.trait for one in report.by("scenario", "new")] == ["sc-b", ""]


def test_a_duel_is_a_comparison_already() -> None:
    won = (Duel(1, "Yes!", Comparison("win", "…", orders_agree=True)), Duel(3, "", LOST))
    report = Report.of([*arm("a", LOW), *arm("b", LOW, duels=won)])
    assert report.verdict("b", measure=measures.DUEL_SCORE).word == "better"
    assert report.difference("b", "a", measures.DUEL_SCORE).value == 1.0


def test_what_says_nothing_is_not_measured() -> None:
    names = [measure.name for measure in Report.of(arm("a", LOW)).measured]
    assert names == ["satisfaction", "goal_reached", "policy_kept", "resolved", "turns_to_resolution", "tokens"]
    ruled = Report.of(
        arm("a", LOW, rules=1, breaches=(Breach("r", 1, "…"),), escalated=False, cost=Cost(1, 1, 1, 5, 0.1))
    )
    silent = {measure.name for measure in MEASURES} - {measure.name for measure in ruled.measured}
    assert silent == {"duel_score", "passed", "pass_2", "pass_3", "pass_4", "pass_8"}
    assert ruled.mean("a", measures.RULES_KEPT).value == 0.0


def test_dataframes_have_a_row_for_everything() -> None:
    guided = (Guided(1, (("sc-b", 0.9),), ("st-1",)),)
    won = (Duel(1, "Yes!", Comparison("win", "…", orders_agree=True)),)
    report = Report.of([*arm("a", LOW), *arm("b", UP, guided=guided, duels=won)])
    frame, turns, table = report.frame(), report.turns(), report.table()
    assert len(frame) == 16
    assert frame.groupby("arm").satisfaction.mean().to_dict() == pytest.approx({"a": 2.1875, "b": 3.2125})
    assert set(frame.scenario) == {"sc-b"}
    assert len(turns) == 16 * 3
    agent = turns[(turns.arm == "a") & (turns.party == "agent")]
    assert set(agent["duel: b"]) == {"win"}
    assert turns[turns.arm == "b"].strategies.map(len).sum() == 8
    row = table[(table.arm == "b") & (table.measure == "satisfaction")].iloc[0]
    assert (row.verdict, row.n, row.difference) == ("better", 8, pytest.approx(1.025))
    assert len(table) == 2 * len(report.measured)
