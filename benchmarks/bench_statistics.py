"""Whether the intervals and tests of evaluations keep what they promise.

coverage: how often the 95 % interval of `preceptor.evaluation.statistics` holds the truth, on drawn data whose truth is
known: 94 to 96 in 100 at every shape and size. Beside it, on the same draws, Student's t on customers' sums, and plain
BCa on a tenth of them. level: how often each test calls a null difference significant at 5 %. peeking: null comparisons
looked at after every customer, by the confidence sequence and by an ordinary interval; and how soon a real difference
ends it. power: how often the difference that `power.detectable` names is found. null: the same student twice over the
same customers of a simulated world, once with other seeds; "not decided" in 94 of 100.

Shapes: `ratings` (1 to 5, most of them 5: a mean), `differences` (of two arms' whole ratings), `few gain` (a strategy
helps 15 customers in 100, by 1 to 4 points), `yes or no` (paired, 20 in 100 disagree), `repeats` (three verdicts each
on a customer's conversations in two arms), `turns` (1 to 8 turns a customer, who share a mood), `gap` (share of the
teacher's lead closed). They are drawn here from the seed; no world or library was consulted.

QUICK=1 runs a smaller form. Prints tables and, as its last line, a JSON object.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from typing import Any, Literal, get_args

import anyio
import numpy as np
from scipy import stats

from desk import load_world, quick
from preceptor import Context, Customers, Domain, Judge, PreceptorError, Student, Turn, evaluate
from preceptor.dialogue.agent import Agent
from preceptor.evaluation import noise, power, significance, statistics
from preceptor.evaluation.measures import SATISFACTION
from preceptor.evaluation.sequential import Watch
from preceptor.evaluation.statistics import Array, Interval
from preceptor.simulated.model import models
from preceptor.storage.canonical import content_hash

Part = Literal["coverage", "level", "peeking", "power", "null"]
Figures = dict[str, float]
PARTS: tuple[Part, ...] = get_args(Part)
BAND = (0.94, 0.96)
"""Where the coverage of a 95 % interval has to be."""
CHUNK = 250
"""Draws per job: short enough to keep two processes busy to the end."""


# Shapes of data with a known truth


@dataclass(frozen=True)
class Drawn:
    """Rows of one sample; `gap` has both differences, everything else only the first."""

    above: Array
    below: Array | None = None
    whose: tuple[int, ...] | None = None
    """Each row's customer; None: a row each."""

    def interval(self) -> Interval:
        """What an evaluation would print."""
        if self.below is None:
            return statistics.mean(self.above.tolist(), self.whose)
        nothing = np.zeros_like(self.above)
        return statistics.gap_closed(self.above.tolist(), nothing.tolist(), self.below.tolist())

    def student(self) -> tuple[float, float]:
        """Student's t on customers, by linearising the ratio."""
        sums, sizes = self._sums()
        n, value = len(sums), sums.sum() / sizes.sum()
        half = stats.t.ppf(0.975, n - 1) * (sums - value * sizes).std(ddof=1) / math.sqrt(n) / abs(sizes.mean())
        return value - half, value + half

    def plain(self) -> tuple[float, float]:
        """BCa as scipy has it, at 95 %."""
        with np.errstate(divide="ignore", invalid="ignore"):  # a resample whose gap is 0
            found = stats.bootstrap(
                self._sums(),
                lambda a, b, axis=-1: a.sum(axis) / b.sum(axis),
                paired=True,
                n_resamples=statistics.RESAMPLES,
                rng=np.random.default_rng(0),
            ).confidence_interval
        return float(found.low), float(found.high)

    def _sums(self) -> tuple[Array, Array]:
        below = np.ones_like(self.above) if self.below is None else self.below
        return statistics.by_customer(self.above, self.whose), statistics.by_customer(below, self.whose)


Shape = Callable[[np.random.Generator, int], Drawn]


def whole(values: Array) -> Array:
    """As a judge gives them: 1 to 5."""
    return np.clip(np.round(values), 1, 5)


def ratings(rng: np.random.Generator, n: int) -> Drawn:
    return Drawn(rng.choice([1.0, 2.0, 3.0, 4.0, 5.0], size=n, p=[0.12, 0.03, 0.05, 0.1, 0.7]))


def differences(rng: np.random.Generator, n: int) -> Drawn:
    new, old = _arms(rng, n, (4.2, 3.6))
    return Drawn(new - old)


def _arms(rng: np.random.Generator, n: int, means: Sequence[float]) -> list[Array]:
    """Ratings of arms on the same customers, who differ in how easily they are pleased."""
    pleased = 0.7 * rng.normal(size=n)
    return [whole(mean + pleased + 0.9 * rng.normal(size=n)) for mean in means]


