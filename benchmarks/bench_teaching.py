"""How much of the gap between student and teacher a library closes, and that nothing is learned from nothing.

Simulated, all of it. Each run teaches one student in one world, in a process of its own, and then lets unseen
customers (held-out wordings, other seeds) be served by the student alone, the student with its library, the teacher,
and an oracle: the same student told exactly what the situation calls for, which is about the most that instructions can
do for it. The same customers in every arm.

students: every profile that can carry the moves out: its oracle closes 0.7 of the gap or more. G is (with library -
alone) / (teacher - alone) in judged satisfaction. Coverage is counted at the agent turns of the student alone: of the
moves that were required, missing and learnable, the share that the slot the taught student would get asks for; `pairs`
is the same with every pair of situation and move counting once. Harmful: strategies that ask for a harmful move, or
forbid a required one, where they apply (`learned.harmful`).
controls: the world's default student under a teacher without insight, and under one whose advice is harmful.
beside: the default student with the whole library in every prompt, taught off-policy (the teacher speaks every turn),
without the acceptance gate, and with fewer customers. `poor-only` are situations that only a poor agent meets.

QUICK=1 runs a smaller form. Prints tables and, as its last line, a JSON object.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from typing import Any, Literal, get_args

import anyio

from classroom import ALONE, ROLES, TAUGHT, TEACHER, WHOLE, Classroom
from desk import aligned, load_world, quick
from learned import addressed, at_hand, coverage, harmful, needs
from preceptor import (
    Context,
    PreceptorError,
    Student,
    Teaching,
    World,
    evaluate,
)
from preceptor.dialogue.conversation import Conversation
from preceptor.evaluation.arms.library import whole_library
from preceptor.evaluation.report import Report
from preceptor.evaluation.statistics import Interval
from preceptor.library.model import Placement, Strategy
from preceptor.retrieval.selector import Found
from preceptor.simulated.profiles import AgentProfile
from preceptor.simulated.truth import Truth
from preceptor.teaching.events import Event, HeldOutScore, IterationBegan
from preceptor.teaching.teach import Taught

Part = Literal["students", "controls", "beside"]
Figures = dict[str, float | None]
PARTS: tuple[Part, ...] = ("students", "controls", "beside")
ABLE = 0.7
"""Share of the gap that the oracle has to close for a profile to count as one that can carry the moves out."""
ORACLE = "oracle"
ANNEALED, UNINSIGHTFUL, HARMFUL = "annealed", "teacher without insight", "harmful teacher"


@dataclass(frozen=True)
class Job:
    """One teaching run and its evaluation."""

    part: Part
    world: str
    """A shipped world, or a world file."""
    title: str
    """The world's name."""
    student: str
    teacher: str
    variant: str
    """What sets it apart from other runs of its part."""
    settings: Teaching
    unseen: int
    seed: int
    always: bool = False
    """Teach also a student that cannot carry the moves out."""

    @property
    def name(self) -> str:
        return f"{self.title} {self.variant}"


@dataclass(frozen=True)
class Oracle:
    """Finds exactly the right instructions: do what is required and can be done, leave what is harmful."""

    truth: Truth
    profile: AgentProfile

    def find(self, context: Context) -> Found:
        situation = at_hand(self.truth, context)
        if situation is None:
            return Found((), True, ())
        move = self.truth.world.move
        told = [move[id_].told[0] for id_ in situation.required if id_ not in self.profile.cannot]
        texts = told + [move[id_].forbidden[0] for id_ in situation.harmful]
        return Found((), False, tuple(Strategy(Strategy.new_id(text, None), text, "", None) for text in texts))

    @property
    def placement(self) -> Placement:
        """Where the profile heeds instructions best."""
        places: tuple[Placement, ...] = get_args(Placement)
        return max(places, key=lambda place: getattr(self.profile.placements, place))


