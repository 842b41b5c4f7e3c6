"""Evaluation runs of a project: begun, recorded, resumed, reported.

A run keeps what decides its outcome: domain, evaluation settings, arms and what they are made of. Models and budget
come from the settings as they are now, as for teaching. What was measured is in its records, one for each arm and
customer; a report needs nothing else.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from typing import Any, get_args

import pydantic

from preceptor.dialogue.agent import Agent
from preceptor.dialogue.agents import ModelAgent
from preceptor.dialogue.crowd import Customers
from preceptor.dialogue.customers import CUSTOMER_TURN, Customer, Voice, draw_customers
from preceptor.dialogue.domain import Domain
from preceptor.dialogue.outlay import Role, Share
from preceptor.dialogue.rollout import Rollout
from preceptor.errors import Conflict, SettingsError, UserError
from preceptor.evaluation import keeping
from preceptor.evaluation.attribution import Attribution, attribute
from preceptor.evaluation.estimate import estimate, omissions, together
from preceptor.evaluation.evaluate import evaluate
from preceptor.evaluation.events import Event, Measured, Note, Progress
from preceptor.evaluation.measures import SATISFACTION
from preceptor.evaluation.omissions import CONTEXTS, REPEATS
from preceptor.evaluation.report import Report
from preceptor.judging.judge import COMPARE_REPLIES, RATE_CONVERSATION, Judge
from preceptor.settings.arms import Cast, Stock, build, effort
from preceptor.settings.journal import Journal, Recorded, carry_out
from preceptor.settings.models import world
from preceptor.settings.project import Project
from preceptor.settings.schema import KINDS_OF_ARMS, EvaluationSection, FixedArm, LibraryArm, Simulated
from preceptor.settings.team import Team
from preceptor.settings.tools import mishaps
from preceptor.storage.canonical import content_hash
from preceptor.storage.database import Database
from preceptor.storage.records import Records
from preceptor.storage.runs import Run, Runs
from preceptor.student.student import Student

KIND = "evaluate"
NULL = "null"
"""The arm that is added where there are tools."""
UNSEEN = "unseen"
"""The role of a world that plays customers with wordings kept back from teaching."""
RECORDED: Recorded[Event] = Recorded(*get_args(Event))
_STOCK = pydantic.TypeAdapter(Stock)


@dataclass(frozen=True)
class EvaluationRun:
    """A run in a project's database, new or taken up again."""

    project: Project
    db: Database
    run: Run
    domain: Domain
    settings: EvaluationSection
    stock: Stock

    @classmethod
    def begin(cls, project: Project, db: Database, stock: Stock | None = None) -> "EvaluationRun":
        """A new run from the project's settings, its domain, and what its library holds now.

        `stock`: what the arms are made of, if not of that library.

        Raises:
            NotFound, SettingsError, UserError: something an arm is made of is not there.
        """
        project = with_null(project)
        settings, domain = project.settings.evaluation, project.equipped()
        if settings.attribution:
            attributed_arm(settings)
        stock = stock or Stock.take(settings.arms, project.library(db), project.folder)
        kept = {
            "settings": project.resolved(),
            "domain": domain.model_dump(mode="json"),
            "arms": list(settings.arms),  # their order, which JSON with its keys sorted has not
            "stock": _STOCK.dump_python(stock, mode="json"),
            "version": version("preceptor"),
            "prompts": {task.name: task.prompt.hash for task in (CUSTOMER_TURN, RATE_CONVERSATION, COMPARE_REPLIES)},
        }
        return cls(project, db, Runs(db).create(KIND, kept, settings.seed), domain, settings, stock)

    @classmethod
    def resume(cls, project: Project, db: Database, prefix: str) -> "EvaluationRun":
        """A run that was begun before, by its id or the beginning of it.

        Raises:
            NotFound, Conflict: no such run, or one that is done.
        """
        run = Runs(db).again(find(db, prefix).id)
        if run.status == "done":
            raise Conflict(f"Run {run.id!r} is done. `preceptor report {run.id}` shows what it found.")
        return cls.reopen(project, db, run)

    @classmethod
    def reopen(cls, project: Project, db: Database, run: Run) -> "EvaluationRun":
        """A run as it was begun, done or not."""
        domain = Domain.model_validate(run.settings["domain"])
        section = run.settings["settings"]["evaluation"]
        arms = {name: section["arms"][name] for name in run.settings["arms"]}
        settings = EvaluationSection.model_validate({**section, "arms": arms})
        return cls(project, db, run, domain, settings, _STOCK.validate_python(run.settings["stock"]))

    @property
    def cast(self) -> Project:
        """The project with the customers this run is to meet."""
        return with_customers(self.project, self.settings)

    async def evaluate(self, team: Team, tell: Callable[[Event], None]) -> Report:
        """Do the run, or what is left of it: calls the ledger knows are not made again.

        Raises:
            Conflict: another process is at it.
            Stopped: told to stop, or the budget is used up; resume it.
            ProviderError, UserError: a model, a file or the database cannot be used; resume it when it can.
        """

        def journal(runs: Runs) -> Journal[Event]:
            return Journal(runs, self.run.id, tell, (Progress, Measured))

        return await carry_out(self.db, self.run.id, team, journal, partial(self._evaluate, team), _result)

    async def _evaluate(self, team: Team, journal: Journal[Event]) -> Report:
        settings, domain, models = self.settings, self.domain, team.models
        who = drawn(domain, settings)
        keeper = keeping.Keeper(Records(self.db), self.run.id, list(settings.arms), who)
        arms, judge = self.arms(team), Judge(models["judge"], domain)
        async with self.project.environment(domain, self.db, self.run.id) as environment:
            report = await evaluate(
                arms,
                Customers(who, Rollout(Voice(models["customer"], domain), settings.max_turns, environment)),
                judge,
                repeats=settings.repeats,
                trials=settings.trials,
                duels=settings.duels,
                rules=domain.rules,
                escalation=domain.escalation,
                stop_early=settings.stop_early,
                tell=journal.hear,
                keep=keeper.keep,
            )
        if said := mishaps(environment):
            journal.hear(Note(said))
        if settings.attribution:
            keeper.attributed(await self._attribute(arms, report, judge, journal))
        keeper.written()
        return report

    async def _attribute(
        self, arms: Sequence[Agent], report: Report, judge: Judge, journal: Journal[Event]
    ) -> Attribution:
        name, contexts = attributed_arm(self.settings), self.settings.attribution
        student = next(arm for arm in arms if arm.name == name)
        assert isinstance(student, Student)
        return await attribute(student, report, judge, contexts=contexts, seed=self.settings.seed, tell=journal.hear)

    def arms(self, team: Team) -> list[Agent]:
        """Who serves.

        Raises:
            UserError, ProviderError: an arm cannot be made of what there is.
        """
        student = Student(team.models["student"], self.domain)
        teacher = ModelAgent(team.models["teacher"], self.domain, name="teacher")
        embedder, limit = self.project.embedder(self.db), self.project.settings.teaching.slot_limit
        cast = Cast(student, teacher, embedder, self.settings.slot_tokens, limit)
        return build(self.settings.arms, self.stock, cast)


