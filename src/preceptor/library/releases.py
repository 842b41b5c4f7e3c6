"""Releases: frozen, approved sets named by their content, and the pointer that says which one is live.

A release's body never changes; `find` recomputes its hash, so one that was tampered with is not served. Going live,
back or forward only moves the pointer, and each move is a line of the trail.
"""

from collections.abc import Sequence
from typing import Any

import orjson
import pydantic
import sqlalchemy as sa

from preceptor.errors import Conflict, NotFound, UserError
from preceptor.library import tables
from preceptor.library.index import hold
from preceptor.library.model import Evidence, Guidance, Release
from preceptor.library.rows import Shelf
from preceptor.library.trail import Entry
from preceptor.storage.canonical import canonical, content_hash

LIVE = "live"
WITHDRAWN = "source removed"
"""The flag of a strategy whose source was removed."""
_GUIDANCE = pydantic.TypeAdapter(Guidance)


def freeze(shelf: Shelf, guidance: Guidance, author: str, note: str) -> str:
    """Keep guidance as a release, make it live, and return its hash.

    Raises:
        UserError: there is nothing in it.
    """
    if not guidance.strategies:
        raise UserError("Nothing is approved, so there is nothing to release. See `preceptor library approve`.")
    name = guidance.hash
    if name == shelf.live():
        return name
    _keep(shelf, guidance, author, note)
    _point(shelf, name, author, "release", note)
    return name


def assemble(shelf: Shelf, guidance: Guidance, author: str, note: str) -> str:
    """Keep guidance as a release that is not live yet, and return its hash.

    Raises:
        UserError: there is nothing in it.
    """
    if _keep(shelf, guidance, author, note):
        shelf.log(author, "assemble", "release", None, guidance.hash, note, _shown(shelf, guidance.hash))
    return guidance.hash


def publish(shelf: Shelf, prefix: str, approved: Guidance, author: str, note: str) -> str:
    """Make an assembled release live.

    Raises:
        NotFound: no such release.
        Conflict: it holds what is not approved (any more).
    """
    release = find(shelf, prefix, False)
    known = {(one.id, one.text, one.scenario) for one in approved.strategies}
    gone = [one.id for one in release.guidance.strategies if (one.id, one.text, one.scenario) not in known]
    if gone and release.hash != shelf.live():
        more = f" and {len(gone) - 3} more" if len(gone) > 3 else ""
        raise Conflict(
            f"Release {release.hash[:12]!r} holds what is not approved as it stands: {', '.join(gone[:3])}{more}. "
            "Assemble another."
        )
    if release.hash != shelf.live():
        _point(shelf, release.hash, author, "release", note)
    return release.hash


def _keep(shelf: Shelf, guidance: Guidance, author: str, note: str) -> bool:
    if not guidance.strategies:
        raise UserError("Nothing is approved, so there is nothing to release. See `preceptor library approve`.")
    if _row(shelf, guidance.hash) is not None:
        return False
    shelf.insert_release(_values(shelf, guidance, author, note, shelf.live()))
    hold(shelf, guidance.hash, [(one.id, one.version) for one in guidance.strategies])
    return True


def roll_back(shelf: Shelf, to: str | None, author: str, note: str) -> str:
    """Make an earlier release live; without `to`, the one before the present one.

    Raises:
        NotFound: no such release.
        Conflict: there is none before; or it holds what rests on a source that was removed.
    """
    name = before_live(shelf.trail()) if to is None else full_hash(shelf, to)
    if name is None:
        raise Conflict("There is no earlier release to go back to. `preceptor library list --releases` shows them.")
    if name != shelf.live():
        _check_sources(shelf, name)
        _point(shelf, name, author, "rollback", note)
    return name


def _check_sources(shelf: Shelf, name: str) -> None:
    held = [one.id for one in find(shelf, name, False).guidance.strategies]
    gone = [id_ for id_, row in shelf.strategy_rows(held).items() if WITHDRAWN in orjson.loads(row.flags)]
    if gone:
        raise Conflict(
            f"Release {name[:12]!r} holds strategies whose source was removed: {', '.join(gone[:3])}. "
            "Release what is approved now instead."
        )


