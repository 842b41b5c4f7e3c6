"""The real student: SmolLM2-135M, taught in the simulated broadband world, then alone against taught by slot placement

Customers, teacher and judge are simulated; the student is real, behind llama.cpp's server and the OpenAI SDK. It is
taught as `preceptor demo --student local` teaches it. Then the same unseen customers are served by the student alone,
with what the gate accepted, and with everything the teacher wrote (ungated), the latter two by slot placement.

There is no target: whatever comes out is the result. Equal requests are sent once, so where nothing is put into the
prompt a taught student is the student alone, to the letter. Repeatable with the same build of llama.cpp on the same
kind of processor: each request carries its seed.
"""

import argparse
import asyncio
import json
import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args

import orjson
import sqlalchemy as sa

from preceptor.cli import local
from preceptor.dialogue.conversation import Conversation
from preceptor.dialogue.crowd import Customers
from preceptor.evaluation import statistics
from preceptor.evaluation.evaluate import evaluate
from preceptor.evaluation.report import ArmResult, Report
from preceptor.evaluation.statistics import Interval
from preceptor.judging.judge import Judge
from preceptor.judging.verdicts import Rating
from preceptor.library.model import Guidance, Placement, Strategy
from preceptor.llm.ledger import calls
from preceptor.llm.stopping import Stop
from preceptor.settings import templates
from preceptor.settings.models import world
from preceptor.settings.project import Project
from preceptor.settings.reading import FILE
from preceptor.settings.schema import Endpoint, Simulated
from preceptor.settings.teaching import KIND, TeachingRun
from preceptor.storage.database import Database
from preceptor.storage.runs import Runs
from preceptor.student.student import Student
from preceptor.teaching.acceptance import UNDECIDED
from preceptor.teaching.events import Event, HeldOutScore, Note, PlacementChosen, Progress
from preceptor.teaching.teach import Taught

PLACEMENTS: tuple[Placement, ...] = get_args(Placement)
ALONE = "student"
QUICK = {"customers": 8, "held_out": 2, "min_contexts": 2, "looks": (4, 8), "repeats": 4}
"""Shows that everything works; decides nothing."""
ECHO = 6
"""Words in a row that a reply and a strategy have in common, to be counted as an echo."""


@dataclass
class Diary:
    """What happens, told with the time, and what of it the report needs."""

    began: float = field(default_factory=time.monotonic)
    at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="milliseconds"))
    phase: str = ""
    placement: PlacementChosen | None = None
    held_out: tuple[HeldOutScore, ...] = ()
    notes: tuple[str, ...] = ()

    def hear(self, event: Event) -> None:
        match event:
            case Progress(phase=phase, done=done, total=total):
                if phase != self.phase or done == total:
                    self.say(f"{phase} {done}/{total}")
                self.phase = phase
            case PlacementChosen():
                self.placement = event
            case HeldOutScore():
                self.held_out = (*self.held_out, event)
            case Note(text=text):
                self.notes = (*self.notes, text)

    def say(self, text: str) -> None:
        print(f"{time.monotonic() - self.began:7.0f} s  {text}", flush=True)


# -- what was written, and what became of it -------------------------------------------------------------------------


def fates(taught: Taught) -> dict[str, int]:
    """How many strategies ended how."""
    refused = Counter(fate(taught, strategy, reason) for strategy, reason in taught.refused)
    return {"accepted": len(taught.accepted), "dropped as duplicates": len(taught.dropped), **refused}


def fate(taught: Taught, strategy: Strategy, reason: str) -> str:
    """Beyond the student: it was measured, and the student did no better with it."""
    if leaky(reason):
        return "refused: a leak"
    if reason == UNDECIDED:
        return "refused: not decided"
    measured = any(entry.kind in ("acceptance", "no_harm") and entry.effect for entry in evidence(taught, strategy))
    return "refused: beyond the student" if measured else "refused: too few contexts"


def evidence(taught: Taught, strategy: Strategy) -> Sequence[Any]:
    return taught.evidence.get(strategy.id, ())


def leaky(reason: str) -> bool:
    return reason.startswith(("It copies", "It carries"))


def ungated(taught: Taught) -> Guidance:
    """Everything the teacher wrote but leaks, as if there were no gate."""
    refused = [strategy for strategy, reason in taught.refused if not leaky(reason)]
    return replace(taught.guidance, strategies=(*taught.accepted, *refused))


# -- teaching and serving --------------------------------------------------------------------------------------------


async def teach(project: Project, db: Database, diary: Diary) -> tuple[str, Taught]:
    begun = [run for run in Runs(db).list() if run.kind == KIND]
    lessons = TeachingRun.resume(project, db, begun[0].id) if begun else TeachingRun.begin(project, db)
    async with project.team(db, lessons.run.id, Stop()) as team:
        return lessons.run.id, await lessons.teach(team, diary.hear)


