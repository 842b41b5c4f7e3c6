"""Which release is in force, library by library, as the database says.

Promises: a release or a roll-back is in force here within a second; a request sees one release throughout, for it is
handed a `Guide` and not the place where guides change; when the database cannot be asked for longer than `TRUSTED`,
nothing is taught: a roll-back could not reach us.
"""

import asyncio
import gc
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import anyio.to_thread

from preceptor.errors import NotFound, PreceptorError
from preceptor.library.model import Guidance, Release
from preceptor.library.store import Library
from preceptor.retrieval.embedding import Embedder, StaticEmbedder
from preceptor.retrieval.keeping import Fitted
from preceptor.serving.guide import Guide
from preceptor.storage.database import Database

EVERY = 0.25
"""Seconds between two looks at the database: a read of one row."""
TRUSTED = 5.0
"""Seconds for which what was last read counts when the database cannot be read."""
AGAIN = 10.0
"""Seconds until an embedder that could not be had is tried again."""
KEPT = 4
"""Guides kept for a library besides the live one: to go back at once, and for requests that name a release."""


class Source(Protocol):
    """Where releases come from. Called in threads, one at a time."""

    def live(self, library: str) -> str | None:
        """The hash of the release in force. Raises: PreceptorError: it cannot be told."""

    def release(self, library: str, prefix: str) -> Release:
        """Raises: NotFound, Conflict: none or several; PreceptorError: it cannot be told."""


class DatabaseSource:
    """Releases of the libraries of a database, which may come, go and be replaced meanwhile."""

    def __init__(self, opened: Callable[[], Database], path: Path | None = None) -> None:
        """`path`: SQLite's file, to see when another takes its place: a connection would go on reading the old one."""
        self._open = opened
        self._path = path
        self._database: Database | None = None
        self._file: tuple[int, int] | None = None

    def live(self, library: str) -> str | None:
        return Library(self.database(), library).live_hash()

    def release(self, library: str, prefix: str) -> Release:
        return Library(self.database(), library).get_release(prefix)

    def close(self) -> None:
        if self._database:
            self._database.close()
            self._database = None

    def database(self) -> Database:
        """The database as it is now, open.

        Raises:
            PreceptorError: there is none, or it cannot be used.
        """
        file = self._identity()
        if file != self._file:
            self.close()
        if self._database is None:
            self._database = self._open()
        self._file = file
        return self._database

    def _identity(self) -> tuple[int, int] | None:
        if self._path is None:
            return None
        try:
            found = self._path.stat()
        except OSError:
            self.close()
            raise NotFound(f"There is no database {str(self._path)!r}.") from None
        return found.st_dev, found.st_ino


@dataclass
class Shelf:
    """What is known of one library."""

    guide: Guide | None = None
    """The live release; None: there is none, or it cannot be used."""
    read: float = float("-inf")
    """When the database was last read, on the monotonic clock."""
    fault: str = "nothing was read yet"
    """Why nothing can be said; empty when all is well."""
    fitting: bool = False
    """A release is being made ready; what was live before stays in use meanwhile."""
    kept: OrderedDict[str, Guide] = field(default_factory=OrderedDict)
    """By hash, newest last."""


