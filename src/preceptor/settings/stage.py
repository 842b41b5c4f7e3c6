"""The stage: a person talks to the student alone, to the student with the library, and to the teacher, side by side.

Each talk is a run of its own: what it asks is in the ledger and under the budget. Talks are kept in memory, the newest
few, and are gone when the process ends; what is to stay is kept as a case (`library.cases`).
"""

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from threading import Lock
from types import TracebackType
from typing import Literal, Self

from preceptor.dialogue.agent import Agent
from preceptor.dialogue.agents import ModelAgent
from preceptor.dialogue.conversation import Context, Turn
from preceptor.dialogue.customers import visitor
from preceptor.dialogue.domain import Domain
from preceptor.dialogue.environment import Environment
from preceptor.dialogue.rollout import acting
from preceptor.dialogue.tools.toolbox import taken_up
from preceptor.errors import NotFound, PreceptorError, UserError
from preceptor.library.model import Guidance, Strategy
from preceptor.library.store import Library
from preceptor.llm.ledger import Ledger
from preceptor.llm.listening import listening
from preceptor.llm.stopping import Stop
from preceptor.retrieval.embedding import Embedder
from preceptor.retrieval.selector import Found, Retriever, fit
from preceptor.settings.project import Project
from preceptor.settings.team import Team
from preceptor.storage.database import Database
from preceptor.storage.runs import Runs
from preceptor.student.student import SLOT_LIMIT, Student

KIND = "talk"
TALKS = 100
"""Talks kept, the newest."""
FITTED = 4
"""Libraries kept ready to be asked."""
Name = Literal["alone", "library", "teacher"]
Which = Literal["live", "approved", "accepted"]


@dataclass
class Side:
    """One of the conversations of a talk."""

    name: Name
    turns: tuple[Turn, ...]
    """As this side has it: each goes on with its own answers."""
    heard: str = ""
    """The answer that is being written, so far."""
    busy: bool = False
    fault: str = ""
    """Why there was no answer, in a sentence."""


@dataclass
class Talk:
    """A talk going on. Belongs to the event loop that answers it."""

    id: str
    who: str
    guidance: Guidance
    which: str
    """What the library is, in words."""
    run: str
    begun: int
    """Turns it began with."""
    sides: dict[Name, Side]
    off: frozenset[str] = frozenset()
    """Ids of strategies that are switched off."""
    found: Found | None = None
    """What the library has to say about the last message."""
    tries: int = 0
    answering: "asyncio.Task[None] | None" = None

    @property
    def busy(self) -> bool:
        return any(side.busy for side in self.sides.values())

    @property
    def put(self) -> tuple[Strategy, ...]:
        """The strategies in the prompt for the last message."""
        return tuple(s for s in (self.found.strategies if self.found else ()) if s.id not in self.off)

    @property
    def asked(self) -> Context | None:
        """The conversation up to the customer's last message, as the side with the library has it."""
        turns = self.sides["library"].turns
        last = max((n for n, turn in enumerate(turns) if turn.party == "customer"), default=-1)
        return Context(turns[: last + 1]) if last >= 0 else None


