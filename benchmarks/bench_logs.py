"""Learning from logs, at size: a whole file of conversations up to scenario candidates and retrieval.

The stages of `preceptor teach --logs FILE`, by the same functions, with the models, the ledger and the embedder of a
project. Read the file. Hold the student against the teacher wherever a customer waits for an answer. Sort these moments
into scenarios. Fit retrieval to the scenarios' examples. Ask it about every context, one at a time, as in service.

The models are a simulated world's, and the log need not be of its trade: STAR's customers book hotels, rent flats and
bank, while the broadband world's models know reports of faults. They answer what little they recognise and take the
rest for small talk. So how often the student falls short and which scenarios there are says nothing about STAR, nor
about real models. What counts here is that every context is accounted for, and what that takes in time and memory.

Before that, four public data sets are imported with redaction, their conversations and turns held against a count of
the files by other means, and the student answers in a few conversations of each.

CPU is user and system time of this process, simulated models included. Memory is the most the process held during a
stage (Linux; elsewhere: so far). Before the whole file a part of it is done, and CPU per moment is compared, where what
grows with the square of the log would show. QUICK=1 takes a quarter of the file as a whole. Prints a table and, as its
last line, a JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from itertools import groupby, islice
from pathlib import Path

from desk import DATA, Desk, load_world, needed, quick, simulated
from preceptor import World
from preceptor.dialogue.agents import ModelAgent
from preceptor.dialogue.conversation import Conversation
from preceptor.dialogue.customers import Voice
from preceptor.judging.judge import Judge
from preceptor.library.model import Guidance
from preceptor.llm.stopping import Stop
from preceptor.logs.importing import Redactor, bring
from preceptor.logs.readers import Log, read
from preceptor.logs.store import Store
from preceptor.retrieval.selector import Retriever
from preceptor.settings.project import Project
from preceptor.settings.team import Team
from preceptor.storage.database import Database
from preceptor.storage.runs import Runs
from preceptor.student.student import Student
from preceptor.teaching.crew import Crew
from preceptor.teaching.moments import Moment, draw_logged, meet, occasions
from preceptor.teaching.notebook import Notebook
from preceptor.teaching.scenarios import place_moments

Figures = dict[str, float]
PER_MOMENT = ("compare", "sort", "retrieve")
SETS = (
    *("star/star_cs_dev.jsonl", "tau_bench/gpt4o_airline_train_tasks.json", "tau_bench/retail_few_shot.jsonl"),
    *("stc3_en/stc3_en_dev.json", "p4g/300_dialog.xlsx"),
)
"""Stages that look at every moment."""


@dataclass
class Work:
    """What a log comes to, and what that takes."""

    figures: Figures = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        _forget_peak()
        began = time.process_time()
        yield
        self.figures[f"{name}_cpu_s"] = time.process_time() - began
        self.figures[f"{name}_peak_mb"] = _peak()

    @property
    def cpu_per_moment(self) -> float:
        """Seconds, over `PER_MOMENT`."""
        spent = sum(self.figures[f"{name}_cpu_s"] for name in PER_MOMENT)
        return spent / max(1, self.figures["moments_compared"])


def _forget_peak() -> None:
    with suppress(OSError):  # the peak is then the highest so far
        Path("/proc/self/clear_refs").write_text("5")


def _peak() -> float:
    """MB."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
    except (OSError, StopIteration):
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


async def learn(project: Project, db: Database, log: Log, count: int | None, work: Work) -> None:
    """All stages on at most `count` conversations."""
    settings = project.settings.teaching
    with work.stage("read"):
        logs = draw_logged(log, count, settings.seed)
    run = Runs(db).create("bench", {}, settings.seed)
    async with project.team(db, run.id, Stop()) as team:
        crew = _crew(project, db, team)
        with work.stage("compare"):
            moments = await meet(crew, crew.student, [], 1.0, logs)
        notebook = Notebook.opened(Guidance(crew.domain.name, false_injections=settings.false_injections))
        with work.stage("sort"):
            ordered = sorted(moments, key=lambda moment: (not moment.first, not moment.falls_short))
            placed = await place_moments(crew, notebook.book, ordered)
        calls = sum(total.calls for total in team.totals.values())
    notebook.foreign = 1 - placed.at_home / max(1, len(moments))
    work.figures |= _met(logs, log, moments) | {f"moments_{key}": value for key, value in asdict(placed).items()}
    work.figures |= {"calls": calls, **_retrieve(crew, notebook, moments, work)}


