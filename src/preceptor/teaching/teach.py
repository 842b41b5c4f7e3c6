"""The loop: converse, find where the student falls short, write strategies, keep what measurably helps, consolidate.

`teach` is a pure function of its models, settings and starting library: the same in gives the same out, whatever the
order in which calls come back. Resuming is therefore running it again over a ledger that answers what was asked before.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

from preceptor.dialogue.conversation import Conversation
from preceptor.dialogue.customers import Customer, Speaker, draw_customers
from preceptor.dialogue.domain import Domain
from preceptor.dialogue.environment import Environment
from preceptor.library.leak import Sentence
from preceptor.library.model import Evidence, Guidance, Placement, Scenario, Strategy, Voice
from preceptor.llm.model import Model
from preceptor.llm.parallel import aside, both, gather
from preceptor.retrieval.embedding import Embedder
from preceptor.student.student import Student
from preceptor.teaching import heldout
from preceptor.teaching.acceptance import Trial, accept
from preceptor.teaching.attempts import pair_up, tell_apart
from preceptor.teaching.consolidation import consolidate
from preceptor.teaching.crew import Crew, Hands
from preceptor.teaching.events import (
    Event,
    Finished,
    HeldOutScore,
    IterationBegan,
    StrategyAccepted,
    StrategyRefused,
)
from preceptor.teaching.harm import find_harm
from preceptor.teaching.moments import Moment, draw_logged, meet
from preceptor.teaching.notebook import SET_ASIDE, Notebook
from preceptor.teaching.orders import reported, without
from preceptor.teaching.outlook import Outlook, look
from preceptor.teaching.placement import Try, first_placement, last_placement
from preceptor.teaching.scenarios import place_moments
from preceptor.teaching.settings import Teaching
from preceptor.teaching.strategies import Draft, write

FIRST_LOOK, LAST_LOOK = 96, 480
"""Contexts each placement is tried on before anything is accepted, and at the end: the standard error of a score is
about 0.07 and 0.03."""
OFTEN = 0.3
"""Share of a scenario's moments in which the student must fall short to write for it: noise alone makes some."""

T = TypeVar("T")


@dataclass(frozen=True)
class Taught:
    """What a run has learned, so far or in the end."""

    guidance: Guidance
    """Scenarios and accepted strategies, as a student would be given them."""
    refused: tuple[tuple[Strategy, str], ...]
    """What was not kept, with the reason."""
    dropped: tuple[Strategy, ...]
    """Accepted once, taken out by consolidation."""
    evidence: dict[str, tuple[Evidence, ...]]
    """By strategy id, the refused ones included."""
    held_out: tuple[HeldOutScore, ...]
    reason: str = ""
    """Why the run stopped; empty while it runs."""
    reach: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """By scenario id (empty: the general ones): in how many of so many turns that belong to any scenario retrieval gave
    its strategies, fitted without the turn's customer. Empty where no retrieval was fitted."""
    voices: Mapping[str, Voice] = field(default_factory=dict)
    """By context key: whose words it holds, of all contexts of scenarios."""

    @property
    def accepted(self) -> tuple[Strategy, ...]:
        return self.guidance.strategies

    @property
    def scenarios(self) -> tuple[Scenario, ...]:
        return self.guidance.scenarios


async def teach(
    domain: Domain,
    *,
    teacher: Model,
    student: Model | Student,
    customer: Model | Speaker,
    judge: Model,
    settings: Teaching | None = None,
    start: Guidance | None = None,
    logs: Iterable[Conversation] = (),
    embedder: Embedder | None = None,
    environment: Environment | None = None,
    hands: Hands | None = None,
    tell: Callable[[Event], None] = lambda event: None,
    keep: Callable[[Taught], None] = lambda taught: None,
) -> Taught:
    """Teach a student.

    Args:
        start: a library to go on from.
        logs: conversations as a further source of contexts; what their agent did is shown to the teacher. They may be
            more than memory holds if `settings.logged_conversations` bounds how many are used.
        environment: stands behind the domain's tools; without one the agent is told that they are not connected.
        hands: who does errands (`teaching.errands`); without them all is done here.
        tell: hears every event, in order.
        keep: called with what is known after each iteration, for saving.

    Raises:
        Stopped, BudgetExhausted: told to stop; what was kept is kept, and the same call over the same ledger goes on.
        ProviderError: a model stayed unreachable.
    """
    settings = settings or Teaching()
    crew = Crew.gather(
        domain,
        teacher=teacher,
        student=student,
        customer=customer,
        judge=judge,
        settings=settings,
        embedder=embedder,
        tell=tell,
        environment=environment,
        hands=hands,
    )
    notebook = Notebook.opened(start or Guidance(domain.name, false_injections=settings.false_injections))
    drawn = draw_logged(logs, settings.logged_conversations, settings.seed)
    return await Lessons(crew, notebook, drawn, keep).run()