def few_gain(rng: np.random.Generator, n: int) -> Drawn:
    return Drawn(np.where(rng.random(n) < 0.15, rng.choice([1.0, 2.0, 3.0, 4.0], n), 0.0))


def yes_or_no(rng: np.random.Generator, n: int) -> Drawn:
    return Drawn(rng.choice([-1.0, 0.0, 1.0], size=n, p=[0.06, 0.8, 0.14]))


def repeats(rng: np.random.Generator, n: int) -> Drawn:
    """Three verdicts on each of two conversations of a customer; the helped gain, skewed."""
    lead = (rng.random(n) < 0.4) * rng.exponential(1.5, n)
    level = 3 + 0.7 * rng.normal(size=n)
    rows = [whole(level + lead + 0.6 * rng.normal(size=n)) - whole(level + 0.6 * rng.normal(size=n)) for _ in range(3)]
    return Drawn(np.concatenate(rows), whose=tuple(range(n)) * 3)


def turns(rng: np.random.Generator, n: int) -> Drawn:
    """Win, tie or loss at each turn. Whoever is displeased stays longer, so sizes and values go together."""
    mood = 0.5 * rng.normal(size=n)
    lengths = np.clip(np.round(4 - 2 * mood + 1.5 * rng.normal(size=n)), 1, 8).astype(int)
    whose = np.repeat(np.arange(n), lengths)
    return Drawn(np.clip(np.round(0.2 + mood[whose] + 0.6 * rng.normal(size=len(whose))), -1, 1), whose=tuple(whose))


def gap(rng: np.random.Generator, n: int) -> Drawn:
    taught, alone, teacher = _arms(rng, n, (3.8, 3.0, 4.1))
    return Drawn(taught - alone, teacher - alone)


SHAPES: Mapping[str, Shape] = {
    "ratings": ratings,
    "differences": differences,
    "few gain": few_gain,
    "yes or no": yes_or_no,
    "repeats": repeats,
    "turns": turns,
    "gap": gap,
}
KNOWN: Mapping[str, float] = {"ratings": 4.23, "few gain": 0.375, "yes or no": 0.08}
SECURE = 4_000_000
"""Customers whose mean is taken for the truth where no sum gives it: off by a hundredth of what 300 customers' is."""


