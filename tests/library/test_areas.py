"""Scenarios seen from far away."""

from pathlib import Path

from preceptor.dialogue.conversation import Context, Turn
from preceptor.library.desk import Desk
from preceptor.library.model import Effect, Evidence, Scenario, Strategy
from preceptor.library.store import Batch, Library
from preceptor.storage.database import Database


def scenario(id_: str, examples: int) -> Scenario:
    contexts = tuple(Context((Turn("customer", f"{id_} {n}"),)) for n in range(examples))
    return Scenario(id_, f"About {id_}.", contexts)


def test_areas_count_what_was_taught_and_what_is_weak(tmp_path: Path) -> None:
    with Database.open(tmp_path / "p.db") as db:
        library = Library(db)
        strategies = [
            Strategy("st-a", "Say a.", "", "sc-often", 0.4, "accepted"),
            Strategy("st-b", "Say b.", "", "sc-often", 0.2, "accepted"),
            Strategy("st-c", "Say c.", "", "sc-often", -0.1, "refused"),
            Strategy("st-d", "Say d.", "", "sc-rare", -0.2, "refused"),
            Strategy("st-e", "Say e.", "", None, 0.1, "accepted"),
        ]
        evidence = {
            one.id: [Evidence("acceptance", "", effect=Effect(one.value, one.value - 0.1, one.value + 0.1, 20))]
            for one in strategies
        }
        known = [scenario("sc-often", 6), scenario("sc-rare", 2), scenario("sc-gone", 2)]
        library.store(Batch(known, strategies, evidence), "run", "1")
        library.store(Batch(retired=["sc-gone"]), "run", "2")
        library.decide("st-a", "approved", "ann")
        often, rare = Desk(library).areas()
    assert (often.scenario, rare.scenario) == ("sc-often", "sc-rare")
    assert (often.approved, often.waiting, often.failed, often.kind) == (1, 1, 1, "taught")
    assert often.gain is not None
    assert round(often.gain, 6) == 0.3
    assert (rare.approved, rare.waiting, rare.failed, rare.gain, rare.kind) == (0, 0, 1, None, "weak")
    assert often.reach.share > rare.reach.share
