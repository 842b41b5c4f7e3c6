"""What is shown of a run: a board on a terminal, lines in a pipe, JSON on request."""

import io
import json
from decimal import Decimal

from rich.console import Console

from preceptor.cli.display import Arms, Board, Lessons, LineView, Meter, draw, view
from preceptor.evaluation.events import Measured
from preceptor.library.model import Effect, Scenario, Strategy
from preceptor.llm.budget import Budget
from preceptor.llm.ledger import Total
from preceptor.llm.prices import Amount
from preceptor.teaching.events import (
    Event,
    Finished,
    HeldOutScore,
    IterationBegan,
    Progress,
    ScenarioFound,
    StrategyAccepted,
    StrategyRefused,
)

HELPS = Strategy("st-1", "Say sorry [bold]first[/bold].", "why", "sc-1")
EVENTS: tuple[Event, ...] = (
    HeldOutScore(0, 2.5, 2.0, 3.0, 30, 0),
    IterationBegan(1, 5, 1.0),
    Progress("conversations", 0, 4),
    ScenarioFound(Scenario("sc-1", "They call again.")),
    StrategyAccepted(HELPS, Effect(0.4, 0.2, 0.6, 40)),
    StrategyRefused(HELPS, "It does not help."),
    HeldOutScore(1, 3.25, 3.0, 3.5, 30, 0),
    Progress("conversations", 1, 4),
    Finished("nothing new was learned", "abc", 1, 1, 1),
)
METER = Meter(
    lambda: {"teacher": Total(3, Amount(4, 1000, 234, 1_500_000_000))},
    Budget(calls=100, money=Decimal(20)),
    "EUR",
    lambda: "3 waiting, next in 8 s: rate limited",
)


def drawn(board: Board) -> str:
    console = Console(file=io.StringIO(), width=100)
    with console.capture() as capture:
        console.print(draw(board, "Teaching (simulated)", METER))
    return capture.get()


def test_the_board_shows_everything_at_once() -> None:
    clock = [0.0]
    board = Lessons(now=lambda: clock[0])
    for event in EVENTS:
        board.hear(event)
    clock[0] = 40.0
    shown = drawn(board)
    assert "Teaching (simulated)" in shown
    assert "iteration 1 of 5: conversations 1 of 4, about 2 min left" in shown
    assert "1 scenarios, 1 strategies accepted, 1 refused" in shown
    assert "2.50 → 3.25" in shown
    assert "4 of 100 calls, 1,234 tokens, 1.50 of 20 EUR" in shown
    assert "rate limited" in shown
    assert "Say sorry [bold]first[/bold]. (+0.40)" in shown


def test_a_board_without_news_can_be_drawn() -> None:
    assert "Starting" in drawn(Board())


def test_lines_in_a_pipe() -> None:
    out = io.StringIO()
    with view("Teaching", METER, Lessons(), out=out) as show:
        assert isinstance(show, LineView)
        for event in (*EVENTS, Progress("conversations", 4, 4)):
            show(event)
    lines = out.getvalue().splitlines()
    assert "Iteration 1 of 5: the teacher speaks 100% of the turns." in lines
    assert "Refused: Say sorry [bold]first[/bold]. Because: It does not help." in lines
    assert lines[-1].startswith("conversations: 4 done; 4 of 100 calls")
    assert not any("1 of 4" in line for line in lines)


def test_json_has_every_event() -> None:
    out = io.StringIO()
    with view("Teaching", METER, Lessons(), json=True, out=out) as show:
        for event in EVENTS:
            show(event)
    events = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [event["event"] for event in events] == [type(event).__name__ for event in EVENTS]
    assert events[2] == {"event": "Progress", "phase": "conversations", "done": 0, "total": 4}


def test_an_evaluation_shows_each_arm_so_far() -> None:
    board = Arms()
    board.hear(Progress("conversations", 0, 8))
    for score in (2.0, 4.0, None):
        board.hear(Measured("taught", "cu", score))
    shown = drawn(board)
    assert "conversations 0 of 8" in shown
    assert shown.count("taught") == 1
    assert "3.00" in shown
