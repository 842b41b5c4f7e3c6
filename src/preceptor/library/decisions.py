"""What people decide about strategies, inside a transaction somebody else has begun.

Promises: a decision is made on what was seen, or not at all; each is one line of the trail; flagged strategies are
approved one at a time, by a person.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Self

import orjson
import sqlalchemy as sa

from preceptor.errors import Conflict, Forbidden, UserError
from preceptor.library import queue, tables
from preceptor.library.index import MEASURES
from preceptor.library.lint import lint_text
from preceptor.library.model import Decision
from preceptor.library.queue import Filter
from preceptor.library.rows import STALE, Shelf, batches
from preceptor.library.trail import Entry, entry_of
from preceptor.storage.canonical import canonical, content_hash

FOREVER = "9999-12-31"
_DIGITS = 18
"""Of the longest number that a database can hold."""
"""Deferred without a day."""
_DID = {
    "decide": "said {after!r} of",
    "edit": "reworded",
    "defer": "deferred",
    "store": "measured anew",
    "import": "imported",
}


@dataclass(frozen=True)
class Seen:
    """What somebody had before them: a form carries its `token`, and nothing is decided on anything else."""

    version: int
    touched: int
    """The trail's last line that changed where the strategy stands."""
    evidence: str
    """Digest of the evidence's keys."""

    @property
    def token(self) -> str:
        return f"{self.version}.{self.touched}.{self.evidence}"

    @classmethod
    def read(cls, token: str) -> Self:
        """What `token` gave.

        Raises:
            UserError: it is none.
        """
        parts = token.split(".")
        if len(parts) != 3 or not all(part.isdecimal() and len(part) <= _DIGITS for part in parts[:2]):
            raise UserError(f"{token[:60]!r} does not say what was seen. Open the strategy again.")
        return cls(int(parts[0]), int(parts[1]), parts[2])


@dataclass(frozen=True)
class Bulk:
    """What deciding on all that match would do."""

    count: int
    """Strategies it would decide on; to be typed."""
    flagged: int
    """Left out: they are approved one at a time."""
    own: int
    """Left out: who asks has written or edited them."""
    settled: int
    """Left out: they are not undecided (or deferred, where the filter asks for these)."""
    token: str
    """Stands for exactly these as they are now."""


def seen_of(row: Any, keys: Sequence[str]) -> Seen:
    """What a page shows of a strategy with this evidence."""
    return Seen(row.version, row.touched, content_hash(list(keys))[:16])


def check(shelf: Shelf, row: Any, seen: Seen) -> dict[str, Any]:
    """What was on the screen, for the trail.

    Raises:
        Conflict: something else is there now; the message says who changed what, and when.
    """
    found = _evidence(shelf, row.id)
    if (row.version, row.touched) != (seen.version, seen.touched):
        raise Conflict(_changed(shelf, row))
    if seen_of(row, list(found)) != seen:
        raise Conflict(f"New evidence for {row.id!r} has come since you looked. Look again.")
    effects = [body["effect"] for body in found.values() if body["kind"] in MEASURES and body["effect"]]
    return {
        "screen": "page",
        "version": row.version,
        "evidence": list(found),
        "digest": seen.evidence,
        "effect": effects[-1] if effects else None,
    }


def _evidence(shelf: Shelf, strategy: str) -> dict[str, Any]:
    table = tables.evidence.c
    mine = sa.select(table.key, table.body).where(table.library == shelf.library, table.strategy == strategy)
    return {row.key: orjson.loads(row.body) for row in shelf.connection.execute(mine.order_by(table.n))}


def _changed(shelf: Shelf, row: Any) -> str:
    """Who changed a strategy last, what, and when."""
    entry = line(shelf, row.touched)
    if entry is None:
        return f"{row.id!r} was changed by {row.author!r} (now version {row.version}). Look again."
    did = _DID.get(entry.what, "changed").format(after=entry.after)
    return f"{entry.who!r} {did} {row.id!r} at {entry.at} (now version {row.version}, {row.decision}). Look again."


def line(shelf: Shelf, n: int) -> Entry | None:
    """A line of the trail by its number."""
    wanted = sa.select(tables.trail).where(tables.trail.c.library == shelf.library, tables.trail.c.n == n)
    row = shelf.connection.execute(wanted).first()
    return None if row is None else entry_of(row)


def decide(
    shelf: Shelf, row: Any, decision: Decision, who: str, note: str = "", seen: Mapping[str, Any] | None = None
) -> None:
    """Approve, reject, or put back; nothing, where that is so already and nobody gives another reason.

    So a command that was cut off before it could say what it had done may be given again.
    """
    if row.decision == decision and row.deferred is None and (not note or _said(shelf, row, who, note)):
        return
    shelf.set_standing(row, decision=decision, deferred=None)
    shelf.log(who, "decide", f"{row.id}@{row.version}", row.decision, decision, note, seen)


def _said(shelf: Shelf, row: Any, who: str, note: str) -> bool:
    """Whether where a strategy stands was decided by the same person with the same words."""
    entry = line(shelf, row.touched)
    return entry is not None and (entry.what, entry.who, entry.note) == ("decide", who, note)


