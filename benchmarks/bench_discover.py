"""What customers come with, found without being told: groups of conversations held against labels people gave.

STAR: service dialogues of 13 tasks. Banking77: single messages of 77 intents. Both are imported as `preceptor logs
import` does, with redaction, and looked at as `preceptor logs discover` does; labels, tools and tags are not shown to
it, and the number of groups is its own. Purity: the share of conversations whose group is mostly of their label. NMI:
mutual information of groups and labels, over the mean of their entropies (Strehl and Ghosh, JMLR 2002). Conversations
in no group count as one group.

--part takes one half of a file, by sha256 of the id: the method was developed on `dev` of STAR. Last, STAR's dialogues
are taken again and again, each time a little changed, up to --large conversations, and to a quarter of that: CPU a
conversation and memory held should not grow. QUICK=1 takes the `dev` half, 2,000 of Banking77 and fewer conversations.
Prints tables and, as its last line, a JSON object.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import numpy as np

from bench_logs import _forget_peak, _peak
from desk import DATA, Desk, load_world, needed, quick, simulated
from preceptor.dialogue.conversation import Conversation
from preceptor.logs.discovery import Discovery, discover
from preceptor.logs.importing import Redactor, bring
from preceptor.logs.readers import read
from preceptor.logs.store import Store
from preceptor.retrieval.embedding import StaticEmbedder
from preceptor.settings.discovering import look
from preceptor.settings.project import Project

TARGETS = {"purity": 0.85, "nmi": 0.75}


@dataclass(frozen=True)
class Held:
    """Groups beside labels."""

    found: Discovery
    group: dict[str, int]
    """By conversation; −1 for none."""
    label: dict[str, str]

    @property
    def table(self) -> Counter[tuple[int, str]]:
        return Counter((group, self.label[key]) for key, group in self.group.items())

    @property
    def purity(self) -> float:
        best = Counter[int]()
        for (group, _), count in self.table.items():
            best[group] = max(best[group], count)
        return best.total() / max(1, len(self.group))

    @property
    def nmi(self) -> float:
        count = len(self.group)
        both = {key: n / count for key, n in self.table.items()}
        groups = _shares(self.group.values())
        labels = _shares(self.label[key] for key in self.group)
        told = sum(p * np.log(p / (groups[group] * labels[label])) for (group, label), p in both.items())
        mean = (_entropy(groups) + _entropy(labels)) / 2
        return float(told / mean) if mean else 1.0


def _shares(names: Iterable[object]) -> dict[object, float]:
    counts = Counter(names)
    return {name: n / counts.total() for name, n in counts.items()}


def _entropy(shares: dict[object, float]) -> float:
    return -sum(p * float(np.log(p)) for p in shares.values())


def hold(project: Project, path: Path, label: dict[str, str], seed: int) -> Held:
    """Import a file and look at it. `label`: by the conversation's id in its file."""
    group: dict[str, int] = {}

    def placed(one: Conversation, number: int) -> None:
        group[one.customer.removeprefix(f"{path.stem}:")] = number

    with project.database(create=True) as db:
        bring(read(path), Store(db), path.stem, redactor=Redactor(), rejects=path.with_suffix(".rejected"))
        found = look(project, db, [path.stem], seed=seed, placed=placed)
    if unknown := next((key for key in group if key not in label), None):
        raise SystemExit(f"{path}: there is no label for {unknown!r}.")
    return Held(found, group, label)


def star(path: Path, part: str, folder: Path) -> tuple[Path, dict[str, str]]:
    """A half of a file of STAR's form as a file of its own, and the labels by id."""
    with path.open("rb") as file:
        rows = [row for row in map(json.loads, file) if in_part(str(row["id"]), part)]
    place = folder / "star.jsonl"
    place.write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")
    return place, {str(row["id"]): row["task"] for row in rows}