class Lesson:
    """A job at work, in one process."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.room = Classroom.open(
            job.world,
            job.unseen,
            job.seed,
            student=job.student,
            teacher=job.teacher,
            max_turns=job.settings.max_turns,
        )
        self.truth = Truth(self.room.world)

    async def run(self) -> Figures:
        before = await self._ceiling()
        figures = ceiling_figures(before)
        if not (self.job.always or able(figures)):
            return figures
        began = time.process_time()
        taught = await self.room.teach(self.job.settings, self._tell)
        spent = time.process_time() - began
        alone = self.room.student
        student = alone.using(taught.guidance, limit=self.job.settings.slot_limit, name=TAUGHT)
        whole = whole_library(alone, taught.guidance, name=WHOLE)
        after = await evaluate([student, whole], self.room.customers, self.room.judge)
        report = Report(before.arms + after.arms)
        figures |= gain_figures(report) | self._learned(taught, student, report.arm(ALONE).conversations)
        calls: Figures = {f"calls_{role}": len(model.asked) for role, model in self.room.models.items()}
        return figures | calls | {"cpu_s": spent}

    async def _ceiling(self) -> Report:
        room = self.room
        profile = room.world.profile(self.job.student)
        assert isinstance(profile, AgentProfile)
        oracle = Oracle(self.truth, profile)
        told = replace(room.student, finder=oracle, placement=oracle.placement, name=ORACLE)
        return await evaluate([room.student, room.teacher, told], room.customers, room.judge)

    def _learned(self, taught: Taught, student: Student, alone: Sequence[Conversation]) -> Figures:
        truth, guidance = self.truth, taught.guidance
        assert student.finder
        covered = coverage(truth, needs(truth, self.job.student, alone), student.finder)
        bad = harmful(truth, guidance)
        kept_out = harmful(truth, replace(guidance, strategies=tuple(strategy for strategy, _ in taught.refused)))
        # A general strategy learned from nothing is no better than one of a scenario: each counts as one more.
        taught_scenarios = len({strategy.scenario or strategy.id for strategy in guidance.strategies})
        poor = truth.only_poor() & self._met(alone)
        return {
            "coverage": covered.share,
            "coverage_by_pair": covered.by_pair,
            "missing_moves": len(covered.needs),
            "coverage_poor_only": covered.within(poor).share,
            "poor_only_met": len(poor),
            "poor_only_addressed": len(poor & addressed(truth, guidance)),
            "harmful": len(bad),
            "harmful_share": len(bad) / max(1, len(guidance.strategies)),
            "scenarios": len(guidance.scenarios),
            "scenarios_taught": taught_scenarios,
            "taught_share": taught_scenarios / max(1, len(guidance.scenarios)),
            "strategies": len(guidance.strategies),
            "general": len(guidance.of(None)),
            "refused": len(taught.refused),
            "harmful_refused": len(kept_out),
            "iterations": max((score.iteration for score in taught.held_out), default=0),
        }

    def _met(self, conversations: Sequence[Conversation]) -> set[str]:
        contexts = (context for conversation in conversations for context, _ in conversation.contexts())
        return {situation.id for context in contexts if (situation := at_hand(self.truth, context))}

    def _tell(self, event: Event) -> None:
        match event:
            case IterationBegan():
                say(self.job, f"iteration {event.iteration} of {event.of}, {time.process_time():.0f} s of CPU time")
            case HeldOutScore():
                say(self.job, f"held-out score {event.mean:.2f}")


def say(job: Job, what: str) -> None:
    print(f"[{job.part}: {job.name}] {what}", file=sys.stderr, flush=True)


def interval_figures(name: str, found: Interval) -> Figures:
    return {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}


def ceiling_figures(report: Report) -> Figures:
    """Without a library: where student and teacher stand, and what the oracle makes of the student."""
    return {
        "customers": len(report.arm(ALONE).conversations),
        "unscored": sum(arm.unscored for arm in report.arms),
        "satisfaction_student": report.satisfaction(ALONE).value,
        "satisfaction_teacher": report.satisfaction(TEACHER).value,
        "satisfaction_oracle": report.satisfaction(ORACLE).value,
        **interval_figures("ceiling", report.gap_closed(ORACLE, ALONE, TEACHER)),
    }


def able(figures: Figures) -> bool:
    return holds(figures["ceiling"], lambda share: share >= ABLE)


def gain_figures(report: Report) -> Figures:
    """What the library is worth."""
    return {
        "unscored": sum(arm.unscored for arm in report.arms),
        "satisfaction_taught": report.satisfaction(TAUGHT).value,
        "satisfaction_whole": report.satisfaction(WHOLE).value,
        **interval_figures("gap_closed", report.gap_closed(TAUGHT, ALONE, TEACHER)),
        **interval_figures("gap_closed_whole", report.gap_closed(WHOLE, ALONE, TEACHER)),
        **interval_figures("difference", report.difference(TAUGHT, ALONE)),
        **interval_figures("retrieved_over_whole", report.difference(TAUGHT, WHOLE)),
    }


def run(job: Job) -> Figures:
    """One job from beginning to end; what has no value is None."""
    say(job, "began")
    found = anyio.run(Lesson(job).run)
    say(job, f"G {found['gap_closed']:.2f}" if "gap_closed" in found else f"not taught: ceiling {found['ceiling']:.2f}")
    return {key: _plain(value) for key, value in found.items()}


def _plain(value: float | None) -> float | None:
    if value is None or not math.isfinite(value):
        return None
    return value if isinstance(value, int) else round(value, 4)


# Jobs


def jobs(args: argparse.Namespace) -> list[Job]:
    """Everything to be done. `beside` holds its variants against the default students' own runs."""
    found: list[Job] = []
    for number, name in enumerate(args.worlds):
        world = load_world(name)
        student, teacher = world.roles["student"], world.roles["teacher"]
        settings = Teaching(customers=args.customers, iterations=args.iterations, seed=args.seed)
        default = Job(
            "students", name, world.name, student, teacher, student, settings, args.unseen, args.seed, always=True
        )
        if "students" in args.parts:
            wanted = profiles(world, args.students, student if quick() else None)
            asked = {student, *args.students}
            found += [replace(default, student=id_, variant=id_, always=id_ in asked) for id_ in wanted]
        if "controls" in args.parts:
            found += controls(world, replace(default, part="controls"))
        if "beside" in args.parts and (number == 0 or not quick()):
            found += beside(replace(default, part="beside"), args.budgets)
    if len({job.world for job in found}) > len({job.title for job in found}):
        raise SystemExit("Two of the worlds have the same name: give each its own, so that their figures stay apart.")
    if absent := set(args.students) - {job.student for job in found}:
        raise SystemExit(f"None of the worlds has a student {min(absent)!r}.")
    return found


