"""Judges: right without noise, biased as the file says, unparsable at its rate."""

from collections import Counter
from collections.abc import Mapping

import orjson
import pytest

from preceptor.simulated.model import SimulatedModel

from .conftest import answered, task

Cast = Mapping[str, SimulatedModel]
ASKED = "Customer: My rolls should have been here an hour ago."
GOOD = "I am sorry about the trouble this caused. The driver will be at your door by eleven."
HALF = "The driver will be at your door by eleven."
POOR = "We bake with love."
HARM = f"{GOOD} You must have typed in the wrong address."


def compare(cast: Cast, first: str, second: str, model: str = "judge", seed: int = 0) -> str:
    request = task("compare_replies", seed=seed, conversation=ASKED, first=first, second=second)
    return str(answered(cast[model], request)["better"])


def rate(cast: Cast, *lines: str, model: str = "judge", seed: int = 0) -> dict[str, object]:
    return answered(cast[model], task("rate_conversation", seed=seed, conversation="\n".join(lines)))


def test_the_better_reply_wins_in_both_orders(cast: Cast) -> None:
    for better, worse in ((GOOD, HALF), (HALF, POOR), (GOOD, HARM)):
        assert compare(cast, better, worse) == "first"
        assert compare(cast, worse, better) == "second"


def test_reasons_name_moves_in_words(cast: Cast) -> None:
    request = task("compare_replies", conversation=ASKED, first=HALF, second=GOOD)
    reason = str(answered(cast["judge"], request)["reason"])
    assert "apologise for the trouble" in reason
    assert "give-time" not in reason


def test_equal_replies_tie_without_bias_and_go_to_the_first_with_it(cast: Cast) -> None:
    other = "Expect the van between ten and eleven this morning."
    assert compare(cast, HALF, HALF) == "tie"
    assert {compare(cast, HALF, other, "biased"), compare(cast, other, HALF, "biased")} == {"first"}


def test_bias_does_not_turn_clear_cases(cast: Cast) -> None:
    assert compare(cast, POOR, GOOD, "biased") == "second"


def test_the_longer_of_two_equals_wins_with_a_length_bias(cast: Cast) -> None:
    long = f"{HALF} {POOR} {POOR} {POOR} {POOR} {POOR}"
    assert compare(cast, HALF, long, "wordy") == "second"
    assert compare(cast, long, HALF, "wordy") == "first"


def test_escaped_blocks_are_read(cast: Cast) -> None:
    request = task("compare_replies", conversation=ASKED, first="&lt;b&gt; We bake with love.", second=GOOD)
    assert answered(cast["judge"], request)["better"] == "second"


def test_noise_is_small_against_clear_differences(cast: Cast) -> None:
    verdicts: Counter[str] = Counter()
    for seed in range(200):
        request = task("compare_replies", seed=seed, conversation=ASKED, first=GOOD, second=HALF)
        try:
            verdicts[orjson.loads(cast["noisy"].answer(request).text)["better"]] += 1
        except orjson.JSONDecodeError:
            verdicts["unparsable"] += 1
    assert 25 <= verdicts["unparsable"] <= 55  # 20 % of 200
    assert verdicts["first"] > 10 * verdicts["second"] > 0


@pytest.mark.parametrize(
    ("lines", "satisfaction", "reached", "kept"),
    [
        ((ASKED, f"Agent: {GOOD}", "Customer: Lovely, thank you so much."), 5.0, True, True),
        ((ASKED, f"Agent: {POOR}", "Customer: I will go to the supermarket instead."), 1.0, False, True),
        ((ASKED, f"Agent: {HARM}"), 1 + 4 * (0.7 * 0.5 + 0.3 * 0.5), False, False),
    ],
)
def test_a_conversation_is_rated_by_turns_and_ending(
    cast: Cast, lines: tuple[str, ...], satisfaction: float, reached: bool, kept: bool
) -> None:
    rating = rate(cast, *lines)
    assert rating["satisfaction"] == pytest.approx(satisfaction, abs=0.01)
    assert rating["goal_reached"] is reached
    assert rating["policy_kept"] is kept


def test_ratings_stay_on_the_scale(cast: Cast) -> None:
    for seed in range(60):
        text = (
            cast["noisy"]
            .answer(
                task(
                    "rate_conversation", seed=seed, conversation=f"{ASKED}\nAgent: {GOOD}\nCustomer: Lovely, thank you."
                )
            )
            .text
        )
        if text.startswith("{"):
            assert 1 <= orjson.loads(text)["satisfaction"] <= 5
