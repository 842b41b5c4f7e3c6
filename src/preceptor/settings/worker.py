"""Several processes at one teaching run: one that helps.

A worker does errands of whichever run is open: the calls go into the run's ledger, under its budget, and the outcome
back to who leads (`settings.lead`).
"""

import asyncio
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import orjson

from preceptor.errors import Conflict, PreceptorError
from preceptor.llm.sharing import SharedLedger, SharedTurns
from preceptor.llm.stopping import Stop
from preceptor.retrieval.embedding import Embedder
from preceptor.settings import errand_queue
from preceptor.settings.errands import Errands
from preceptor.settings.lead import done, fingerprint, jobs_at_once
from preceptor.settings.project import Project
from preceptor.settings.schema import BudgetSection
from preceptor.settings.team import Team
from preceptor.storage.database import Database
from preceptor.teaching.crew import Crew
from preceptor.teaching.errands import Desk

CrewOf = Callable[[Project, Database, str, Team, Embedder], Crew]
"""Who takes part in a run, without hands, in the process of a worker."""


@dataclass
class _Station:
    """A run as this worker takes part in it."""

    crew: str
    """What the run asks for, as it was when this was made."""
    team: Team
    desk: Desk


class Worker:
    """Does errands of whichever run of a project's database is open, until told to leave."""

    def __init__(self, project: Project, db: Database, crew_of: CrewOf, tell: Callable[[str], None]) -> None:
        """Raises: UserError: the database cannot hold a queue, or procrastinate is not installed."""
        self.project, self.db, self.tell = project, db, tell
        self.post = errand_queue.Post(errand_queue.check(project.place), jobs_at_once(project), None, self._do, tell)
        self.finished = 0
        """Errands done so far, those that were looked up again included."""
        self._runs: set[str] = set()
        self._crew_of = crew_of
        self._stations: dict[str, _Station] = {}
        self._opening = asyncio.Lock()
        self._fault: PreceptorError | None = None

    async def work(self) -> None:
        """Until `leave`.

        Raises:
            UserError: the queue cannot be used, or a run asks for other models than this project has.
        """
        self.providers = self.project.providers()
        self.embedder = await asyncio.to_thread(self.project.embedder, self.db)
        self.fingerprint = fingerprint(self.project, self.providers, self.embedder)
        await asyncio.to_thread(errand_queue.prepare, self.db)
        try:
            async with self.post.at_work():
                self.tell(f"At work as {self.post.name} on {socket.gethostname()}; Ctrl-C ends it.")
                await self.post.wait()
        finally:
            for station in self._stations.values():
                await station.team.ledger.written()
            await self.providers.aclose()
        self.tell(f"{self.finished:,} errands of {len(self._runs):,} runs were done here.")
        if self._fault is not None:
            raise self._fault

    def leave(self) -> None:
        """Finish what is in flight, give back what is not done, and end."""
        for station in self._stations.values():
            station.team.stop.set("The worker leaves.")
        self.post.leave()

    async def _do(self, run: str, keys: Sequence[str]) -> None:
        try:
            await self._take_part(run, keys)
        except PreceptorError as fault:
            # What it lacks for one errand (a world's file, the database) it lacks for the next; others may have it.
            self._fault = self._fault or fault
            self.leave()
            raise errand_queue.Leaving from None

    async def _take_part(self, run: str, keys: Sequence[str]) -> None:
        errands = Errands(self.db, run)
        crew, bodies = await errands.open(keys)
        if crew is None or not bodies:
            return
        station = await self._station(run, crew)
        all_done = await done(errands, station.desk, bodies, station.team.stop)
        if station.team.stop.fault is not None and self._stations.get(run) is station:
            del self._stations[run]
        if all_done:
            self.finished += len(bodies)
            self._runs.add(run)
        if not all_done and station.team.stop.is_set:
            raise errand_queue.Leaving
        # What is not done otherwise is of a run that was closed to us: whoever leads it next asks again.

    async def _station(self, run: str, crew: str) -> _Station:
        async with self._opening:
            known = self._stations.get(run)
            if known is None or known.crew != crew:
                self._fits(run, crew)
                known = self._stations[run] = await asyncio.to_thread(self._opened, run, crew)
            return known

    def _fits(self, run: str, crew: str) -> None:
        """Raises: Conflict: it is not for this worker."""
        if crew == self.fingerprint:
            return
        asked, has = orjson.loads(crew), orjson.loads(self.fingerprint)
        other = next(name for name in asked if asked[name] != has.get(name))
        raise Conflict(
            f"Run {run!r} is done with other settings than this worker has ({other}: {asked[other]!r} there, "
            f"{has.get(other)!r} here). Use the same preceptor.toml and version, and start it again."
        )

    def _opened(self, run: str, crew: str) -> _Station:
        ledger = SharedLedger(self.db, run, lambda: self.post.name, errand_queue.alive)
        team = Team.gather(
            self.project.settings.models,
            BudgetSection(),
            self.providers,
            ledger,
            Stop(),
            turns=lambda place: SharedTurns(self.db, place),
        )
        found = self._crew_of(self.project, self.db, run, team, self.embedder)
        return _Station(crew, team, Desk(found, Errands(self.db, run)))
