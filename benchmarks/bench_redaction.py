"""Redaction of imported conversations: what is found of planted personal data, and what of other words is taken for it.

Turns with data of twelve kinds in known places are invented (`private_talk`), worded by one file for developing and by
another for measuring; patterns were written before either. Recall: of the planted data, those of which nothing is left
in what is stored (of a name, neither part). False positives: of the turns in which nothing was planted, those that are
changed. Each turn stands in a conversation of its own, where nothing helps but its words.

Then conversations with planted data, also in what tools are asked, are imported by the command, with bad rows among
them, learned from, evaluated, reported, exported, watched and shown, and go through a gateway that records, logs and
traces them; all that is left is looked through, place by place (`planted`). QUICK=1 takes a tenth.
Prints a table and, as its last line, a JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections import Counter
from itertools import chain
from pathlib import Path

from planted import gateway, left, project
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
        sown = list(turns(args.wordings, args.seed + 1, args.planted // share))
        later = list(turns(args.wordings, args.seed + 2, args.planted // share // 10))
        where = Path(folder)
        places = left(chain(gateway(where, sown), project(where, sown, later)), [*sown, *later])
    print(f"{'looked through':26}{'bytes':>12}  planted data left")
    for place, (size, found_there) in places.items():
        print(f"{place:26}{size:12,}  {len(found_there)}{''.join(f' {one!r}' for one in found_there[: args.show])}")
    remaining = {datum for _, found_there in places.values() for datum in found_there}
    targets = {
        "recall of patterned kinds": {"target": "at least 0.99", "measured": recall, "ok": recall >= 0.99},
        "clean turns changed": {"target": "at most 0.01", "measured": wrong, "ok": wrong <= 0.01},
        "planted data left anywhere": {"target": "none", "measured": len(remaining), "ok": not remaining},
    }
    for name, told in targets.items():
        print(f"{'ok  ' if told['ok'] else 'MISS'} {name} {told['measured']:.4g} ({told['target']})")
    figures = {
        "by_kind": {kind: a / max(1, b) for kind, (a, b) in by_kind.items()},
        "turns": args.turns,
        "planted_turns": len(sown),
        "places": {place: size for place, (size, _) in places.items()},
    }
    ok = all(told["ok"] for told in targets.values())
    print(json.dumps({"bench": "redaction", "ok": ok, "quick": quick, "figures": figures, "targets": targets}))


if __name__ == "__main__":
    main()