def profiles(world: World, chosen: Sequence[str], only: str | None) -> list[str]:
    """Students: those asked for that the world has, or the one, or all agents that do not teach."""
    agents = {id_: profile for id_, profile in world.models.items() if isinstance(profile, AgentProfile)}
    if chosen:
        return [id_ for id_ in agents if id_ in chosen]
    return [only] if only else [id_ for id_, profile in agents.items() if profile.teaching is None]


def controls(world: World, default: Job) -> list[Job]:
    """The default student under the teachers of whom nothing good can come."""
    found = {}
    for id_, profile in world.models.items():
        if isinstance(profile, AgentProfile) and (teaching := profile.teaching):
            if teaching.harmful:
                found[HARMFUL] = id_
            elif not teaching.insight:
                found[UNINSIGHTFUL] = id_
    for missing in {UNINSIGHTFUL, HARMFUL} - found.keys():
        say(default, f"the world has no {missing}")
    return [replace(default, teacher=id_, variant=variant) for variant, id_ in found.items()]


def beside(default: Job, budgets: Sequence[int]) -> list[Job]:
    """The default student taught in other ways, and as usual."""
    usual = default.settings
    ways: dict[str, dict[str, Any]] = {
        ANNEALED: {},
        "off-policy": {"teacher_share_decay": 1.0},
        "no gate": {"gate": False},
        **{f"{count} customers": {"customers": count} for count in budgets if count < usual.customers},
    }
    changed = {variant: usual.model_copy(update=change) for variant, change in ways.items()}
    return [replace(default, variant=variant, settings=settings) for variant, settings in changed.items()]


def measure(wanted: Sequence[Job], workers: int) -> list[tuple[Job, Figures]]:
    """All jobs' figures. What differs in nothing but its part is done once."""
    different: dict[tuple[object, ...], Job] = {}
    for job in wanted:
        different.setdefault(_essence(job), job)
    with ProcessPoolExecutor(workers, get_context("spawn"), max_tasks_per_child=1) as pool:
        done = dict(zip(different, pool.map(run, different.values()), strict=True))
    return [(job, done[_essence(job)]) for job in wanted]


def _essence(job: Job) -> tuple[object, ...]:
    return job.world, job.student, job.teacher, job.settings.model_dump_json()


# Verdicts


def holds(value: float | None, test: Callable[[float], bool]) -> bool:
    """A figure without a value meets no target."""
    return value is not None and test(value)


@dataclass(frozen=True)
class Aim:
    """What is asked of one figure."""

    figure: str
    at_least: float = -math.inf
    at_most: float = math.inf

    @property
    def text(self) -> str:
        return f">= {self.at_least:g}" if math.isfinite(self.at_least) else f"<= {self.at_most:g}"

    def met(self, figures: Figures) -> bool:
        return holds(figures[self.figure], lambda value: self.at_least <= value <= self.at_most)


STUDENTS = (
    Aim("gap_closed", at_least=0.80),
    Aim("gap_closed_low", at_least=0.70),
    Aim("coverage", at_least=0.85),
    Aim("harmful_share", at_most=0.02),
)
CONTROLS: Mapping[str, tuple[Aim, ...]] = {
    UNINSIGHTFUL: (
        Aim("taught_share", at_most=0.05),
        Aim("difference_low", at_most=0),
        Aim("difference_high", at_least=0),
    ),
    HARMFUL: (Aim("harmful", at_most=0), Aim("difference_high", at_least=0)),
}


