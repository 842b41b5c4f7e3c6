"""How a run is shown while it goes: a live board on a terminal, plain lines elsewhere, JSON on request.

All three only listen: they are called with each event, in order, and read usage from a meter. Nothing here decides
anything, and no run depends on being shown.
"""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, Self, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from preceptor.cli.tables import table
from preceptor.evaluation import events as evaluation
from preceptor.llm.budget import Budget
from preceptor.llm.ledger import Total
from preceptor.llm.prices import from_nano
from preceptor.llm.progress import duration
from preceptor.settings.words import Event, sentence
from preceptor.storage.canonical import canonical
from preceptor.teaching.events import (
    HeldOutScore,
    IterationBegan,
    Progress,
    ScenarioFound,
    StrategyAccepted,
    StrategyRefused,
)

LATEST = 4
"""Happenings kept in sight below the figures."""


@dataclass(frozen=True)
class Meter:
    """Where the figures that are not events come from. Read at each refresh."""

    totals: Callable[[], Mapping[str, Total]] = dict
    """Use so far, by role."""
    budget: Budget | None = None
    currency: str = ""
    state: Callable[[], str] = str
    """What calls are waiting for, in words; empty when for nothing."""


class View(AbstractContextManager["View"], Protocol):
    """Shows events between entering and leaving."""

    def __call__(self, event: Event) -> None: ...


@dataclass
class Board:
    """What is known of a run, for showing. Those of each kind of run add their figures."""

    now: Callable[[], float] = time.monotonic
    progress: Progress | None = None
    began: float = 0.0
    """When the phase began, by `now`."""
    latest: list[str] = field(default_factory=list)

    def hear(self, event: Event) -> None:
        if isinstance(event, Progress):
            if event.done == 0 or self.progress is None or self.progress.phase != event.phase:
                self.began = self.now()
            self.progress = event
        self.learn(event)
        if line := sentence(event):
            self.latest = [*self.latest, line][-LATEST:]

    def learn(self, event: Event) -> None:
        """Take in what is particular to the kind of run."""

    @property
    def phase(self) -> str:
        """What is being done, such as ``conversations``."""
        return self.progress.phase if self.progress else ""

    @property
    def figures(self) -> list[RenderableType]:
        """What stands below what was used."""
        return []

    @property
    def remaining(self) -> float | None:
        """Seconds the phase will still take at its pace so far; None while nothing is done."""
        if self.progress is None or not self.progress.done:
            return None
        return (self.now() - self.began) / self.progress.done * (self.progress.total - self.progress.done)


@dataclass
class Lessons(Board):
    """A teaching run."""

    iteration: IterationBegan | None = None
    scenarios: int = 0
    accepted: int = 0
    refused: int = 0
    scores: list[HeldOutScore] = field(default_factory=list)

    def learn(self, event: Event) -> None:
        match event:
            case IterationBegan():
                self.iteration = event
            case ScenarioFound():
                self.scenarios += 1
            case StrategyAccepted():
                self.accepted += 1
            case StrategyRefused():
                self.refused += 1
            case HeldOutScore():
                self.scores.append(event)
            case _:
                pass

    @property
    def phase(self) -> str:
        at = f"iteration {self.iteration.iteration} of {self.iteration.of}: " if self.iteration else ""
        return f"{at}{super().phase}"

    @property
    def figures(self) -> list[RenderableType]:
        found = f"{self.scenarios} scenarios, {self.accepted} strategies accepted, {self.refused} refused"
        held_out = f"Held-out score (1 to 5): {scores(self.scores)}"
        return [Text(found), *([Text(held_out)] if self.scores else [])]


@dataclass
class Arms(Board):
    """An evaluation: what each arm has come to so far. Means without intervals, which say nothing before the end."""

    served: dict[str, list[float | None]] = field(default_factory=dict)
    """Satisfaction by arm; None: unscored."""

    def learn(self, event: Event) -> None:
        if isinstance(event, evaluation.Measured):
            self.served.setdefault(event.arm, []).append(event.satisfaction)

    @property
    def figures(self) -> list[RenderableType]:
        rows = [(arm, len(found), _mean(found), found.count(None) or "") for arm, found in self.served.items()]
        return [table(("arm", "served", "satisfaction so far", "unscored"), rows)] if rows else []


