"""A small piece of STAR, where it is there: people's words instead of ours."""

import json
from collections import defaultdict
from pathlib import Path

import pytest

from preceptor.dialogue.conversation import Turn
from preceptor.retrieval.embedding import StaticEmbedder
from preceptor.retrieval.matcher import Example, Matcher

STAR = Path(__file__).resolve().parents[3] / "shared" / "data" / "star" / "star_cs_dev.jsonl"
TASKS = ("bank_fraud_report", "doctor_followup", "hotel_book", "ride_book", "plane_book")


def dialogues(each: int) -> dict[str, list[tuple[Turn, ...]]]:
    """Some dialogues of each task, without what only the authors of the data saw."""
    found: dict[str, list[tuple[Turn, ...]]] = defaultdict(list)
    with STAR.open(encoding="utf-8") as lines:
        for record in map(json.loads, lines):
            if record["task"] in TASKS and len(found[record["task"]]) < each:
                said = [turn for turn in record["turns"] if turn["speaker"] in ("customer", "agent")]
                found[record["task"]].append(tuple(Turn(turn["speaker"], turn["text"]) for turn in said))
    return found


def contexts(turns: tuple[Turn, ...]) -> list[tuple[Turn, ...]]:
    return [turns[: index + 1] for index, turn in enumerate(turns) if turn.party == "customer"]


@pytest.mark.skipif(not STAR.is_file(), reason="shared/data/star is not beside the project")
def test_tasks_are_found_once_they_have_been_talked_about() -> None:
    found = dialogues(each=9)
    examples = [Example(c, task) for task, some in found.items() for turns in some[:5] for c in contexts(turns)]
    matcher = Matcher.fit(examples, StaticEmbedder())
    asked = [(task, contexts(turns)) for task, some in found.items() for turns in some[5:]]
    late = [matcher.match(seen[-1]).ranked[0][0] == task for task, seen in asked]
    assert sum(late) >= len(late) - 1
    openings = [matcher.match(seen[0]) for _, seen in asked]
    assert sum(match.abstained for match in openings) >= len(openings) // 4