def aims(job: Job, figures: Figures) -> tuple[Aim, ...]:
    """What is asked of a job: of students who can carry the moves out, and of controls."""
    match job.part:
        case "students":
            return STUDENTS if able(figures) else ()
        case "controls":
            return CONTROLS[job.variant]
        case "beside":
            return ()


def verdicts(measured: Sequence[tuple[Job, Figures]]) -> dict[str, dict[str, Any]]:
    """By target: what is asked, what was measured, and whether it holds."""
    return {
        f"{job.part}: {job.name} {aim.figure}": {
            "target": aim.text,
            "measured": figures[aim.figure],
            "ok": aim.met(figures),
        }
        for job, figures in measured
        for aim in aims(job, figures)
    }


# Tables

Column = tuple[str, Callable[[Figures], str]]


def cell(value: float | None) -> str:
    return "-" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:.2f}"


def plain(title: str, key: str) -> Column:
    return title, lambda figures: cell(figures.get(key))


def ranged(title: str, key: str) -> Column:
    def show(figures: Figures) -> str:
        low, high = figures.get(f"{key}_low"), figures.get(f"{key}_high")
        return f"{cell(figures.get(key))} [{cell(low)}, {cell(high)}]" if key in figures else "-"

    return title, show


def of(title: str, part: str, whole: str) -> Column:
    return title, lambda figures: f"{figures[part]} of {figures[whole]}" if part in figures else "-"


SATISFACTION = (
    plain("alone", "satisfaction_student"),
    plain("taught", "satisfaction_taught"),
    plain("teacher", "satisfaction_teacher"),
)
LIBRARY = (of("harmful", "harmful", "strategies"), plain("scenarios", "scenarios"))
CALLS = tuple(plain(f"{role} calls", f"calls_{role}") for role in ROLES)
TABLES: Mapping[Part, tuple[Column, ...]] = {
    "students": (
        *SATISFACTION,
        plain("oracle", "satisfaction_oracle"),
        ranged("G", "gap_closed"),
        ranged("ceiling", "ceiling"),
        plain("coverage", "coverage"),
        plain("pairs", "coverage_by_pair"),
        *LIBRARY,
        *CALLS,
    ),
    "controls": (
        *SATISFACTION,
        ranged("taught - alone", "difference"),
        of("scenarios taught", "scenarios_taught", "scenarios"),
        of("harmful", "harmful", "strategies"),
        of("harmful of refused", "harmful_refused", "refused"),
    ),
    "beside": (
        ranged("G", "gap_closed"),
        ranged("G, whole library", "gap_closed_whole"),
        ranged("retrieved - whole", "retrieved_over_whole"),
        plain("coverage", "coverage"),
        of("poor-only addressed", "poor_only_addressed", "poor_only_met"),
        plain("poor-only coverage", "coverage_poor_only"),
        *LIBRARY,
        plain("iterations", "iterations"),
    ),
}


def table(part: Part, measured: Sequence[tuple[Job, Figures]]) -> str:
    """For people."""
    columns = TABLES[part]
    rows = [["", *(title for title, _ in columns)]]
    rows += [[job.name, *(show(figures) for _, show in columns)] for job, figures in measured if job.part == part]
    return f"{part} (simulated)\n{aligned(rows)}"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    few = quick()
    parser.add_argument("--worlds", nargs="+", default=["broadband", "airline"], help="shipped worlds, or world files")
    parser.add_argument("--students", nargs="+", default=[], help="profiles; default: all that can carry the moves out")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--customers", type=int, default=100 if few else 250, help="taught with, per iteration")
    parser.add_argument("--iterations", type=int, default=2 if few else 5)
    parser.add_argument("--budgets", type=int, nargs="*", default=[50] if few else [25, 50, 100])
    parser.add_argument("--unseen", type=int, default=100 if few else 300, help="customers of the evaluation")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2, help="processes")
    return parser.parse_args()


def main() -> None:
    args = arguments()
    try:
        measured = measure(jobs(args), args.workers)
    except PreceptorError as fault:
        raise SystemExit(str(fault)) from None
    for part in dict.fromkeys(job.part for job, _ in measured):
        print(f"{table(part, measured)}\n")
    targets = verdicts(measured)
    for key, found in targets.items():
        print(f"{'ok  ' if found['ok'] else 'MISS'} {key} {cell(found['measured'])} (target {found['target']})")
    figures = {f"{job.part}: {job.name}": found for job, found in measured}
    ok = bool(targets) and all(found["ok"] for found in targets.values())
    print(json.dumps({"bench": "teaching", "ok": ok, "quick": quick(), "figures": figures, "targets": targets}))


if __name__ == "__main__":
    main()
