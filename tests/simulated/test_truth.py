"""Truth: what was required, made, missing and harmful, and what can be learned at all."""

import pytest

from preceptor.errors import NotFound
from preceptor.simulated.reading import Reader
from preceptor.simulated.truth import Truth
from preceptor.simulated.world import World


@pytest.fixture(scope="module")
def truth(world: World, reader: Reader) -> Truth:
    return Truth(world, reader)


LINES = [
    ("customer", "My rolls should have been here an hour ago."),
    ("agent", "The driver will be at your door by eleven. That is your own mistake."),
    ("customer", "Lovely, thank you so much."),
]


def test_acts_say_what_was_missing_and_what_did_harm(truth: Truth) -> None:
    (act,) = truth.acts(LINES)
    assert act.situation is not None
    assert act.situation.id == "late-first"
    assert act.made == {"give-time", "blame"}
    assert act.missing == {"apologise"}
    assert act.harmful == {"blame"}
    assert act.quality == 0.0


def test_satisfaction_is_the_worlds_rule(truth: Truth) -> None:
    assert truth.satisfaction(LINES, "resolved") == pytest.approx(1 + 4 * 0.3)
    good = [LINES[0], ("agent", "I am sorry about the trouble this caused. The driver will be at your door by eleven.")]
    assert truth.satisfaction(good, "resolved") == pytest.approx(5.0)
    assert truth.satisfaction(good, "left") == pytest.approx(1 + 4 * 0.7)


def test_clutter_costs_a_little_and_neutral_moves_nothing(truth: Truth) -> None:
    angry = ("customer", "I am losing patience with your bakery.")
    right = "I am sorry about the trouble this caused. We will refund the whole order today."
    (neutral,) = truth.acts([angry, ("agent", f"{right} The driver will be at your door by eleven.")])
    (clutter,) = truth.acts([angry, ("agent", f"{right} It contains wheat, eggs, milk and hazelnuts.")])
    assert neutral.quality == 1.0
    assert clutter.quality == pytest.approx(0.9)


def test_strategies_are_read(truth: Truth) -> None:
    assert truth.asks("Offer them all their money back.") == {"offer-refund"}
    assert truth.forbids("Never blame the customer.") == {"blame"}


def test_learnable_is_what_a_profile_can_do_and_does_not_yet(truth: Truth) -> None:
    required = {"apologise", "give-time", "offer-refund", "list-ingredients"}
    assert truth.learnable("obedient") == required
    assert truth.learnable("unable") == required - {"give-time"}
    assert truth.learnable("teacher") == frozenset()
    with pytest.raises(ValueError, match="not an agent"):
        truth.learnable("judge")
    with pytest.raises(NotFound):
        truth.learnable("nobody")


def test_what_only_a_poor_agent_meets(truth: Truth) -> None:
    assert truth.only_poor() == {"late-angry"}
