"""From the settings to a gateway."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from preceptor.errors import SettingsError
from preceptor.llm.prices import FREE, Price
from preceptor.retrieval.embedding import Embedder, LexicalEmbedder
from preceptor.retrieval.keeping import Fitted
from preceptor.serving.access import Caller, Watch
from preceptor.serving.app import Bounds, Gateway
from preceptor.serving.guide import Finder
from preceptor.serving.keyring import Keyring
from preceptor.serving.lines import Lines
from preceptor.serving.log import AccessLog
from preceptor.serving.outcomes import Outcomes
from preceptor.serving.recording import Recorder
from preceptor.serving.releases import DatabaseSource, Releases
from preceptor.serving.siblings import ALONE, Siblings
from preceptor.serving.trial import Trial
from preceptor.serving.upstream import Upstream, Upstreams
from preceptor.serving.visit import Beside, Tracing
from preceptor.serving.wire import Patience
from preceptor.settings.models import key
from preceptor.settings.project import Project
from preceptor.settings.schema import Simulated, UpstreamSection

TOGETHER = 16
"""Conversations whose new turns an embeddings endpoint is asked for at once."""


@dataclass(frozen=True)
class Lookout:
    """Makes what needs the project's database or its embedder, when it is needed: a gateway starts without either."""

    project: Project

    def source(self) -> DatabaseSource:
        place = self.project.settings.project.database
        path = None if "://" in place else self.project.folder / place
        # Customers are not kept waiting for a server that is away; whoever looks here looks again in a moment.
        return DatabaseSource(lambda: self.project.database(patience=0), path)

    def embedder(self) -> Embedder:
        return self.project.embedder()


def upstreams(project: Project, world: str | None = None) -> Sequence[Upstream]:
    """The servers behind the gateway. `world`: the URL at which a simulated student answers.

    Raises:
        SettingsError: a key is not set.
    """
    named = project.settings.serving.upstreams
    if named:
        return [_upstream(name, section) for name, section in named.items()]
    student = project.settings.models.student
    if isinstance(student, Simulated):
        return [Upstream("student", world or "")]
    about = UpstreamSection(
        base_url=student.base_url,
        key_env=student.key_env,
        timeout=student.timeout,
        concurrency=max(student.concurrency, UpstreamSection.model_fields["concurrency"].default),
    )
    return [_upstream("student", about)]


def simulated(project: Project) -> Simulated | None:
    """The simulated student that has to be served for the gateway to have one; None: there are real upstreams."""
    student = project.settings.models.student
    return student if isinstance(student, Simulated) and not project.settings.serving.upstreams else None


def prices(project: Project) -> Mapping[str, Price]:
    """What tokens cost, by upstream."""
    named = project.settings.serving.upstreams
    student = project.settings.models.student
    sections = {name: (section.price_input, section.price_output) for name, section in named.items()}
    return {
        name: Price(*pair) if any(pair) else FREE
        for name, pair in (sections or {"student": (student.price_input, student.price_output)}).items()
    }


def patience(project: Project) -> Patience:
    """What clients' connections may do."""
    section = project.settings.serving
    return Patience(section.head_kb << 10, section.head_seconds, section.taking_seconds)


def folder(project: Project) -> Path:
    """Where a gateway keeps what must outlive it and the database's absence."""
    place = project.settings.project.database
    return project.folder / ("preceptor-gateway" if "://" in place else f"{place}-gateway")


def beside(project: Project) -> Sequence[Beside]:
    """What looks at requests when they are over."""
    section = project.settings.serving
    found: list[Beside] = []
    if section.access_log is not None:
        place = None if section.access_log == "-" else project.folder / section.access_log
        found.append(AccessLog(Lines(place), messages=section.access_log_messages))
    if section.record is not None:
        found.append(Recorder(Lines(project.folder / section.record), redacted=section.record_redacted))
    return found


def tracing(project: Project) -> Tracing | None:
    """Who follows requests, if anybody is to.

    Raises:
        SettingsError: what is needed for it is not installed.
    """
    section = project.settings.serving
    if section.traces is None:
        return None
    try:
        from preceptor.serving.traces import Traces
    except ImportError:
        raise SettingsError("serving.traces needs OpenTelemetry: pip install 'preceptor[otel]'.") from None
    return Traces.sent(section.traces, section.traces_ratio, messages=section.traces_messages)


def watch(project: Project) -> Watch:
    """Who may read the metrics.

    Raises:
        SettingsError: their key is not set.
    """
    section = project.settings.serving
    return Watch(key(section.metrics_key_env), section.metrics == "open")


def keyed(project: Project) -> bool:
    """Whether any key was ever made, as far as can be told."""
    source = Lookout(project).source()
    try:
        ring = Keyring(source, folder(project))
        ring.look()
        return ring.known > 0
    finally:
        source.close()


def gateway(project: Project, world: str | None = None, *, keyless: bool = True, siblings: Siblings = ALONE) -> Gateway:
    """The gateway of a project; see `upstreams`. `keyless`: everybody is admitted while no key was ever made.
    `siblings`: other processes of the same gateway.

    Raises:
        SettingsError: a key is not set.
    """
    section, lookout = project.settings.serving, Lookout(project)
    library = project.settings.project.library
    retrieval = project.settings.retrieval
    words = LexicalEmbedder() if retrieval.embedder == "lexical" else None
    fitted = Fitted(folder(project) / "fitted")
    releases = Releases(lookout.source(), [library], lookout.embedder if retrieval.dense else None, words, fitted)
    access = Keyring(
        lookout.source(),
        folder(project),
        prices(project),
        Caller(library, library) if keyless else None,
    )
    together = TOGETHER if project.settings.retrieval.embedder == "endpoint" else 1
    drawn = Trial(section.holdout, section.other_release, section.other_share)
    return Gateway(
        Upstreams(upstreams(project, world)),
        releases,
        access,
        Bounds(section.body_mb << 20, section.body_seconds),
        beside=beside(project),
        trial=drawn,
        outcomes=Outcomes(lookout.source(), drawn),
        siblings=siblings,
        tracing=tracing(project),
        watch=watch(project),
        finder=Finder(section.patience_ms / 1000, section.limit_ms / 1000, together),
    )


def _upstream(name: str, section: UpstreamSection) -> Upstream:
    return Upstream(
        name,
        section.base_url.rstrip("/"),
        key(section.key_env),
        section.model,
        frozenset(section.models),
        section.weight,
        section.timeout,
        most=section.concurrency,
        waiting=section.concurrency,
    )
