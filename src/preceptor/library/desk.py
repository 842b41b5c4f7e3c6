"""The desk: where people look at strategies, decide on them, and release them.

A `Desk` is a library with the owner's rules for deciding. What it promises beyond `Library`: nobody decides on what
they have not seen (`Seen`); a rejection has a reason; with four eyes, who worded a strategy does not approve it.
Who somebody is, and what their role allows, is for the caller to know.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date

from preceptor.errors import Conflict, UserError
from preceptor.library import decisions, index, queue, releases, trail
from preceptor.library.areas import Area, areas
from preceptor.library.decisions import Bulk, Seen
from preceptor.library.diff import Difference, differences
from preceptor.library.integrity import Report, verify
from preceptor.library.model import Decision, Guidance, Release, Strategy
from preceptor.library.queue import Around, Counts, Filter, Line, Order, Page
from preceptor.library.rows import Shelf, strategy_of
from preceptor.library.store import Library, approved_among, find, guidance, writing
from preceptor.library.trail import Entry, Wanted
from preceptor.library.view import View, view

LINES = 500
"""Of the trail, read in one piece."""


@dataclass(frozen=True)
class Candidate:
    """What would be released, beside what is live."""

    guidance: Guidance
    live: str | None
    """The hash of the release in force: to be handed back when publishing."""
    differences: tuple[Difference, ...]
    """Against what is live, in words."""
    left: tuple[Strategy, ...]
    """Approved, and not chosen."""

    @property
    def hash(self) -> str:
        return self.guidance.hash


class Desk:
    """A library as people decide on it."""

    def __init__(self, library: Library, four_eyes: bool = False) -> None:
        """`four_eyes`: who wrote or edited a wording may not approve it."""
        self.library = library
        self.four_eyes = four_eyes

    # Looking

    def page(
        self,
        wanted: Filter | None = None,
        order: Order = "newest",
        *,
        reverse: bool = False,
        offset: int = 0,
        limit: int = 50,
    ) -> Page:
        """Strategies that match, in order; `reverse` turns the order's own direction round."""
        with self._reading() as shelf:
            return queue.page(shelf.connection, shelf.library, wanted or Filter(), order, reverse, offset, limit)

    def counts(self, wanted: Filter | None = None, *, many: bool = True) -> Counts:
        """How many match, by each thing one can filter by; without `many`, not by scenario and by flag."""
        with self._reading() as shelf:
            return queue.counts(shelf.connection, shelf.library, wanted or Filter(), many=many)

    def around(
        self, strategy: str, wanted: Filter | None = None, order: Order = "newest", *, reverse: bool = False
    ) -> Around:
        """What stands before and after a strategy in a list, and which is the next undecided.

        Raises:
            NotFound: no such strategy.
        """
        with self._reading() as shelf:
            row = find(shelf, strategy)
            return queue.around(shelf.connection, shelf.library, row.id, wanted or Filter(), order, reverse)

    def first(self, wanted: Filter | None = None, order: Order = "newest", *, reverse: bool = False) -> str | None:
        """The first undecided strategy of a list; None when all are decided."""
        with self._reading() as shelf:
            return queue.first_undecided(shelf.connection, shelf.library, wanted or Filter(), order, reverse)

    def strategies(self, ids: Sequence[str]) -> dict[str, Line]:
        """How these strategies stand, by id; those that are none are left out."""
        with self._reading() as shelf:
            known = shelf.strategy_rows(ids)
            return {line.id: line for line in queue.lines(shelf.connection, shelf.library, list(known))}

    def view(self, strategy: str) -> View:
        """One strategy with everything there is to know.

        Raises:
            NotFound, Conflict: no such strategy, or several begin so.
        """
        with self._reading() as shelf:
            return view(shelf, find(shelf, strategy))

    def areas(self) -> tuple[Area, ...]:
        """The scenarios, each with what was taught there; the most often met first."""
        with self._reading() as shelf:
            return areas(shelf.connection, shelf.library)

    # Deciding

    def decide(self, strategy: str, decision: Decision, who: str, note: str = "", *, seen: Seen) -> Strategy:
        """Approve, reject with a reason, or put back to pending.

        Raises:
            NotFound: no such strategy.
            Conflict: it is not as it was seen; says who changed what, and when.
            Forbidden: four eyes.
            UserError: a rejection without a reason.
        """
        if decision == "rejected" and not note.strip():
            raise UserError("A rejection needs a reason: whoever wrote the strategy, or its like, learns from it.")
        with self._writing() as shelf:
            row = find(shelf, strategy)
            shown = decisions.check(shelf, row, seen)
            if decision == "approved" and self.four_eyes:
                decisions.check_eyes(shelf, [row], who)
            decisions.decide(shelf, row, decision, who, note.strip(), shown)
            return strategy_of(find(shelf, row.id))

    def edit(
        self, strategy: str, text: str, who: str, note: str = "", *, seen: Seen, approve: bool = False
    ) -> Strategy:
        """A new wording, to be measured again; with `approve`, approved in the same breath.

        Raises:
            NotFound, Conflict, Forbidden: as `decide`.
            UserError: the text is empty.
        """
        with self._writing() as shelf:
            row = find(shelf, strategy)
            shown = decisions.check(shelf, row, seen)
            decisions.edit(shelf, row, text, who, note.strip(), shown)
            if approve:
                row = find(shelf, row.id)
                if self.four_eyes:
                    decisions.check_eyes(shelf, [row], who)
                decisions.decide(shelf, row, "approved", who, note.strip(), shown)
            return strategy_of(find(shelf, row.id))

    def defer(self, strategy: str, who: str, note: str = "", *, seen: Seen, until: date | None = None) -> Strategy:
        """Leave undecided, out of the way until a day, or until it is put back to pending.

        Raises:
            NotFound: no such strategy.
            Conflict: it is decided, or not as it was seen.
            UserError: the day has come.
        """
        with self._writing() as shelf:
            row = find(shelf, strategy)
            shown = decisions.check(shelf, row, seen)
            decisions.defer(shelf, row, until, who, note.strip(), shown)
            return strategy_of(row)

    def comment(self, strategy: str, who: str, text: str) -> None:
        """Say something about a strategy; nothing else changes, so nothing need have been seen.

        Raises:
            NotFound: no such strategy.
            UserError: nothing is said.
        """
        if not text.strip():
            raise UserError("A comment needs a text.")
        with self._writing() as shelf:
            row = find(shelf, strategy)
            shelf.log(who, "comment", f"{row.id}@{row.version}", None, None, text.strip())

    def bulk(self, wanted: Filter, decision: Decision, who: str) -> Bulk:
        """What `decide_all` would do now."""
        with self._reading() as shelf:
            return decisions.gather(shelf, wanted, decision, who, self.four_eyes)[0]

    def decide_all(
        self, wanted: Filter, decision: Decision, who: str, note: str = "", *, expected: int, token: str | None = None
    ) -> int:
        """Decide on all that match, are undecided (deferred, if the filter says so) and, to be approved, unflagged.

        Putting back to pending is for all decided ones that match. With four eyes, approving leaves out what `who` has
        worded. How many were decided: always `expected`.

        Args:
            expected: how many that are, as typed.
            token: `Bulk.token`, so that they must be the same ones, too.

        Raises:
            Conflict: they are not as many, or not the same; nothing was decided.
            UserError: a rejection without a reason.
        """
        if decision == "rejected" and not note.strip():
            raise UserError("A rejection needs a reason: whoever wrote the strategies, or their like, learns from it.")
        with self._writing() as shelf:
            return decisions.decide_all(shelf, wanted, decision, who, note.strip(), expected, token, self.four_eyes)

    # Releasing

    def candidate(self, ids: Sequence[str] | None = None) -> Candidate:
        """What would be released: all that is approved, or these of it.

        Raises:
            NotFound, Conflict: no such strategy; or it is not approved.
        """
        with self._reading() as shelf:
            approved = guidance(shelf, "approved")
            chosen = approved if ids is None else approved_among(shelf, approved, ids)
            name = shelf.live()
            live = Guidance(approved.domain) if name is None else releases.find(shelf, name, False).guidance
            kept = {one.id for one in chosen.strategies}
            left = tuple(one for one in approved.strategies if one.id not in kept)
            return Candidate(chosen, name, differences(live, chosen), left)

    def assemble(
        self, who: str, note: str = "", *, ids: Sequence[str] | None = None, expected: str | None = None
    ) -> Release:
        """Freeze all that is approved, or these of it, without making it live.

        Args:
            expected: `Candidate.hash`, so that it is what was seen.

        Raises:
            NotFound, Conflict: no such strategy; or one is not approved; or it is no longer what was seen.
            UserError: there is nothing in it.
        """
        with self._writing() as shelf:
            chosen = guidance(shelf, "approved")
            chosen = chosen if ids is None else approved_among(shelf, chosen, ids)
            if expected is not None and chosen.hash != expected:
                raise Conflict("What is approved has changed since you looked. Look at the differences again.")
            return releases.find(shelf, releases.assemble(shelf, chosen, who, note.strip()), False)

    def publish(self, release: str, who: str, note: str = "", *, live: str | None) -> Release:
        """Make an assembled release live.

        Args:
            live: the hash of the release that was live when somebody looked.

        Raises:
            NotFound: no such release.
            Conflict: another one has gone live meanwhile; or it holds what is not approved any more.
        """
        with self._writing() as shelf:
            self._check_live(shelf, live)
            name = releases.publish(shelf, release, guidance(shelf, "approved"), who, note.strip())
            return releases.find(shelf, name, False)

    def rollback(self, who: str, note: str = "", *, live: str | None, to: str | None = None) -> Release:
        """Make an earlier release live: `to`, or the one before.

        Raises:
            NotFound, Conflict: there is none; or another one has gone live meanwhile.
        """
        with self._writing() as shelf:
            self._check_live(shelf, live)
            return releases.find(shelf, releases.roll_back(shelf, to, who, note.strip()), False)

    def differences(self, before: str | None, after: str) -> tuple[Difference, ...]:
        """Between two releases, in words; `before` None: against nothing.

        Raises:
            NotFound, Conflict: no such release.
        """
        with self._reading() as shelf:
            new = releases.find(shelf, after, False).guidance
            old = Guidance(new.domain) if before is None else releases.find(shelf, before, False).guidance
            return differences(old, new)

    @staticmethod
    def _check_live(shelf: Shelf, live: str | None) -> None:
        if shelf.live() != live:
            moves = [entry for entry in shelf.trail() if entry.subject == releases.LIVE]
            told = f"{moves[-1].who!r} made {(moves[-1].after or '')[:12]!r} live at {moves[-1].at}." if moves else ""
            raise Conflict(f"Another release is live than when you looked. {told} Look again.")

    # The trail

    def trail(self, wanted: Wanted | None = None, *, before: int | None = None, limit: int = 100) -> tuple[Entry, ...]:
        """Lines of the trail, newest first; `before`: from those with a smaller number."""
        with self._reading() as shelf:
            return trail.page(shelf.connection, shelf.library, wanted or Wanted(), before, limit)

    def lines(self, wanted: Wanted | None = None) -> Iterator[Entry]:
        """Lines of the trail, oldest first, without having all in memory."""
        after = 0
        while True:
            # Not one long read: with a rollback journal nobody could write for as long as the caller takes.
            with self._reading() as shelf:
                some = trail.read(shelf.connection, shelf.library, wanted, after, LINES)
            yield from some
            if len(some) < LINES:
                return
            after = some[-1].n

    def verify(self, head: str | None = None) -> Report:
        """Hold the trail against itself and the library against the trail.

        Args:
            head: a hash that was noted elsewhere: the trail must still hold it.
        """
        with self.library.db.reading() as connection:
            return verify(Shelf(connection, self.library.name), head)

    @contextmanager
    def _reading(self) -> Iterator[Shelf]:
        """Lists of a database from an earlier version are made first."""
        with self.library.db.reading() as connection:
            shelf = Shelf(connection, self.library.name)
            if shelf.indexed() == index.FORM or not shelf.exists():
                yield shelf
                return
        with self._writing():
            pass
        with self.library.db.reading() as connection:
            yield Shelf(connection, self.library.name)

    @contextmanager
    def _writing(self) -> Iterator[Shelf]:
        with self.library.db.begin() as connection, writing(connection, self.library.name) as shelf:
            yield shelf
