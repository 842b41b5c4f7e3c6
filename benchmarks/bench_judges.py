"""What judges that understand nothing are worth beside people, on public conversations that people rated.

STC-3 (19 people each; satisfaction and accomplishment) and STAR (whether it was done, one customer each), every
conversation in them. Rows: fewer words, sentiment words (the customer's), chance, and whoever always says what people
say most often; last, what one person is worth: against the mean of the others, the median over people. Correlations are
Spearman's, intervals 95 % by bootstrap over conversations. A model judge is to be held beside these, by
`preceptor judge check FILE`; none is asked here.

That the comparison is fair is checked with judges whose worth is known, where many people rated satisfaction. Some of
these people leave the panel in turn and judge: people differ, but not all of them can come out as better than one
person, nor as worse. What all others say on average must come out as better, and chance as worse.

QUICK=1 takes 300 conversations of each file. Prints tables and, as its last line, a JSON object.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from operator import itemgetter
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from scipy import stats

from desk import DATA, needed, quick
from preceptor.cli.judge import show
from preceptor.evaluation.judges import Held, Verdicts, hold, word
from preceptor.evaluation.statistics import Interval
from preceptor.evaluation.trial import draw
from preceptor.judging.baselines import BASELINES
from preceptor.judging.ratings import Question, Rated
from preceptor.judging.verdicts import Rating
from preceptor.logs.rated import read

FILES = (DATA / "stc3_en" / "stc3_en_dev.json", DATA / "star" / "star_cs_dev.jsonl")
SMALL = 300
PANEL = 5
"""People of whom some are above the middle and some below, but for 1 in 16."""
Target = tuple[bool, object, str]
"""Whether it holds, what was measured, and what was to be."""


def main() -> None:
    args = arguments()
    figures: dict[str, Any] = {}
    found: dict[str, Target] = {}
    needed(*args.files)
    for path in args.files:
        for where, told, met in measured(path, args.people, args.seed):
            figures[where] = told
            found |= {f"{where}: {name}": target for name, target in met.items()}
    for key, (ok, value, wanted) in found.items():
        print(f"{'ok  ' if ok else 'MISS'} {key}: {value} (target: {wanted})")
    targets = {key: {"target": wanted, "measured": value, "ok": ok} for key, (ok, value, wanted) in found.items()}
    told = {"bench": "judges", "ok": all(ok for ok, _, _ in found.values()), "quick": quick()}
    print(json.dumps(told | {"figures": figures, "targets": targets}))


def measured(path: Path, people: int, seed: int) -> Iterator[tuple[str, dict[str, Any], dict[str, Target]]]:
    """For each question of a file: its name, figures and targets."""
    ratings = read(path)
    rated = draw(ratings.rated, SMALL if quick() else len(ratings.rated), seed)
    print(f"\n{path.name}: {len(ratings.rated):,} rated conversations, {ratings.skipped_rows:,} others left out")
    for question in ratings.questions:
        held = hold(question, rated, seed=seed)
        show(held)
        told, met = plain(asdict(held)), {"Spearman as scipy has it, off by": _as_scipy(held, rated)}
        if held.raters >= PANEL and not question.binary:
            known = dict(known_judges(question, rated, people, seed))
            print("Judges of known worth, less one person:")
            for name, difference in known.items():
                print(f"  {name}: {difference} ({word(difference)})")
            told["known"] = {name: plain(asdict(difference)) for name, difference in known.items()}
            met |= _known_targets(held, known)
        yield f"{ratings.name} {question.name}", told, met


def known_judges(question: Question, rated: Sequence[Rated], people: int, seed: int) -> Iterator[tuple[str, Interval]]:
    """Judges made of people, less one person's correlation."""
    raters = list(dict.fromkeys(rater for one in rated for rater in one.ratings[question.name]))
    chosen = raters[:: max(1, len(raters) // people)][:people]
    for rater in chosen:
        yield f"of the panel, {rater}", _in_place(question, rated, rater, itemgetter(rater), seed)
    yield "the others' mean", _in_place(question, rated, chosen[0], lambda said: fmean(said.values()), seed)


def _in_place(
    question: Question,
    rated: Sequence[Rated],
    rater: str,
    says: Callable[[Mapping[str, float]], float],
    seed: int,
) -> Interval:
    """Somebody leaves the panel, and a judge takes the place."""
    span = question.high - question.low
    panel, verdicts = [], []
    for one in rated:
        said = one.ratings[question.name]
        rest = {who: value for who, value in said.items() if who != rater}
        panel.append(replace(one, ratings={question.name: rest}))
        verdicts.append(Rating(1 + 4 * (says(said) - question.low) / span, True, True, ""))
    difference = hold(question, panel, Verdicts("judge", tuple(verdicts)), seed).rows[0].against_person
    assert difference is not None
    return difference


def _known_targets(held: Held, known: Mapping[str, Interval]) -> dict[str, Target]:
    panel = [word(found) for name, found in known.items() if name.startswith("of the panel")]
    mean = word(known["the others' mean"])
    by_chance = next(row.against_person for row in held.rows if row.name == "chance")
    assert by_chance is not None
    return {
        "people beside one person": (set(panel) not in ({"better"}, {"worse"}), ", ".join(panel), "not all alike"),
        "the others' mean, beside one person": (mean == "better", mean, "better"),
        "chance, beside one person": (word(by_chance) == "worse", word(by_chance), "worse"),
    }


def _as_scipy(held: Held, rated: Sequence[Rated]) -> Target:
    """The correlations of the baselines, computed the plain way."""
    name = held.question.name
    mine = [one for one in rated if one.ratings.get(name)]
    means = [fmean(one.ratings[name].values()) for one in mine]
    off = 0.0
    for row in held.rows:
        if row.name in BASELINES and row.spearman:
            values = [BASELINES[row.name](one.conversation) for one in mine]
            off = max(off, abs(row.spearman.value - float(stats.spearmanr(values, np.round(means, 9)).statistic)))
    return off < 1e-9, off, "below 1e-9"


def plain(value: Any) -> Any:
    """JSON has no infinity and no nan."""
    match value:
        case dict():
            return {key: plain(one) for key, one in value.items()}
        case list() | tuple():
            return [plain(one) for one in value]
        case float():
            return value if math.isfinite(value) else None
        case _:
            return value


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="*", default=list(FILES), help="our own JSONL, STC-3 or STAR")
    parser.add_argument("--people", type=int, default=PANEL, help="of a panel, who judge in turn")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
