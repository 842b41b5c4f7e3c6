"""The audit trail: who did what, when, why, and what was on the screen; whether it is whole; and its export."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import orjson
from starlette.responses import Response, StreamingResponse

from preceptor.library.model import Effect
from preceptor.library.queue import Line
from preceptor.library.trail import Entry, Wanted, to_csv, to_jsonl
from preceptor.web import wording
from preceptor.web.pages.releases import SHORT
from preceptor.web.refusals import Refused
from preceptor.web.routing import Page
from preceptor.web.visits import Visit

SIZE = 100
WHATS = {
    "decide": "Decisions",
    "edit": "Rewordings",
    "defer": "Deferrals",
    "comment": "Comments",
    "release": "Releases published",
    "rollback": "Releases gone back to",
    "assemble": "Releases put together",
    "import": "Imports",
    "forget": "Sources taken out of use",
    "store": "What was learned",
}
_KEPT = ("who", "what", "subject", "since", "until")


@dataclass(frozen=True)
class Row:
    """A line for a reader."""

    entry: Entry
    about: Line | None
    """The strategy it is about, as it is now."""
    seen: str
    """What was on the screen, in words."""


def show(visit: Visit) -> Response:
    query, desk = _query(visit), visit.house.desk
    before = visit.asked("before")
    last = int(before) if before.isdecimal() and len(before) <= 12 else None
    entries = desk.trail(_wanted(query), before=last, limit=SIZE + 1)
    about = desk.strategies([entry.strategy for entry in entries if entry.strategy])
    rows = [Row(entry, about.get(entry.strategy or ""), _seen(entry)) for entry in entries[:SIZE]]
    more = entries[SIZE - 1].n if len(entries) > SIZE else None
    report = desk.verify() if visit.asked("verify") else None
    return visit.page("trail.html", rows=rows, more=more, query=query, report=report, whats=WHATS)


def as_csv(visit: Visit) -> Response:
    lines = visit.house.desk.lines(_wanted(_query(visit)))
    return _download(to_csv(lines), "trail.csv", "text/csv; charset=utf-8")


def as_jsonl(visit: Visit) -> Response:
    lines = visit.house.desk.lines(_wanted(_query(visit)))
    return _download(to_jsonl(lines), "trail.jsonl", "application/jsonl; charset=utf-8")


def _download(text: Iterator[str], name: str, kind: str) -> Response:
    return StreamingResponse(text, media_type=kind, headers={"content-disposition": f'attachment; filename="{name}"'})


def _query(visit: Visit) -> dict[str, str]:
    return {name: text for name in _KEPT if (text := visit.asked(name).strip()[:300])}


def _wanted(query: dict[str, str]) -> Wanted:
    """Days are the reader's: up to and including the last one.

    Raises:
        Refused: one of them is no day.
    """
    since, until = (_day(query.get(name, "")) for name in ("since", "until"))
    # There is no day after the last one, nor a line.
    last = None if until in (None, date.max) else (until + timedelta(days=1)).isoformat()
    first = None if since is None else since.isoformat()
    return Wanted(query.get("who"), query.get("what"), query.get("subject"), first, last)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise Refused(400, f"{text[:30]!r} is not a day. Give one such as 2026-12-24.") from None


def _seen(entry: Entry) -> str:
    if not entry.seen:
        return ""
    seen = orjson.loads(entry.seen)
    if seen.get("screen") == "release":
        return f"release {seen['release'][:SHORT]}, {wording.plural(seen['strategies'], 'strategy', 'strategies')}"
    if seen.get("screen") == "list":
        return f"version {seen['version']}, in a list of {wording.plural(seen['n'], 'strategy', 'strategies')}"
    effect = wording.effect(Effect(**seen["effect"])) if seen.get("effect") else "no measurement"
    pieces = wording.plural(len(seen.get("evidence", ())), "piece of evidence", "pieces of evidence")
    return f"version {seen['version']}, {effect}, {pieces}"


PAGES = (
    Page("GET", "/trail", "viewer", show),
    Page("GET", "/trail.csv", "viewer", as_csv),
    Page("GET", "/trail.jsonl", "viewer", as_jsonl),
)