def arms(alone: Student, taught: Taught, project: Project) -> list[Student]:
    """The student alone, then gated and ungated libraries by placement."""
    found = [alone]
    for name, guidance in (("taught", taught.guidance), ("ungated", ungated(taught))):
        using = alone.using(guidance, project.embedder(), limit=project.settings.teaching.slot_limit)
        found += [replace(using, placement=place, name=f"{name} {place}") for place in PLACEMENTS]
    return found


async def serve(
    project: Project, db: Database, run: str, taught: Taught, count: int, diary: Diary
) -> tuple[Report, list[Student]]:
    """The same unseen customers for every arm."""
    domain, providers, played = project.domain(), project.providers(), project.settings.models.customer
    assert isinstance(played, Simulated)
    unseen = world(played.world, project.folder).roles["unseen"]
    voice = providers.model(played.model_copy(update={"model": unseen}))
    lessons = project.settings.teaching
    crowd = Customers.draw(domain, voice, count, lessons.seed + 1, lessons.max_turns)
    results: list[ArmResult] = []
    async with project.team(db, run, Stop(), providers) as team:
        students = arms(Student(team.models["student"], domain, name=ALONE), taught, project)
        for student in students:
            report = await evaluate([student], crowd, Judge(team.models["judge"], domain))
            results += report.arms
            diary.say(f"{student.name}: satisfaction {report.satisfaction(student.name)}")
    return Report(tuple(results)), students


# -- figures ---------------------------------------------------------------------------------------------------------


def of_arm(report: Report, student: Student) -> dict[str, Any]:
    """An arm's figures. `strict`: an unscored conversation counts as the worst there is."""
    result = report.arm(student.name)
    turns = [said for conversation in result.conversations for said in conversation.contexts()]
    given = [student.finder.find(context).strategies if student.finder else () for context, _ in turns]
    echoes = sum(
        any(echoes_of(turn.text, strategy.text) for strategy in strategies)
        for (_, turn), strategies in zip(turns, given, strict=True)
    )
    return {
        "satisfaction": plain(report.satisfaction(student.name)),
        "difference": plain(report.difference(student.name, ALONE)),
        "strict": plain(strict(report, student.name)),
        "resolved": sum(c.ending == "resolved" for c in result.conversations),
        "left": sum(c.ending == "left" for c in result.conversations),
        "unscored": result.unscored,
        "why": Counter(tag for c in result.conversations if c.ending == "broken" for tag in c.tags),
        "turns": len(turns),
        "with_slot": sum(map(bool, given)),
        "echoes": echoes,
    }


def strict(report: Report, name: str) -> Interval:
    """The paired difference to the student alone, unscored conversations at 1."""
    new, old = (
        [rating.satisfaction if isinstance(rating, Rating) else 1.0 for rating in report.arm(arm).ratings]
        for arm in (name, ALONE)
    )
    return statistics.difference(new, old)


def echoes_of(reply: str, strategy: str) -> bool:
    said, told = (text.casefold().split() for text in (reply, strategy))
    runs = {tuple(told[n : n + ECHO]) for n in range(len(told) - ECHO + 1)}
    return any(tuple(said[n : n + ECHO]) in runs for n in range(len(said) - ECHO + 1))


def plain(interval: Interval) -> dict[str, float]:
    return {key: round(value, 3) for key, value in vars(interval).items()}


def replies(db: Database, run: str, since: str) -> dict[str, Any]:
    """What became of the student's calls in a run. `written`: tokens since this process began."""
    asked = sa.select(calls).where(calls.c.run == run, calls.c.role == "student")
    with db.reading() as connection:
        rows = connection.execute(asked).all()
    finishes = Counter(orjson.loads(row.reply)["finish"] if row.reply else "unusable" for row in rows)
    return {
        "calls": len(rows),
        "cut_off": finishes["length"],
        "unusable": finishes["unusable"],
        "attempts": sum(row.attempts for row in rows),
        "prompt_tokens": sum(row.prompt_tokens for row in rows),
        "completion_tokens": sum(row.completion_tokens for row in rows),
        "written": sum(row.completion_tokens for row in rows if (row.finished_at or "") >= since),
    }


# -- the report ------------------------------------------------------------------------------------------------------


