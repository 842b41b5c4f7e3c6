"""Redaction of imported conversations: what is found of planted personal data, and what of other words is taken for it.

Turns with data of twelve kinds in known places are invented (`private_talk`), worded by files of `data`, or by files
nobody has seen (``--wordings``). Recall: of the planted data, those of which nothing is left in what is stored (of a
name, neither part). False positives: of the turns in which nothing was planted, those that are changed. Each turn
stands in a conversation of its own, where nothing helps but its words. The files of `data` were each measured once,
then mended against: what they say now is no longer what they said at first sight (docs/design/logs.md).

Text that people wrote (``--texts``, a line a turn; ``--logs``, conversations) tells how much is changed of it, by kind.

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
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from planted import gateway, left, project
from preceptor.dialogue.conversation import Context, Turn
from preceptor.library.private import spans
from preceptor.library.redaction import Redaction
from preceptor.logs.readers import read
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


def spoken(logs: Sequence[Path], texts: Sequence[Path], show: int) -> Iterator[tuple[str, int, int, Counter[str]]]:
    """(file, turns, those changed, data by kind) of what people wrote."""
    for path in (*logs, *texts):
        said = [("", line) for line in path.read_text("utf-8").splitlines()] if path in texts else _said(path)
        kinds, changed, shown = Counter[str](), 0, 0
        for asked, text in said:
            found = spans(text, asked)
            kinds.update(span.kind for span in found)
            changed += bool(found)
            for span in found if shown < show else ():
                shown += 1
                print(f"  {span.kind:12} {text[span.start : span.end]!r} in {text!r}")
        yield path.name, len(said), changed, kinds


def _said(path: Path) -> list[tuple[str, str]]:
    """(what the agent said before a customer's turn, turn)."""
    said = []
    for _, talk in read(path).talks():
        turns = [turn for turn in talk.turns if turn.party != "tool"]
        for before, turn in zip([None, *turns], turns, strict=False):
            answers = before is not None and turn.party == "customer" and before.party == "agent"
            said.append((before.text if before is not None and answers else "", turn.text))
    return said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wordings", type=Path, nargs="+", default=sorted(DATA.glob("private_*.json")))
    parser.add_argument("--sown", type=Path, default=DATA / "private_held_out.json", help="wordings of what is planted")
    parser.add_argument("--texts", type=Path, nargs="*", default=[], help="what people wrote, a line a turn")
    parser.add_argument("--logs", type=Path, nargs="*", default=[], help="conversations, in a form that is imported")
    parser.add_argument("--seed", type=int, default=7101)
    parser.add_argument("--turns", type=int, default=2_000, help="of each file of wordings")
    parser.add_argument("--planted", type=int, default=10_000, help="turns imported and looked for")
    parser.add_argument("--show", type=int, default=0, help="misses to print, at most")
    args = parser.parse_args()
    quick = os.environ.get("QUICK") == "1"
    share = 10 if quick else 1
    by_kind, changed, clean = dict.fromkeys(DRAWS, (0, 0)), 0, 0
    print(f"{'wordings':24}{'recall of patterned kinds':>28}{'clean turns changed':>24}")
    for wordings in args.wordings:
        here, (wrong_here, clean_here) = measure(wordings, args.seed, args.turns // share, args.show)
        rate = sum(here[kind][0] for kind in PATTERNED) / max(1, sum(here[kind][1] for kind in PATTERNED))
        print(f"{wordings.stem:24}{rate:28.4f}{wrong_here / max(1, clean_here):24.4f}")
        by_kind = {kind: (by_kind[kind][0] + here[kind][0], by_kind[kind][1] + here[kind][1]) for kind in DRAWS}
        changed, clean = changed + wrong_here, clean + clean_here
    for kind, (found, planted) in by_kind.items():
        print(
            f"{kind:12}{found:6} of {planted:5}{found / max(1, planted):8.3f}{'' if kind in PATTERNED else '  (words)'}"
        )
    people = list(spoken(args.logs, args.texts, args.show))
    for where_from, count, touched, kinds in people:
        print(f"{where_from:34}{count:8,} turns, {touched / max(1, count):.4f} changed: {dict(kinds.most_common())}")
    found = sum(by_kind[kind][0] for kind in PATTERNED)
    planted = sum(by_kind[kind][1] for kind in PATTERNED)
    recall, wrong = found / max(1, planted), changed / max(1, clean)
    with tempfile.TemporaryDirectory() as folder:
        sown = list(turns(args.sown, args.seed + 1, args.planted // share))
        later = list(turns(args.sown, args.seed + 2, args.planted // share // 10))
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
        "turns": args.turns // share * len(args.wordings),
        "written_by_people": {name: touched / max(1, count) for name, count, touched, _ in people},
        "planted_turns": len(sown),
        "places": {place: size for place, (size, _) in places.items()},
    }
    ok = all(told["ok"] for told in targets.values())
    print(json.dumps({"bench": "redaction", "ok": ok, "quick": quick, "figures": figures, "targets": targets}))


if __name__ == "__main__":
    main()
