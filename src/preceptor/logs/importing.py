"""From a file into the database: read, redacted, stored, in batches that are kept whole or not at all.

What is raw stays where it was: stored is what is left after redaction, and rows that could not be read are told with
their number and the reason, without what they held.
"""

import hashlib
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import orjson

from preceptor.dialogue.conversation import Context, Turn
from preceptor.library.redaction import Finder, Redaction
from preceptor.logs.marks import Mark
from preceptor.logs.opening import GZIP, STDIN
from preceptor.logs.readers import Log, Skipped
from preceptor.logs.store import Imported, Store, Stored, stored
from preceptor.logs.talk import Talk

BATCH = 5_000
"""Turns after which what was read is stored: a commit costs a few synchronous disk writes."""
SUFFIXES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".xlsx", ".xls", ".xlsb", ".ods")
"""What is taken from a folder, also compressed (`.gz`)."""
_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")


@dataclass(frozen=True)
class Progress:
    """How far an import is."""

    conversations: int
    turns: int
    read: int
    """Bytes, of `size`."""
    size: int


@dataclass(frozen=True)
class Outcome:
    """What an import came to."""

    source: Imported
    """As it is now."""
    added: int
    """Conversations that were in no source before."""
    known: int
    """Conversations that were in one, or are twice in the file."""
    rejected: int
    """Rows that could not be read."""
    first: Skipped | None = None
    """The first of them."""

    @property
    def read(self) -> int:
        """Conversations that could be read."""
        return self.added + self.known


@dataclass
class Redactor:
    """Takes customers' data out of one conversation after the other, and counts."""

    more: Finder | None = None
    found: Counter[str] = field(default_factory=Counter)

    def talk(self, talk: Talk) -> Talk:
        redaction = Redaction.of([Context(talk.turns)], people=talk.names, figured=False, more=self.more)
        turns = tuple(_clean(turn, redaction) for turn in talk.turns)
        tags = tuple(redaction.text(tag) for tag in talk.tags)
        name = talk.id
        self.found.update(redaction.found)
        if name is not None and redaction.text(name) != name:
            # Still the same for the same conversation, so that importing it again adds nothing.
            name = hashlib.sha256(name.encode()).hexdigest()[:16]
        return replace(talk, turns=turns, id=name, tags=tags, names=())

    def reason(self, reason: str) -> str:
        """Without what it quotes of the row: a single word has nothing around it that says what it is."""
        return _QUOTED.sub("'…'", reason)


def _clean(turn: Turn, redaction: Redaction) -> Turn:
    calls = tuple(replace(call, arguments=redaction.json(call.arguments)) for call in turn.tool_calls)
    text = redaction.json(turn.text) if turn.party == "tool" else redaction.text(turn.text)
    return replace(turn, text=text, tool_calls=calls)


def bring(
    log: Log,
    store: Store,
    name: str,
    *,
    redactor: Redactor | None,
    rejects: Path,
    elsewhere: bool = False,
    tell: Callable[[Progress], None] = lambda _: None,
) -> Outcome:
    """Import a file as a source. A killed or failed import is finished by another one.

    `redactor`: None keeps what customers said as it is. `rejects`: where rows that could not be read are told; the file
    is made when there are any. `tell` hears after each batch. A file from which nothing comes in makes no source, and
    leaves one that is there as it was.

    Raises:
        NotFound, SettingsError: the file cannot be read.
        Conflict: as `Store.check`, or another process imports.
    """
    path = "standard input" if log.path == STDIN else str(_plain(log.path))
    redacted, onward = redactor is not None, log.growing is not None
    with store.lock():
        store.check(name, path, redacted=redacted, elsewhere=elsewhere)
        state = log.path.stat() if log.path.is_file() else None
        if not onward:
            rejects.unlink(missing_ok=True)
        log.rejected = lambda skipped: _reject(rejects, skipped, redactor)
        seen = turns = added = 0
        for batch in _batches(log, redactor):
            if not seen:
                store.begin(name, path, redacted=redacted)
            added += store.add(name, batch)
            seen, turns = seen + len(batch), turns + sum(talk.turns for talk in batch)
            tell(Progress(seen, turns, *log.progress))
        mark = Mark.of(log.path, state, log.through) if state else None
        if seen or onward:
            found = redactor.found if redactor else {}
            source = store.finish(name, log.skipped_rows, sorted(log.forms), found, mark, onward=onward)
        else:
            source = store.pass_over(name, path, mark, redacted=redacted)
    first = _cleaned(log.skipped[0], redactor) if log.skipped else None
    return Outcome(source, added, seen - added, log.skipped_rows, first)


def _batches(log: Log, redactor: Redactor | None) -> Iterator[list[Stored]]:
    batch: list[Stored] = []
    turns = 0
    for line, talk in log.talks():
        try:
            batch.append(stored(redactor.talk(talk) if redactor else talk, line))
        except (TypeError, UnicodeError):
            log.skip(line, "Holds half of a character (a lone surrogate).")
            continue
        turns += batch[-1].turns
        if turns >= BATCH:
            yield batch
            batch, turns = [], 0
    if batch:
        yield batch


def _reject(path: Path, skipped: Skipped, redactor: Redactor | None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.write(orjson.dumps(asdict(_cleaned(skipped, redactor))) + b"\n")


def _cleaned(skipped: Skipped, redactor: Redactor | None) -> Skipped:
    """A reason may repeat a word of the row."""
    return replace(skipped, reason=redactor.reason(skipped.reason)) if redactor else skipped


def files(path: Path) -> list[tuple[str, Path]]:
    """(name of the source, file): of a folder all that may be logs, of a file itself."""
    if not path.is_dir():
        return [("stdin" if path == STDIN else path.name, path)]
    folder = _plain(path)
    found = sorted(one for one in folder.rglob("*") if _may_be_a_log(one) and one.is_file())
    return [(one.relative_to(folder.parent).as_posix(), one) for one in found]


def _plain(path: Path) -> Path:
    """Without `..`, so that a file is called the same from wherever it is named. Links stay: they were named so."""
    return Path(os.path.normpath(path.absolute()))


def _may_be_a_log(path: Path) -> bool:
    inside = path.with_suffix("") if path.suffix.lower() == GZIP else path
    return inside.suffix.lower() in SUFFIXES