def show(figures: dict[str, Any]) -> None:
    print("\nReal student, simulated customers, teacher and judge. Satisfaction 1 to 5, paired by customer, 95 %.")
    print(f"{'':22}{'satisfaction':>20}{'against alone':>24}{'strict':>24}{'slot':>7}{'echo':>6}{'unscored':>10}")
    for name, arm in figures["arms"].items():
        print(
            f"{name:22}{shown(arm['satisfaction']):>20}{shown(arm['difference']):>24}{shown(arm['strict']):>24}"
            f"{arm['with_slot'] / arm['turns']:7.0%}{arm['echoes']:6}{arm['unscored']:10}"
        )
    print(f"\nPlacement chosen while teaching: {figures['placement']}, of {figures['placement_scores']}")
    print(f"{figures['scenarios']} scenarios. Strategies: {figures['strategies']}")
    print(f"Replies: {figures['replies']}; {figures['tokens_per_second']:.0f} tokens/s over all")
    for strategy in figures["accepted"]:
        print(f"accepted {strategy['value']:+.2f} for: {strategy['when']}\n         {strategy['text']}")


def shown(interval: dict[str, float]) -> str:
    return f"{interval['value']:.2f} [{interval['low']:.2f}, {interval['high']:.2f}]"


def examples(report: Report, students: Sequence[Student], count: int = 4) -> Iterator[str]:
    """First replies in which a slot made a difference, beside the student's own."""
    own = {c.customer: c for c in report.arm(ALONE).conversations}
    for student in students[1:]:
        changed = [c for c in report.arm(student.name).conversations if len(c.turns) > 1 and differs(c, own)]
        for conversation in changed[:count]:
            alone = own[conversation.customer]
            yield f"{student.name}\n  customer: {conversation.turns[0].text}\n  alone:    {alone.turns[1].text!r}"
            yield f"  now:      {conversation.turns[1].text!r}"


def differs(conversation: Conversation, own: dict[str, Conversation]) -> bool:
    alone = own[conversation.customer]
    return len(alone.turns) > 1 and alone.turns[1] != conversation.turns[1]


@contextmanager
def opened(given: Path | None, args: argparse.Namespace, quick: bool) -> Iterator[Project]:
    """The project, new or gone on with, while the student's server runs."""
    with ExitStack() as stack:
        place = given or Path(stack.enter_context(TemporaryDirectory()))
        there = (place / FILE).exists()
        sections = stack.enter_context(local.student(port(place) if there else None))
        sections["teaching"] |= {**(QUICK if quick else {}), "seed": args.seed}
        if not there:
            templates.write(place, args.world, sections, args.topics)
        yield Project.load(place)


def port(place: Path) -> int:
    """The ledger knows the student by its address."""
    student = Project.load(place).settings.models.student
    assert isinstance(student, Endpoint)
    return local.port_of(student.base_url)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", default="broadband", help="a shipped world")
    parser.add_argument("--customers", type=int, default=10 if os.environ.get("QUICK") else 100)
    parser.add_argument("--topics", type=int, default=local.TOPICS, help="how many of the world's topics")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="keep the project there; goes on with a run that was broken off")
    parser.add_argument("--examples", action="store_true", help="also print replies")
    return parser.parse_args()


def main() -> None:
    args, quick = arguments(), bool(os.environ.get("QUICK"))
    diary = Diary()
    with opened(args.folder, args, quick) as project, project.database(create=True) as db:
        run, taught = asyncio.run(teach(project, db, diary))
        diary.say(f"{fates(taught)}")
        later = Runs(db).create("evaluate", project.resolved(), args.seed)
        report, students = asyncio.run(serve(project, db, later.id, taught, args.customers, diary))
        Runs(db).finish(later.id, "done")
        told = {"teaching": replies(db, run, diary.at), "serving": replies(db, later.id, diary.at)}
    seconds = time.monotonic() - diary.began
    if args.examples:
        print(*examples(report, students), sep="\n")
    figures = collect(taught, report, students, diary, told, seconds)
    show(figures)
    print(json.dumps({"bench": "real", "ok": True, "quick": quick, "figures": figures, "targets": {}}))


def collect(
    taught: Taught,
    report: Report,
    students: Sequence[Student],
    diary: Diary,
    told: dict[str, dict[str, Any]],
    seconds: float,
) -> dict[str, Any]:
    names = {scenario.id: scenario.description for scenario in taught.scenarios}
    tokens = sum(run["written"] for run in told.values())
    return {
        "arms": {student.name: of_arm(report, student) for student in students},
        "placement": taught.guidance.placement,
        "placement_scores": diary.placement.scores if diary.placement else {},
        "scenarios": len(taught.scenarios),
        "strategies": fates(taught),
        "accepted": [
            {"value": round(s.value, 2), "when": names.get(s.scenario or "", "always"), "text": s.text}
            for s in taught.accepted
        ],
        "held_out": [[round(score.mean, 3), round(score.low, 3), round(score.high, 3)] for score in diary.held_out],
        "notes": diary.notes,
        "replies": told,
        "tokens_per_second": round(tokens / seconds, 1),
        "seconds": round(seconds),
        "library": taught.guidance.hash,
    }


if __name__ == "__main__":
    main()
