"""Teachers: they name what is missing, keep what works, and err at the rates of their profile."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from preceptor.simulated.model import SimulatedModel
from preceptor.simulated.reading import Reader
from preceptor.simulated.world import World

from .conftest import answered, task

Cast = Mapping[str, SimulatedModel]
ASKED = "Customer: Where is my bread, order 271828?"
GOOD = "I am sorry about the trouble this caused. The driver will be at your door by eleven."
POOR = "We bake with love."


def write(cast: Cast, student: str, model: str = "teacher", current: str = "", seed: int = 0) -> dict[str, Any]:
    given = {"teacher_reply": GOOD, "student_reply": student, "strategies": current}
    return answered(cast[model], task("write_strategies", "", seed, conversation=ASKED, **given))


def texts(written: dict[str, Any]) -> list[str]:
    return [strategy["text"] for strategy in written["strategies"]]


def asked(reader: Reader, written: dict[str, Any]) -> set[str]:
    return {move for text in texts(written) for move in reader.instructions(text).told}


def test_what_is_missing_is_asked_for(cast: Cast, reader: Reader) -> None:
    written = write(cast, POOR)
    assert asked(reader, written) == {"apologise", "give-time"}
    assert "apologise for the trouble" in written["missing"]
    assert asked(reader, write(cast, "The driver will be at your door by eleven.")) == {"apologise"}
    assert texts(write(cast, GOOD)) == []


def test_harm_is_forbidden(cast: Cast, reader: Reader) -> None:
    (text,) = texts(write(cast, f"{GOOD} That is your own mistake."))
    assert reader.instructions(text).forbidden == {"blame"}


def test_in_later_rounds_what_works_stays_and_the_rest_is_rewritten(cast: Cast, reader: Reader) -> None:
    current = (
        "1. Apologise for the trouble.\n2. Tell them at what hour the driver will arrive.\n3. Be a good colleague."
    )
    written = write(cast, "I am sorry about the trouble this caused.", current=current)
    assert "Apologise for the trouble." in texts(written)
    assert "Tell them at what hour the driver will arrive." not in texts(written)
    assert "Be a good colleague." not in texts(written)
    assert asked(reader, written) == {"apologise", "give-time"}


def test_a_limit_in_the_prompt_is_kept(cast: Cast) -> None:
    request = task("write_strategies", "Write at most 1 of them.", conversation=ASKED, student_reply=POOR)
    assert len(answered(cast["teacher"], request)["strategies"]) == 1


def test_errors_come_at_the_rates_of_the_profile(cast: Cast, reader: Reader, world: World) -> None:
    kinds: Counter[str] = Counter()
    for seed in range(300):
        for text in texts(write(cast, POOR, "careless", seed=seed)):
            told = reader.instructions(text).told
            quoted = "271828" in text or "For instance" in text
            kinds["quoted" if quoted else "right" if told & {"apologise", "give-time"} else "other"] += 1
    total = 600
    assert 0.2 < kinds["other"] / total < 0.4  # vague, wrong or harmful: 0.1 each
    assert 0.11 < kinds["quoted"] / total < 0.23  # 0.7 × 0.8 × 0.3 = 0.17
    assert 0.3 < kinds["right"] / total < 0.48  # 0.7 × 0.8 × 0.7 = 0.39


@pytest.mark.parametrize("model", ["blind", "obedient"])
def test_a_teacher_without_insight_asks_for_nothing_that_helps(cast: Cast, reader: Reader, model: str) -> None:
    written = [write(cast, POOR, model, seed=seed) for seed in range(30)]
    assert all(texts(one) for one in written)
    assert not {move for one in written for move in asked(reader, one)} & {"apologise", "give-time"}


def test_contexts_are_placed_by_what_they_are_about(cast: Cast, reader: Reader) -> None:
    listed = "1. The customer asks about allergens in a cake.\n2. A delivery is late and the customer asks where it is."
    placed = answered(cast["teacher"], task("place_context", conversation=ASKED, scenarios=listed))
    assert placed == {"scenario": 2, "description": ""}
    new = answered(cast["teacher"], task("place_context", conversation=ASKED, scenarios=""))
    assert new["scenario"] == 0
    assert reader.described(new["description"]) == "late-first"


def test_a_careless_teacher_misplaces(cast: Cast) -> None:
    listed = "1. The customer asks about allergens in a cake.\n2. A delivery is late and the customer asks where it is."
    requests = (task("place_context", seed=seed, conversation=ASKED, scenarios=listed) for seed in range(200))
    wrong = sum(answered(cast["careless"], request)["scenario"] != 2 for request in requests)
    assert 12 <= wrong <= 45  # 20 % misplaced, a third of those by chance right


def test_shipped_teachers_do_as_their_profiles_say(shipped: World, shipped_reader: Reader) -> None:
    counts = {
        name: kinds(shipped, shipped_reader, SimulatedModel(shipped, name, shipped_reader))
        for name in ("teacher", "teacher-no-better", "teacher-harmful")
    }
    assert counts["teacher"]["right"] > 0.75
    assert counts["teacher"]["harmful"] == 0
    assert counts["teacher-no-better"]["right"] == 0
    assert counts["teacher-harmful"]["harmful"] > 0.4


def kinds(world: World, reader: Reader, teacher: SimulatedModel) -> dict[str, float]:
    """Shares of the strategies for an empty reply: right ones, and such as ask for harm."""
    found, total = Counter[str](), 0
    for situation in world.situations[::2]:
        conversation = f"Customer: {situation.customer[0]}"
        request = task("write_strategies", conversation=conversation, teacher_reply="Yes.", student_reply="Hm.")
        for strategy in answered(teacher, request)["strategies"]:
            told = reader.instructions(strategy["text"]).told
            found["right"] += bool(told.intersection(situation.required))
            found["harmful"] += bool(told.intersection(situation.harmful))
            total += 1
    return {kind: found[kind] / total for kind in ("right", "harmful")}
