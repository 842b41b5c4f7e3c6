"""The report as HTML: one file that needs nothing beside it, and transcripts in pages where they are many."""

import base64
import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from preceptor.evaluation.measures import DUEL_SCORE, SATISFACTION
from preceptor.evaluation.rendering import charts, sentences, talks, wording
from preceptor.evaluation.rendering.figures import Cell, Figures
from preceptor.evaluation.report import Loss, Trait
from preceptor.evaluation.statistics import RESAMPLES

LOSSES = 25
"""Customers lost that the report lists, for each arm; the CSV has all."""
SHOWN = 10
"""Customers lost whose transcripts stand in the report itself even where there are pages."""
STRONG = 1.0
"""Satisfaction, in points: a difference so large has the deepest tint of the heat map."""
DEPTHS = 12
"""Tints of the heat map, one class of the style each: the report's policy allows no style on an element."""


NOTES: Mapping[Trait, str] = {
    "scenario": "The likeliest scenario of the first context of a customer in which an arm was given strategies.",
    "topic": "What the customer came with.",
    "persona": "How the customer writes and feels.",
}


@dataclass(frozen=True)
class Site:
    """A report, ready to be written."""

    report: str
    sheets: Mapping[str, str] = field(default_factory=dict)
    """Pages of transcripts by file name, for the folder `folder_of` names."""

    def write(self, path: Path) -> None:
        """The report to `path`, its pages, if any, into a folder beside it. What an earlier report left there goes."""
        path.write_text(self.report, "utf-8")
        folder = path.with_name(folder_of(path.stem))
        if folder.is_dir():
            for old in folder.glob("[0-9][0-9][0-9][0-9]*.html"):
                old.unlink()
        if self.sheets:
            folder.mkdir(exist_ok=True)
        for name, text in self.sheets.items():
            (folder / name).write_text(text, "utf-8")


def folder_of(stem: str) -> str:
    """Where the pages of a report lie, beside it."""
    return f"{stem}-transcripts"


def render(figures: Figures, *, stem: str = "report", redact: bool = False, pages: bool = True) -> Site:
    """Draw a report.

    Args:
        stem: name of its file without the suffix; links to the pages need it.
        redact: leave out transcripts and everything that may quote a customer.
        pages: False: there is no place for pages beside it, so that of many transcripts only the worst are shown.
    """
    inline = figures.conversations <= talks.INLINE and not redact
    beside = pages and not inline and not redact
    names = [line.name for line in figures.lines]
    if inline:
        shown = tuple(talks.visits(figures, range(figures.customers), names))
    else:
        shown = () if redact else tuple(_worst(figures))
    here = {visit.place for visit in shown}
    size, folder = talks.per_sheet(figures), quote(folder_of(stem))

    def link(place: int) -> str:
        if place in here:
            return f"#c{place}"
        return f"{folder}/{talks.sheet_file(place // size + 1)}#c{place}" if beside else ""

    count = math.ceil(figures.customers / size) if beside else 0
    common = {"f": figures, "p": figures.provenance, "file": quote(f"{stem}.html")}
    report = _environment().get_template("report.html").render(
        common,
        headline=sentences.headline(figures),
        notes=NOTES,
        keys=list(sentences.keys(figures)),
        missing=sentences.missing(figures),
        noise=sentences.noise(figures),
        simulated=sentences.SIMULATED,
        scatter=charts.scatter(figures),
        means=charts.forest([line.satisfaction for line in figures.lines]),
        gains=charts.forest([line.verdict.difference for line in figures.compared if line.verdict], around=[0]),
        effects=charts.forest([fired.effect for fired in (*figures.strategies, *figures.sets)], around=[0]),
        redact=redact,
        inline=inline,
        shown=shown,
        link=link,
        sheets=[(n, f"{folder}/{talks.sheet_file(n)}", (n - 1) * size + 1) for n in range(1, count + 1)],
        worst=_listed(figures),
    )  # fmt: skip
    if not beside:
        return Site(report)
    template = _environment().get_template("transcripts.html")
    drawn = (
        template.render(
            common, sheet=sheet, count=count,
            before=talks.sheet_file(sheet.number - 1), after=talks.sheet_file(sheet.number + 1),
        )
        for sheet in talks.sheets(figures)
    )  # fmt: skip
    return Site(report, {talks.sheet_file(number): text for number, text in enumerate(drawn, start=1)})


def _listed(figures: Figures) -> dict[str, tuple[Loss, ...]]:
    """By arm: the worst losses."""
    return {arm: losses[:LOSSES] for arm, losses in figures.losses.items()}


def _worst(figures: Figures) -> Iterable[talks.Visit]:
    """The worst losses of the arm in question, beside what the first arm did."""
    if not figures.compared:
        return ()
    places = [figures.place(loss.new) for loss in figures.losses[figures.asked.name][:SHOWN]]
    return talks.visits(figures, places, [figures.first.name, figures.asked.name])


def _tint(cell: Cell) -> str:
    """A cell of the heat map is tinted for a gain and hatched for a loss, so that it can be read in black and white."""
    if cell.difference is None or abs(cell.difference.value) < 0.005:
        return ""
    return " up" if cell.difference.value > 0 else " down"


def _depth(cell: Cell) -> int:
    """Which tint, from 0; text stays readable on the deepest."""
    return round((DEPTHS - 1) * min(1.0, abs(cell.difference.value) / STRONG)) if cell.difference else 0


@cache
def style() -> str:
    """What stands between the style tags of a report."""
    tints = (f".t{n} {{ --t: {0.06 + 0.3 * n / (DEPTHS - 1):.3f}; }}\n" for n in range(DEPTHS))
    return (
        "\n"
        + files("preceptor.evaluation.rendering").joinpath("templates/style.css").read_text("utf-8")
        + "".join(tints)
    )


@cache
def policy() -> str:
    """What a browser may do with a report: draw it, in the style that is its own."""
    digest = base64.b64encode(hashlib.sha256(style().encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:"


@cache
def _environment() -> Environment:
    """Everything put into a template is escaped, whoever wrote it."""
    made = Environment(
        loader=PackageLoader("preceptor.evaluation.rendering"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals.update(
        bounded=wording.bounded,
        chance=wording.chance,
        number=wording.number,
        per=wording.per,
        plural=wording.plural,
        signed=wording.signed,
        spread=wording.spread,
        tick_text=_tick_text,
        tint=_tint,
        title=wording.title,
        depth=_depth,
        style=Markup(style()),  # noqa: S704 - ours
        policy=Markup(policy()),  # noqa: S704 - ours
        score=talks.score,
        reason=talks.reason,
        resamples=RESAMPLES,
        D=DUEL_SCORE,
        S=SATISFACTION,
    )
    return made


def _tick_text(value: float, scale: charts.Scale) -> str:
    return f"{value:.{scale.digits}f}".replace("-", wording.MINUS)
