"""Whose words a library rests on, and taking a source out of it.

A strategy is corroborated when contexts of more than one customer speak for it: those it was written from, and those
it was tried on. Where nobody said whose words a context holds (libraries from before, imports), nothing is claimed.
`forget` takes out of use what rests on a source alone. Rows stay, as the trail's evidence of what once was.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson
import sqlalchemy as sa

from preceptor.errors import NotFound, UserError
from preceptor.library import releases, tables
from preceptor.library.gist import gist, relation
from preceptor.library.model import Evidence, Strategy, Voice
from preceptor.library.releases import WITHDRAWN
from preceptor.library.rows import Shelf, batches
from preceptor.storage.canonical import canonical

UNCORROBORATED = "uncorroborated"
"""The flag of a strategy that one customer's words alone speak for."""
_WRITTEN_FROM = ("origin", "retry")


@dataclass(frozen=True)
class Source:
    """What is to be forgotten: everything that matches all that is given."""

    source: str | None = None
    """A log's name."""
    customer: str | None = None
    run: str | None = None

    def __str__(self) -> str:
        given = (("source", self.source), ("customer", self.customer), ("run", self.run))
        return ", ".join(f"{name} {value!r}" for name, value in given if value is not None)


@dataclass(frozen=True)
class Removal:
    """What forgetting took out of use."""

    contexts: int
    """Those that nobody else said."""
    scenarios: tuple[str, ...]
    """Ids of those that were left without an example."""
    strategies: tuple[str, ...]
    """Ids of those that rested on nothing else, and were not withdrawn before."""
    doubtful: tuple[str, ...]
    """Ids of those that now rest on a single customer's words: flagged, and undecided again."""
    release: str | None
    """The hash of the release that is live now, when it had to change; empty: nothing is live any more."""


def note(shelf: Shelf, voices: Mapping[str, Voice], run: str) -> None:
    """Keep whose words contexts hold, by context key."""
    table = tables.voices
    known: set[tuple[str, str, str]] = set()
    for some in batches(sorted(voices)):
        mine = sa.and_(table.c.library == shelf.library, table.c.run == run, table.c.context.in_(some))
        wanted = sa.select(table.c.context, table.c.customer, table.c.source).where(mine)
        known.update((row.context, row.customer, row.source) for row in shelf.connection.execute(wanted))
    fresh = [
        {"library": shelf.library, "context": key, "customer": voice.customer, "source": voice.source, "run": run}
        for key, voice in voices.items()
        if (key, voice.customer, voice.source) not in known
    ]
    if fresh:
        shelf.connection.execute(table.insert(), fresh)


def marked(shelf: Shelf, strategies: Iterable[Strategy], evidence: Mapping[str, Sequence[Evidence]]) -> list[Strategy]:
    """Strategies with the flag where one customer alone speaks for them, this evidence and what is kept together."""
    chosen = list(strategies)
    contexts = _contexts(shelf, [one.id for one in chosen])
    for strategy in chosen:
        own = (item.context.key for item in evidence.get(strategy.id, ()) if item.context is not None)
        contexts.setdefault(strategy.id, {}).setdefault("", set()).update(own)
    heard = _heard(shelf, {key for kinds in contexts.values() for keys in kinds.values() for key in keys})
    return [_flagged(one, _customers(contexts[one.id], heard)) for one in chosen]


def _flagged(strategy: Strategy, customers: Collection[str]) -> Strategy:
    others = tuple(flag for flag in strategy.flags if flag != UNCORROBORATED)
    return replace(strategy, flags=(*others, UNCORROBORATED) if len(customers) == 1 else others)


def _customers(kinds: Mapping[str, Collection[str]], heard: Mapping[str, Collection[Any]]) -> set[str]:
    return {row.customer for keys in kinds.values() for key in keys for row in heard.get(key, ())}


def _contexts(shelf: Shelf, ids: Iterable[str] | None = None) -> dict[str, dict[str, set[str]]]:
    """By strategy and kind of evidence: keys of contexts."""
    table = tables.evidence
    mine = sa.and_(table.c.library == shelf.library, table.c.context.is_not(None))
    wanted = sa.select(table.c.strategy, table.c.context, table.c.body).where(mine)
    chosen = [wanted] if ids is None else [wanted.where(table.c.strategy.in_(some)) for some in batches(ids)]
    found: dict[str, dict[str, set[str]]] = {}
    for row in (row for select in chosen for row in shelf.connection.execute(select)):
        kind = orjson.loads(row.body)["kind"]
        found.setdefault(row.strategy, {}).setdefault(kind, set()).add(row.context)
    return found


def _heard(shelf: Shelf, keys: Iterable[str] | None = None) -> dict[str, list[Any]]:
    """By context: who said it."""
    table = tables.voices
    wanted = sa.select(table).where(table.c.library == shelf.library)
    chosen = [wanted] if keys is None else [wanted.where(table.c.context.in_(some)) for some in batches(keys)]
    found: dict[str, list[Any]] = {}
    for row in (row for select in chosen for row in shelf.connection.execute(select)):
        found.setdefault(row.context, []).append(row)
    return found