def _crew(project: Project, db: Database, team: Team) -> Crew:
    domain, models = project.domain(), team.models
    return Crew(
        domain,
        ModelAgent(models["teacher"], domain, name="teacher"),
        Student(models["student"], domain),
        Voice(models["customer"], domain),
        Judge(models["judge"], domain),
        project.embedder(db),
        project.settings.teaching,
        lambda event: None,
    )


def _met(logs: tuple[Conversation, ...], log: Log, moments: list[Moment]) -> Figures:
    waiting = sum(1 for conversation in logs for _ in occasions(conversation))
    return {
        "rows_unread": log.skipped_rows,
        "dialogues": len(logs),
        "contexts": sum(1 for conversation in logs for _ in conversation.contexts()),
        "waiting": waiting,
        "moments_compared": len(moments),
        "moments_unscored": waiting - len(moments),
        "moments_short": sum(moment.falls_short for moment in moments),
        "first_divergences": sum(moment.first for moment in moments),
    }


def _retrieve(crew: Crew, notebook: Notebook, moments: list[Moment], work: Work) -> Figures:
    guidance = notebook.guidance()
    with work.stage("fit"):
        retriever = Retriever(guidance, crew.embedder)
    with work.stage("retrieve"):
        matched = {moment.context.key: not retriever.find(moment.context).abstained for moment in moments}
    examples = {context.key for scenario in guidance.scenarios for context in scenario.examples}
    others = matched.keys() - examples
    biggest = max(map(len, notebook.book.moments.values()), default=0)
    return {
        "scenarios": len(guidance.scenarios),
        "largest_scenario": biggest,
        "fit_examples": sum(len(scenario.examples) for scenario in guidance.scenarios),
        "fit_labels": len(retriever.matcher.labels),
        "contexts_asked": len(matched),
        "matched_share": sum(matched.values()) / max(1, len(matched)),
        "matched_share_not_examples": sum(matched[key] for key in others) / max(1, len(others)),
    }


def measure(args: argparse.Namespace, world: World, folder: Path, count: int | None) -> Work:
    work = Work()
    project = Desk.open(folder, world, simulated(args.world, world.roles), {"seed": args.seed}).project
    with project.database(create=True) as db:
        asyncio.run(learn(project, db, read(args.log), count, work))
    work.figures["cpu_ms_a_moment"] = 1e3 * work.cpu_per_moment
    return work


def counted(folder: Path) -> dict[str, tuple[int, int]]:
    """(conversations, turns) of the four public sets, counted from the files without any of our readers."""
    import python_calamine

    found: dict[str, tuple[int, int]] = {}
    star, airline, retail, stc, persuasion = (folder / one for one in SETS)
    rows = [json.loads(line) for line in star.open("rb")]
    turns = sum(turn["speaker"] != "customer_instruction" for row in rows for turn in row["turns"])
    found[str(star)] = len(rows), turns
    rows = json.loads(airline.read_bytes())
    found[str(airline)] = len(rows), sum(one["role"] != "system" for row in rows for one in row["traj"])
    texts = [json.loads(line)["messages_display"].splitlines() for line in retail.open("rb")]
    speakers = ("user: ", "assistant: ", "tool: ")
    found[str(retail)] = len(texts), sum(line.startswith(speakers) for text in texts for line in text)
    rows = json.loads(stc.read_bytes())
    found[str(stc)] = len(rows), sum(len(row["turns"]) for row in rows)
    sheet = python_calamine.CalamineWorkbook.from_path(str(persuasion)).get_sheet_by_index(0).to_python()
    said = [(row[1], row[3], row[2]) for row in sheet[1:] if row[1]]
    found[str(persuasion)] = len({row[0] for row in said}), sum(1 for _ in groupby(said))
    return found


