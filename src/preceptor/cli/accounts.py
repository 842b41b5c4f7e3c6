"""`preceptor accounts`: who may sign in to the review, and what they may do there."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from preceptor.cli.options import ProjectOption, SetOption

if TYPE_CHECKING:
    from preceptor.web.accounts import Accounts

app = typer.Typer(help="Accounts of the review: make, list, change, remove.", no_args_is_help=True)
Role = Literal["viewer", "editor", "approver", "admin"]
NameArgument = Annotated[str, typer.Argument(help="Whose it is, as the trail will have it.")]


@app.command()
def add(
    name: NameArgument,
    role: Annotated[
        Role,
        typer.Option(
            help="viewer: look; editor: also reword, comment, defer; approver: also approve, reject, release; "
            "admin: everything."
        ),
    ] = "viewer",
    password: Annotated[
        bool, typer.Option(help="Without one, the person comes through a proxy that knows them (review.proxy_header).")
    ] = True,
    project: ProjectOption = Path(),
    overrides: SetOption = None,
) -> None:
    """Make an account. Its password is asked for, or read from standard input."""
    with _opened(project, overrides, create=True) as accounts:
        made = accounts.add(name, role, _password() if password else None)
    typer.echo(f"{made.name} may sign in as {made.role}." if made.password else f"{made.name} is known as {made.role}.")


@app.command("list")
def list_(project: ProjectOption = Path(), overrides: SetOption = None) -> None:
    """List the accounts."""
    from preceptor.cli import tables

    with _opened(project, overrides) as accounts:
        rows = [(a.name, a.role, "password" if a.password else "proxy", a.created[:10]) for a in accounts.all()]
    tables.show(("name", "role", "signs in by", "since"), rows)
    if not rows:
        typer.echo("No accounts yet. Next: preceptor accounts add NAME --role approver")


@app.command("role")
def set_role(
    name: NameArgument,
    role: Annotated[Role, typer.Argument(help="From now on.")],
    project: ProjectOption = Path(),
    overrides: SetOption = None,
) -> None:
    """Give an account another role; it counts from the next click."""
    with _opened(project, overrides) as accounts:
        accounts.set_role(name, role)
    typer.echo(f"{name} is now {role}.")


@app.command("password")
def set_password(name: NameArgument, project: ProjectOption = Path(), overrides: SetOption = None) -> None:
    """Give an account a new password, and sign it out everywhere."""
    with _opened(project, overrides) as accounts:
        accounts.set_password(name, _password())
    typer.echo(f"{name} has a new password.")


@app.command()
def remove(name: NameArgument, project: ProjectOption = Path(), overrides: SetOption = None) -> None:
    """Remove an account and sign it out. What was done under its name stays in the trail."""
    with _opened(project, overrides) as accounts:
        accounts.remove(name)
    typer.echo(f"{name} is removed.")


@contextmanager
def _opened(project: Path, overrides: list[str] | None, *, create: bool = False) -> "Iterator[Accounts]":
    from preceptor.settings.project import Project
    from preceptor.web.accounts import Accounts

    with Project.load(project, overrides or ()).database(create=create) as db:
        yield Accounts(db)


def _password() -> str:
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\r\n")