def forget(shelf: Shelf, what: Source, who: str, why: str = "") -> Removal:
    """Take what rests on a source alone out of use, and out of what is live, in one step. What was withdrawn before is
    left as it is, so that a second time changes nothing.

    Raises:
        UserError: nothing is named.
        NotFound: nothing of it is known.
    """
    if not str(what):
        raise UserError("Say what is to be forgotten: a source, a customer, or a run.")
    heard = _heard(shelf)
    gone = {key for key, rows in heard.items() if all(_matches(row, what) for row in rows)}
    if not gone:
        raise NotFound(f"Nothing here rests on {what} alone.")
    contexts, rows = _contexts(shelf), shelf.strategy_rows()
    scenarios = _forget_examples(shelf, gone, who)
    withdrawn = {id_ for id_, row in rows.items() if row.scenario in scenarios or _rests(contexts.get(id_, {}), gone)}
    withdrawn |= _lifted(rows, withdrawn)
    fresh = tuple(id_ for id_ in sorted(withdrawn) if not _withdrawn(rows[id_]))
    for id_ in fresh:
        flags = dict.fromkeys((*orjson.loads(rows[id_].flags), WITHDRAWN))
        standing = {"measured": "dropped", "decision": "rejected", "flags": canonical(tuple(flags)).decode()}
        shelf.add_version(rows[id_], who, standing)
    doubtful = _doubt(shelf, rows, contexts, heard, gone, withdrawn, who)
    told = f"{what}: {len(gone)} contexts, {len(scenarios)} scenarios, {len(fresh)} strategies withdrawn"
    if shelf.untold:
        shelf.log(who, "forget", "library", None, None, f"{told}; {why}" if why else told)
    release = _release_without(shelf, gone, withdrawn, scenarios, who, f"Without {what}.")
    return Removal(len(gone), tuple(sorted(scenarios)), fresh, doubtful, release)


def _matches(row: Any, what: Source) -> bool:
    return all(value in (None, getattr(row, name)) for name, value in vars(what).items())


def _withdrawn(row: Any) -> bool:
    """Whether a strategy is out of use because its source was removed."""
    return row.decision == "rejected" and row.measured == "dropped" and WITHDRAWN in orjson.loads(row.flags)


def _rests(kinds: Mapping[str, set[str]], gone: Collection[str]) -> bool:
    """Whether all contexts a strategy was written from are gone; without such, all that speak for it."""
    written = {key for kind in _WRITTEN_FROM for key in kinds.get(kind, ())}
    mine = written or {key for keys in kinds.values() for key in keys}
    return bool(mine) and mine <= set(gone)


def _lifted(rows: Mapping[str, Any], withdrawn: Collection[str]) -> set[str]:
    """General strategies that say what only withdrawn ones said."""
    lost = [gist(rows[id_].text) for id_ in withdrawn]
    left = (row for id_, row in rows.items() if id_ not in withdrawn and not _withdrawn(row))
    kept = [gist(row.text) for row in left if row.scenario is not None]
    return {
        id_
        for id_, row in rows.items()
        if row.scenario is None
        and any(relation(gist(row.text), one) == "much like" for one in lost)
        and not any(relation(gist(row.text), one) == "much like" for one in kept)
    }


def _forget_examples(shelf: Shelf, gone: Collection[str], who: str) -> set[str]:
    """Examples out of scenarios; those left without any are retired, and named."""
    fresh, empty = [], []
    for row in shelf.scenario_rows().values():
        before = orjson.loads(row.examples)
        after = [key for key in before if key not in gone]
        if row.retired or after == before:
            continue
        stamp = {"version": row.version + 1, "author": who, "at": shelf.now, "retired": not after}
        fresh.append(dict(row._mapping) | stamp | {"examples": canonical(after).decode()})
        empty += [] if after else [row.id]
    shelf.supersede(tables.scenarios, fresh)
    return set(empty)


def _doubt(
    shelf: Shelf,
    rows: Mapping[str, Any],
    contexts: Mapping[str, Mapping[str, set[str]]],
    heard: Mapping[str, Sequence[Any]],
    gone: Collection[str],
    withdrawn: Collection[str],
    who: str,
) -> tuple[str, ...]:
    """Flag what one customer alone speaks for now."""
    found = []
    for id_, kinds in contexts.items():
        left = {kind: keys - set(gone) for kind, keys in kinds.items()}
        if id_ in withdrawn or left == kinds or len(_customers(left, heard)) != 1:
            continue
        flags = (*orjson.loads(rows[id_].flags), UNCORROBORATED)
        if flags.count(UNCORROBORATED) == 1:
            shelf.add_version(rows[id_], who, {"flags": canonical(flags).decode(), "decision": "pending"})
            found.append(id_)
    return tuple(sorted(found))


def _release_without(
    shelf: Shelf, gone: Collection[str], withdrawn: Collection[str], scenarios: Collection[str], who: str, note: str
) -> str | None:
    """What is live without what was withdrawn, as a release of its own; nothing else in it changes."""
    name = shelf.live()
    if name is None:
        return None
    live = releases.find(shelf, name, False).guidance
    kept = (replace(one, examples=tuple(c for c in one.examples if c.key not in gone)) for one in live.scenarios)
    left = replace(
        live,
        scenarios=tuple(one for one in kept if one.examples and one.id not in scenarios),
        strategies=tuple(one for one in live.strategies if one.id not in withdrawn),
    )
    if left.hash == name:
        return None
    if not left.strategies:
        releases.unset(shelf, who, note)
        return ""
    return releases.freeze(shelf, left, who, note)
