"""Whose words a library rests on: one customer's are not enough, and a source can be taken out."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from preceptor.dialogue.conversation import Context, Turn
from preceptor.errors import Conflict, NotFound, UserError
from preceptor.library.desk import Desk
from preceptor.library.model import Evidence, Scenario, Strategy, Voice
from preceptor.library.provenance import Source
from preceptor.library.store import Batch, Library
from preceptor.storage.database import Database

NAMES = "abcdefgh"
SAID = {name: Context((Turn("customer", f"My line is down, says {name}."),)) for name in NAMES}


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with Database.open(tmp_path / "library.db") as db:
        yield Library(db)


def told(text: str, scenario: str | None = "sc-one") -> Strategy:
    return Strategy(Strategy.new_id(text, scenario), text, "", scenario, measured="accepted")


def teach(library: Library, scenario: str, rests: dict[str, str], voices: dict[str, Voice], run: str = "r1") -> None:
    """A step of a run. `rests`: by a strategy's text, the names of contexts it was written from (and, after a bar,
    tried on)."""
    strategies, evidence = [], {}
    for text, names in rests.items():
        strategy = told(text, scenario)
        written, _, tried = names.partition("|")
        strategies.append(strategy)
        evidence[strategy.id] = (
            *(Evidence("origin", "", SAID[name], "before", reason="it lacks") for name in written),
            *(Evidence("acceptance", "", SAID[name], reason="it helps") for name in tried),
        )
    examples = tuple(SAID[name] for name in voices)
    keys = {SAID[name].key: voice for name, voice in voices.items()}
    scenarios = [Scenario(scenario, f"About {scenario}.", examples)]
    library.store(Batch(scenarios, strategies, evidence, voices=keys), run, f"step {scenario}")


def by_text(library: Library) -> dict[str, Strategy]:
    return {strategy.text: strategy for strategy in library.strategies()}


def test_one_customers_words_alone_are_flagged_and_never_approved_by_rule(library: Library) -> None:
    voices = {"a": Voice("ann"), "b": Voice("ann"), "c": Voice("cy")}
    rests = {"Restart it.": "ab", "Name a day.": "ac", "Ask first.": "a|c"}
    teach(library, "sc-one", rests, voices)
    assert {text for text, one in by_text(library).items() if one.flags == ("uncorroborated",)} == {"Restart it."}
    approved = library.approve_accepted("owner", "a rule")
    assert {one.text for one in approved} == {"Name a day.", "Ask first."}


def test_another_customers_words_take_the_flag_away(library: Library) -> None:
    teach(library, "sc-one", {"Restart it.": "a"}, {"a": Voice("ann")})
    assert by_text(library)["Restart it."].flags == ("uncorroborated",)
    teach(library, "sc-one", {"Restart it.": "d"}, {"d": Voice("dan")}, "r2")
    assert by_text(library)["Restart it."].flags == ()


def test_what_nobody_said_whose_it_is_is_not_judged(library: Library) -> None:
    teach(library, "sc-one", {"Restart it.": "a"}, {})
    assert by_text(library)["Restart it."].flags == ()


def poisoned(library: Library) -> None:
    """Two sources, a release that holds both."""
    good = {"a": Voice("ann"), "b": Voice("bob")}
    bad = {"c": Voice("x1", "bought.jsonl"), "d": Voice("x2", "bought.jsonl")}
    teach(library, "sc-one", {"Name a day.": "ab", "Pay at once.": "cd", "Ask first.": "ac"}, good | bad)
    teach(library, "sc-two", {"Hang up.": "cd"}, bad)
    general = told("Pay at once!", None)
    library.store(Batch(strategies=[general]), "r1", "2")
    for strategy in library.strategies():
        library.decide(strategy.id, "approved", "eve")
    library.release("eve")


def test_a_source_is_removed_in_one_step_with_all_that_rests_on_it(library: Library) -> None:
    poisoned(library)
    before = library.live_hash()
    found = library.forget(Source(source="bought.jsonl"), "owner", "it was bought")
    assert (found.contexts, found.scenarios) == (2, ("sc-two",))
    live = library.live()
    assert live is not None
    assert live.hash == found.release != before
    assert {one.text for one in live.guidance.strategies} == {"Name a day.", "Ask first."}
    assert [one.id for one in live.guidance.scenarios] == ["sc-one"]
    assert {c.key for c in live.guidance.scenarios[0].examples} == {SAID["a"].key, SAID["b"].key}
    now = by_text(library)
    assert {text for text, one in now.items() if "source removed" in one.flags} == {
        "Pay at once.", "Hang up.", "Pay at once!",
    }  # fmt: skip
    assert found.doubtful == (now["Ask first."].id,)
    assert (now["Ask first."].decision, now["Ask first."].flags) == ("pending", ("uncorroborated",))
    assert {one.text for one in library.guidance("approved").strategies} == {"Name a day."}
    assert Desk(library).verify().sound
    assert [entry.what for entry in library.trail()[-2:]] == ["forget", "release"]


def test_what_was_removed_is_removed_once(library: Library) -> None:
    """Whoever was cut off before being told may say it again."""
    poisoned(library)
    library.forget(Source(source="bought.jsonl"), "owner", "it was bought")
    before, trail = library.snapshot(), library.trail()
    again = library.forget(Source(source="bought.jsonl"), "owner", "it was bought")
    assert (again.scenarios, again.strategies, again.doubtful, again.release) == ((), (), (), None)
    assert (library.snapshot(), library.trail()) == (before, trail)


def test_what_is_taken_up_again_can_be_removed_again(library: Library) -> None:
    poisoned(library)
    library.forget(Source(source="bought.jsonl"), "owner")
    taken_up = by_text(library)["Pay at once."].id
    library.decide(taken_up, "approved", "eve")
    assert library.forget(Source(source="bought.jsonl"), "owner").strategies == (taken_up,)
    assert library.strategy(taken_up).decision == "rejected"


def test_nobody_goes_back_to_what_was_removed(library: Library) -> None:
    poisoned(library)
    before = library.live_hash()
    assert before is not None
    library.forget(Source(source="bought.jsonl"), "owner")
    with pytest.raises(Conflict, match="source was removed"):
        library.rollback("eve", to=before)


def test_where_all_rests_on_it_nothing_is_live(library: Library) -> None:
    teach(library, "sc-two", {"Hang up.": "cd"}, {"c": Voice("x1", "bought.jsonl"), "d": Voice("x2", "bought.jsonl")})
    library.decide(library.strategies()[0].id, "approved", "eve")
    library.release("eve")
    assert library.forget(Source(run="r1"), "owner").release == ""
    assert library.live_hash() is None
    assert Desk(library).verify().sound


def test_what_others_said_too_stays(library: Library) -> None:
    teach(library, "sc-one", {"Name a day.": "a"}, {"a": Voice("ann")})
    teach(library, "sc-one", {"Name a day.": "a"}, {"a": Voice("ann", "a.jsonl")}, "r2")
    with pytest.raises(NotFound, match="alone"):
        library.forget(Source(source="a.jsonl"), "owner")
    with pytest.raises(UserError, match="Say what"):
        library.forget(Source(), "owner")
