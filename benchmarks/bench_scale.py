"""What retrieval takes as a library grows: memory, the time to fit it, the time to ask it; and what that comes to.

Libraries of made-up scenarios with a few contexts each, of words drawn as a language draws them (Zipf), with as many
words as a large library would have. Memory is what the process holds beyond what it held before, once fitted; times are
the processor's. The last line of the table is a power law through the last two sizes, drawn on to `--aim` scenarios: an
estimate, and no measurement. All sizes but those of the smaller form are beyond 5,000 contexts, from where on retrieval
works another way (docs/design/retrieval.md): below, it fits all contexts at once, which grows with their cube. The
default sizes take some two minutes of processor time; fitting grows with the square, so give larger ones by `--sizes`.

QUICK=1 runs a smaller form. Prints a table and, as its last line, a JSON object.
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import random
import subprocess
import sys
import time
from pathlib import Path

from desk import aligned, quick
from preceptor.dialogue.conversation import Context, Turn
from preceptor.library.model import Guidance, Scenario, Strategy
from preceptor.retrieval.embedding import StaticEmbedder
from preceptor.retrieval.selector import Retriever, fit

EXAMPLES, TURNS, WORDS = 4, 3, 14
"""Contexts of a scenario, turns of each, words in a turn."""
ASKED = 200
Figures = dict[str, float]


def words(draw: random.Random, known: list[str], weights: list[float], count: int) -> str:
    return " ".join(draw.choices(known, weights, k=count))


def library(scenarios: int, seed: int) -> Guidance:
    draw = random.Random(seed)
    known = ["".join(draw.choices("abcdefghiklmnoprstuvw", k=draw.randint(3, 9))) for _ in range(20_000)]
    weights = [1 / (n + 10) for n in range(len(known))]
    made, told = [], []
    for n in range(scenarios):
        own = draw.choices(known, k=12)  # what its contexts have in common
        contexts = tuple(
            Context(
                tuple(
                    Turn(
                        "agent" if turn % 2 else "customer",
                        f"{words(draw, known, weights, WORDS - 5)} {' '.join(draw.sample(own, 5))}",
                    )
                    for turn in range(TURNS)
                )
            )
            for _ in range(EXAMPLES)
        )
        made.append(Scenario(f"sc-{n}", f"The customer says {' '.join(own[:6])}.", contexts))
        told.append(Strategy(f"st-{n}", f"Tell them {' '.join(own[6:])}.", "It helps.", f"sc-{n}", 0.3, "accepted"))
    return Guidance("Scale", tuple(made), tuple(told))


def held() -> int:
    """Bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def measure(scenarios: int, seed: int) -> Figures:
    embedder = StaticEmbedder()
    embedder.embed(["warm"])
    guidance = library(scenarios, seed)
    gc.collect()
    before, began = held(), time.process_time()
    retriever = Retriever(guidance, limit=12, matcher=fit(guidance, embedder))
    fitted = time.process_time() - began
    gc.collect()
    after = held()
    draw = random.Random(seed + 1)
    asked = [draw.choice(draw.choice(guidance.scenarios).examples) for _ in range(ASKED)]
    retriever.find(asked[0])
    began = time.process_time()
    for context in asked:
        retriever.find(Context((*context.turns, Turn("customer", f"and {draw.random()}"))))
    return {
        "scenarios": scenarios,
        "mb": (after - before) / 2**20,
        "fit_s": fitted,
        "ask_ms": 1000 * (time.process_time() - began) / ASKED,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[25, 50] if quick() else [1500, 3000, 6000])
    parser.add_argument("--aim", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one is not None:
        print(json.dumps(measure(args.one, args.seed)))
        return
    # Each in a process of its own, so that one finds no memory of another's.
    found: list[Figures] = []
    for size in args.sizes:
        one = [sys.executable, __file__, "--one", str(size), "--seed", str(args.seed)]
        told = subprocess.run(one, check=True, stdout=subprocess.PIPE, text=True).stdout
        print(told.strip(), flush=True)  # what was measured is not lost when a later one is broken off
        found.append(json.loads(told))
    last, other = found[-1], found[-2]
    further, step = (math.log(size / last["scenarios"]) for size in (args.aim, other["scenarios"]))
    aimed = {name: last[name] * (other[name] / last[name]) ** (further / step) for name in last}
    rows = [("scenarios", "MB", "fit, s", "ask, ms")]
    rows += [
        (f"{one['scenarios']:,.0f}", f"{one['mb']:,.0f}", f"{one['fit_s']:,.1f}", f"{one['ask_ms']:,.2f}")
        for one in (*found, aimed)
    ]
    print(aligned(rows))
    print("The last line is not measured, but drawn on from the two before.")
    figures = {**{str(int(one["scenarios"])): one for one in found}, "drawn_on": aimed}
    print(json.dumps({"bench": "scale", "ok": True, "figures": figures, "targets": {}}))


if __name__ == "__main__":
    main()
