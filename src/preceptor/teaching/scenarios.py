"""Sorting contexts into scenarios.

Near-duplicates of a known example join its scenario unasked. For the rest the teacher is shown the likeliest known
scenarios and says which one it is, or describes a new one. New ones found side by side are held against each other, so
that the same kind of context met twice in one iteration is still one scenario, whatever the order of the replies.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from preceptor.dialogue.conversation import Context
from preceptor.errors import BadReply, Rejected
from preceptor.library.model import Scenario
from preceptor.llm.messages import Sampling
from preceptor.retrieval.results import pairs, told
from preceptor.retrieval.windows import heard, spoken
from preceptor.teaching.crew import Crew
from preceptor.teaching.events import PhaseName, ScenarioFound
from preceptor.teaching.moments import Moment
from preceptor.teaching.tasks import PLACE_CONTEXT, PlacedContext

SHORTLIST = 40
"""Known scenarios the teacher chooses from: enough to hold the right one (static vectors miss paraphrases), few enough
to read: about 600 tokens."""
WAVE = 500
"""Moments sorted at a time. Logs bring thousands: the later ones find the scenarios that the earlier ones opened, where
near-duplicates join unasked, and as few new descriptions as this are held against each other."""
VOTES = 3
"""Contexts of a scenario that are asked about when it may be the same as another; most must agree."""
SAMPLING = Sampling(temperature=0.0, max_tokens=200)


@dataclass
class Book:
    """The scenarios found so far and the moments that belong to each, in order of arrival.

    Moments in which the student did well belong to their scenario too: they are contexts to test on that nobody picked
    for being bad. A new scenario takes a moment in which it fell short.
    """

    scenarios: dict[str, Scenario] = field(default_factory=dict)
    moments: dict[str, list[Moment]] = field(default_factory=dict)
    _met: set[tuple[str, str]] = field(default_factory=set)
    """(scenario id, context key) of the moments."""

    def open(self, scenario: Scenario) -> None:
        self.scenarios[scenario.id] = scenario
        self.moments.setdefault(scenario.id, [])

    def add(self, scenario_id: str, moment: Moment, limit: int) -> None:
        """A moment joins a scenario; its context becomes an example while there are fewer than `limit`."""
        if (scenario_id, moment.context.key) in self._met:
            return
        self._met.add((scenario_id, moment.context.key))
        self.moments[scenario_id].append(moment)
        scenario = self.scenarios[scenario_id]
        known = {context.key for context in scenario.examples}
        if len(known) < limit and moment.context.key not in known:
            self.scenarios[scenario_id] = replace(scenario, examples=(*scenario.examples, moment.context))

    def revise(self, scenario_id: str, revised: Mapping[str, Moment | None]) -> None:
        """Put moments in the place of others, given by their contexts' keys, and their contexts in that of examples;
        None: nothing takes their place."""
        known: dict[str, Moment] = {}
        for moment in filter(None, (revised.get(old.context.key, old) for old in self.moments[scenario_id])):
            known.setdefault(moment.context.key, moment)
        self.moments[scenario_id] = list(known.values())
        self._met |= {(scenario_id, key) for key in known}
        scenario = self.scenarios[scenario_id]
        contexts = (_revised(context, revised) for context in scenario.examples)
        self.scenarios[scenario_id] = replace(scenario, examples=tuple(dict.fromkeys(filter(None, contexts))))

    def merge(self, into: str, gone: str, limit: int) -> None:
        """Two scenarios turn out to be one."""
        for moment in self.moments.pop(gone):
            self.add(into, moment, limit)
        del self.scenarios[gone]


@dataclass
class Sorted:
    """How many moments went where."""

    joined: int = 0
    """Near-duplicates that joined a known scenario unasked."""
    placed: int = 0
    """Put into a scenario that was known before their wave by the teacher."""
    opening: int = 0
    """Of new scenarios."""
    left: int = 0
    """Of no scenario: the student did well in a context of none that is known, or the answer could not be read."""

    @property
    def at_home(self) -> int:
        """Those of a scenario that was known before."""
        return self.joined + self.placed


async def place_moments(crew: Crew, book: Book, moments: Sequence[Moment]) -> Sorted:
    """Put moments into the book's scenarios, a wave after the other, opening new ones where none fits."""
    tally = Sorted()
    for start in range(0, len(moments), WAVE):
        await _place_wave(crew, book, moments[start : start + WAVE], tally)
    return tally


async def _place_wave(crew: Crew, book: Book, moments: Sequence[Moment], tally: Sorted) -> None:
    new = _join_near_duplicates(crew, book, moments)
    # Where nothing is known yet, a moment in which the student did well can neither join a scenario nor open one.
    asking = [(moment, shortlist) for moment, shortlist in new if shortlist or moment.falls_short]
    placed = await crew.all(
        "scenarios", [partial(crew.send, ask_where, moment.context, _described(known)) for moment, known in asking]
    )
    tally.joined += len(moments) - len(new)
    tally.left += len(new) - len(asking)
    fresh: list[tuple[Moment, Scenario]] = []
    for (moment, shortlist), answer in zip(asking, placed, strict=True):
        if answer and 0 < answer.scenario <= len(shortlist):
            book.add(shortlist[answer.scenario - 1].id, moment, crew.settings.examples)
            tally.placed += 1
        elif answer and moment.falls_short and answer.description.strip():
            description = " ".join(answer.description.split())
            fresh.append((moment, Scenario(Scenario.new_id(description, moment.context), description)))
        else:
            tally.left += 1
    tally.opening += len(fresh)
    await _open_fresh(crew, book, fresh)


