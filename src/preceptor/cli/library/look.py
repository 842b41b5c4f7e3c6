"""`preceptor library list`, `show`, `diff` and `lint`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from preceptor.cli.options import ProjectOption, SetOption

if TYPE_CHECKING:
    from preceptor.library.model import Effect, Evidence, Guidance, Strategy
    from preceptor.library.store import Library


Measured = Literal["proposed", "accepted", "refused", "dropped"]
Decision = Literal["pending", "approved", "rejected"]


def list_(
    measured: Annotated[Measured | None, typer.Option(help="Only those the measured gate judged so.")] = None,
    decision: Annotated[Decision | None, typer.Option(help="Only those a person judged so.")] = None,
    releases: Annotated[bool, typer.Option("--releases", help="List the releases instead.")] = False,
    project: ProjectOption = Path(),
    overrides: SetOption = None,
) -> None:
    """List strategies by scenario.

    The most valuable come first; those that were refused or dropped are listed only when asked for.
    """
    from preceptor.cli.library.opened import opened
    from preceptor.cli.tables import mark

    with opened(project, overrides) as (loaded, library):
        if releases:
            _list_releases(library)
            return
        wanted = library.strategies(measured, decision)
        shown = [s for s in wanted if measured or s.measured in ("accepted", "proposed")]
        typer.echo(_summary(library, mark(loaded.simulated)))
        _list_strategies(library, shown)


def _list_strategies(library: "Library", strategies: "list[Strategy]") -> None:
    from preceptor.cli import tables

    names = {scenario.id: scenario.description for scenario in library.scenarios()}
    homes = sorted({s.scenario for s in strategies}, key=lambda home: (home is not None, names.get(home or "", "")))
    for home in homes:
        title = f"{home}  {names.get(home, '(retired scenario)')}" if home else "Always"
        mine = sorted((s for s in strategies if s.scenario == home), key=lambda s: (-s.value, s.id))
        rows = [(s.id, s.text, f"{s.value:+.2f}", s.measured, s.decision, ", ".join(s.flags)) for s in mine]
        tables.show(("", "strategy", "value", "measured", "decision", "look at"), rows, f"\n{title}")


def _list_releases(library: "Library") -> None:
    from preceptor.cli import tables

    live = library.live()
    rows = [
        (
            r.hash[:12],
            "live" if live and r.hash == live.hash else "",
            r.created,
            r.author,
            len(r.guidance.strategies),
            r.note,
        )
        for r in library.releases()
    ]
    tables.show(("release", "", "made", "by", "strategies", "note"), rows)


def _summary(library: "Library", marked: str) -> str:
    strategies, live = library.strategies(), library.live()
    accepted = [s for s in strategies if s.measured == "accepted"]
    approved = sum(s.decision == "approved" for s in strategies)
    return (
        f"Library {library.name!r}{marked}: {len(library.scenarios())} scenarios; {len(accepted)} strategies accepted "
        f"by measurement, {approved} approved by a person; live release: {live.hash[:12] if live else 'none'}."
    )


def show(
    id_: Annotated[str, typer.Argument(metavar="ID", help="A strategy's or scenario's id, or the beginning of it.")],
    project: ProjectOption = Path(),
    overrides: SetOption = None,
) -> None:
    """Show a strategy or a scenario.

    A strategy with its evidence and history, a scenario with its examples.
    """
    from preceptor.cli.library.opened import opened

    with opened(project, overrides) as (_, library):
        if id_.startswith("sc"):
            _show_scenario(library, id_)
        else:
            _show_strategy(library, id_)


def _show_strategy(library: "Library", prefix: str) -> None:
    from preceptor.library.disguise import visible

    strategy = library.strategy(prefix)
    home = next((s.description for s in library.scenarios() if s.id == strategy.scenario), "always")
    typer.echo(f"{strategy.id} (version {strategy.version})\n\n  {visible(strategy.text)}\n")
    for name, value in (
        ("when", home),
        ("why", visible(strategy.reason)),
        ("measured", f"{strategy.measured}, value {strategy.value:+.3f}"),
        ("decision", strategy.decision),
        ("look at", ", ".join(strategy.flags)),
    ):
        if value:
            typer.echo(f"{name:>9}: {value}")
    for version in library.history(strategy.id)[:-1]:
        typer.echo(f"  earlier: {visible(version.strategy.text)} ({version.author}, {version.at})")
    for evidence in library.evidence(strategy.id):
        typer.echo(f"\n{visible(_told(evidence))}")


def _told(evidence: "Evidence") -> str:
    lines = [f"[{evidence.kind}] {evidence.reason}".rstrip()]
    if evidence.effect:
        lines.append(f"  effect: {_effect(evidence.effect)}")
    if evidence.context:
        lines += [f"  {line}" for line in evidence.context.transcript().splitlines()]
    for name, text in (("before", evidence.before), ("after", evidence.after), ("teacher", evidence.teacher)):
        if text:
            lines.append(f"  {name}: {' '.join(text.split())}")
    return "\n".join(lines)


def _effect(effect: "Effect") -> str:
    return f"{effect.mean:+.2f} ({effect.low:+.2f} to {effect.high:+.2f}) {effect.unit}, n = {effect.n}"


def _show_scenario(library: "Library", prefix: str) -> None:
    from preceptor.errors import NotFound

    scenario = next((s for s in library.scenarios() if s.id.startswith(prefix)), None)
    if scenario is None:
        raise NotFound(f"There is no scenario {prefix!r}. `preceptor library list` shows them.")
    typer.echo(f"{scenario.id}\n\n  {scenario.description}\n")
    _list_strategies(library, [*library.strategies(scenario=scenario.id)])
    for context in scenario.examples:
        typer.echo(f"\nexample {context.key}")
        typer.echo("\n".join(f"  {line}" for line in context.transcript().splitlines()))


def diff(
    before: Annotated[
        str | None,
        typer.Argument(metavar="[RELEASE]", help="A release; the live one when not given.", show_default=False),
    ] = None,
    after: Annotated[
        str | None,
        typer.Argument(metavar="[RELEASE]", help="Another; what is approved now when not given.", show_default=False),
    ] = None,
    project: ProjectOption = Path(),
    overrides: SetOption = None,
) -> None:
    """Say what differs between two releases.

    Or between the live one and what is approved now.
    """
    from preceptor.cli.library.opened import opened
    from preceptor.library.diff import differences, summary

    with opened(project, overrides) as (_, library):
        old = library.get_release(before).guidance if before else _live(library)
        new = library.get_release(after).guidance if after else library.guidance("approved")
    found = differences(old, new)
    for difference in found:
        typer.echo(f"{difference.kind:>8} {difference.what} {difference.id}: {difference.text}")
    typer.echo(summary(found))


def _live(library: "Library") -> "Guidance":
    from preceptor.library.model import Guidance

    live = library.live()
    return live.guidance if live else Guidance(library.use().domain)


def lint(project: ProjectOption = Path(), overrides: SetOption = None) -> None:
    """Name what deserves a second look.

    Personal data, promises, doubles, contradictions…
    """
    from preceptor.cli import tables
    from preceptor.cli.library.opened import opened
    from preceptor.library import lint as linting

    with opened(project, overrides) as (_, library):
        strategies = [s for s in library.strategies() if s.measured != "refused" and s.decision != "rejected"]
    flags = linting.lint(strategies)
    rows = [(s.id, ", ".join(flags[s.id]), s.text) for s in strategies if flags[s.id]]
    if rows:
        tables.show(("", "look at", "strategy"), rows)
    typer.echo(f"{len(rows)} of {len(strategies)} strategies deserve a second look.")
