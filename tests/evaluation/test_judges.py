"""Judges held against people: figures as scipy has them, known judges come out as what they are."""

import math
import random
from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from preceptor.dialogue.conversation import Conversation, Turn
from preceptor.dialogue.domain import Domain
from preceptor.evaluation.events import Event, Finished, Progress
from preceptor.evaluation.judges import COMMONEST, Held, Row, Verdicts, hold, places, word
from preceptor.evaluation.rankings import Ordered, drawn, kappa, spearman
from preceptor.evaluation.statistics import Interval
from preceptor.evaluation.trial import draw, draw_pairs, question
from preceptor.judging.judge import CompareReplies, Judge
from preceptor.judging.ratings import Question, Rated
from preceptor.judging.verdicts import Rating, Unscored
from preceptor.llm.messages import Request
from preceptor.llm.scripted import ScriptedModel

from .conftest import Scene

S = Question("S", "customer satisfaction", "satisfaction", -2, 2)
A = Question("A", "task accomplishment", "goal_reached", -2, 2)


def world(n: int = 120, raters: int = 5, seed: int = 1, missing: float = 0.0) -> tuple[list[Rated], list[float]]:
    """Conversations of a true worth, which people see through noise; and that worth. Length is chance."""
    dice = random.Random(seed)
    rated, truth = [], []
    for place in range(n):
        worth = dice.gauss(0, 1)
        said_last = (Turn("customer", "Well."), Turn("agent", f"Done {place}."))
        opening = (Turn("customer", f"Case {place}."), Turn("agent", "word " * dice.randint(1, 60)))
        talk = Conversation((*opening, *said_last), customer=f"log:{place}")
        said = {
            f"p{rater}": float(max(-2, min(2, round(worth + dice.gauss(0, 0.8)))))
            for rater in range(raters)
            if rater == 0 or dice.random() >= missing
        }
        rated.append(Rated(talk, {"S": said, "A": said}))
        truth.append(worth)
    return rated, truth


def judged(scores: Sequence[float], name: str = "judge") -> Verdicts:
    """A judge who gives these, on the people's scale; nan is unscored."""
    return Verdicts(
        name,
        tuple(
            Unscored("No JSON.") if math.isnan(one) else Rating(max(1, min(5, 3 + one)), one > 0, True, "")
            for one in scores
        ),
    )


def first(held: Held) -> Row:
    return held.rows[0]


def test_ranks_of_a_resample_are_scipys() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.integers(0, 5, 40).astype(float), rng.normal(size=40)
    x[5] = y[7] = math.nan
    index = rng.integers(0, 40, (6, 40))
    found = spearman(Ordered.of(x), Ordered.of(y), drawn(index.astype(float), 40))
    wanted = [stats.spearmanr(x[row], y[row], nan_policy="omit").statistic for row in index]
    assert found == pytest.approx(wanted, abs=1e-12)


def test_kappa_is_cohens_with_quadratic_weights() -> None:
    rng = np.random.default_rng(4)
    x, y = rng.integers(0, 5, 60).astype(float), rng.integers(0, 5, 60).astype(float)
    y[:40] = x[:40]
    seen = sum((a - b) ** 2 for a, b in zip(x, y, strict=True)) / 60
    by_chance = sum((a - b) ** 2 for a in x for b in y) / 3600
    assert kappa(x, y, np.ones((1, 60)))[0] == pytest.approx(1 - seen / by_chance)


def test_one_person_is_held_against_the_mean_of_the_others() -> None:
    rated, _ = world()
    table = np.array([list(one.ratings["S"].values()) for one in rated])
    wanted = [stats.spearmanr(table[:, r], np.delete(table, r, 1).mean(1)).statistic for r in range(5)]
    held = hold(S, rated)
    assert held.person
    assert held.person.value == pytest.approx(np.median(wanted))
    assert held.person.low < held.person.value < held.person.high
    assert held.agreement
    assert held.agreement.near
    pairs = list(combinations(range(5), 2))
    assert held.agreement.exact.value == pytest.approx(np.mean([table[:, a] == table[:, b] for a, b in pairs]))
    assert held.agreement.near.value > held.agreement.exact.value


def test_known_judges_come_out_as_what_they_are() -> None:
    rated, truth = world(200, 6)
    panel = [Rated(one.conversation, {"S": {r: v for r, v in one.ratings["S"].items() if r != "p5"}}) for one in rated]
    as_person = first(hold(S, panel, judged([one.ratings["S"]["p5"] for one in rated])))
    knowing = first(hold(S, panel, judged(truth)))
    assert as_person.against_person
    assert word(as_person.against_person) == "about as well"
    assert knowing.against_person
    assert word(knowing.against_person) == "better"
    guess = next(row for row in hold(S, rated).rows if row.name == "chance")
    assert guess.against_person
    assert word(guess.against_person) == "worse"
    assert knowing.against_words
    assert word(knowing.against_words) == "better"


def test_a_lean_to_length_is_told_from_noise() -> None:
    rated, truth = world(200)
    said = [len(one.conversation.turns[1].text.split()) for one in rated]
    fair = first(hold(S, rated, judged([one + random.Random(n).gauss(0, 1) for n, one in enumerate(truth)])))
    swayed = first(hold(S, rated, judged([one + (n - 30) / 20 for one, n in zip(truth, said, strict=True)])))
    assert fair.length
    assert fair.length.low < 0 < fair.length.high
    assert swayed.length
    assert swayed.length.low > 0.3