def before_live(trail: tuple[Entry, ...]) -> str | None:
    """What was live before: releases pile up, going back takes off the top."""
    pile: list[str] = []
    for entry in trail:
        if entry.subject != LIVE or entry.after is None:
            continue
        if entry.what == "rollback" and entry.after in pile:
            while pile[-1] != entry.after:
                pile.pop()
        else:
            pile.append(entry.after)
    return pile[-2] if len(pile) > 1 else None


def unset(shelf: Shelf, author: str, note: str) -> None:
    """Leave nothing live."""
    shelf.log(author, "release", LIVE, shelf.live(), None, note)
    shelf.set_live(None)


def find(shelf: Shelf, prefix: str, evidence: bool) -> Release:
    """A release by the beginning of its hash.

    Raises:
        NotFound, Conflict: none or several; or it is not what was released.
    """
    return _release(shelf, _row(shelf, full_hash(shelf, prefix)), evidence)


def full_hash(shelf: Shelf, prefix: str) -> str:
    table = tables.releases
    mine = sa.select(table.c.hash).where(table.c.library == shelf.library).order_by(table.c.created)
    hashes: Sequence[str] = shelf.connection.scalars(mine).all()
    found = [name for name in hashes if prefix and name.startswith(prefix)]
    if len(found) > 1:
        raise Conflict(f"Several releases begin with {prefix!r}. Give more of the hash.")
    if not found:
        known = ", ".join(repr(name[:12]) for name in hashes[-3:]) or "none yet"
        raise NotFound(f"There is no release {prefix!r}. The latest: {known}.")
    return found[0]


def every(shelf: Shelf) -> tuple[Release, ...]:
    """All releases, newest first."""
    table = tables.releases
    wanted = sa.select(table).where(table.c.library == shelf.library).order_by(table.c.created.desc(), table.c.hash)
    return tuple(_release(shelf, row, False) for row in shelf.connection.execute(wanted).all())


def _row(shelf: Shelf, name: str) -> Any:
    table = tables.releases
    return shelf.connection.execute(sa.select(table).filter_by(library=shelf.library, hash=name)).first()


def _values(shelf: Shelf, guidance: Guidance, author: str, note: str, parent: str | None) -> dict[str, Any]:
    rows = shelf.evidence(strategy.id for strategy in guidance.strategies)
    body = canonical(guidance).decode()
    keys = canonical({strategy: list(items) for strategy, items in rows.items()}).decode()
    about = {"created": shelf.now, "author": author, "note": note, "parent": parent}
    content = {"body": body, "evidence": keys, "digest": content_hash([body, keys])}
    return {"library": shelf.library, "hash": guidance.hash} | about | content


def _release(shelf: Shelf, row: Any, evidence: bool) -> Release:
    guidance = _GUIDANCE.validate_json(row.body)
    if row.digest != content_hash([row.body, row.evidence]) or guidance.hash != row.hash:
        raise Conflict(f"Release {row.hash[:12]!r} is not what was released: its content was altered in the database.")
    items = _evidence(shelf, orjson.loads(row.evidence)) if evidence else {}
    return Release(guidance, row.created, row.author, row.note, row.parent, items)


def _evidence(shelf: Shelf, keys: dict[str, list[str]]) -> dict[str, tuple[Evidence, ...]]:
    """The rows as they were: evidence is only ever appended, so its keys freeze it."""
    rows = shelf.evidence(keys)
    return {strategy: tuple(rows[strategy][key] for key in mine) for strategy, mine in keys.items()}


def _point(shelf: Shelf, name: str, author: str, what: str, note: str) -> None:
    shelf.log(author, what, LIVE, shelf.live(), name, note, _shown(shelf, name))
    shelf.set_live(name)


def _shown(shelf: Shelf, name: str) -> dict[str, Any]:
    """What stood behind a release: its strategies, and the digest over its content and its evidence."""
    row = _row(shelf, name)
    count = len(orjson.loads(row.body)["strategies"])
    return {"screen": "release", "release": name, "strategies": count, "digest": row.digest}