def drawn(domain: Domain, settings: EvaluationSection) -> tuple[Customer, ...]:
    """The customers of an evaluation. Their draw is apart from those of teaching, whatever both seeds are."""
    return draw_customers(domain, settings.customers, int(content_hash([KIND, settings.seed])[:7], 16))


def with_customers(project: Project, settings: EvaluationSection) -> Project:
    """The project with simulated customers' unseen wordings, where they are asked for and there."""
    played = project.settings.models.customer
    if not settings.unseen or not isinstance(played, Simulated):
        return project
    roles = world(played.world, project.folder).roles
    if UNSEEN not in roles:
        return project
    models = project.settings.models.model_copy(update={"customer": played.model_copy(update={"model": roles[UNSEEN]})})
    return replace(project, settings=project.settings.model_copy(update={"models": models}))


def with_arms(project: Project, names: Sequence[str]) -> Project:
    """The project with these arms only, in this order: those of the settings by name, or a kind by its name.

    Raises:
        SettingsError: there is no such arm, or it needs more said about it.
    """
    known = project.settings.evaluation.arms
    chosen: dict[str, Any] = {}
    for name in names:
        if name not in known and name not in KINDS_OF_ARMS:
            raise SettingsError(
                f"There is no arm {name!r}. The settings have: {', '.join(known)}. Kinds: {', '.join(KINDS_OF_ARMS)}."
            )
        chosen[name] = known[name].model_dump() if name in known else {"kind": name}
    try:
        arms = EvaluationSection.model_validate({"arms": chosen}).arms
    except pydantic.ValidationError as fault:
        where = ".".join(map(str, fault.errors()[0]["loc"]))
        raise SettingsError(f"{where}: {fault.errors()[0]['msg']}. Say it in [evaluation.arms].") from None
    section = project.settings.evaluation.model_copy(update={"arms": arms})
    return replace(project, settings=project.settings.model_copy(update={"evaluation": section}))


