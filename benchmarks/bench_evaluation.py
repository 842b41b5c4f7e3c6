"""Every way to answer customers that can be chosen, over the same unseen customers, and which is better.

Simulated, all of it. In each world the default student is taught once; then every arm serves the same unseen
customers (held-out wordings, other seeds). At most `--tokens` of text are added to a prompt, by the library as by what
it is compared with; `whole library, unlimited` shows what the bound costs.

satisfaction: judged, 1 to 5. against student: paired difference from the student alone. duel: an arm's reply against
the student's own in the same context, win rate less loss rate; judges lean to the longer reply, and arms with much text
have long ones. text: tokens of an arm's own text in a prompt, mean over the student's own contexts. tokens: all it used
in a conversation. Intervals are at 95 %, p-values adjusted for all comparisons of their table (Holm). Then the
questions: is the library better than the student alone, general strategies only, examples of the teacher's replies, the
whole library at equal tokens, the teacher?

What these worlds cannot show: their students follow instructions and nothing else. They imitate no example, know the
policy already, and neither thinking first nor criticising themselves makes them better. So those arms show what adding
text costs, and no more; ask real models about them. Examples are given their chance by two arms whose students do in
half of all cases, or always, what the examples do (and follow instructions as before).

Last, what each strategy does, by leaving it out where it stood; `does harm` is the world's own account.

QUICK=1 runs a smaller form. Prints tables and, as its last line, a JSON object.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from multiprocessing import get_context
from statistics import fmean
from typing import Any

import anyio

from classroom import ALONE, TAUGHT, TEACHER, WHOLE, Classroom
from desk import aligned, quick
from learned import harmful
from preceptor import PreceptorError, SimulatedModel, Student, Teaching, evaluate
from preceptor.dialogue.agent import Agent
from preceptor.evaluation.arms.correction import self_correction
from preceptor.evaluation.arms.few_shot import few_shot
from preceptor.evaluation.arms.instruction import instruction
from preceptor.evaluation.arms.library import general_only, whole_library
from preceptor.evaluation.arms.null import null
from preceptor.evaluation.arms.passages import passages
from preceptor.evaluation.arms.prompted import other_prompt
from preceptor.evaluation.arms.slotted import SLOT_TOKENS, inserted, shipped
from preceptor.evaluation.arms.thinking import chain_of_thought
from preceptor.evaluation.attribution import Attribution, Contribution, attribute
from preceptor.evaluation.comparison import Verdict
from preceptor.evaluation.measures import DUEL_SCORE, POLICY_KEPT, RESOLVED, TOKENS
from preceptor.evaluation.report import Report
from preceptor.evaluation.significance import holm
from preceptor.evaluation.statistics import Interval
from preceptor.retrieval.selector import about_tokens
from preceptor.simulated.reading import Reader
from preceptor.simulated.truth import Truth
from preceptor.teaching.events import Event, IterationBegan
from preceptor.teaching.teach import Taught

UNLIMITED, GENERAL, FEW_SHOT = "whole library, unlimited", "general strategies", "few-shot"
IMITATED = {f"{FEW_SHOT}, imitated {share:.0%}": share for share in (0.5, 1.0)}
ASKED = (ALONE, GENERAL, FEW_SHOT, *IMITATED, WHOLE, TEACHER)
"""What the library is held against, one decision each."""
SHOWN = 5
"""Strategies printed from each end of the order."""
PROMPT = "{{role}}\n\n{{goal}}\n\n{instruction}\n\n{{policy}}"
"""The other prompt: the same parts in another order, and the generic instruction among them."""


@dataclass(frozen=True)
class Job:
    world: str
    """A shipped world, or a world file."""
    settings: Teaching
    unseen: int
    tokens: int
    contexts: int
    seed: int


@dataclass(frozen=True)
class Found:
    """What came of one world."""

    world: str
    report: Report
    texts: Mapping[str, float]
    """Tokens of an arm's own text in a prompt, by arm: means over the student's own contexts."""
    effects: Attribution
    harmful: frozenset[str]
    """Ids of strategies that do harm, by the world's own account."""
    cpu: float
    """Seconds."""


def run(job: Job) -> Found:
    return anyio.run(partial(study, job))


async def study(job: Job) -> Found:
    room = Classroom.open(job.world, job.unseen, job.seed, max_turns=job.settings.max_turns)
    say(room, "teaching")
    taught = await room.teach(job.settings, partial(tell, room))
    arms = every_arm(room, taught, job.tokens)
    say(room, f"{len(arms)} arms")
    report = await evaluate(arms, room.customers, room.judge, duels=1)
    say(room, "what each strategy does")
    library = next(arm for arm in arms if arm.name == TAUGHT)
    assert isinstance(library, Student)
    effects = await attribute(library, report, room.judge, contexts=job.contexts)
    bad = frozenset(strategy.id for strategy in harmful(Truth(room.world), taught.guidance))
    return Found(room.world.name, report, texts(arms, report), effects, bad, time.process_time())