def _mean(found: Sequence[float | None]) -> str:
    known = [one for one in found if one is not None]
    return f"{sum(known) / len(known):.2f}" if known else ""


class LiveView(View):
    """The board, redrawn in place."""

    def __init__(self, console: Console, title: str, meter: Meter, board: Board) -> None:
        self._title = title
        self._meter = meter
        self._board = board
        self._live = Live(console=console, get_renderable=self._render, refresh_per_second=4)

    def __call__(self, event: Event) -> None:
        self._board.hear(event)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self._live.stop()

    def _render(self) -> RenderableType:
        return draw(self._board, self._title, self._meter)


class LineView(View):
    """A line for each thing that happens, and for each phase that ends; for logs and pipes."""

    def __init__(self, out: TextIO, meter: Meter) -> None:
        self._out = out
        self._meter = meter

    def __call__(self, event: Event) -> None:
        line = sentence(event)
        if isinstance(event, Progress) and event.done == event.total > 0:
            line = f"{event.phase}: {event.total} done; {used(self._meter)}"
        if line:
            print(line, file=self._out, flush=True)

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        return None


class JsonView(View):
    """Every event as one line of JSON: ``{"event": "Progress", "phase": …}``."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def __call__(self, event: Event) -> None:
        body = {"event": type(event).__name__} | {name: getattr(event, name) for name in event.__dataclass_fields__}
        print(canonical(body).decode(), file=self._out, flush=True)

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        return None


def view(title: str, meter: Meter, board: Board, *, json: bool = False, out: TextIO | None = None) -> View:
    """The view that suits where the output goes."""
    out = out or sys.stdout
    if json:
        return JsonView(out)
    console = Console(file=out, highlight=False)
    return LiveView(console, title, meter, board) if console.is_terminal else LineView(out, meter)


def draw(board: Board, title: str, meter: Meter) -> RenderableType:
    """The board as Rich shows it."""
    parts: list[RenderableType] = [
        Text(title, style="bold"),
        *_phase(board),
        _usage(meter),
        Text(f"in all {used(meter)}"),
    ]
    if state := meter.state():
        parts.append(Text(state, style="yellow"))
    parts += board.figures
    parts += [Text(line, style="dim", no_wrap=True, overflow="ellipsis") for line in board.latest]
    return Group(*parts)


def scores(held_out: Sequence[HeldOutScore]) -> str:
    """The held-out score by iteration, the student alone first."""
    return " → ".join(f"{score.mean:.2f}" for score in held_out)


def used(meter: Meter) -> str:
    """What has been used, against the budget, in words."""
    budget, totals = meter.budget, meter.totals()
    calls = sum(total.charged.calls for total in totals.values())
    tokens = sum(total.charged.tokens for total in totals.values())
    nano = sum(total.charged.nano for total in totals.values())
    parts = [_against(f"{calls:,}", budget and budget.calls, "calls")]
    parts.append(_against(f"{tokens:,}", budget and budget.tokens, "tokens"))
    if nano or (budget and budget.money is not None):
        parts.append(_against(f"{from_nano(nano):.2f}", budget and budget.money, meter.currency))
    return ", ".join(parts)


def _against(amount: str, limit: object, unit: str) -> str:
    return f"{amount} of {limit:,} {unit}" if limit is not None else f"{amount} {unit}"


def _phase(board: Board) -> list[RenderableType]:
    if board.progress is None:
        return [Text("Starting…")]
    left = f", about {duration(board.remaining)} left in this phase" if board.remaining is not None else ""
    progress = board.progress
    return [
        Text(f"{board.phase} {progress.done} of {progress.total}{left}"),
        _bar(progress),
    ]


def _bar(progress: Progress) -> Table:
    """In a table, because a bar by itself ends no line."""
    row = Table.grid()
    row.add_row(ProgressBar(total=max(progress.total, 1), completed=progress.done, width=60))
    return row


def _usage(meter: Meter) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("role")
    for heading in ("calls", "tokens", meter.currency):
        table.add_column(heading, justify="right")
    for role, total in meter.totals().items():
        money = f"{from_nano(total.charged.nano):.4f}" if total.charged.nano else ""
        table.add_row(role, f"{total.charged.calls:,}", f"{total.charged.tokens:,}", money)
    return table
