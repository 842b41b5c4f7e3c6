"""`preceptor logs`: conversations into the project."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from preceptor.cli.discover import discover
from preceptor.cli.options import ProjectOption, SetOption, YesOption, at, plural

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rich.progress import Progress as Bar

    from preceptor.library.redaction import Finder
    from preceptor.logs.importing import Outcome, Progress
    from preceptor.logs.readers import Log
    from preceptor.settings.project import Project
    from preceptor.storage.database import Database

app = typer.Typer(help="Conversations of people and machines: import, look at, remove.", no_args_is_help=True)
app.command()(discover)
SourceArgument = Annotated[str, typer.Argument(metavar="SOURCE", help="A source's name, as in `preceptor logs list`.")]


@app.command("import")
def import_(
    path: Annotated[
        Path, typer.Argument(metavar="FILE|DIR", help="A file, a folder with files, or - for standard input.")
    ],
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
    presidio_model: Annotated[
        str | None,
        typer.Option(metavar="NAME|FOLDER", help="spaCy's model for --presidio; en_core_web_lg if not given."),
    ] = None,
    rejects: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where to tell of rows that cannot be read; PROJECT/rejected/NAME.jsonl."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print what came of each file as a line of JSON.")] = False,
    project: ProjectOption = Path(),
    overrides: SetOption = None,
) -> None:
    """Import conversations into the project, without customers' data.

    Known forms are told apart by themselves; files may be compressed with gzip. Importing again adds only what is new;
    an import that was stopped is finished that way. Rows that cannot be read are told of in a file, the rest is
    imported; so are the other files of a folder when one of them cannot be read. Exit code 1 when a file cannot be
    read, or nothing comes in.
    """
    from preceptor.errors import Conflict, NotFound, SettingsError, UserError
    from preceptor.logs import mapping as mappings
    from preceptor.logs.importing import files
    from preceptor.logs.readers import read
    from preceptor.settings.project import Project

    loaded = Project.load(project, overrides or ())
    found = files(path)
    if not found:
        raise NotFound(f"There is no file in {str(path)!r} whose name ends like a log's. Give it by its own name.")
    if name is not None and len(found) > 1:
        raise UserError(f"--name {name!r} can be given to one file; {str(path)!r} holds {len(found)}.")
    columns = mappings.load(mapping) if mapping else None
    more = _presidio(presidio_model) if (presidio or presidio_model) and not no_redact else None
    logs = [(name or called, read(file, form, columns)) for called, file in found]
    if no_redact:
        typer.echo("Nothing is redacted: what customers said is kept as it is.", err=True)
    outcomes, faults = list["Outcome"](), 0
    with loaded.database(create=True) as db:
        for called, log in logs:
            place = rejects or loaded.folder / "rejected" / f"{called}.jsonl"
            try:
                outcomes.append(_bring(db, called, log, place, more, raw=no_redact, elsewhere=name is not None))
            except (NotFound, SettingsError, Conflict) as fault:
                if len(logs) == 1:
                    raise
                faults += 1
                typer.echo(f"Not imported: {fault}", err=True)
            else:
                _tell(outcomes[-1], called, place, json=json)
    if not json:
        _in_all(outcomes, faults, at(project))
    if faults or not any(outcome.read for outcome in outcomes):
        raise typer.Exit(1)


def _bring(
    db: "Database", name: str, log: "Log", rejects: Path, more: "Finder | None", *, raw: bool, elsewhere: bool
) -> "Outcome":
    from preceptor.logs.importing import Redactor, bring
    from preceptor.logs.store import Store

    redactor = None if raw else Redactor(more)
    with _progress(name) as bar:
        return bring(log, Store(db), name, redactor=redactor, rejects=rejects, elsewhere=elsewhere, tell=_advance(bar))


def _presidio(model: str | None) -> "Finder":
    from preceptor.logs.presidio import finder

    return finder(model=model)


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


def _tell(outcome: "Outcome", name: str, rejects: Path, *, json: bool) -> None:
    from dataclasses import asdict

    import orjson

    if json:
        told = asdict(outcome) | {"rejects": str(rejects) if outcome.rejected else None}
        del told["source"]["mark"]
        typer.echo(orjson.dumps(told).decode())
        return
    for line in _about(outcome, name, rejects):
        typer.echo(line)


def _about(outcome: "Outcome", name: str, rejects: Path) -> "Iterator[str]":
    source = outcome.source
    forms = f" ({', '.join(source.forms)})" if source.forms else ""
    if outcome.read:
        yield (
            f"{name}{forms}: {plural(source.conversations, 'conversation')}, {plural(source.turns, 'turn')}; "
            f"{outcome.added:,} new, {outcome.known:,} known."
        )
        if source.redacted:
            kinds = sorted(source.found.items(), key=lambda one: -one[1])
            yield f"  Redacted: {', '.join(f'{kind} {count:,}' for kind, count in kinds) or 'nothing found'}."
        if (gone := source.conversations - outcome.read) > 0:
            yield (
                f"  {gone:,} of them are from before and not in the file now. They stay; to begin anew: preceptor logs "
                f"remove {name}"
            )
    else:
        yield f"{name}: no conversations{'' if outcome.rejected else '; there is nothing in it that could be one'}."
    if outcome.first:
        yield f"  {plural(outcome.rejected, 'row')} could not be read. Row {outcome.first.line}: {outcome.first.reason}"
        yield f"  {'All of them are' if outcome.rejected > 1 else 'This is'} told in {rejects}."


def _in_all(outcomes: "Sequence[Outcome]", faults: int, where: str) -> None:
    files = len(outcomes) + faults
    if files > 1:
        empty = sum(not outcome.read for outcome in outcomes)
        told = [f"{sum(outcome.read for outcome in outcomes):,} conversations"]
        told += [f"{sum(outcome.added for outcome in outcomes):,} of them new"]
        told += [f"{empty:,} files with none"] if empty else []
        told += [f"{faults:,} not imported (above)"] if faults else []
        typer.echo(f"{files:,} files: {', '.join(told)}.")
    if any(outcome.read for outcome in outcomes):
        typer.echo(
            f"Next: preceptor logs list{where} (what is there), preceptor logs discover{where} (what customers come "
            f"with), or preceptor teach --logs imported{where}"
        )


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
    if sources:
        tables.show(headings, rows)
    else:
        typer.echo(f"No conversations yet. Next: preceptor logs import FILE{at(project)}")


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
    talks, turns = plural(known.conversations, "conversation"), plural(known.turns, "turn")
    typer.echo(f"{known.name}, from {known.path}: {talks}, {turns}.")
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