def every_arm(room: Classroom, taught: Taught, tokens: int) -> list[Agent]:
    """The student alone first, which the others are held against."""
    guidance = taught.guidance
    heeds = replace(room.student, placement=guidance.placement)
    evidence = tuple(chain.from_iterable(taught.evidence.values()))
    own = PROMPT.format(instruction=shipped("instruction"))
    return [
        room.student,
        room.student.using(guidance, tokens=tokens, name=TAUGHT),
        whole_library(heeds, guidance, tokens=tokens, name=WHOLE),
        whole_library(heeds, guidance, name=UNLIMITED),
        general_only(heeds, guidance, tokens=tokens, name=GENERAL),
        instruction(heeds, tokens=tokens),
        few_shot(heeds, evidence, tokens=tokens, name=FEW_SHOT),
        *(few_shot(one, evidence, tokens=tokens, name=one.name) for one in imitating(room, heeds)),
        chain_of_thought(heeds, tokens=tokens),
        passages(heeds, tokens=tokens),
        self_correction(heeds, tokens=tokens),
        other_prompt(room.student, own, tokens=tokens),
        null(),
        room.teacher,
    ]


def imitating(room: Classroom, student: Student) -> Iterator[Student]:
    """The student, were it to imitate examples; else it is the same."""
    world, id_ = room.world, room.world.roles["student"]
    reader = Reader(world)
    for name, share in IMITATED.items():
        profile = world.profile(id_).model_copy(update={"imitates": share})
        other = world.model_copy(update={"models": {**world.models, id_: profile}})
        yield replace(student, model=SimulatedModel(other, id_, reader), name=name)


def texts(arms: Sequence[Agent], report: Report) -> dict[str, float]:
    contexts = [context for one in report.arm(ALONE).conversations for context, _ in one.contexts()]
    return {arm.name: fmean(tokens_of(inserted(arm, context)) for context in contexts) for arm in arms}


def tokens_of(text: str) -> int:
    return about_tokens(text) if text else 0


def decisions(report: Report) -> tuple[Verdict, ...]:
    """The library against each arm in `ASKED`."""
    found = [report.verdict(TAUGHT, other) for other in ASKED]
    adjusted = holm([verdict.p for verdict in found])
    return tuple(replace(one, adjusted=p, comparisons=len(found)) for one, p in zip(found, adjusted, strict=True))


def tell(room: Classroom, event: Event) -> None:
    if isinstance(event, IterationBegan):
        say(room, f"iteration {event.iteration} of {event.of}, {time.process_time():.0f} s of CPU time")


def say(room: Classroom, what: str) -> None:
    print(f"[{room.world.name}] {what}", file=sys.stderr, flush=True)


# What is shown


def arms_table(found: Found) -> str:
    report = found.report
    rows = [
        ["", "satisfaction", "against student", "p", "duel", "resolved", "policy kept", "text", "tokens", "unscored"]
    ]
    verdicts = {verdict.new: verdict for verdict in report.verdicts()}
    for arm in report.arms:
        verdict = verdicts.get(arm.name)
        rows.append(
            [
                arm.name,
                ranged(report.satisfaction(arm.name)),
                ranged(verdict.difference, sign="+") if verdict else "-",
                f"{verdict.adjusted:.2g}" if verdict else "-",
                ranged(report.mean(arm.name, DUEL_SCORE), sign="+") if verdict else "-",
                f"{report.mean(arm.name, RESOLVED).value:.2f}",
                f"{report.mean(arm.name, POLICY_KEPT).value:.2f}",
                f"{found.texts[arm.name]:.0f}",
                f"{report.mean(arm.name, TOKENS).value:,.0f}",
                str(arm.unscored),
            ]
        )
    return f"{found.world} (simulated), {report.customers} unseen customers\n{aligned(rows)}"


def effects_table(found: Found) -> str:
    effects = found.effects
    rows = [["strategy", "effect", "q", "fired", "verdict", "does harm"]]
    for one in chosen(effects):
        harm = "yes" if one.id in found.harmful else ""
        effect = ranged(one.effect, sign="+") if one.effect else "-"
        rows.append([short(one.text), effect, f"{one.q:.2g}", f"{one.turn_share:.1%} of turns", one.verdict, harm])
    counts = ", ".join(f"{number} {verdict}" for verdict, number in counted(effects).items())
    return (
        f"{found.world} (simulated), {len(effects.strategies)} strategies left out in turn: {counts}\n{aligned(rows)}"
    )