def with_tools(project: Project) -> bool:
    """Whether agents can act."""
    return bool(project.domain().tools) or project.settings.tools.kind not in (None, "none")


def with_null(project: Project) -> Project:
    """The project with an arm that does nothing beside the others, where there are tools: whoever came for nothing that
    had to be done passes with it, and every other figure wants to be read against that."""
    section = project.settings.evaluation
    nothing = any(isinstance(arm, FixedArm) for arm in section.arms.values())
    if nothing or NULL in section.arms or not with_tools(project):
        return project
    section = section.model_copy(update={"arms": {**section.arms, NULL: FixedArm(kind="fixed")}})
    return replace(project, settings=project.settings.model_copy(update={"evaluation": section}))


def attributed_arm(settings: EvaluationSection) -> str:
    """The arm whose strategies are left out: the first with a library of which what fits is chosen.

    Raises:
        SettingsError: there is none.
    """
    for name, arm in settings.arms.items():
        if isinstance(arm, LibraryArm):
            return name
    raise SettingsError(
        f"Attribution leaves out strategies, and none of the arms chooses any: {', '.join(settings.arms)}. Add one of "
        "kind 'library', or set evaluation.attribution to 0."
    )


def with_attribution(project: Project) -> Project:
    """The project with its strategies left out, in as many contexts as usual if the settings do not say."""
    section = project.settings.evaluation
    section = section.model_copy(update={"attribution": section.attribution or CONTEXTS})
    return replace(project, settings=project.settings.model_copy(update={"evaluation": section}))


def outlay(project: Project, db: Database | None = None) -> dict[Role, Share]:
    """What the evaluation of the settings will take, by role; an estimate.

    `db`: with it, the strategies that would be left out are counted as well.

    Raises:
        NotFound, SettingsError, UserError: what would be left out is not there.
    """
    section, domain = project.settings.evaluation, project.domain()
    efforts = [effort(arm, section.slot_tokens) for arm in section.arms.values()]
    trials = section.trials if with_tools(project) else 1
    arms = estimate(domain, efforts, section.customers, repeats=section.repeats, trials=trials, duels=section.duels)
    if db is None or not section.attribution:
        return arms
    name = attributed_arm(section)
    taught = Stock.take({name: section.arms[name]}, project.library(db), project.folder).libraries[name]
    left_out = omissions(
        domain,
        section.customers,
        len(taught.strategies) + len(taught.scenarios),
        section.attribution,
        slot_tokens=section.arms[name].tokens or section.slot_tokens,
        repeats=REPEATS,
    )
    return together(arms, left_out)


def find(db: Database, prefix: str) -> Run:
    """An evaluation run by its id or the beginning of it.

    Raises:
        NotFound, Conflict: there is none, or it is no evaluation.
    """
    run = Runs(db).get(prefix)
    if run.kind != KIND:
        raise Conflict(f"Run {run.id!r} is of kind {run.kind!r}, not an evaluation.")
    return run


def reported(db: Database, run: Run) -> Report:
    """What a run found, or has found so far.

    Raises:
        UserError: no customer was served by all arms yet.
        Conflict: another version of preceptor wrote it.
    """
    return keeping.report(Records(db), run.id, watched=bool(run.settings["settings"]["evaluation"]["stop_early"]))


def attributed(db: Database, run: Run) -> Attribution | None:
    """What the strategies of a run's library arm do; None where that was not measured.

    Raises:
        Conflict: another version of preceptor wrote it.
    """
    return keeping.attribution(Records(db), run.id)


def spread(db: Database) -> float | None:
    """How paired differences in satisfaction vary, as the newest evaluation of at least 20 customers and two arms has
    it; None where there is none."""
    for run in Runs(db).list():
        if run.kind != KIND or run.status != "done":
            continue
        try:
            report = reported(db, run)
        except (UserError, Conflict, KeyError):
            continue
        if len(report.arms) > 1 and (found := report.spread(report.names[1], SATISFACTION)) is not None:
            return found
    return None


def _result(report: Report) -> dict[str, Any]:
    return {
        "customers": report.customers,
        "arms": list(report.names),
        "verdicts": [str(verdict) for verdict in report.verdicts()],
        "unscored": {arm.name: arm.unscored for arm in report.arms},
    }