async def _open_fresh(crew: Crew, book: Book, fresh: Sequence[tuple[Moment, Scenario]]) -> None:
    """Hold the new scenarios against each other, then open what is left."""
    groups: dict[str, tuple[Scenario, list[Moment]]] = {}
    for moment, scenario in fresh:
        groups.setdefault(scenario.description, (scenario, []))[1].append(moment)
    for known in tuple(book.scenarios.values()):
        for moment in groups.pop(known.description, (known, []))[1]:
            book.add(known.id, moment, crew.settings.examples)
    firsts = [replace(scenario, examples=_contexts(moments)) for scenario, moments in groups.values()]
    homes = await same_scenarios(crew, "scenarios", firsts)
    opened = [scenario for scenario in firsts if homes[scenario.id] == scenario.id]
    for scenario in opened:
        book.open(replace(scenario, examples=()))
    for scenario, moments in groups.values():
        for moment in moments:
            book.add(homes[scenario.id], moment, crew.settings.examples)
    for scenario in opened:
        crew.tell(ScenarioFound(book.scenarios[scenario.id]))


async def same_scenarios(crew: Crew, phase: PhaseName, scenarios: Sequence[Scenario]) -> dict[str, str]:
    """Which of the scenarios are one: the id each goes by, itself or an earlier one's.

    The teacher is asked where a few examples of each belong among those before it; most must agree on one.
    """
    vectors = _embed(crew, [scenario.description for scenario in scenarios])
    ballots = [
        (n, context, [scenarios[i] for i in _nearest(vectors[:n], vectors[n])])
        for n, scenario in enumerate(scenarios)
        for context in scenario.examples[:VOTES]
    ]
    answers = await crew.all(
        phase, [partial(crew.send, ask_where, context, _described(listed)) for _, context, listed in ballots]
    )
    votes: list[list[str]] = [[] for _ in scenarios]
    for (n, _, listed), answer in zip(ballots, answers, strict=True):
        votes[n].append(listed[answer.scenario - 1].id if answer and 0 < answer.scenario <= len(listed) else "")
    homes: dict[str, str] = {}
    for scenario, cast in zip(scenarios, votes, strict=True):
        winner = max(sorted(set(cast)), key=cast.count, default="")
        agreed = winner and cast.count(winner) * 2 > len(cast)
        homes[scenario.id] = homes[winner] if agreed else scenario.id
    return homes


def _contexts(moments: Sequence[Moment]) -> tuple[Context, ...]:
    return tuple(dict.fromkeys(moment.context for moment in moments))


def _revised(context: Context, revised: Mapping[str, Moment | None]) -> Context | None:
    if context.key not in revised:
        return context
    moment = revised[context.key]
    return moment.context if moment else None


def _described(scenarios: Sequence[Scenario]) -> list[str]:
    return [scenario.description for scenario in scenarios]


async def ask_where(crew: Crew, context: Context, shortlist: Sequence[str]) -> PlacedContext | None:
    """Which of the scenarios described the teacher puts a context into; None when that could not be read. An errand."""
    listed = "\n".join(f"{n}. {description}" for n, description in enumerate(shortlist, 1))
    try:
        return await PLACE_CONTEXT.ask(
            crew.teacher_model,
            replace(SAMPLING, seed=crew.seed("place", context.key)),
            conversation=context.transcript(),
            scenarios=listed or "(none yet)",
        )
    except (BadReply, Rejected):
        return None


def _join_near_duplicates(crew: Crew, book: Book, moments: Sequence[Moment]) -> list[tuple[Moment, list[Scenario]]]:
    """Moments that still need asking, each with its shortlist."""
    scenarios = list(book.scenarios.values())
    examples = [(n, context) for n, scenario in enumerate(scenarios) for context in scenario.examples]
    known = _embed(crew, [_recent(context) for _, context in examples])
    described = _embed(crew, [scenario.description for scenario in scenarios])
    owners = np.array([n for n, _ in examples], dtype=np.int64)
    shown = [_shown(context) for _, context in examples]
    asking = []
    vectors = _embed(crew, [_recent(moment.context) for moment in moments])
    for moment, vector in zip(moments, vectors, strict=True):
        likeness = described @ vector if scenarios else np.zeros(0, dtype=np.float32)
        if examples:
            near = known @ vector
            mine = _shown(moment.context)
            same = np.where([theirs == mine for theirs in shown], near, -1.0)
            best = int(np.argmax(same))
            if same[best] >= crew.settings.near_duplicate:
                book.add(scenarios[owners[best]].id, moment, crew.settings.examples)
                continue
            np.maximum.at(likeness, owners, near)
        ranked = np.argsort(-likeness, kind="stable")[:SHORTLIST]
        asking.append((moment, [scenarios[n] for n in ranked]))
    return asking


def _recent(context: Context) -> str:
    """What a near-duplicate must agree in: the customer's last two messages, or the last and what tools told since."""
    said = spoken(context.turns)
    texts = (said[place].text for place in heard(said)[-2:])
    return "\n".join(text if (found := pairs(text)) is None else " ".join(found) for text in texts)


def _shown(context: Context) -> tuple[str, ...]:
    """… and, to the letter, what they told the agent that it has yet to act on, but for numbers: of ten values that two
    results share, the eleventh may decide."""
    if not context.turns or context.turns[-1].party != "tool":
        return ()
    return tuple(pairs(told(context.turns[-1].text)) or ())


def _nearest(vectors: NDArray[np.float32], vector: NDArray[np.float32]) -> list[int]:
    if len(vectors) == 0:
        return []
    return [int(n) for n in np.argsort(-(vectors @ vector), kind="stable")[:SHORTLIST]]


def _embed(crew: Crew, texts: list[str]) -> NDArray[np.float32]:
    if not texts:
        return np.zeros((0, crew.embedder.dim), dtype=np.float32)
    return np.asarray(crew.embedder.embed(texts), dtype=np.float32)