def bring_in(args: argparse.Namespace, world: World, folder: Path) -> tuple[Figures, int]:
    """Import each of the sets, and let the student answer in a few of its conversations; what is missing of either."""
    figures, missing = Figures(), 0
    project = Desk.open(folder, world, simulated(args.world, world.roles), {"seed": args.seed}).project
    with project.database(create=True) as db:
        store = Store(db)
        for path, (conversations, turns) in counted(args.data).items():
            name = Path(path).stem
            redactor, rejects = Redactor(), folder / f"{name}.rejected"
            source = bring(read(Path(path)), store, name, redactor=redactor, rejects=rejects).source
            replayed, waiting = asyncio.run(_replay(project, db, list(islice(store.conversations(name), args.replay))))
            talks = f"{source.conversations:8,} of {conversations:7,} conversations"
            print(f"{name:28}{talks}{source.turns:9,} of {turns:8,} turns; {replayed} of {waiting} answers replayed")
            figures |= {f"{name}_conversations": source.conversations, f"{name}_turns": source.turns}
            missing += abs(conversations - source.conversations) + abs(turns - source.turns) + waiting - replayed
    return figures, missing


async def _replay(project: Project, db: Database, logs: list[Conversation]) -> tuple[int, int]:
    """(contexts the student answered, contexts in which a customer waited)."""
    run = Runs(db).create("bench", {}, 0)
    async with project.team(db, run.id, Stop()) as team:
        crew = _crew(project, db, team)
        moments = await meet(crew, crew.student, [], 1.0, tuple(logs))
    return len(moments), sum(1 for conversation in logs for _ in occasions(conversation))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--log", type=Path, default=DATA / SETS[0], help="OpenAI-messages or STAR JSONL")
    parser.add_argument("--data", type=Path, default=DATA, help="where the four public sets are")
    parser.add_argument("--replay", type=int, default=3, help="conversations of each that the student answers in")
    parser.add_argument("--world", default="broadband", help="a shipped world, or a world file")
    parser.add_argument("--conversations", type=int, help="at most so many of the log, drawn by the seed")
    parser.add_argument("--imports-only", action="store_true", help="only import, count and replay")
    parser.add_argument("--part", type=float, default=0.125, help="share of them that is done first, to compare")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def report(part: Figures, whole: Figures) -> None:
    print(f"{'(simulated models)':32}{'a part':>12}{'all':>12}")
    for key, value in whole.items():
        form = "12,.0f" if float(value).is_integer() else "12,.2f"
        print(f"{key:32}{part[key]:{form}}{value:{form}}")


def main() -> None:
    args = arguments()
    needed(args.log, *(args.data / one for one in SETS))
    world = load_world(args.world)
    count = args.conversations or sum(1 for _ in read(args.log))
    count = max(1, count // 4) if quick() else count
    with tempfile.TemporaryDirectory() as folder:
        imported, missing = bring_in(args, world, Path(folder) / "imported")
        if args.imports_only:
            print(
                json.dumps({"bench": "logs", "ok": not missing, "figures": {"imported": imported, "missing": missing}})
            )
            return
        part = measure(args, world, Path(folder) / "part", max(1, int(count * args.part))).figures
        whole = measure(args, world, Path(folder) / "all", count).figures
    report(part, whole)
    lost = whole["moments_compared"] - sum(whole[f"moments_{key}"] for key in ("joined", "placed", "opening", "left"))
    measured = {
        "conversations, turns and answers missing after import": (missing, 0.0),
        "moments sorted nowhere and not told of": (lost, 0.0),
        "share unscored": (whole["moments_unscored"] / max(1, whole["waiting"]), 0.01),
        "CPU a moment, all against a part": (whole["cpu_ms_a_moment"] / part["cpu_ms_a_moment"], 1.5),
    }
    targets = {
        key: {"target": f"at most {limit:g}", "measured": value, "ok": value <= limit}
        for key, (value, limit) in measured.items()
    }
    for key, told in targets.items():
        print(f"{'ok  ' if told['ok'] else 'MISS'} {key} {told['measured']:.3g} ({told['target']})")
    ok = all(told["ok"] for told in targets.values())
    figures = {"part": part, "all": whole, "imported": imported}
    print(json.dumps({"bench": "logs", "ok": ok, "quick": quick(), "figures": figures, "targets": targets}))


if __name__ == "__main__":
    main()
