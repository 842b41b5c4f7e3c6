"""Checks of a project's judge: begun, recorded, resumed.

A run keeps which file it reads and how much of it; the file itself stays where it is, and a run whose file has changed
is not gone on with. The judge and the budget come from the settings as they are now.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from preceptor.dialogue.domain import Domain
from preceptor.dialogue.outlay import Role, Share, share, system_tokens
from preceptor.errors import Conflict
from preceptor.evaluation.events import Event, Progress
from preceptor.evaluation.judges import Held, Places, hold, places
from preceptor.evaluation.statistics import Interval
from preceptor.evaluation.trial import Replies, draw, draw_pairs, question
from preceptor.judging.judge import COMPARE_REPLIES, RATE_CONVERSATION, Judge
from preceptor.judging.ratings import Rated
from preceptor.llm.parallel import aside
from preceptor.logs.rated import Ratings, read
from preceptor.settings.journal import Journal, carry_out
from preceptor.settings.project import Project
from preceptor.settings.team import Team
from preceptor.storage.database import Database
from preceptor.storage.runs import Run, Runs

KIND = "judge-check"
NEUTRAL = {"goal": "Help the customer with what they came for.", "policy": ""}
"""What a judge is told where conversations are not of the project's trade."""
VERDICT_TOKENS = 40


@dataclass(frozen=True)
class Sample:
    """What of a file the judge is asked about."""

    conversations: int
    """At most; drawn by the seed."""
    pairs: int
    """Of replies, at most, each asked about in both orders; from different conversations."""
    seed: int = 0


@dataclass(frozen=True)
class Check:
    """What a check found."""

    held: tuple[Held, ...]
    """By question of the file."""
    places: Places


@dataclass(frozen=True)
class Material:
    """What the judge is asked about."""

    ratings: Ratings
    sample: Sample

    @cached_property
    def rated(self) -> tuple[Rated, ...]:
        return draw(self.ratings.rated, self.sample.conversations, self.sample.seed)

    @cached_property
    def pairs(self) -> tuple[Replies, ...]:
        return draw_pairs(self.rated, self.sample.pairs, self.sample.seed)


@dataclass(frozen=True)
class JudgeRun:
    """A run in a project's database, new or taken up again."""

    project: Project
    db: Database
    run: Run
    domain: Domain
    material: Material

    @classmethod
    def begin(cls, project: Project, db: Database, file: Path, material: Material) -> "JudgeRun":
        """Raises: NotFound, SettingsError: the domain cannot be read."""
        ratings = material.ratings
        kept = {
            "settings": project.resolved(),
            "file": {"name": ratings.name, "path": str(file.absolute()), "hash": ratings.hash},
            "sample": asdict(material.sample),
            "version": version("preceptor"),
            "prompts": {task.name: task.prompt.hash for task in (RATE_CONVERSATION, COMPARE_REPLIES)},
        }
        run = Runs(db).create(KIND, kept, material.sample.seed)
        return cls(project, db, run, briefing(project, ratings), material)

    @classmethod
    def resume(cls, project: Project, db: Database, prefix: str) -> "JudgeRun":
        """A run that was begun before, by its id or the beginning of it.

        Raises:
            NotFound, Conflict: no such run, one that is done, or its file has changed.
            SettingsError: its file cannot be read.
        """
        run = Runs(db).again(prefix)
        if run.kind != KIND:
            raise Conflict(f"Run {run.id!r} is of kind {run.kind!r}, no check of a judge.")
        if run.status == "done":
            raise Conflict(f"Run {run.id!r} is done. `preceptor judge check` with its file begins another.")
        kept = run.settings["file"]
        ratings = read(Path(kept["path"]))
        if ratings.hash != kept["hash"]:
            raise Conflict(f"{kept['path']} has changed since run {run.id!r} was begun. Begin a new one.")
        material = Material(ratings, Sample(**run.settings["sample"]))
        return cls(project, db, run, briefing(project, ratings), material)

    async def check(self, team: Team, tell: Callable[[Event], None]) -> Check:
        """Do the run, or what is left of it: calls the ledger knows are not made again.

        Raises:
            Conflict: another process is at it.
            Stopped: told to stop, or the budget is used up; resume it.
            ProviderError, UserError: the model or the database cannot be used; resume it when it can.
        """

        def journal(runs: Runs) -> Journal[Event]:
            return Journal(runs, self.run.id, tell, (Progress,))

        return await carry_out(self.db, self.run.id, team, journal, partial(self._check, team), self._result)

    async def _check(self, team: Team, journal: Journal[Event]) -> Check:
        material, seed = self.material, self.material.sample.seed
        judge = Judge(team.models["judge"], self.domain)
        name = self.project.settings.models.judge.model
        said = await question(name, judge, material.rated, material.pairs, seed=seed, tell=journal.hear)
        held, questions = list[Held](), material.ratings.questions
        for done, one in enumerate(questions):
            journal.hear(Progress("figures", done, len(questions)))
            held.append(await aside(partial(hold, one, material.rated, said, seed)))
        journal.hear(Progress("figures", len(questions), len(questions)))
        return Check(tuple(one for one in held if one.conversations), places(said))

    def _result(self, check: Check) -> dict[str, Any]:
        return {"figures": list(_figures(check, self.material.ratings.name)), "check": asdict(check)}


def briefing(project: Project, ratings: Ratings) -> Domain:
    """The goal and policy conversations are judged by."""
    domain = project.equipped()
    return domain.model_copy(update=NEUTRAL) if ratings.foreign else domain


def outlay(project: Project, material: Material) -> dict[Role, Share]:
    """What a check will take; of tokens an estimate."""
    calls = len(material.rated) + 2 * len(material.pairs)
    said = [len(one.conversation.transcript()) for one in material.rated]
    said += [2 * sum(len(turn.text) for turn in two.context.turns) for two in material.pairs]
    own = system_tokens(briefing(project, material.ratings)) + 150
    return {"judge": share(calls, own + sum(said) // 4 // max(1, calls), VERDICT_TOKENS)}


def checks(db: Database) -> tuple[Run, ...]:
    """All checks of judges, newest first."""
    return tuple(run for run in Runs(db).list() if run.kind == KIND)


def _figures(check: Check, file: str) -> Iterator[dict[str, Any]]:
    """What reports name."""
    for held in check.held:
        row, asked = held.rows[0], f"{held.question.title} ({file}, {held.conversations:,} conversations)"
        words = next(one for one in held.rows[1:] if one.against_words is None)
        found = (
            (f"Spearman with people's mean, {asked}", row.spearman),
            ("one person with the mean of the others", held.person),
            ("counting words instead", words.spearman),
            ("exactly what a person says", row.agreement and row.agreement.exact),
            ("leaning to agents that say more", row.length),
        )
        yield from ({"label": label, **_parts(figure)} for label, figure in found if figure)
    if check.places.changed:
        yield {"label": "verdicts that change with the order of replies", **_parts(check.places.changed)}


def _parts(found: Interval) -> dict[str, Any]:
    ends = {"value": found.value, "low": found.low, "high": found.high}
    return {name: end if math.isfinite(end) else None for name, end in ends.items()} | {"n": found.n}