def edit(shelf: Shelf, row: Any, text: str, who: str, note: str, seen: Mapping[str, Any] | None = None) -> None:
    """A new wording: the next version, undecided, its measurement stale.

    Raises:
        UserError: the text is empty.
    """
    text = text.strip()
    if not text:
        raise UserError("A strategy needs a text. To take it out, reject it.")
    if text == row.text:
        return
    flags = canonical([*lint_text(text), STALE]).decode()
    shelf.add_version(row, who, {"text": text, "flags": flags, "decision": "pending", "edited": True})
    shelf.log(who, "edit", f"{row.id}@{row.version + 1}", row.text, text, note, seen)


def defer(shelf: Shelf, row: Any, until: date | None, who: str, note: str, seen: Mapping[str, Any] | None) -> None:
    """Out of the way until a day, or until somebody puts it back.

    Raises:
        Conflict: it is decided.
        UserError: the day is not to come.
    """
    if row.decision != "pending":
        raise Conflict(f"{row.id!r} is {row.decision}. Put it back to pending before deferring it.")
    day = FOREVER if until is None else until.isoformat()
    if day <= queue.today():
        raise UserError(f"{day} has come already. Defer to a later day, or leave it in the queue.")
    shelf.set_standing(row, deferred=day)
    shelf.log(who, "defer", f"{row.id}@{row.version}", row.deferred, day, note, seen)


def check_eyes(shelf: Shelf, rows: Sequence[Any], who: str) -> None:
    """Four eyes: who wrote or edited the wording may not approve it.

    Raises:
        Forbidden: they did.
    """
    for row in rows:
        if who.casefold() in writers(shelf, [row])[row.id]:
            raise Forbidden(f"{who!r} wrote or edited {row.id!r}, so somebody else has to approve it (four eyes).")


def writers(shelf: Shelf, rows: Sequence[Any]) -> dict[str, set[str]]:
    """By strategy: who made a version with the wording it has now, in lower case."""
    table, texts = tables.strategies.c, {row.id: row.text for row in rows}
    found: dict[str, set[str]] = {id_: set() for id_ in texts}
    for some in batches(texts):
        wanted = sa.select(table.id, table.text, table.author).where(table.library == shelf.library, table.id.in_(some))
        for row in shelf.connection.execute(wanted):
            if row.text == texts[row.id]:
                found[row.id].add(row.author.casefold())
    return found


def gather(shelf: Shelf, wanted: Filter, decision: Decision, who: str, four_eyes: bool) -> tuple[Bulk, list[Any]]:
    """What deciding on all that match would do, and the rows it would do it to."""
    rows, day = _standing(shelf, wanted), queue.today()
    open_ = ("deferred",) if wanted.state == "deferred" else ("undecided",)
    states = ("approved", "rejected") if decision == "pending" else open_
    chosen = [row for row in rows if queue.state_of(row.decision, row.deferred, day) in states]
    settled, flagged, own = len(rows) - len(chosen), 0, 0
    if decision == "approved":
        marked = _flagged(shelf)
        clean = [row for row in chosen if row.id not in marked and row.flags == "[]"]
        theirs = writers(shelf, clean) if four_eyes else {}
        free = [row for row in clean if who.casefold() not in theirs.get(row.id, ())]
        flagged, own, chosen = len(chosen) - len(clean), len(clean) - len(free), free
    token = content_hash([[row.id, row.touched] for row in chosen])[:16]
    return Bulk(len(chosen), flagged, own, settled, token), chosen


def _standing(shelf: Shelf, wanted: Filter) -> Sequence[Any]:
    """What matches, with no more than deciding needs: it may be the whole library."""
    one, listed = tables.strategies.c, tables.queue
    same = sa.and_(one.library == listed.c.library, one.id == listed.c.strategy, one.latest)
    columns = (one.id, one.version, one.touched, one.decision, one.deferred, one.flags, one.text)
    found = sa.select(*columns).select_from(listed.join(tables.strategies, same))
    return shelf.connection.execute(found.where(*queue.where(shelf.library, wanted)).order_by(one.id)).all()


def _flagged(shelf: Shelf) -> set[str]:
    marks = tables.marks.c
    wanted = sa.select(marks.strategy).where(marks.library == shelf.library, marks.standing)
    return set(shelf.connection.scalars(wanted.distinct()))


def decide_all(
    shelf: Shelf,
    wanted: Filter,
    decision: Decision,
    who: str,
    note: str,
    expected: int,
    token: str | None,
    four_eyes: bool,
) -> int:
    """Decide on all that match.

    Raises:
        Conflict: they are not as many as expected, or no longer the same.
    """
    bulk, rows = gather(shelf, wanted, decision, who, four_eyes)
    if bulk.count != expected:
        raise Conflict(f"{bulk.count:,} strategies would be {_done(decision)}, not {expected:,}. Nothing was decided.")
    if token is not None and token != bulk.token:
        raise Conflict("Some of these strategies have changed since you looked. Nothing was decided. Look again.")
    told = {name: value for name, value in vars(wanted).items() if value not in (None, "")}
    for row in rows:
        decide(shelf, row, decision, who, note, {"screen": "list", "version": row.version, "of": told, "n": expected})
    return len(rows)


def _done(decision: Decision) -> str:
    return "put back" if decision == "pending" else decision