def chosen(effects: Attribution) -> list[Contribution]:
    """From both ends of what was measured."""
    measured = [one for one in effects.strategies if one.effect]
    ends = measured if len(measured) <= 2 * SHOWN else [*measured[:SHOWN], *measured[-SHOWN:]]
    return list(ends)


def counted(effects: Attribution) -> Mapping[str, int]:
    return dict(Counter(one.verdict for one in effects.strategies).most_common())


def short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:59]}…"


def ranged(interval: Interval, sign: str = "") -> str:
    if not math.isfinite(interval.value):
        return "-"
    return f"{interval.value:{sign}.2f} [{interval.low:.2f}, {interval.high:.2f}]"


# What is recorded


def figures(found: Found) -> dict[str, Any]:
    report = found.report
    arms = {
        arm.name: {
            "satisfaction": numbers(report.satisfaction(arm.name)),
            "against_student": numbers(report.difference(arm.name, ALONE)),
            "text_tokens": round(found.texts[arm.name], 1),
            "tokens": round(report.mean(arm.name, TOKENS).value, 1),
            "unscored": arm.unscored,
        }
        for arm in report.arms
    }
    asked = {
        verdict.old: {"word": verdict.word, "difference": numbers(verdict.difference), "p": round(verdict.adjusted, 5)}
        for verdict in decisions(report)
    }
    gap = numbers(report.gap_closed(TAUGHT, ALONE, TEACHER))
    harm = {"flagged": sum(one.verdict == "hurts" for one in found.effects.strategies), "true": len(found.harmful)}
    return {
        "customers": report.customers,
        "arms": arms,
        "library_against": asked,
        "gap_closed": gap,
        "strategies": counted(found.effects),
        "harmful": harm,
        "cpu_s": round(found.cpu, 1),
    }


def numbers(interval: Interval) -> list[float | None]:
    """Estimate, low, high."""
    ends = (interval.value, interval.low, interval.high)
    return [round(value, 4) if math.isfinite(value) else None for value in ends]


def targets(found: Found, unseen: int) -> dict[str, dict[str, Any]]:
    """Each question is decided, whichever way it falls, and next to nothing is missing."""
    report = found.report
    aims: dict[str, dict[str, Any]] = {}
    for verdict in decisions(report):
        ok = verdict.word != "not decided"
        key = f"{found.world}: library against {verdict.old}"
        aims[key] = {"target": "decided", "measured": verdict.word, "ok": ok}
    least = min(report.satisfaction(arm.name).n for arm in report.arms)
    wanted = math.ceil(0.98 * unseen)
    aims[f"{found.world}: customers scored in every arm"] = {
        "target": f">= {wanted}",
        "measured": least,
        "ok": least >= wanted,
    }
    return aims


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    few = quick()
    parser.add_argument("--worlds", nargs="+", default=["broadband", "airline"], help="shipped worlds, or world files")
    parser.add_argument("--customers", type=int, default=100 if few else 250, help="taught with, per iteration")
    parser.add_argument("--iterations", type=int, default=2 if few else 5)
    parser.add_argument("--unseen", type=int, default=100 if few else 300, help="customers of the evaluation")
    parser.add_argument("--tokens", type=int, default=SLOT_TOKENS, help="that an arm may add to a prompt")
    parser.add_argument("--contexts", type=int, default=10 if few else 30, help="in which each strategy is left out")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2, help="processes")
    return parser.parse_args()


def main() -> None:
    args = arguments()
    settings = Teaching(customers=args.customers, iterations=args.iterations, seed=args.seed)
    jobs = [Job(world, settings, args.unseen, args.tokens, args.contexts, args.seed) for world in args.worlds]
    try:
        with ProcessPoolExecutor(args.workers, get_context("spawn"), max_tasks_per_child=1) as pool:
            studied = list(pool.map(run, jobs))
    except PreceptorError as fault:
        raise SystemExit(str(fault)) from None
    for found in studied:
        sentences = "\n".join(map(str, decisions(found.report)))
        print(f"{arms_table(found)}\n\n{sentences}\n\n{effects_table(found)}\n")
    aims = {key: aim for found in studied for key, aim in targets(found, args.unseen).items()}
    for key, aim in aims.items():
        print(f"{'ok  ' if aim['ok'] else 'MISS'} {key}: {aim['measured']} (target {aim['target']})")
    ok = bool(aims) and all(aim["ok"] for aim in aims.values())
    by_world = {found.world: figures(found) for found in studied}
    print(json.dumps({"bench": "evaluation", "ok": ok, "quick": quick(), "figures": by_world, "targets": aims}))


if __name__ == "__main__":
    main()
