"""`preceptor keys`: who may ask the gateway."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from preceptor.cli.options import ProjectOption, SetOption

if TYPE_CHECKING:
    from preceptor.llm.prices import Amount
    from preceptor.serving.keys import Key

app = typer.Typer(help="Keys for the gateway: make, look at, revoke.", no_args_is_help=True)


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="Whose it is.")],
    tenant: Annotated[
        str | None, typer.Option(help="Under which name requests are counted; NAME if not given.")
    ] = None,
    library: Annotated[
        str | None, typer.Option(help="Whose live release its requests are given; project.library if not given.")
    ] = None,
    release: Annotated[
        str | None,
        typer.Option(metavar="HASH", help="A release to give instead of the live one, whatever comes later."),
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option(help="A model it may ask for; may be given several times. All if not given.")
    ] = None,
    per_minute: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Most requests in any 60 seconds, for each gateway process.")
    ] = None,
    money: Annotated[
        str | None, typer.Option(metavar="AMOUNT", help="Most money, in project.currency, for each period.")
    ] = None,
    tokens: Annotated[int | None, typer.Option(min=0, metavar="N", help="Most tokens, for each period.")] = None,
    per: Annotated[
        Literal["day", "month", "ever"],
        typer.Option(help="The period of --money and --tokens, by the calendar in UTC."),
    ] = "month",
    project: ProjectOption = Path(),
    overrides: SetOption = None,
) -> None:
    """Make a key.

    It is shown once: only its hash is kept. A running gateway knows it within two seconds.
    """
    from preceptor.serving.keys import Key, Keys
    from preceptor.settings.project import Project

    loaded = Project.load(project, overrides or ())
    wanted = Key(
        "",
        name,
        tenant or name,
        library or loaded.settings.project.library,
        release,
        tuple(model or ()),
        per_minute,
        _money(money),
        tokens,
        per,
    )
    with loaded.database(create=True) as db:
        secret, made = Keys(db).add(wanted)
    typer.echo(f"{made.id}, for {made.name}. This is the only time the key itself is shown:", err=True)
    typer.echo(secret)


@app.command("list")
def list_(project: ProjectOption = Path(), overrides: SetOption = None) -> None:
    """List the keys, what they allow, and what was spent on them in their period."""
    from preceptor.cli import tables
    from preceptor.llm.prices import NOTHING
    from preceptor.serving.keys import Keys
    from preceptor.settings.project import Project

    loaded = Project.load(project, overrides or ())
    with loaded.database() as db:
        keys = [held.key for held in Keys(db).all()]
        spent = Keys(db).spent(datetime.now(UTC))
    headings = ("id", "name", "tenant", "library", "models", "a minute", "spent", "requests", "state")
    rows = [_row(key, spent.get(key.id, {}).get(key.period, NOTHING), loaded.settings.project.currency) for key in keys]
    tables.show(headings, rows)
    if not keys:
        typer.echo("No keys yet. Next: preceptor keys add NAME")


@app.command()
def revoke(
    name: Annotated[str, typer.Argument(metavar="KEY", help="A key's id, the beginning of it, or its name.")],
    project: ProjectOption = Path(),
    overrides: SetOption = None,
) -> None:
    """Make a key bad for good. A running gateway refuses it within two seconds."""
    from preceptor.serving.keys import Keys
    from preceptor.settings.project import Project

    loaded = Project.load(project, overrides or ())
    with loaded.database() as db:
        gone = Keys(db).revoke(name)
    typer.echo(f"revoked: {gone.id}, of {gone.name}")


def _row(key: "Key", spent: "Amount", currency: str) -> tuple[object, ...]:
    library = f"{key.library} at {key.release[:12]}" if key.release else key.library
    state = f"revoked {key.revoked[:10]}" if key.revoked else "good"
    models = ", ".join(key.models) or "all"
    return (
        key.id,
        key.name,
        key.tenant,
        library,
        models,
        key.per_minute,
        _spent(key, spent, currency),
        spent.calls,
        state,
    )


def _spent(key: "Key", spent: "Amount", currency: str) -> str:
    from preceptor.llm.prices import from_nano

    tokens = f"{spent.tokens:,}" + (f" of {key.tokens:,}" if key.tokens is not None else "") + " tokens"
    money = f"{from_nano(spent.nano):.2f}" + (f" of {from_nano(key.nano):.2f}" if key.nano is not None else "")
    counted = f"{tokens}, {money} {currency}" if spent.nano or key.nano is not None else tokens
    return f"{counted} ({'in all' if key.period == 'ever' else f'this {key.period}'})"


def _money(text: str | None) -> int | None:
    """Raises: UserError: no amount."""
    from preceptor.errors import UserError
    from preceptor.llm.prices import to_nano

    if text is None:
        return None
    try:
        money = Decimal(text)
    except ArithmeticError:
        money = Decimal("NaN")
    if not money.is_finite() or money < 0:
        raise UserError(f"--money {text!r} is no amount. Give it as a number, such as 25 or 0.50.")
    return to_nano(money)