def test_unscored_is_counted_and_weighs_nothing() -> None:
    rated, truth = world()
    whole, broken = judged(truth), judged([math.nan if n % 3 == 0 else one for n, one in enumerate(truth)])
    row = first(hold(S, rated, broken))
    assert (row.unscored, dict(row.reasons)) == (40, {"No JSON.": 40})
    kept = [n for n in range(120) if n % 3]
    part = first(hold(S, [rated[n] for n in kept], judged([truth[n] for n in kept])))
    assert row.spearman
    assert part.spearman
    assert row.spearman.value == pytest.approx(part.spearman.value)
    assert first(hold(S, rated, whole)).unscored == 0


def test_a_question_that_nobody_answered_has_no_figures() -> None:
    """As in a sample of a file in which it was seldom asked."""
    rated, truth = world(12)
    asked = Question("E", "efficiency", "goal_reached", -2, 2)
    held = hold(asked, rated, judged(truth))
    assert (held.conversations, held.raters, held.rows) == (0, 0, ())


def test_who_says_the_same_of_all_has_no_order_and_may_agree_often() -> None:
    rated, _ = world()
    held = hold(S, rated, judged([0.0] * 120))
    assert first(held).spearman is None
    assert first(held).against_person is None
    assert first(held).length is None
    assert first(held).agreement
    constant = next(row for row in held.rows if row.name == COMMONEST)
    assert constant.agreement
    assert constant.agreement.kappa.value == pytest.approx(0)
    assert constant.agreement.exact.value > 0.2


def test_yes_or_no_is_held_against_the_upper_half_of_a_scale() -> None:
    rated, truth = world()
    held = hold(A, rated, judged(truth))
    assert held.agreement
    assert held.agreement.near is None
    yes = [[value > 0 for value in one.ratings["A"].values()] for one in rated]
    same = [[said == (worth > 0) for said in row] for row, worth in zip(yes, truth, strict=True)]
    row = first(held)
    assert row.agreement
    assert row.agreement.exact.value == pytest.approx(np.mean(same))


def test_raters_who_missed_some_are_compared_where_they_were() -> None:
    rated, truth = world(missing=0.4)
    held = hold(S, rated, judged(truth))
    assert held.person
    assert held.person.value > 0.4
    alone = hold(S, [Rated(one.conversation, {"S": {"p0": one.ratings["S"]["p0"]}}) for one in rated], judged(truth))
    assert alone.person is None
    assert alone.agreement is None
    assert first(alone).against_person is None
    assert first(alone).spearman


def test_intervals_hold_the_truth() -> None:
    """Of 25 samples of a large population about 24 should."""
    rated, truth = world(2000, 1)
    whole = stats.spearmanr([one.ratings["S"]["p0"] for one in rated], truth).statistic
    held = 0.0
    for seed in range(25):
        at = random.Random(seed).sample(range(2000), 40)
        found = first(hold(S, [rated[n] for n in at], judged([truth[n] for n in at]))).spearman
        assert found
        held += float(found.low <= whole <= found.high)
    assert held >= 21


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [(0.02, 0.3, "better"), (-0.4, -0.02, "worse"), (-0.08, -0.01, "about as well"), (-0.05, 0.05, "about as well"),
     (-0.3, 0.05, "not decided"), (-math.inf, math.inf, "not decided")],
)  # fmt: skip
def test_about_as_well_needs_a_narrow_interval(low: float, high: float, said: str) -> None:
    assert word(Interval(0, low, high, 50)) == said


def scripted(domain: Domain, answer: Callable[[Request], str]) -> Judge:
    return Judge(ScriptedModel("judge", answer), domain)


def says(better: str) -> Callable[[Request], str]:
    def answer(request: Request) -> str:
        rating = '{"satisfaction": 3, "goal_reached": true, "policy_kept": true}'
        return f'{{"better": "{better}"}}' if request.schema and request.schema.name == "compare_replies" else rating

    return answer


@pytest.mark.anyio
@pytest.mark.parametrize(("better", "changed", "lean"), [("first", 1, 1), ("second", 1, -1), ("tie", 0, 0)])
async def test_a_lean_to_a_place_shows(scene: Scene, better: str, changed: float, lean: float) -> None:
    rated, _ = world(20)
    heard: list[Event] = []
    pairs = draw_pairs(rated, 12)
    found = await question("judge", scripted(scene.domain, says(better)), rated, pairs, tell=heard.append)
    told = places(found)
    assert told.changed
    assert told.first
    assert (told.pairs, told.unscored, told.changed.value, told.first.value) == (12, 0, changed, lean)
    assert isinstance(heard[-1], Finished)
    assert [event.total for event in heard if isinstance(event, Progress) and event.done == event.total] == [20, 12]


def test_a_judge_who_keeps_to_the_reply_does_not_lean() -> None:
    one, other = CompareReplies(better="first"), CompareReplies(better="second")
    told = places(Verdicts("judge", (), ((one, other), (other, one), Unscored("?"))))
    assert told.changed
    assert told.first
    assert (told.pairs, told.unscored, told.changed.value, told.first.value) == (3, 1, 0, 0)
    assert places(Verdicts("judge", ())).changed is None


def test_what_is_drawn_is_drawn_by_the_seed() -> None:
    rated, _ = world(50)
    assert draw(rated, 10, 1) == draw(rated, 10, 1) != draw(rated, 10, 2)
    assert draw(rated, 99) == tuple(rated)
    pairs = draw_pairs(rated, 10, 1)
    assert pairs == draw_pairs(rated, 10, 1)
    assert all(pair.given.text != pair.other.text and pair.context.customer_turns for pair in pairs)


def test_a_person_who_says_the_same_of_all_is_no_ceiling() -> None:
    rated, truth = world(40, 3)
    bored = [Rated(one.conversation, {"S": {**one.ratings["S"], "p2": 0.0}}) for one in rated]
    held = hold(S, bored, judged(truth))
    assert held.person
    assert held.person.value > 0.4
    assert first(held).against_person
    assert held.agreement
    assert math.isfinite(held.agreement.kappa.low)
