"""`preceptor export`: judged conversations as training data."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from preceptor.cli.options import ProjectOption, SetOption

if TYPE_CHECKING:
    from preceptor.evaluation.results import Served
    from preceptor.evaluation.training_data import Example
    from preceptor.library.model import Guidance
    from preceptor.library.store import Library
    from preceptor.llm.messages import Tool
    from preceptor.storage.database import Database

Kind = Literal["sft", "preference", "kto"]
Format = Literal["trl", "openai", "sharegpt"]


def export(
    kind: Annotated[
        Kind,
        typer.Argument(
            metavar="KIND",
            help="sft: good conversations; preference: a better and a worse reply in one context; kto: good and bad "
            "replies.",
        ),
    ],
    run: Annotated[str, typer.Argument(metavar="RUN", help="An evaluation's id, or the beginning of it.")],
    form: Annotated[
        Format, typer.Option("--format", help="trl; openai (fine-tuning, not for kto); sharegpt (LLaMA-Factory).")
    ] = "trl",
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Where to; standard output when not given.")] = None,
    min_satisfaction: Annotated[
        float, typer.Option(min=1, max=5, help="What a good conversation is rated at least.")
    ] = 4.0,
    max_satisfaction: Annotated[
        float, typer.Option(min=1, max=5, help="What a bad conversation is rated at most (kto).")
    ] = 2.0,
    margin: Annotated[
        float,
        typer.Option(min=0.1, max=4, help="By how much a customer must be more satisfied for a reply to be preferred."),
    ] = 1.0,
    arm: Annotated[
        list[str] | None,
        typer.Option(help="Whose replies to take, or to prefer; may be given several times. All when not given."),
    ] = None,
    with_guidance: Annotated[
        bool, typer.Option("--with-guidance", help="Put the strategies that stood in the prompt back in.")
    ] = False,
    with_personal_data: Annotated[
        bool, typer.Option("--with-personal-data", help="Leave customers' data in, instead of placeholders.")
    ] = False,
    project: ProjectOption = Path(),
    overrides: SetOption = None,
) -> None:
    """Write an evaluation's conversations as training data, a line of JSON each.

    Prompts hold no strategies, so that a model learns to do without them, and no customer's data that simple patterns
    find. Evaluate what was trained on customers of another seed: it has seen these.
    """
    from preceptor.cli.tables import mark
    from preceptor.errors import UserError
    from preceptor.evaluation.training_data import Framing, Selection, examples
    from preceptor.settings.project import Project

    loaded = Project.load(project, overrides or ())
    domain = loaded.equipped()
    with loaded.database() as db:
        served = _served(db, run, arm or ())
        guidance = _guidance(loaded.library(db), served) if with_guidance else None
    framing = Framing(domain, guidance, with_personal_data)
    selection = Selection(min_satisfaction, max_satisfaction, margin, tuple(arm or ()))
    tools = [spec.tool() for spec in domain.tools]
    found = list(examples(kind, served, framing, selection))
    if not found:
        raise UserError(
            f"Run {run!r} holds nothing for {kind}. --min-satisfaction, --margin and --arm say what is taken."
        )
    _write(_lines(found, form, tools), out)
    typer.echo(f"{len(found):,} examples{mark(loaded.simulated)} from {len(served):,} conversations.", err=True)


def _served(db: "Database", run: str, arms: Sequence[str]) -> "list[Served]":
    from preceptor.errors import NotFound, UserError
    from preceptor.evaluation import keeping
    from preceptor.storage.records import Records
    from preceptor.storage.runs import Runs

    found = Runs(db).get(run)
    served = list(keeping.read(Records(db), found.id))
    if not served:
        raise UserError(f"Run {found.id!r} has no judged conversations. `preceptor evaluate` makes them.")
    there = list(dict.fromkeys(one.arm for one in served))
    if missing := [arm for arm in arms if arm not in there]:
        raise NotFound(f"Run {found.id!r} has no arm {missing[0]!r}. It has {', '.join(map(repr, there))}.")
    return served


def _guidance(library: "Library", served: "Sequence[Served]") -> "Guidance":
    """The newest release that holds every strategy that stood in a prompt, or else the library as it is."""
    from preceptor.errors import UserError

    used = {id_ for one in served for guided in one.guided for id_ in guided.strategies}
    if not used:
        raise UserError("No strategy stood in any prompt of this run. Leave --with-guidance out.")
    releases = sorted(library.releases(), key=lambda release: release.created, reverse=True)
    candidates = [*(release.guidance for release in releases), library.guidance("accepted")]
    for guidance in candidates:
        if used <= {strategy.id for strategy in guidance.strategies}:
            return guidance
    raise UserError("No release, nor the library, holds all the strategies of this run. Leave --with-guidance out.")


def _lines(found: "Sequence[Example]", form: Format, tools: "Sequence[Tool]") -> Iterator[str]:
    import orjson

    from preceptor.evaluation.training_formats import row

    return (orjson.dumps(row(example, form, tools)).decode() for example in found)


def _write(lines: Iterator[str], out: Path | None) -> None:
    text = "".join(f"{line}\n" for line in lines)
    if out is None:
        typer.echo(text, nl=False)
    else:
        out.write_text(text, "utf-8")