@dataclass
class Lessons:
    """A run in progress."""

    crew: Crew
    notebook: Notebook
    logs: tuple[Conversation, ...]
    keep: Callable[[Taught], None]
    held_out: list[HeldOutScore] = field(default_factory=list)
    due: Callable[[], Awaitable[HeldOutScore | None]] | None = None
    """A held-out score that nothing waits for yet: it is measured beside what comes next."""
    outlook: tuple[object, Outlook] | None = None
    """With what it is an outlook on."""

    async def run(self) -> Taught:
        settings = self.crew.settings
        self._plan_score(0, self.crew.student)
        reason = "the planned iterations are done"
        for iteration in range(1, settings.iterations + 1):
            learned = await self._iterate(iteration)
            if len(self.held_out) > settings.patience and iteration < settings.iterations:
                await self._beside(_nothing)  # the score decides whether to go on
            self.keep(self._taught())
            if not learned and iteration > 1:
                reason = "nothing new was learned"
                break
            if self._flat():
                reason = "the held-out score no longer rises"
                break
        return await self._close(reason)

    async def _iterate(self, iteration: int) -> bool:
        """One round; True if a scenario or a strategy came of it."""
        crew, settings = self.crew, self.crew.settings
        share = settings.teacher_share * settings.teacher_share_decay ** (iteration - 1)
        crew.tell(IterationBegan(iteration, settings.iterations, share))
        before = len(self.notebook.scenarios), len(self.notebook.accepted)
        student = await self._student()
        customers = draw_customers(crew.domain, settings.customers, crew.seed("customers", iteration))
        logs = self.logs if iteration == 1 else ()
        met = await self._beside(partial(self._meet, student, customers, share, logs))
        moments = await self._heard(student, met)
        placed = await place_moments(crew, self.notebook.book, sorted(moments, key=_urgency))
        self.notebook.foreign = 1 - placed.at_home / max(1, len(moments))
        await self._work({moment.context.key for moment in moments}, last_chance=False)
        self._plan_score(iteration, await self._student())
        return (len(self.notebook.scenarios), len(self.notebook.accepted)) != before

    async def _meet(
        self, student: Student, customers: Sequence[Customer], share: float, logs: Sequence[Conversation]
    ) -> list[Moment]:
        pairs = pair_up(logs, self.crew.settings.contrasts)
        moments, contrasts = await both(
            partial(meet, self.crew, student, customers, share, logs), partial(tell_apart, self.crew, pairs)
        )
        return [replace(moment, contrast=contrasts.get(moment.context.key)) for moment in moments]

    async def _heard(self, student: Student, moments: Sequence[Moment]) -> list[Moment]:
        """The moments to go on with: known orders are cut."""
        self.notebook.orders.hear(moment.context for moment in moments)
        revised = await self._without_orders(student, moments)
        return [*filter(None, (revised.get(moment.context.key, moment) for moment in moments))]

    async def _without_orders(self, student: Student, moments: Iterable[Moment]) -> dict[str, Moment | None]:
        """By the key of their contexts, those moments in which an order is given, as they are without it."""
        found = {moment.context.key: moment for moment in moments if self.notebook.orders.stand_in(moment.context)}
        self.notebook.ordered |= {key: moment.voice for key, moment in found.items()}
        return await without(self.crew, student, self.notebook.orders, found)

    async def _close(self, reason: str) -> Taught:
        """Decide what is still open on the contexts there are, consolidate, and report."""
        await self._beside(partial(self._work, set(), last_chance=True))
        if self.crew.settings.consolidate and self.crew.settings.gate:
            before = set(self.notebook.accepted)
            await consolidate(self.crew, self.notebook)
            await self._undo_harm([one for one in self.notebook.accepted.values() if one.id not in before])
        if self.notebook.accepted:
            tries = self._tries(self.notebook.in_force, LAST_LOOK)
            await self._place(partial(last_placement, self.crew, tries, self.notebook.placement))
        taught = self._taught(reason)
        self.keep(taught)
        guidance = taught.guidance
        counts = len(guidance.scenarios), len(guidance.strategies), len(taught.refused)
        self.crew.tell(Finished(reason, guidance.hash, *counts))
        return taught

    async def _work(self, fresh: set[str], *, last_chance: bool) -> None:
        """Write strategies where there is something new, and put everything open through the gate.

        A scenario is tested as soon as its own strategies are written, unless the placement to test in is to be chosen
        with all of them. What the scenarios look like to retrieval is found out meanwhile.
        """
        sources = self._sources(fresh)
        writing = self._writing(sources)
        if not self.crew.settings.gate or (self.crew.settings.choose_placement and not self.notebook.accepted):
            await self._take_all_at_once(sources, await gather(writing.values()))
            writing = {}
        if not self.crew.settings.gate:
            self._accept_unmeasured()
            return
        await self._first_placement()
        open_ = [id_ for id_ in self.notebook.book.scenarios if id_ in writing or self._candidates(id_)]
        jobs = [partial(self._write_and_test, id_, writing.get(id_), last_chance) for id_ in open_]
        lessons, _ = await both(partial(self.crew.all, "acceptance", jobs), self._look if jobs else _nothing)
        await self._take_all([draft for draft, _ in lessons])
        accepted = [self._settle(trial) for _, trials in lessons for trial in trials]
        await self._undo_harm([strategy for strategy in accepted if strategy])

    def _sources(self, fresh: set[str]) -> dict[str, list[Moment]]:
        """By scenario, the moments to write its strategies from."""
        settings, notebook = self.crew.settings, self.notebook
        chosen = {}
        for id_ in notebook.book.scenarios:
            moments = self._short(id_, fresh)
            full = len(notebook.guidance().of(id_)) >= settings.strategies_per_scenario
            if full or self._candidates(id_):
                continue
            if sources := notebook.choose_sources(id_, moments, settings.sources, settings.min_contexts):
                chosen[id_] = sources
        return chosen

    def _writing(self, sources: Mapping[str, Sequence[Moment]]) -> dict[str, Callable[[], Awaitable[Draft]]]:
        """By scenario, what writes its strategies."""
        scenarios, notebook = self.notebook.book.scenarios, self.notebook
        jobs = [
            partial(self.crew.send, write, scenarios[id_], notebook.in_force(id_), moments)
            for id_, moments in sources.items()
        ]
        return dict(zip(sources, self.crew.counted("strategies", jobs), strict=True))

    def _short(self, scenario: str, fresh: set[str]) -> list[Moment]:
        """Moments to write from: where the student fell short, if it does so often enough to be worth the effort.

        Of this iteration, or of all if nothing was written for the scenario yet.
        """
        untouched = not self.notebook.source_customers.get(scenario)
        moments = [m for m in self.notebook.book.moments[scenario] if untouched or m.context.key in fresh]
        short = [moment for moment in moments if moment.falls_short]
        return short if len(short) >= OFTEN * len(moments) else []

    async def _take_all_at_once(self, sources: Mapping[str, Sequence[Moment]], written: Sequence[Draft]) -> None:
        """Take down what was written for all scenarios before anything is tested; what was written where the teacher
        was given orders only once it is written again without them."""
        drafts = dict(zip(sources, written, strict=True))
        misled: list[Draft] = []
        found = self._found_out(written)
        while found:
            cut = await self._cut(found)
            told = [id_ for id_, moments in sources.items() if any(moment.context.key in cut for moment in moments)]
            misled += [drafts.pop(id_) for id_ in told if id_ in drafts]
            sources = {id_: _revised(moments, cut) for id_, moments in sources.items()}
            writing = self._writing({id_: sources[id_] for id_ in told if sources[id_]})
            again = await gather(writing.values())
            drafts |= dict(zip(writing, again, strict=True))
            found = self._found_out(again)
        for draft in drafts.values():
            self._take(draft)
        for draft in misled:
            self._set_aside(draft)

    async def _take_all(self, drafts: Iterable[Draft | None]) -> None:
        """Take down what was written and tested; where the teacher took orders, go on without these."""
        written = [*filter(None, drafts)]
        found = self._found_out(written)
        for draft in written:
            self._take(draft)
        if found:
            await self._cut(found)

    def _found_out(self, drafts: Sequence[Draft]) -> list[Sentence]:
        """Orders not known before that the teacher took."""
        orders = self.notebook.orders
        known = len(orders.given)
        for strategy, _ in (refused for draft in drafts for refused in draft.refused):
            orders.repeated(strategy.text)
        return list(orders.given)[known:]

    async def _cut(self, found: Sequence[Sentence]) -> dict[str, Moment | None]:
        """Read what was met so far without new orders; what became of the moments concerned, by their context's key."""
        book = self.notebook.book
        moments = [moment for some in book.moments.values() for moment in some]
        revised = await self._without_orders(await self._student(), moments)
        for id_ in book.scenarios:
            book.revise(id_, revised)
        self.crew.tell(reported(found, [moment for moment in moments if moment.context.key in revised]))
        return revised

    def _take(self, draft: Draft) -> None:
        for strategy in draft.strategies:
            if not self.notebook.known(strategy.id):
                self.notebook.wait(strategy)
        for strategy, reason in draft.refused:
            self._refuse(strategy, reason)
        for id_, evidence in draft.evidence.items():
            self.notebook.note(id_, evidence)

    def _set_aside(self, draft: Draft) -> None:
        """Keep what was written under orders, as refused, unless it was written without them too."""
        for strategy, reason in (*((one, SET_ASIDE) for one in draft.strategies), *draft.refused):
            if not self.notebook.known(strategy.id):
                self._refuse(strategy, reason)
                self.notebook.note(strategy.id, draft.evidence.get(strategy.id, ()))

    def _refuse(self, strategy: Strategy, reason: str) -> None:
        self.notebook.refuse(strategy, reason)
        self.crew.tell(StrategyRefused(strategy, reason))

    def _accept_unmeasured(self) -> None:
        for strategy in self.notebook.waiting.values():
            accepted = replace(strategy, measured="accepted")
            self.notebook.accepted[strategy.id] = accepted
            self.crew.tell(StrategyAccepted(accepted, None))
        self.notebook.waiting.clear()

    async def _first_placement(self) -> None:
        """As soon as there are candidates to try placements with."""
        if self.notebook.waiting and not self.notebook.accepted:
            await self._place(partial(first_placement, self.crew, self._tries(self._candidates, FIRST_LOOK)))

    async def _place(self, choose: Callable[[], Awaitable[Placement]]) -> None:
        if not self.crew.settings.choose_placement:
            return
        self.notebook.placement = await choose()
        student = replace(self.crew.student, placement=self.notebook.placement)
        self.crew = replace(self.crew, student=student)

    def _tries(self, told: Callable[[str], tuple[Strategy, ...]], count: int) -> list[Try]:
        """Held-back contexts with what the student would be told in them, of each scenario in turn."""
        pools = {id_: self.notebook.held_back(id_) for id_ in self.notebook.book.scenarios if told(id_)}
        depth = max((len(pool) for pool in pools.values()), default=0)
        tries = [(pool[n], told(id_)) for n in range(depth) for id_, pool in pools.items() if n < len(pool)]
        return tries[:count]

    def _candidates(self, scenario: str) -> tuple[Strategy, ...]:
        return tuple(strategy for strategy in self.notebook.waiting.values() if strategy.scenario == scenario)

    async def _write_and_test(
        self, scenario: str, writing: Callable[[], Awaitable[Draft]] | None, last_chance: bool
    ) -> tuple[Draft | None, list[Trial]]:
        """Nothing is noted here: that is done in the order of the scenarios, when all are through."""
        draft = await writing() if writing else None
        new = [strategy for strategy in draft.strategies if not self.notebook.known(strategy.id)] if draft else []
        room = self.crew.settings.strategies_per_scenario - len(self.notebook.guidance().of(scenario))
        candidates = (*self._candidates(scenario), *new)[: max(room, 0)]
        contexts = self.notebook.held_back(scenario)
        base = self.notebook.in_force(scenario)
        return draft, await self.crew.send(accept, base, candidates, contexts, last_chance=last_chance)

    def _settle(self, trial: Trial) -> Strategy | None:
        notebook, strategy = self.notebook, trial.strategy
        if trial.verdict == "waiting":
            return None
        notebook.note(strategy.id, trial.evidence)
        notebook.waiting.pop(strategy.id, None)
        if trial.verdict == "refused":
            notebook.refuse(strategy, trial.reason)
            self.crew.tell(StrategyRefused(strategy, trial.reason, trial.effect))
            return None
        notebook.accepted[strategy.id] = strategy
        self.crew.tell(StrategyAccepted(strategy, trial.effect))
        return strategy

    async def _undo_harm(self, accepted: Sequence[Strategy]) -> None:
        if not accepted:
            return
        fresh = {strategy.id for strategy in accepted}
        harm = await find_harm(self.crew, self.notebook.guidance(), await self._look(), fresh)
        for strategy in accepted:
            found = harm.get(strategy.scenario or "")
            if found is None:
                continue
            self.notebook.note(strategy.id, found.losses)
            if found.harms:
                reason = "It makes the student worse in contexts of other scenarios."
                self.notebook.refuse(strategy, reason)
                self.notebook.note(strategy.id, [Evidence("no_harm", "", reason=reason, effect=found.effect)])
                self.crew.tell(StrategyRefused(strategy, reason, found.effect))

    async def _look(self) -> Outlook:
        """The outlook on the scenarios as they stand; fitted anew, in a thread, only when they have changed."""
        guidance, moments = self.notebook.guidance(), self.notebook.book.moments
        on = (guidance.scenarios, guidance.foreign, [len(found) for found in moments.values()])
        if self.outlook is None or self.outlook[0] != on:
            self.outlook = (on, await aside(partial(look, guidance, moments, self.crew.embedder)))
        return self.outlook[1]

    async def _student(self) -> Student:
        """The student as taught so far."""
        guidance = self.notebook.guidance()
        if not guidance.strategies:
            return self.crew.student
        finder = (await self._look()).retriever(guidance, self.crew.settings.slot_limit)
        return replace(self.crew.student, finder=finder, placement=guidance.placement)

    def _plan_score(self, iteration: int, student: Student) -> None:
        crew = self.crew
        customers = draw_customers(crew.domain, crew.settings.held_out, crew.seed("held-out"))
        self.due = partial(heldout.score, crew, student, customers, iteration)

    async def _beside(self, job: Callable[[], Awaitable[T]]) -> T:
        """Do a job, and beside it measure the held-out score that is due."""
        due, self.due = self.due or _nothing, None
        result, found = await both(job, due)
        if found:
            self.held_out.append(found)
            self.crew.tell(found)
        return result

    def _flat(self) -> bool:
        """Has the score not risen for `patience` iterations?"""
        patience = self.crew.settings.patience
        scores = [score.mean for score in self.held_out]
        if len(scores) <= patience + 1:
            return False
        return max(scores[-patience:]) < max(scores[:-patience]) + self.crew.settings.min_rise

    def _taught(self, reason: str = "") -> Taught:
        notebook = self.notebook
        waiting = tuple((strategy, "Not decided on the contexts at hand.") for strategy in notebook.waiting.values())
        return Taught(
            notebook.guidance(),
            (*notebook.refused.values(), *waiting),
            tuple(notebook.dropped.values()),
            {id_: tuple(entries) for id_, entries in notebook.evidence.items()},
            tuple(self.held_out),
            reason,
            self._reach(),
            notebook.voices(),
        )

    def _reach(self) -> dict[str, tuple[int, int]]:
        """As the last outlook has it: fitting another, to know this alone, would take seconds."""
        guidance = self.notebook.guidance()
        if self.outlook is None or not guidance.strategies:
            return {}
        return self.outlook[1].reach(guidance, self.crew.settings.slot_limit)


async def _nothing() -> None:
    return None


def _urgency(moment: Moment) -> int:
    """First divergences first, then the other moments in which the student fell short."""
    return 0 if moment.first else 1 if moment.falls_short else 2


def _revised(moments: Iterable[Moment], revised: Mapping[str, Moment | None]) -> list[Moment]:
    """Of moments to write from, those that still show the student falling short."""
    found = [revised.get(moment.context.key, moment) for moment in moments]
    return [moment for moment in found if moment and moment.falls_short]