@dataclass
class Stage:
    """Use it as a context manager. Talks are begun in worker threads and answered on the event loop."""

    project: Project
    db: Database
    _talks: OrderedDict[str, Talk] = field(default_factory=OrderedDict)
    _fitted: OrderedDict[str, Retriever] = field(default_factory=OrderedDict)
    _lock: Lock = field(default_factory=Lock)
    _finding: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        self._asked = False
        self.runs = Runs(self.db)
        self.library: Library = self.project.library(self.db)
        self.domain: Domain = self.project.domain()
        self.embedder: Embedder = self.project.embedder(self.db)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        for talk in self._talks.values():
            if talk.answering is not None:
                talk.answering.cancel()

    def begin(self, who: str, start: Sequence[Turn] = (), which: Which | None = None, *, teacher: bool = False) -> Talk:
        """A new talk, from turns of an earlier conversation if given. Waits for the library to be made ready.

        Raises:
            UserError: there is nothing in the library that was asked for.
        """
        guidance, words = self._guidance(which)
        self._retriever(guidance)
        names: tuple[Name, ...] = ("alone", "library", "teacher") if teacher else ("alone", "library")
        run = self.runs.create(KIND, {"settings": self.project.resolved(), "who": who, "library": guidance.hash}, 0)
        self.runs.finish(run.id, "done", {"reason": f"Talked to by {who}."})
        sides = {name: Side(name, tuple(start)) for name in names}
        talk = Talk(secrets.token_urlsafe(9), who, guidance, words, run.id, len(start), sides)
        with self._lock:
            self._talks[talk.id] = talk
            while len(self._talks) > TALKS:
                self._talks.popitem(last=False)
        return talk

    def talk(self, id_: str) -> Talk:
        """Raises: NotFound: it is gone."""
        with self._lock:
            if id_ not in self._talks:
                raise NotFound("This talk is gone: talks are kept only while the review runs. Begin another.")
            return self._talks[id_]

    def say(self, talk: Talk, text: str) -> None:
        """The customer says something, and every side begins to answer. To be called on the event loop.

        Raises:
            UserError: nothing is said, or the last answer is still being written.
        """
        if not text.strip():
            raise UserError("There is nothing to send. Write what the customer says.")
        self._ready(talk)
        for side in talk.sides.values():
            side.turns = (*_answered(side.turns), Turn("customer", text.strip()))
        self._answer(talk)

    def again(self, talk: Talk, off: frozenset[str] | None = None) -> None:
        """Answer the last message again, with other strategies switched off if given. On the event loop, too.

        Raises:
            UserError: nothing was said yet, or the last answer is still being written.
        """
        self._ready(talk)
        if talk.asked is None:
            raise UserError("Nothing was said yet that could be answered again.")
        talk.off = talk.off if off is None else off
        for side in talk.sides.values():
            side.turns = side.turns[: _last_said(side.turns) + 1]
        self._answer(talk)

    def _ready(self, talk: Talk) -> None:
        if talk.busy:
            raise UserError("The last answer is still being written. Wait for it, then send yours.")

    def _answer(self, talk: Talk) -> None:
        talk.tries += 1
        for side in talk.sides.values():
            side.heard, side.busy, side.fault = "", True, ""
        talk.answering = asyncio.get_running_loop().create_task(self._answers(talk))

    async def _answers(self, talk: Talk) -> None:
        try:
            ledger = await asyncio.to_thread(Ledger, self.db, talk.run)
            settings = self.project.settings
            providers = await asyncio.to_thread(self.project.providers)
            self.domain = await asyncio.to_thread(self._equipped)
            async with (
                Team.gather(settings.models, settings.budget, providers, ledger, Stop()) as team,
                self.project.environment(self.domain, self.db, talk.run) as environment,
            ):
                await asyncio.gather(*(self._one(talk, side, team, environment) for side in talk.sides.values()))
        except PreceptorError as fault:
            for side in talk.sides.values():
                side.fault = side.fault or (str(fault) if side.busy else "")
        finally:
            for side in talk.sides.values():
                side.busy = False

    async def _one(self, talk: Talk, side: Side, team: Team, environment: Environment) -> None:
        def hear(text: str) -> None:
            side.heard = text

        agent, customer = self._agent(talk, side.name, team), visitor(self.domain)
        try:
            async with taken_up(environment, customer, side.turns) as session:
                with listening(hear):
                    async for turn in acting(agent, session, side.turns, talk.tries):
                        side.turns, side.heard = (*side.turns, turn), ""
        except PreceptorError as fault:
            side.fault = str(fault)
        finally:
            side.busy = False

    def _equipped(self) -> Domain:
        """Whoever stands behind the tools is asked once, and not before anybody talks."""
        with self._finding:
            self._asked, domain = True, self.domain if self._asked else self.project.equipped()
            return domain

    def _agent(self, talk: Talk, name: Name, team: Team) -> Agent:
        if name == "teacher":
            return ModelAgent(team.models["teacher"], self.domain)
        student = Student(team.models["student"], self.domain)
        if name == "alone":
            return student
        return _Guided(self, talk, replace(student, placement=talk.guidance.placement))

    def find(self, guidance: Guidance, context: Context) -> Found:
        retriever = self._retriever(guidance)
        with self._finding:  # a matcher remembers what it has read, and is not for several threads
            return retriever.find(context)

    def _guidance(self, which: Which | None) -> tuple[Guidance, str]:
        live = self.library.live() if which in (None, "live") else None
        if live is not None:
            return live.guidance, f"release {live.hash[:12]}, which is live"
        if which == "live":
            raise UserError("Nothing is released yet.")
        guidance = self.library.guidance("approved" if which == "approved" else "accepted")
        if not guidance.strategies:
            raise UserError("There is nothing in the library to talk with. `preceptor teach` fills it.")
        return guidance, "what is approved" if which == "approved" else "what helped when it was measured"

    def _retriever(self, guidance: Guidance) -> Retriever:
        with self._lock:
            if found := self._fitted.get(guidance.hash):
                return found
        made = Retriever(guidance, limit=SLOT_LIMIT, matcher=fit(guidance, self.embedder))
        with self._lock:
            self._fitted[guidance.hash] = made
            while len(self._fitted) > FITTED:
                self._fitted.popitem(last=False)
        return made


@dataclass(frozen=True)
class _Guided:
    """The student with the library, but for the strategies that are switched off."""

    stage: Stage
    talk: Talk
    student: Student
    name: str = "library"

    async def reply(self, context: Context, seed: int) -> Turn:
        self.talk.found = await asyncio.to_thread(self.stage.find, self.talk.guidance, context)
        return await self.student.reply_with(context, self.talk.put, seed)


def _last_said(turns: Sequence[Turn]) -> int:
    return max((n for n, turn in enumerate(turns) if turn.party == "customer"), default=-1)


def _answered(turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
    """Without a last message that got no answer, and what was done about it: it is said anew."""
    if not turns or (turns[-1].party == "agent" and not turns[-1].tool_calls):
        return turns
    return turns[: max(0, _last_said(turns))]