class Releases:
    """The live releases of some libraries. `follow` keeps them up to date."""

    def __init__(
        self,
        source: Source,
        libraries: Iterable[str],
        dense: Callable[[], Embedder] | None = None,
        words: Embedder | None = None,
        fitted: Fitted | None = None,
        trusted: float = TRUSTED,
    ) -> None:
        """`dense`: makes the dense embedder, one that remembers what it embedded and that threads may share; None for
        what needs no server. `words`: that; word vectors when not given. `fitted`: what was fitted before, on disk.
        `trusted`: seconds for which what was last read counts when the database cannot be read."""
        self.source = source
        self._make_dense = dense
        self._dense: Embedder | None = None
        self._words = words or StaticEmbedder()
        self._fitted = fitted
        self._trusted = trusted
        self.again = float("-inf")
        """When an embedder that could not be had is to be tried again, on the monotonic clock."""
        self.shelves = {library: Shelf() for library in libraries}
        self._asking = asyncio.Lock()

    def current(self, library: str) -> Guide | None:
        """The release in force; None: there is none.

        Raises:
            PreceptorError: it cannot be told.
        """
        shelf = self.shelves[library]
        if time.monotonic() - shelf.read > self._trusted and not shelf.fitting:
            raise PreceptorError(shelf.fault or "the database does not answer")
        return shelf.guide

    async def named(self, library: str, prefix: str) -> Guide:
        """A release by the beginning of its hash.

        Raises:
            NotFound, Conflict: none or several.
            PreceptorError: it cannot be told.
        """
        shelf = self.shelves[library]
        kept = [guide for name, guide in shelf.kept.items() if len(prefix) >= 12 and name.startswith(prefix)]
        if len(kept) == 1:
            return kept[0]
        async with self._asking:
            return await anyio.to_thread.run_sync(self._get, library, prefix)

    async def follow(self) -> None:
        """Look, and look again, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for again in (self.look, self.mend):
                group.create_task(_over_and_over(again))

    def carry(self, libraries: Iterable[str]) -> None:
        """Follow these libraries, too; from any thread."""
        self.shelves = {**{library: Shelf() for library in libraries}, **self.shelves}

    async def look(self) -> None:
        """Bring every library up to date. Faults are kept for `current` to tell."""
        for library in self.shelves:
            async with self._asking:
                await anyio.to_thread.run_sync(self._look, library)

    async def mend(self) -> None:
        """Give releases that are in force on word vectors alone their dense embedder, as long as that takes: it reads
        every example, and neither a release nor a roll-back waits for it."""
        for shelf in self.shelves.values():
            guide = shelf.guide
            if guide is None or not self._may_mend(guide):
                continue
            mended = await anyio.to_thread.run_sync(self._mended, guide, abandon_on_cancel=True)
            async with self._asking:
                if shelf.guide is guide and not mended.degraded:
                    shelf.guide = shelf.kept[mended.release] = mended
                    await anyio.to_thread.run_sync(_settle)

    def _mended(self, guide: Guide) -> Guide:
        """The guide with the embedder, or as it is when that cannot be had."""
        try:
            return self._dense_guide(guide.retriever.guidance, guide.library, guide)
        except Exception:
            # Whatever is wrong with the embedder, word vectors go on.
            self.again = time.monotonic() + AGAIN
            return guide

    def _look(self, library: str) -> None:
        shelf = self.shelves[library]
        try:
            name = self.source.live(library)
            shelf.read = time.monotonic()
            if name is None:
                shelf.guide = None
            elif shelf.guide is None or shelf.guide.release != name:
                self._change(shelf, library, name)
            shelf.fault = ""
        except Exception as fault:
            # A library that cannot be used must never keep a request from its upstream, whatever the reason.
            shelf.fault = (
                str(fault) if isinstance(fault, PreceptorError) else f"{type(fault).__name__} while reading it"
            )

    def _change(self, shelf: Shelf, library: str, name: str) -> None:
        shelf.fitting = True
        try:
            shelf.guide = self._get(library, name, quick=True)
            shelf.read = time.monotonic()
            for kept, guide in shelf.kept.items():
                # What is not in force is asked little; the turns each remembers would be hundreds of megabytes.
                if guide is not shelf.guide:
                    shelf.kept[kept] = guide.fresh()
            _settle()
        except BaseException:
            # What was live is known not to be any more.
            shelf.guide, shelf.read = None, float("-inf")
            raise
        finally:
            shelf.fitting = False

    def _get(self, library: str, prefix: str, *, quick: bool = False) -> Guide:
        """`quick`: rather on word vectors alone, until it is mended, than after every example was embedded."""
        shelf = self.shelves[library]
        known = shelf.kept.get(prefix)
        if known and (quick or not self._may_mend(known)):
            return known
        release = self.source.release(library, prefix)
        known = shelf.kept.get(release.hash)
        if known is None or (self._may_mend(known) and not quick):
            before = shelf.guide or next(reversed(shelf.kept.values()), None)
            known = self._ready(release.guidance, library, before, quick)
        shelf.kept[known.release] = known
        shelf.kept.move_to_end(known.release)
        while len(shelf.kept) > KEPT + 1:
            shelf.kept.popitem(last=False)
        return known

    def _may_mend(self, guide: Guide) -> bool:
        return guide.degraded and time.monotonic() >= self.again

    def _ready(self, guidance: Guidance, library: str, before: Guide | None, quick: bool) -> Guide:
        """A guide with the dense embedder, if there is to be one and it can be had."""
        if self._make_dense is None:
            return Guide.of(guidance, library, self._words, None, before, self._fitted)
        try:
            if not quick or (before and before.embedder and before.fits(guidance)):
                return self._dense_guide(guidance, library, before)
        except PreceptorError:
            self.again = time.monotonic() + AGAIN
        return replace(Guide.of(guidance, library, self._words, None, before, self._fitted), degraded=True)

    def _dense_guide(self, guidance: Guidance, library: str, before: Guide | None) -> Guide:
        """Raises: PreceptorError: the embedder cannot be had."""
        assert self._make_dense is not None, "only where there is to be one"
        self._dense = self._dense or self._make_dense()
        return Guide.of(guidance, library, self._words, self._dense, before, self._fitted)


async def _over_and_over(act: Callable[[], Awaitable[None]]) -> None:
    while True:
        await act()
        await asyncio.sleep(EVERY)


def _settle() -> None:
    """A release is many objects that stay; looking through them for garbage again and again took half of the processor
    time of a busy gateway, and held up everyone for 0.2 s."""
    gc.collect()
    gc.freeze()
