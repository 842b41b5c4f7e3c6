"""How much of the gap a library closes where the agent has to act, and that what goes well once goes well every time.

Simulated, all of it. Worlds with tools: what to do is often known only once something has been looked up, and some
actions must then not be taken. Each run teaches one student in one world, in a process of its own; then unseen
customers (held-out wordings, other seeds) come to the student alone, the student with its library, the teacher, an
oracle (the student told exactly what the situation calls for) and an agent that does nothing, several times each.

A conversation passes when its end state is right, what had to be told was told, and no action was taken that does harm.
pass^1 is the share of conversations that pass, pass^4 the chance that four of one customer's all do (unbiased, Yao et
al., arXiv 2406.12045). Gaps closed are (with library - alone) / (teacher - alone).

Beside the shipped world, worlds drawn from seeds (`invented_world`), which nobody wrote and nobody tuned to.

QUICK=1 runs a smaller form. Prints a table and, as its last line, a JSON object.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context

import anyio

from bench_teaching import Oracle
from classroom import ALONE, TAUGHT, TEACHER, Classroom
from desk import aligned, quick
from invented_world import invented
from learned import coverage, harmful, needs
from preceptor import PreceptorError, Teaching, evaluate
from preceptor.dialogue.agent import Agent
from preceptor.evaluation.arms.null import null
from preceptor.evaluation.measures import PASSED, SATISFACTION, Measure
from preceptor.evaluation.report import Report
from preceptor.evaluation.results import Served
from preceptor.evaluation.statistics import Interval
from preceptor.simulated.profiles import AgentProfile
from preceptor.simulated.truth import Truth

ORACLE, NOTHING = "oracle", "does nothing"
ARMS = (ALONE, TAUGHT, TEACHER, ORACLE, NOTHING)
INVENTED = "invented "
Figures = dict[str, float | None]


@dataclass(frozen=True)
class Job:
    """One teaching run and its evaluation."""

    world: str
    """A shipped world, a world file, or ``invented`` with a seed."""
    settings: Teaching
    unseen: int
    trials: int

    @property
    def name(self) -> str:
        return f"{self.world.rsplit('/', 1)[-1].removesuffix('.yaml')} {self.settings.seed}"


async def lesson(job: Job) -> Figures:
    """Teach and measure."""
    seed = job.world.removeprefix(INVENTED)
    world = invented(int(seed)) if seed != job.world else job.world
    room = Classroom.open(world, job.unseen, job.settings.seed, max_turns=job.settings.max_turns)
    truth = Truth(room.world)
    profile = room.world.profile(room.world.roles["student"])
    assert isinstance(profile, AgentProfile)
    began = time.process_time()
    taught = await room.teach(job.settings, lambda event: None)
    spent = time.process_time() - began
    say(job, f"taught in {spent:.0f} s of CPU time")
    student = room.student.using(taught.guidance, limit=job.settings.slot_limit, name=TAUGHT)
    oracle = Oracle(truth, profile)
    told = replace(room.student, finder=oracle, placement=oracle.placement, name=ORACLE)
    arms: list[Agent] = [room.student, student, room.teacher, told, null(name=NOTHING)]
    report = await evaluate(arms, room.customers, room.judge, trials=job.trials)
    assert student.finder
    needed = needs(truth, room.world.roles["student"], report.arm(ALONE).conversations)
    bad = harmful(truth, taught.guidance)
    return figures(report, job.trials) | {
        "coverage": coverage(truth, needed, student.finder).share,
        "strategies": len(taught.guidance.strategies),
        "harmful": len(bad),
        "scenarios": len(taught.guidance.scenarios),
        "cpu_s": spent,
    }


def figures(report: Report, trials: int) -> Figures:
    """By arm: what it passes, once and every time, and how satisfied its customers are; and the gaps closed."""
    every = every_time(trials)
    found: Figures = {"customers": report.customers, "unscored": sum(arm.unscored for arm in report.arms)}
    for arm in ARMS:
        found |= {f"pass_1 {arm}": report.mean(arm, PASSED).value, f"pass_all {arm}": report.mean(arm, every).value}
        found |= {f"satisfaction {arm}": report.satisfaction(arm).value}
    gaps = {"pass_1": PASSED, "satisfaction": SATISFACTION, "pass_all": every}
    for name, measure in gaps.items():
        found |= interval(f"gap {name}", report.gap_closed(TAUGHT, ALONE, TEACHER, measure))
    return found | interval("rise pass_all", report.difference(TAUGHT, ALONE, every))


def every_time(trials: int) -> Measure:
    def passed(served: Served) -> float | None:
        return served.pass_hat(trials)

    return Measure("pass_all", f"pass^{trials}", "share", True, passed)


def interval(name: str, found: Interval) -> Figures:
    return {name: found.value, f"{name} low": found.low, f"{name} high": found.high}


def run(job: Job) -> Figures:
    """One job from beginning to end; what has no value is None."""
    say(job, "began")
    found = anyio.run(lesson, job)
    say(job, f"pass^1 {found[f'pass_1 {ALONE}']:.2f} to {found[f'pass_1 {TAUGHT}']:.2f}")
    return {
        key: round(value, 4) if value is not None and math.isfinite(value) else None for key, value in found.items()
    }


def say(job: Job, what: str) -> None:
    print(f"[{job.name}] {what}", file=sys.stderr, flush=True)


def measure(jobs: Sequence[Job], workers: int) -> dict[str, Figures]:
    with ProcessPoolExecutor(workers, get_context("spawn"), max_tasks_per_child=1) as pool:
        return dict(zip([job.name for job in jobs], pool.map(run, jobs), strict=True))


AIMS: Mapping[str, float] = {
    "gap pass_1": 0.75,
    "gap pass_1 low": 0.6,
    "gap satisfaction": 0.75,
    "gap satisfaction low": 0.6,
    "rise pass_all low": 0.0,
}
"""At least; the last: above."""


def verdicts(measured: Mapping[str, Figures]) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = {}
    for job, values in measured.items():
        for figure, least in AIMS.items():
            value = values[figure]
            met = value is not None and (value > least if least == 0 else value >= least)
            found[f"{job}: {figure}"] = {"target": f">= {least:g}" if least else "> 0", "measured": value, "ok": met}
    return found


def table(measured: Mapping[str, Figures], trials: int) -> str:
    """For people."""
    rows = [["", "arm", "pass^1", f"pass^{trials}", "satisfaction"]]
    for job, values in measured.items():
        for place, arm in enumerate(ARMS):
            shown = [cell(values[f"{figure} {arm}"]) for figure in ("pass_1", "pass_all", "satisfaction")]
            rows.append(["" if place else job, arm, *shown])
    gaps = [["gap closed", "pass^1", f"pass^{trials}", "satisfaction", "coverage", "harmful", "scenarios", "CPU s"]]
    for job, values in measured.items():
        ranged = [
            f"{cell(values[f'gap {name}'])} [{cell(values[f'gap {name} low'])}, {cell(values[f'gap {name} high'])}]"
            for name in ("pass_1", "pass_all", "satisfaction")
        ]
        harm = f"{values['harmful']:.0f} of {values['strategies']:.0f}"
        rest = [cell(values["coverage"]), harm, f"{values['scenarios']:.0f}", f"{values['cpu_s']:.0f}"]
        gaps.append([job, *ranged, *rest])
    return f"tools (simulated)\n{aligned(rows)}\n\n{aligned(gaps)}"


def cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    few = quick()
    parser.add_argument("--worlds", nargs="+", default=["parcels"], help="shipped worlds with tools, or world files")
    parser.add_argument(
        "--invented", type=int, nargs="*", default=[] if few else [1, 2], help="seeds of invented worlds"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0] if few else [0, 1])
    parser.add_argument("--customers", type=int, default=120 if few else 250, help="taught with, per iteration")
    parser.add_argument("--iterations", type=int, default=3 if few else 5)
    parser.add_argument("--unseen", type=int, default=60 if few else 200, help="customers of the evaluation")
    parser.add_argument("--trials", type=int, default=4, help="conversations of each customer with each arm")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    return parser.parse_args()


def main() -> None:
    args = arguments()
    worlds = dict.fromkeys(args.worlds, args.seeds) | {f"{INVENTED}{seed}": args.seeds[:1] for seed in args.invented}
    jobs = [
        Job(
            world,
            Teaching(customers=args.customers, iterations=args.iterations, seed=seed),
            args.unseen,
            args.trials,
        )
        for world, seeds in worlds.items()
        for seed in seeds
    ]
    try:
        measured = measure(jobs, args.workers)
    except PreceptorError as fault:
        raise SystemExit(str(fault)) from None
    print(f"{table(measured, args.trials)}\n")
    targets = verdicts(measured)
    for key, found in targets.items():
        print(f"{'ok  ' if found['ok'] else 'MISS'} {key} {found['measured']} (target {found['target']})")
    ok = bool(targets) and all(found["ok"] for found in targets.values())
    print(json.dumps({"bench": "tools", "ok": ok, "quick": quick(), "figures": measured, "targets": targets}))


if __name__ == "__main__":
    main()
