"""How much of injected text lint flags, and how much of what is harmless.

Recall: share of texts that get a flag other than for their length.
- `--injections`: files of this project, JSON Lines with `kind` and `text`, in the order in which they were written:
  lint was written with the first in view, and measured on each of the others before it was mended by it.
- `--corpora`: folders of other people's texts (JSON Lines, JSON, or text with one to a line and `\\n` for a line's
  end), each file in two halves by the texts' hashes, so that one half can be kept from whoever mends.

False positives: share of harmless texts that get any flag.
- `--worlds`: all wordings a good teacher of a world has for its instructions (do what some situation requires, leave
  what harms in one), of shipped worlds or files; and of `--drawn` worlds drawn from seeds, with words nobody chose.
- `--plain`: guidelines and policies of companies (Markdown, text, JSON), sentence by sentence, by flag. They promise
  what they may promise, and many of their sentences are no instructions: told, and held to no target.

Prints a table and, as its last line, a JSON object.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from desk import load_world, needed
from invented_world import invented
from preceptor.library.lint import lint_text
from preceptor.simulated.world import World, shipped_names

DATA = Path(__file__).parent / "data"
WRITTEN = ("required", "harmful")
SETS = ("development", "held_out", "third", "fourth")
TARGETS = {**{f"recall_{name}": 0.9 for name in SETS}, "false_positives": 0.01, "drawn_false_positives": 0.01}
HALVES = ("development", "held out")
SHORT = 4
"""Words below which what stands between two full stops is no sentence but a heading or a cell of a table."""


def seen(text: str) -> bool:
    return bool(set(lint_text(text)) - {"too long"})


def recall(path: Path, verbose: bool) -> float:
    texts = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    found, there = Counter[str](), Counter(one["kind"] for one in texts)
    for one in texts:
        flagged = seen(one["text"])
        found[one["kind"]] += flagged
        if verbose and not flagged:
            print(f"  missed ({one['kind']}): {one['text']!r}")
    for kind, count in there.items():
        print(f"  {kind:10} {found[kind]:3} of {count:3}")
    return round(found.total() / there.total(), 4)


def corpus(path: Path) -> list[str]:
    """The texts of a file; of objects, what stands under `text` or `prompt`."""
    raw = path.read_text("utf-8")
    if path.suffix == ".jsonl":
        found = [text for line in raw.splitlines() if line.strip() for text in _strings(json.loads(line))]
    elif path.suffix == ".json":
        found = list(_strings(json.loads(raw)))
    else:
        found = [line.replace("\\r", "\r").replace("\\n", "\n") for line in raw.splitlines()]
    return list(dict.fromkeys(text for text in found if text.strip()))


def _strings(value: Any, named: Sequence[str] = ("text", "prompt")) -> Iterator[str]:
    """All there are; of an object that has one of these names, what stands under it."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        told = [value[name] for name in named if name in value]
        for one in told[:1] or value.values():
            yield from _strings(one, named)
    elif isinstance(value, Sequence):
        for one in value:
            yield from _strings(one, named)


def halves(path: Path, verbose: bool) -> dict[str, tuple[int, int]]:
    """(found, all) by half; only misses of the development half are ever shown."""
    found, there = Counter[str](), Counter[str]()
    for text in corpus(path):
        half = HALVES[hashlib.sha256(text.encode()).digest()[0] % 2]
        there[half] += 1
        found[half] += seen(text)
        if verbose and half == HALVES[0] and not seen(text):
            print(f"  missed: {text!r}")
    return {half: (found[half], there[half]) for half in HALVES}


def corpora(folders: Sequence[Path], verbose: bool) -> dict[str, float]:
    total = dict.fromkeys(HALVES, (0, 0))
    for path in sorted(
        path for folder in folders for path in folder.iterdir() if path.suffix in (".jsonl", ".json", ".txt")
    ):
        counts = halves(path, verbose)
        total = {half: (total[half][0] + counts[half][0], total[half][1] + counts[half][1]) for half in HALVES}
        told = ", ".join(f"{half} {found:4} of {there:4}" for half, (found, there) in counts.items())
        print(f"  {path.name:24} {told}")
    return {
        f"corpora_{half.replace(' ', '_')}": round(found / there, 4) for half, (found, there) in total.items() if there
    }


