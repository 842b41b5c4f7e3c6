"""What a new release would no longer give."""

from dataclasses import replace

from preceptor.dialogue.conversation import Context, Turn
from preceptor.evaluation.replay import replay
from preceptor.library.model import Guidance, Scenario, Strategy

SAID = {
    "sc-bill": ("My bill is twice as high as last month.", "You charged me twice on this bill.", "The bill is wrong."),
    "sc-line": ("My internet is down again.", "The line keeps dropping out.", "There is no connection since noon."),
}
SCENARIOS = tuple(
    Scenario(id_, said[0], tuple(Context((Turn("customer", text),)) for text in said)) for id_, said in SAID.items()
)
SORRY = Strategy("st-sorry", "Apologise for the trouble.", "", "sc-line", 0.4, "accepted")
CHECK = Strategy("st-check", "Go through the bill line by line.", "", "sc-bill", 0.4, "accepted")
OLD = Guidance("Helpdesk", SCENARIOS, (SORRY, CHECK), false_injections=0.9)


def test_the_same_library_loses_nothing() -> None:
    found = replay(OLD, OLD)
    assert found.contexts > 0
    assert (found.poorer, found.bare, found.lost) == (0, 0, ())


def test_what_was_taken_out_is_lost_where_it_was_given() -> None:
    found = replay(OLD, replace(OLD, strategies=(SORRY,)))
    (lost,) = found.lost
    assert (lost.strategy.id, lost.held) == ("st-check", False)
    assert found.poorer == lost.contexts > 0
    assert found.bare <= found.poorer


def test_what_is_crowded_out_is_lost_though_it_is_there() -> None:
    louder = Strategy("st-loud", "Say that you are new here.", "", None, 0.9, "accepted")
    found = replay(OLD, replace(OLD, strategies=(SORRY, CHECK, louder)), limit=1)
    assert {(one.strategy.id, one.held) for one in found.lost} == {("st-sorry", True), ("st-check", True)}
    assert found.bare == 0


def test_another_wording_or_another_place_of_the_same_strategy_is_no_loss() -> None:
    moved = (replace(SORRY, text="Say sorry."), replace(CHECK, id="st-other"))
    assert replay(OLD, replace(OLD, strategies=moved)).lost == ()


def test_a_library_without_kept_contexts_has_nothing_to_lose() -> None:
    bare = Guidance("Helpdesk", (), (replace(SORRY, scenario=None),))
    assert replay(bare, OLD).contexts == 0
    assert replay(OLD, bare).bare > 0
