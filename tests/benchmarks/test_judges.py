"""What `make bench-judges` asks of judges, on a small file of STC-3's form."""

import json
import random
from pathlib import Path

from bench_judges import measured, plain
from preceptor.evaluation.statistics import Interval


def helpdesk(tmp_path: Path, raters: int) -> Path:
    """Sixty conversations of a worth that people see through noise."""
    dice, rows = random.Random(3), []
    for place in range(60):
        worth = dice.gauss(0, 1)
        said = [max(-2, min(2, round(worth + dice.gauss(0, 0.8)))) for _ in range(raters)]
        turns = [
            {"sender": "customer", "utterances": ["No signal. " * dice.randint(1, 20)]},
            {"sender": "helpdesk", "utterances": [f"Case {place}."]},
        ]
        rows.append({"id": str(place), "turns": turns, "quality": {"S": said, "A": said}})
    path = tmp_path / "helpdesk.json"
    path.write_text(json.dumps(rows), "utf-8")
    return path


def test_judges_of_known_worth_come_out_as_that(tmp_path: Path) -> None:
    found = {where: (told, met) for where, told, met in measured(helpdesk(tmp_path, 6), 3, 0)}
    told, met = found["helpdesk S"]
    assert set(told["known"]) == {"of the panel, 1", "of the panel, 3", "of the panel, 5", "the others' mean"}
    assert met["the others' mean, beside one person"][0]
    assert met["chance, beside one person"][0]
    assert all(wanted["Spearman as scipy has it, off by"][0] for _, wanted in found.values())
    assert "known" not in found["helpdesk A"][0]
    json.dumps(told, allow_nan=False)


def test_few_people_are_no_panel(tmp_path: Path) -> None:
    [(_, told, met), _] = list(measured(helpdesk(tmp_path, 2), 3, 0))
    assert list(met) == ["Spearman as scipy has it, off by"]
    assert told["person"]["n"] == 60


def test_figures_are_json() -> None:
    assert plain({"a": (float("nan"), 1), "b": Interval(1, 2, 3, 4).low}) == {"a": [None, 1], "b": 2}