def truth(name: str, seed: int) -> float:
    if name in KNOWN:
        return KNOWN[name]
    rng = np.random.default_rng([seed, 1])
    above = below = 0.0
    for _ in range(SECURE // 100_000):
        drawn = SHAPES[name](rng, 100_000)
        above += drawn.above.sum()
        below += len(drawn.above) if drawn.below is None else drawn.below.sum()
    return float(above / below)


# Jobs: each draws a chunk and counts


def covered(name: str, n: int, about: float, draws: int, seed: Sequence[int]) -> Figures:
    """How many intervals hold the truth, and how many lie below it (so that a one-sided miss shows)."""
    rng, counts = np.random.default_rng(seed), dict.fromkeys(("held", "below", "student", "plain", "plain_of"), 0.0)
    for draw in range(draws):
        drawn = SHAPES[name](rng, n)
        interval = drawn.interval()
        counts["held"] += interval.low <= about <= interval.high
        counts["below"] += interval.high < about
        low, high = drawn.student()
        counts["student"] += low <= about <= high
        if draw % 10 == 0:
            low, high = drawn.plain()
            counts["plain"] += low <= about <= high
            counts["plain_of"] += 1
    return counts


def rejected(test: str, draws: int, seed: Sequence[int]) -> Figures:
    """How many null comparisons a test calls significant."""
    rng = np.random.default_rng(seed)
    return {"rejected": float(sum(_null_p(test, rng) <= 0.05 for _ in range(draws)))}


def _null_p(test: str, rng: np.random.Generator) -> float:
    match test:
        case "sign flip, 12 customers":
            return significance.sign_flip(rng.normal(size=12).tolist())
        case "sign flip, 60 customers":
            return significance.sign_flip((rng.choice([-1.0, 1.0], 60) * rng.exponential(size=60)).tolist())
        case "sign flip, 60 of 3 turns":
            mood = rng.normal(size=60)
            return significance.sign_flip((np.tile(mood, 3) + rng.normal(size=180)).tolist(), list(range(60)) * 3)
        case "McNemar, 300 customers":
            return significance.mcnemar(list(zip(rng.random(300) < 0.3, rng.random(300) < 0.3, strict=True)))
        case "Holm, 4 arms of 60":
            alone = rng.normal(size=60)
            p_values = [significance.sign_flip((rng.normal(size=60) - alone).tolist()) for _ in range(4)]
            return min(significance.holm(p_values))
    raise ValueError(test)


TESTS = (
    "sign flip, 12 customers",
    "sign flip, 60 customers",
    "sign flip, 60 of 3 turns",
    "McNemar, 300 customers",
    "Holm, 4 arms of 60",
)


def peeked(lead: float, customers: int, draws: int, seed: Sequence[int]) -> Figures:
    """Comparisons watched after every customer: by the confidence sequence, and by an interval that is for one look."""
    rng, counts = np.random.default_rng(seed), dict.fromkeys(("watch", "ordinary", "customers"), 0.0)
    for _ in range(draws):
        new, old = _arms(rng, customers, (3.6 + lead, 3.6))
        stopped = _stopped(new - old)
        counts["watch"] += stopped is not None
        counts["customers"] += customers if stopped is None else stopped
        counts["ordinary"] += _ordinary(new - old)
    return counts


def _stopped(values: Array) -> int | None:
    watch = Watch(-4, 4)
    return next(
        (n for n, value in enumerate(values, 1) if watch.add(float(value)).verdict in ("better", "worse")), None
    )


def _ordinary(values: Array) -> bool:
    n = np.arange(1, len(values) + 1)
    mean = np.cumsum(values) / n
    spread = np.sqrt(np.maximum(np.cumsum(values**2) / n - mean**2, 0) * n / np.maximum(n - 1, 1))
    half = stats.t.ppf(0.975, np.maximum(n - 1, 1)) * spread / np.sqrt(n)
    return bool((np.abs(mean) > half)[9:].any())


def found(n: int, draws: int, seed: Sequence[int]) -> Figures:
    """How often the detectable difference is told from 0."""
    rng, shift = np.random.default_rng(seed), power.detectable(1.2, n)
    verdicts = [statistics.mean((shift + 1.2 * rng.normal(size=n)).tolist()).verdict for _ in range(draws)]
    return {"found": float(verdicts.count("better"))}


def shared(draws: int, seed: Sequence[int]) -> Figures:
    """How often the interval of the judge's share holds it: 100 conversations, two verdicts each, noise 0.2 of all."""
    rng, counts = np.random.default_rng(seed), 0
    for _ in range(draws):
        worth = rng.normal(size=(100, 1)) + 0.5 * rng.normal(size=(100, 2))
        interval = noise.judge_share(worth.tolist())
        counts += interval.low <= 0.2 <= interval.high
    return {"held": float(counts)}


@dataclass(frozen=True)
class Reseeded:
    """The same agent with other luck."""

    agent: Agent
    name: str = "again"

    async def reply(self, context: Context, seed: int) -> Turn:
        return await self.agent.reply(context, int(content_hash(["again", seed])[:7], 16))


def undecided(world: str, customers: int, repeats: int, seed: int) -> Figures:
    """Null comparisons that are left undecided, by interval and by test."""
    loaded = load_world(world)
    domain, model = Domain.parse(loaded.domain, world), models(loaded)
    student, judge = Student(model[loaded.roles["student"]], domain), Judge(model[loaded.roles["judge"]], domain)
    counts = dict.fromkeys(("interval", "sign_flip"), 0.0)
    for repeat in range(repeats):
        drawn = Customers.draw(domain, model[loaded.roles["unseen"]], customers, seed * 1000 + repeat)
        report = anyio.run(partial(evaluate, [student, Reseeded(student)], drawn, judge))
        counts["interval"] += report.difference("again", student.name).verdict.startswith("not decided")
        rows = report.paired(["again", student.name], SATISFACTION)
        counts["sign_flip"] += significance.sign_flip([new - old for new, old in rows]) > 0.05
    return counts


# Putting it together


@dataclass(frozen=True)
class Run:
    """What to measure with."""

    pool: Executor
    draws: int
    seed: int

    def count(self, job: Callable[..., Figures], *first: Any, draws: int | None = None) -> Figures:
        """The job's counts over all draws, as shares of them."""
        total = self.draws if draws is None else draws
        chunks = [min(CHUNK, total - begun) for begun in range(0, total, CHUNK)]
        seeds = [[self.seed, *content_hash([job.__name__, *first]).encode()[:8], n] for n in range(len(chunks))]
        sums: Figures = {}
        for counts in self.pool.map(partial(job, *first), chunks, seeds):
            sums = {key: sums.get(key, 0.0) + count for key, count in counts.items()}
        return {key: count / total for key, count in sums.items()}


def coverage(run: Run, args: argparse.Namespace) -> dict[str, Figures]:
    figures = {}
    for name in args.shapes:
        about = truth(name, args.seed)
        for n in args.sizes:
            counts = run.count(covered, name, n, about)
            counts["plain"] /= counts.pop("plain_of")
            figures[f"{name}, {n} customers"] = counts
    figures["judge's share, 100 conversations"] = run.count(shared)
    return figures


def level(run: Run, _: argparse.Namespace) -> dict[str, Figures]:
    return {test: run.count(rejected, test) for test in TESTS}


def peeking(run: Run, args: argparse.Namespace) -> dict[str, Figures]:
    return {
        f"a lead of {lead:g}, {args.watched} customers": run.count(
            peeked, lead, args.watched, draws=fewer(run.draws) if lead == 0 else CHUNK
        )
        for lead in (0.0, 0.3, 0.6)
    }


def fewer(draws: int) -> int:
    """For sequences of hundreds of looks each."""
    return max(CHUNK, draws // 5)


def powers(run: Run, args: argparse.Namespace) -> dict[str, Figures]:
    return {f"{n} customers, {power.detectable(1.2, n):.2f}": run.count(found, n) for n in args.sizes}


def null(run: Run, args: argparse.Namespace) -> dict[str, Figures]:
    figures = {}
    for world in args.worlds:
        each = min(5, args.repeats)
        jobs = partial(undecided, world, args.customers, each)
        done = list(run.pool.map(jobs, (args.seed * 1000 + n for n in range(args.repeats // each))))
        figures[f"{world}, {args.customers} customers (simulated)"] = {
            key: sum(counts[key] for counts in done) / (each * len(done)) for key in done[0]
        }
    return figures


MEASURED: Mapping[Part, Callable[[Run, argparse.Namespace], dict[str, Figures]]] = {
    "coverage": coverage,
    "level": level,
    "peeking": peeking,
    "power": powers,
    "null": null,
}


# Verdicts


def slack(share: float, draws: int) -> float:
    """Three standard errors of a share counted over so many draws."""
    return 3 * math.sqrt(share * (1 - share) / draws)


def bounds(part: Part, what: str, draws: int) -> dict[str, tuple[float, float]]:
    """By figure, what is asked of it. With few draws the bands are as wide as chance makes them."""
    match part:
        case "coverage":
            wide = max(0.0, slack(0.95, draws) - slack(0.95, 10_000))
            return {} if what.startswith("judge's") else {"held": (BAND[0] - wide, BAND[1] + wide)}
        case "level":
            return {"rejected": (0.0, 0.05 + slack(0.05, draws))}
        case "peeking":
            return {"watch": (0.0, 0.05)} if what.startswith("a lead of 0,") else {}
        case "power":
            return {"found": (0.8 - slack(0.8, draws) - 0.01, 1.0)}
        case "null":
            return {"interval": (0.94, 1.0)}
    raise ValueError(part)


def verdicts(measured: Mapping[Part, Mapping[str, Figures]], draws: int) -> dict[str, dict[str, Any]]:
    """By target: what is asked, what was measured, and whether it holds."""
    return {
        f"{part}: {what}: {figure}": {
            "target": f"{low:.3f} to {high:.3f}",
            "measured": found[figure],
            "ok": low <= found[figure] <= high,
        }
        for part, rows in measured.items()
        for what, found in rows.items()
        for figure, (low, high) in bounds(part, what, draws).items()
    }


def table(part: Part, rows: Mapping[str, Figures]) -> str:
    columns = list(dict.fromkeys(key for row in rows.values() for key in row))
    cells = [[part, *columns]]
    cells += [[what, *(f"{row[key]:.4g}" if key in row else "-" for key in columns)] for what, row in rows.items()]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in cells)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    few = quick()
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--shapes", nargs="+", choices=list(SHAPES), default=list(SHAPES))
    parser.add_argument("--sizes", type=int, nargs="+", default=[60, 100, 300], help="customers")
    parser.add_argument("--draws", type=int, default=1000 if few else 10_000)
    parser.add_argument("--watched", type=int, default=200 if few else 300, help="customers of a watched comparison")
    parser.add_argument("--worlds", nargs="+", default=["broadband", "airline"], help="shipped worlds, or world files")
    parser.add_argument("--repeats", type=int, default=20 if few else 100, help="null comparisons in each world")
    parser.add_argument("--customers", type=int, default=100, help="of a null comparison")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2, help="processes")
    return parser.parse_args()


def main() -> None:
    args = arguments()
    measured: dict[Part, dict[str, Figures]] = {}
    try:
        with ProcessPoolExecutor(args.workers, get_context("spawn")) as pool:
            for part in args.parts:
                measured[part] = MEASURED[part](Run(pool, args.draws, args.seed), args)
                print(f"{table(part, measured[part])}\n", flush=True)
    except PreceptorError as fault:
        raise SystemExit(str(fault)) from None
    targets = verdicts(measured, args.draws)
    for key, found in targets.items():
        print(f"{'ok  ' if found['ok'] else 'MISS'} {key} {found['measured']:.4g} (target {found['target']})")
    ok = bool(targets) and all(found["ok"] for found in targets.values())
    figures = {f"{part}: {what}": found for part, rows in measured.items() for what, found in rows.items()}
    print(json.dumps({"bench": "statistics", "ok": ok, "quick": quick(), "figures": figures, "targets": targets}))


if __name__ == "__main__":
    main()
