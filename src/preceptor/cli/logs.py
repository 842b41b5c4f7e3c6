"""`preceptor logs`: conversations into the project."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from preceptor.cli.discover import discover
from preceptor.cli.options import ProjectOption, SetOption, YesOption

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.progress import Progress as Bar

    from preceptor.library.redaction import Finder
    from preceptor.logs.importing import Outcome, Progress
    from preceptor.logs.readers import Log
    from preceptor.settings.project import Project

app = typer.Typer(help="Conversations of people and machines: import, look at, remove.", no_args_is_help=True)
app.command()(discover)
SourceArgument = Annotated[str, typer.Argument(metavar="SOURCE", help="A source's name, as in `preceptor logs list`.")]


@app.command("import")
def import_(
    path: Annotated[Path, typer.Argument(metavar="FILE|DIR", help="A file, or a folder with files.")],
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="FORM",
            help="messages, sharegpt, star, stc3, tau-bench, zendesk, intercom, langfuse, langsmith or table; found "
            "out if not given.",
        ),
    ] = None,
    mapping: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="TOML or YAML: which column of a table is what. docs/logs.md has the keys."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="What to call the source; the file's name if not given.")] = None,
    no_redact: Annotated[bool, typer.Option("--no-redact", help="Keep what customers said as it is.")] = False,
    presidio: Annotated[
        bool, typer.Option("--presidio", help="Find names with Presidio, too: slower; needs the 'presidio' extra.")
    ] = False,
    rejects: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where to tell of rows that cannot be read; PROJECT/rejected/NAME.jsonl."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print what came of each file as a line of JSON.")] = False,
    project: ProjectOption = Path(),
    overrides: SetOption = None,
) -> None:
    """Import conversations into the project, without customers' data.

    Known forms are told apart by themselves. Importing again adds only what is new; an import that was stopped is
    finished that way. Rows that cannot be read are told of in a file, the rest is imported.
    """
    from preceptor.errors import NotFound, UserError
    from preceptor.logs import mapping as mappings
    from preceptor.logs.importing import Redactor, bring, files
    from preceptor.logs.readers import read
    from preceptor.logs.store import Store
    from preceptor.settings.project import Project

    loaded = Project.load(project, overrides or ())
    found = files(path)
    if not found:
        raise NotFound(f"There is no file in {str(path)!r} whose name ends like a log's.")
    if name is not None and len(found) > 1:
        raise UserError(f"--name {name!r} can be given to one file; {str(path)!r} holds {len(found)}.")
    columns = mappings.load(mapping) if mapping else None
    more = _presidio() if presidio and not no_redact else None
    logs = [(name or called, read(file, form, columns)) for called, file in found]
    if no_redact:
        typer.echo("Nothing is redacted: what customers said is kept as it is.", err=True)
    with loaded.database(create=True) as db:
        for called, log in logs:
            place = rejects or loaded.folder / "rejected" / f"{called}.jsonl"
            with _progress(called) as bar:
                outcome = bring(
                    log,
                    Store(db),
                    called,
                    redactor=None if no_redact else Redactor(more),
                    rejects=place,
                    elsewhere=name is not None,
                    tell=_advance(bar),
                )
            _tell(outcome, log, place, json=json)
    if not json:
        typer.echo("Next: preceptor teach --logs imported")


def _presidio() -> "Finder":
    from preceptor.logs.presidio import finder

    return finder()


def _progress(name: str) -> "Bar":
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    told = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[said]}"))
    bar = Progress(*told, console=Console(stderr=True), transient=True, disable=not Console(stderr=True).is_terminal)
    bar.add_task(name, total=1, said="")
    return bar


def _advance(bar: "Bar") -> "Callable[[Progress], None]":
    def advance(progress: "Progress") -> None:
        said = f"{progress.conversations:,} conversations, {progress.turns:,} turns"
        bar.update(bar.task_ids[0], completed=progress.read, total=max(1, progress.size), said=said)

    return advance


def _tell(outcome: "Outcome", log: "Log", rejects: Path, *, json: bool) -> None:
    from dataclasses import asdict

    import orjson

    source = outcome.source
    if json:
        told = asdict(outcome) | {"rejects": str(rejects) if outcome.rejected else None}
        typer.echo(orjson.dumps(told).decode())
        return
    forms = f" ({', '.join(source.forms)})" if source.forms else ""
    typer.echo(
        f"{source.name}{forms}: {source.conversations:,} conversations, {source.turns:,} turns; {outcome.added:,} new, "
        f"{outcome.known:,} known."
    )
    if source.redacted:
        kinds = ", ".join(f"{kind} {count:,}" for kind, count in sorted(source.found.items(), key=lambda one: -one[1]))
        typer.echo(f"  Redacted: {kinds or 'nothing found'}.")
    if outcome.rejected:
        first = log.skipped[0]
        typer.echo(f"  {outcome.rejected:,} rows could not be read; see {rejects}. Line {first.line} was the first.")


@app.command("list")
def list_(project: ProjectOption = Path(), overrides: SetOption = None) -> None:
    """List where conversations came from."""
    from preceptor.cli import tables
    from preceptor.logs.store import Store
    from preceptor.settings.project import Project

    with Project.load(project, overrides or ()).database() as db:
        sources = Store(db).sources()
    headings = ("source", "conversations", "turns", "forms", "redacted", "rows not read", "imported", "state")
    rows = [
        (
            *(one.name, f"{one.conversations:,}", f"{one.turns:,}", ", ".join(one.forms), _redacted(one.redacted)),
            *(f"{one.rejected:,}", one.at[:16], "" if one.state == "done" else "not finished: import it again"),
        )
        for one in sources
    ]
    tables.show(headings, rows)
    if not sources:
        typer.echo("No conversations yet. Next: preceptor logs import FILE")


def _redacted(redacted: bool) -> str:
    return "yes" if redacted else "no"


@app.command()
def show(
    source: SourceArgument,
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="So many conversations, from the first.")] = 3,
    project: ProjectOption = Path(),
    overrides: SetOption = None,
) -> None:
    """Show a source: what was redacted, and its first conversations."""
    from itertools import islice

    from preceptor.logs.store import Store
    from preceptor.settings.project import Project

    with Project.load(project, overrides or ()).database() as db:
        store = Store(db)
        known = store.source(source)
        some = list(islice(store.conversations(source), count))
    typer.echo(f"{known.name}, from {known.path}: {known.conversations:,} conversations, {known.turns:,} turns.")
    for kind, found in sorted(known.found.items(), key=lambda one: -one[1]):
        typer.echo(f"  {kind}: {found:,} replaced")
    for conversation in some:
        typer.echo(f"\n{conversation.customer}  {conversation.ending}  {', '.join(conversation.tags)}".rstrip())
        typer.echo(conversation.transcript())


@app.command()
def remove(
    source: SourceArgument,
    yes: YesOption = False,
    project: ProjectOption = Path(),
    overrides: SetOption = None,
) -> None:
    """Remove a source's conversations. What was learned from them stays; the runs that did are named."""
    from preceptor.cli.running import confirm
    from preceptor.logs.store import Store
    from preceptor.settings.project import Project

    loaded = Project.load(project, overrides or ())
    with loaded.database() as db:
        store = Store(db)
        known = store.source(source)
        typer.echo(f"{known.name}: {known.conversations:,} conversations will be removed.")
        confirm(yes)
        store.remove(source)
        runs = _drawn(loaded, source)
    typer.echo("Removed.")
    if runs:
        typer.echo(f"Runs that learned from it, and whose library and evidence may quote it: {', '.join(runs)}.")
        typer.echo(f"To take what rests on it out of use: preceptor library forget --source {source}")


def _drawn(project: "Project", source: str) -> list[str]:
    from preceptor.settings.teaching import drawn

    with project.database() as db:
        return drawn(db, source)
