"""A project: a folder with preceptor.toml, and what its settings stand for."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from preceptor.dialogue.domain import Domain
from preceptor.dialogue.environment import Environment
from preceptor.dialogue.tools.record import Record
from preceptor.library.store import Library
from preceptor.llm.ledger import Ledger
from preceptor.llm.prices import NOTHING, Amount
from preceptor.llm.sharing import SharedLedger, SharedTurns
from preceptor.llm.stopping import Stop
from preceptor.retrieval.embedding import CachedEmbedder, Embedder
from preceptor.settings import embedders, tools
from preceptor.settings.models import Providers
from preceptor.settings.reading import FILE, read
from preceptor.settings.schema import ROLES, Settings, Simulated
from preceptor.settings.team import Team
from preceptor.storage.database import PATIENCE, Database
from preceptor.storage.vectors import Vectors


@dataclass(frozen=True)
class Project:
    """The project in a folder; paths in its settings are relative to it."""

    folder: Path
    settings: Settings

    @classmethod
    def load(cls, folder: Path, overrides: Sequence[str] = ()) -> "Project":
        """Read a project's settings, with overrides (``section.key=value``) on top.

        Raises:
            NotFound: there is no preceptor.toml.
            SettingsError: it cannot be used.
        """
        return cls(folder, read(folder / FILE, overrides))

    @property
    def simulated(self) -> bool:
        """Is any model a simulated one? Then whatever is shown must say so."""
        return any(isinstance(self.settings.models.of(role), Simulated) for role in ROLES)

    def domain(self) -> Domain:
        """Raises: NotFound, SettingsError"""
        return Domain.load(self.folder / self.settings.project.domain)

    def equipped(self) -> Domain:
        """The domain with what stands behind its tools asked what the file does not say: as runs keep it.

        Raises:
            NotFound, SettingsError: the domain cannot be read, or its tools are not there.
            UserError: they cannot be asked.
        """
        return tools.equipped(self.domain(), self.settings.tools, self.folder)

    def environment(
        self, domain: Domain, db: Database | None = None, run: str = ""
    ) -> AbstractAsyncContextManager[Environment]:
        """What stands behind a domain's tools, for as long as it is used. `run`: calls are recorded with it in `db`.

        Raises:
            NotFound, SettingsError, UserError: it cannot be had; when it is entered.
        """
        record = Record(db, run) if db is not None and run else None
        return tools.environment(domain, self.settings, self.folder, record)

    def database(self, *, create: bool = False, patience: float = PATIENCE) -> Database:
        """Open the database. `patience`: seconds to wait for a server that went away after it was reached.

        Raises:
            NotFound: there is none yet, and `create` is not set.
            UserError, Conflict: it cannot be used.
        """
        return Database.open(self.place, create=create, patience=patience)

    @property
    def place(self) -> str | Path:
        """Where the database is: a file, or a server's URL."""
        place = self.settings.project.database
        return place if "://" in place else self.folder / place

    def library(self, db: Database) -> Library:
        return Library(db, self.settings.project.library)

    def embedder(self, db: Database | None = None) -> Embedder:
        """The embedder of the settings; vectors that cost a call or much time are kept in the database, if given.

        Raises:
            UserError, ProviderError: it cannot be used.
        """
        section = self.settings.retrieval
        embedder = embedders.build(section, self.folder)
        kept = embedders.Kept(Vectors(db)) if db is not None and section.dense else None
        return CachedEmbedder(embedder, kept)

    def providers(self) -> Providers:
        """The bare models of all roles.

        Raises:
            NotFound, SettingsError: one of them cannot be had.
        """
        found = Providers(self.folder)
        for role in ROLES:
            found.model(self.settings.models.of(role))
        return found

    def team(
        self,
        db: Database,
        run: str,
        stop: Stop,
        providers: Providers | None = None,
        used: Amount = NOTHING,
        ledger: SharedLedger | None = None,
    ) -> Team:
        """The models of a run. `used`: what other runs have used of the same budget. `ledger`: where other processes
        take part in the run.

        Raises:
            NotFound, SettingsError
        """
        providers = providers or self.providers()
        models, budget = self.settings.models, self.settings.budget
        if ledger is None:
            return Team.gather(models, budget, providers, Ledger(db, run), stop, used)
        return Team.gather(models, budget, providers, ledger, stop, turns=lambda place: SharedTurns(db, place))

    def resolved(self) -> dict[str, Any]:
        """The settings with defaults filled in, as the record of a run keeps them. Secrets are not among them."""
        return self.settings.model_dump(mode="json")
