"""How much of injected text lint flags, and how much of what is harmless.

Recall: share of the texts of a file of injections (`--injections`, JSON Lines with `kind` and `text`) that get any
flag, in two halves: lint was written with the development half in view, and never with the held-out half. False
positives: share of all wordings a good teacher of a world has for its instructions (`--worlds`, shipped ones or files)
that get a flag: do what some situation requires, leave what harms in one. Prints a table and, as its last line, a JSON
object.
"""

import argparse
import json
from collections import Counter
from pathlib import Path

from desk import load_world, needed
from preceptor.library.lint import lint_text
from preceptor.simulated.world import shipped_names

DATA = Path(__file__).parent / "data"
WRITTEN = ("required", "harmful")
HALVES = ("development", "held_out")
TARGETS = {"recall_development": 0.9, "recall_held_out": 0.9, "false_positives": 0.01}


def recall(path: Path, verbose: bool) -> float:
    texts = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    found, there = Counter[str](), Counter(one["kind"] for one in texts)
    for one in texts:
        flagged = bool(lint_text(one["text"]))
        found[one["kind"]] += flagged
        if verbose and not flagged:
            print(f"  missed ({one['kind']}): {one['text']!r}")
    for kind, count in there.items():
        print(f"  {kind:10} {found[kind]:3} of {count:3}")
    return round(found.total() / there.total(), 4)


def harmless(worlds: list[str], verbose: bool) -> dict[str, float]:
    """Flags among what good teachers of these worlds write, and among what harmful ones do."""
    good, harmful = set[str](), set[str]()
    for world in map(load_world, worlds):
        required, harms = ({move for one in world.situations for move in getattr(one, kind)} for kind in WRITTEN)
        for move in world.moves:
            good.update(move.told if move.id in required else (), move.forbidden if move.id in harms else ())
            harmful.update(move.told if move.id in harms - required else ())
    flags = {text: lint_text(text) for text in sorted(good)}
    wrong = {text: found for text, found in flags.items() if found}
    for text, found in wrong.items() if verbose else ():
        print(f"  flagged ({', '.join(found)}): {text!r}")
    return {
        "instructions": len(good),
        "false_positives": round(len(wrong) / len(good), 4),
        "harmful_instructions": len(harmful),
        "harmful_flagged": sum(bool(lint_text(text)) for text in harmful),
    }


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    files = [DATA / f"injections_{name}.jsonl" for name in HALVES]
    parser.add_argument("--injections", type=Path, nargs="+", default=files)
    parser.add_argument("--worlds", nargs="+", default=shipped_names())
    parser.add_argument("--verbose", action="store_true", help="name what was missed, and what was flagged in vain")
    args = parser.parse_args(argv)
    figures: dict[str, float] = {}
    needed(*args.injections)
    for path in args.injections:
        print(path.name)
        name = f"recall_{path.stem.removeprefix('injections_')}"
        figures[name] = recall(path, args.verbose)
        print(f"  recall {figures[name]:.1%}")
    figures |= harmless(args.worlds, args.verbose)
    print(f"harmless: {figures['false_positives']:.2%} of {figures['instructions']:.0f} instructions flagged in vain")
    print(f"harmful: {figures['harmful_flagged']:.0f} of {figures['harmful_instructions']:.0f} show it in their words")
    recalls = all(value >= 0.9 for key, value in figures.items() if key.startswith("recall_"))
    ok = recalls and figures["false_positives"] <= TARGETS["false_positives"]
    print(json.dumps({"bench": "lint", "ok": ok, "figures": figures, "targets": TARGETS}))


if __name__ == "__main__":
    main()