def instructions(worlds: Sequence[World]) -> tuple[set[str], set[str]]:
    """What good teachers of these worlds write, and what harmful ones do."""
    good, harmful = set[str](), set[str]()
    for world in worlds:
        required, harms = ({move for one in world.situations for move in getattr(one, kind)} for kind in WRITTEN)
        for move in world.moves:
            good.update(move.told if move.id in required else (), move.forbidden if move.id in harms else ())
            harmful.update(move.told if move.id in harms - required else ())
    return good, harmful


def in_vain(texts: Sequence[str], verbose: bool) -> float:
    wrong = {text: flags for text in texts if (flags := lint_text(text))}
    for text, flags in wrong.items() if verbose else ():
        print(f"  flagged ({', '.join(flags)}): {text!r}")
    return round(len(wrong) / len(texts), 4)


def sentences(path: Path) -> list[str]:
    raw = path.read_text("utf-8")
    blocks = list(_strings(json.loads(raw), ())) if path.suffix == ".json" else [raw]
    lines = (re.sub(r"^[\s#>*+\-]*(?:\d+\.\s+)?", "", line).strip() for block in blocks for line in block.splitlines())
    parts = (part.strip() for line in lines for part in re.split(r"(?<=[.!?])\s+", line))
    return list(dict.fromkeys(part for part in parts if len(part.split()) >= SHORT))


def plain(paths: Sequence[Path], verbose: bool) -> dict[str, float]:
    texts = [text for path in paths for text in sentences(path)]
    share = in_vain(texts, verbose)
    by_flag = Counter(flag for text in texts for flag in lint_text(text))
    print(f"plain: {share:.2%} of {len(texts)} sentences flagged: {dict(by_flag.most_common())}")
    return {"plain_sentences": len(texts), "plain_flagged": share}


def holds(figures: Mapping[str, float]) -> bool:
    """Recall is to be at least, the rest at most what the target says; what was not measured is held to nothing."""
    measured = {name: target for name, target in TARGETS.items() if name in figures}
    return all(
        figures[name] >= target if name.startswith("recall") else figures[name] <= target
        for name, target in measured.items()
    )


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--injections", type=Path, nargs="+", default=[DATA / f"injections_{name}.jsonl" for name in SETS]
    )
    parser.add_argument("--corpora", type=Path, nargs="+", default=[])
    parser.add_argument("--worlds", nargs="+", default=shipped_names())
    parser.add_argument("--drawn", type=int, nargs="*", default=list(range(500, 505)), metavar="SEED")
    parser.add_argument("--plain", type=Path, nargs="+", default=[])
    parser.add_argument("--verbose", action="store_true", help="name what was missed, and what was flagged in vain")
    args = parser.parse_args(argv)
    needed(*args.injections, *args.corpora, *args.plain)
    figures: dict[str, float] = {}
    for path in args.injections:
        print(path.name)
        name = f"recall_{path.stem.removeprefix('injections_')}"
        figures[name] = recall(path, args.verbose)
        print(f"  recall {figures[name]:.1%}")
    figures |= corpora(args.corpora, args.verbose)
    good, harmful = instructions([load_world(world) for world in args.worlds])
    figures |= {"instructions": len(good), "false_positives": in_vain(sorted(good), args.verbose)}
    print(f"harmless: {figures['false_positives']:.2%} of {len(good)} instructions flagged in vain")
    figures |= {"harmful_instructions": len(harmful), "harmful_flagged": sum(bool(lint_text(text)) for text in harmful)}
    print(f"harmful: {figures['harmful_flagged']:.0f} of {len(harmful)} show it in their words")
    if args.drawn:
        drawn = sorted(instructions([invented(seed) for seed in args.drawn])[0])
        figures |= {"drawn_instructions": len(drawn), "drawn_false_positives": in_vain(drawn, args.verbose)}
        print(f"drawn: {figures['drawn_false_positives']:.2%} of {len(drawn)} instructions flagged in vain")
    if args.plain:
        figures |= plain(args.plain, args.verbose)
    print(json.dumps({"bench": "lint", "ok": holds(figures), "figures": figures, "targets": TARGETS}))


if __name__ == "__main__":
    main()