def banking(path: Path, part: str, most: int | None, folder: Path) -> tuple[Path, dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = [(f"b-{n}", row) for n, row in enumerate(csv.DictReader(file)) if in_part(f"b-{n}", part)]
    rows = random.Random(0).sample(rows, min(most or len(rows), len(rows)))
    place = folder / "banking77.jsonl"
    told = ({"id": id_, "messages": [{"role": "user", "content": row["text"]}]} for id_, row in rows)
    place.write_text("".join(f"{json.dumps(one)}\n" for one in told), "utf-8")
    return place, {id_: row["category"] for id_, row in rows}


def in_part(id_: str, part: str) -> bool:
    return part == "all" or (int(sha256(id_.encode()).hexdigest(), 16) % 2 == 0) == (part == "dev")


def show(name: str, held: Held, most: int) -> None:
    found, table = held.found, held.table
    print(f"\n{name}: {len(held.group):,} conversations, {len(set(held.label.values()))} labels, ", end="")
    print(f"{len(found.subjects)} groups; in none {found.unclear}; stable {found.stable:.2f}")
    print(f"{'size':>6}  {'purity':>6}  {'mostly':32} name")
    for subject in found.subjects[:most]:
        inside = {label: count for (group, label), count in table.items() if group == subject.number}
        label = max(inside, key=lambda one: (inside[one], one))
        pure = inside[label] / sum(inside.values())
        print(f"{subject.conversations:6,}  {pure:6.2f}  {label:32} {subject.name}")
    if len(found.subjects) > most:
        print(f"  … and {len(found.subjects) - most} more")
    print(f"purity {held.purity:.3f}, NMI {held.nmi:.3f}")


def repeated(talks: list[Conversation], count: int) -> Iterator[Conversation]:
    """Each a little different from the last time, so that all have to be placed."""
    for n in range(count):
        one = talks[n % len(talks)]
        first, *others = one.turns
        turns = (replace(first, text=f"{first.text} {n}"), *others)
        yield replace(one, turns=turns, customer=f"{one.customer}-{n // len(talks)}")


def large(path: Path, count: int, seed: int) -> dict[str, float]:
    """What looking at so many conversations takes."""
    talks = list(read(path))
    _forget_peak()
    before, began = _peak(), time.process_time()
    found = discover(lambda: repeated(talks, count), StaticEmbedder(), seed=seed)
    spent = time.process_time() - began
    return {"conversations": found.conversations, "cpu_s": spent, "more_mb": _peak() - before}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--star", type=Path, default=DATA / "star" / "star_cs_dev.jsonl")
    parser.add_argument("--banking", type=Path, default=DATA / "banking77" / "train.csv")
    parser.add_argument("--part", choices=("all", "dev", "held"), help="which half of each file; all, or dev if QUICK")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rows", type=int, default=25, help="groups shown of each")
    parser.add_argument("--large", type=int, default=16_000 if quick() else 40_000, help="0: leave that out")
    return parser.parse_args()


def main() -> None:
    args = arguments()
    needed(args.star, args.banking)
    part = args.part or ("dev" if quick() else "all")
    world = load_world("broadband")
    figures: dict[str, dict[str, float]] = {}
    told: dict[str, dict[str, object]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        project = Desk.open(folder / "desk", world, simulated("broadband", world.roles), {}).project
        sets = {
            "STAR": star(args.star, part, folder),
            "Banking77": banking(args.banking, part, 2_000 if quick() else None, folder),
        }
        for called, (path, label) in sets.items():
            began = time.process_time()
            held = hold(project, path, label, args.seed)
            show(called, held, args.rows)
            figures[called] = {"groups": len(held.found.subjects), "purity": held.purity, "nmi": held.nmi}
            figures[called] |= {"conversations": len(held.group), "cpu_s": time.process_time() - began}
        if args.large:
            sizes = (args.large // 4, args.large)
            figures |= {f"{count:,} conversations": large(sets["STAR"][0], count, args.seed) for count in sizes}
    for key, limit in TARGETS.items():
        measured = figures["STAR"][key]
        told[f"STAR {key}"] = {"target": f"at least {limit}", "measured": measured, "ok": measured >= limit}
    if args.large:
        part_, whole = (figures[f"{count:,} conversations"] for count in (args.large // 4, args.large))
        each = (whole["cpu_s"] / whole["conversations"]) / (part_["cpu_s"] / part_["conversations"])
        told["CPU a conversation, all against a quarter"] = {"target": "at most 1", "measured": each, "ok": each <= 1}
        grown = whole["more_mb"] - part_["more_mb"]
        told["MB more than for a quarter"] = {"target": "at most 64", "measured": grown, "ok": grown <= 64}
        print(f"\n{'':24}{'CPU, s':>10}{'more held, MB':>16}")
        for count in (args.large // 4, args.large):
            one = figures[f"{count:,} conversations"]
            print(f"{count:10,} conversations{one['cpu_s']:10.1f}{one['more_mb']:16.0f}")
    print()
    for key, target in told.items():
        print(f"{'ok  ' if target['ok'] else 'MISS'} {key} {target['measured']:.3f} ({target['target']})")
    ok = all(target["ok"] for target in told.values())
    print(json.dumps({"bench": "discover", "ok": ok, "quick": quick(), "part": part, "figures": figures,
                      "targets": told}))  # fmt: skip


if __name__ == "__main__":
    main()
