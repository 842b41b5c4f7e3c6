"""Redaction of imported conversations: what is found of planted personal data, and what of other words is taken for it.

Turns with data of twelve kinds in known places are invented (`private_talk`), worded by one file for developing and by
another for measuring; patterns were written before either. Recall: of the planted data, those of which nothing is left
in what is stored (of a name, neither part). False positives: of the turns in which nothing was planted, those that are
changed. Each turn stands in a conversation of its own, where nothing helps but its words.

Then planted conversations are imported into a project by the command, with bad rows among them, and what is left of it
(database, backup, rejected rows, what was printed) is looked through for the planted strings. QUICK=1 takes a tenth.
Prints a table and, as its last line, a JSON object.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import tempfile
from collections import Counter
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import orjson

from preceptor.cli.main import run
from preceptor.dialogue.conversation import Context, Turn
from preceptor.library.redaction import Redaction
from private_talk import DRAWS, PATTERNED, Labelled, turns

DATA = Path(__file__).parent / "data"


def gone(labelled: Labelled, text: str) -> bool:
    parts = labelled.data.split() if labelled.kind == "name" else [labelled.data]
    return not any(part in text for part in parts)


def stand_ins(labelled: Labelled) -> str:
    turn = Turn("customer" if labelled.party == "user" else "agent", labelled.text)
    return Redaction.of([Context((turn,))], figured=False).text(labelled.text)


def measure(wordings: Path, seed: int, count: int, show: int) -> tuple[dict[str, tuple[int, int]], tuple[int, int]]:
    """(found, planted) by kind; (changed, clean)."""
    found, planted, changed, clean = Counter[str](), Counter[str](), 0, 0
    for one in turns(wordings, seed, count):
        text = stand_ins(one)
        if one.kind == "clean":
            clean += 1
            changed += text != one.text
            wrong = text != one.text
        else:
            planted[one.kind] += 1
            found[one.kind] += gone(one, text)
            wrong = not gone(one, text)
        if wrong and show > 0:
            show -= 1
            print(f"  {one.kind:12} {one.text!r} -> {text!r}")
    return {kind: (found[kind], planted[kind]) for kind in DRAWS}, (changed, clean)


def plant(folder: Path, wordings: Path, seed: int, count: int) -> tuple[list[str], int]:
    """Import conversations with planted data, and look through all that is there; (what was found, turns)."""
    project, source = folder / "desk", folder / "source"
    source.mkdir()
    all_turns = list(turns(wordings, seed, count))
    talks = [all_turns[n : n + 10] for n in range(0, len(all_turns), 10)]
    rows = [
        {"id": str(n), "messages": [{"role": one.party, "content": one.text} for one in talk]}
        for n, talk in enumerate(talks)
    ]
    shared = [{"conversations": [{"from": one.party, "value": one.text} for one in talk]} for talk in talks[::3]]
    bad = [{"messages": [{"role": one.data, "content": one.text}]} for one in all_turns[:200:2]]
    (source / "a.jsonl").write_bytes(b"\n".join(map(orjson.dumps, [*rows, *bad])))
    (source / "b.json").write_bytes(orjson.dumps(shared))
    out = io.StringIO()
    with redirect_stdout(out), redirect_stderr(out):
        assert run(["init", str(project)]) == 0
        assert run(["logs", "import", str(source), "--project", str(project)]) == 0
        for name in ("source/a.jsonl", "source/b.json"):
            assert run(["logs", "show", name, "-n", "100000", "--project", str(project)]) == 0
        assert run(["logs", "list", "--project", str(project)]) == 0
        assert run(["backup", str(project / "backup.jsonl"), "--project", str(project)]) == 0
    (project / "printed.txt").write_text(out.getvalue(), "utf-8")
    held = [path.read_bytes() for path in project.rglob("*") if path.is_file()]
    planted = {one.data for one in all_turns if one.kind in PATTERNED}
    # Five digits also stand in some hash: what is looked for begins and ends where a word does.
    edges = rb"(?<![0-9A-Za-z])", rb"(?![0-9A-Za-z])"
    found = (datum for datum in planted if any(re.search(re.escape(datum.encode()).join(edges), one) for one in held))
    return sorted(found), sum(map(len, talks))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wordings", type=Path, default=DATA / "private_held_out.json")
    parser.add_argument("--seed", type=int, default=7101)
    parser.add_argument("--turns", type=int, default=2_000)
    parser.add_argument("--planted", type=int, default=10_000, help="turns imported and looked for")
    parser.add_argument("--show", type=int, default=0, help="misses to print, at most")
    args = parser.parse_args()
    quick = os.environ.get("QUICK") == "1"
    share = 10 if quick else 1
    by_kind, (changed, clean) = measure(args.wordings, args.seed, args.turns // share, args.show)
    for kind, (found, planted) in by_kind.items():
        print(
            f"{kind:12}{found:6} of {planted:5}{found / max(1, planted):8.3f}{'' if kind in PATTERNED else '  (words)'}"
        )
    found = sum(by_kind[kind][0] for kind in PATTERNED)
    planted = sum(by_kind[kind][1] for kind in PATTERNED)
    recall, wrong = found / max(1, planted), changed / max(1, clean)
    with tempfile.TemporaryDirectory() as folder:
        left, counted = plant(Path(folder), args.wordings, args.seed + 1, args.planted // share)
    for datum in left[: args.show]:
        print(f"  left: {datum!r}")
    targets = {
        "recall of patterned kinds": {"target": "at least 0.99", "measured": recall, "ok": recall >= 0.99},
        "clean turns changed": {"target": "at most 0.01", "measured": wrong, "ok": wrong <= 0.01},
        "planted data left anywhere": {"target": "none", "measured": len(left), "ok": not left},
    }
    for name, told in targets.items():
        print(f"{'ok  ' if told['ok'] else 'MISS'} {name} {told['measured']:.4g} ({told['target']})")
    figures = {
        "by_kind": {kind: a / max(1, b) for kind, (a, b) in by_kind.items()},
        "turns": args.turns,
        "planted_turns": counted,
    }
    ok = all(told["ok"] for told in targets.values())
    print(json.dumps({"bench": "redaction", "ok": ok, "quick": quick, "figures": figures, "targets": targets}))


if __name__ == "__main__":
    main()
