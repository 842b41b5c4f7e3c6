"""`preceptor watch`: drift, what waits, and teaching under the budget of a day."""

import asyncio
import json
import random
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from preceptor.dialogue.conversation import Context, Turn
from preceptor.errors import BudgetExhausted, Conflict
from preceptor.library.model import Scenario, Strategy
from preceptor.library.rows import Use
from preceptor.library.store import Batch
from preceptor.llm.ledger import Ledger
from preceptor.llm.stopping import Stop
from preceptor.logs.drift import drift
from preceptor.logs.looks import Look, Looks
from preceptor.logs.store import Store
from preceptor.settings.project import Project
from preceptor.settings.watching import Lesson, Watch
from preceptor.storage.runs import Runs

Command = Callable[..., tuple[int, str, str]]
OUTAGE = [
    "The internet is down again, the third time this week.",
    "My line is dead once more and nobody came.",
    "No connection since yesterday, it drops every evening.",
    "Our broadband is out again, I have told you twice.",
    "The router blinks red and there is no internet again.",
    "It broke again, the connection is gone.",
    "Another outage in our street, the second in days.",
    "We are offline again after the repair.",
]
BAKERY = [
    "Do you bake a birthday cake with marzipan roses for Saturday?",
    "How much is a wedding cake for eighty guests with lemon cream?",
    "Can I order forty pretzels without salt for a party?",
    "Is there gluten in your plum tart with crumble?",
]


def context(text: str) -> Context:
    return Context((Turn("customer", text),))


@pytest.fixture
def desk(project: Path) -> Path:
    """A project that knows of outages and has released what to do about them; with a folder of logs."""
    loaded = Project.load(project)
    with loaded.database(create=True) as db:
        examples = tuple(context(text) for text in OUTAGE)
        outage = Scenario("sc-outage", "The customer reports the same outage again.", examples)
        sorry = Strategy("st-sorry", "Apologise for it.", "They had to ask twice.", "sc-outage", 0.4, "accepted")
        library = loaded.library(db)
        library.store(Batch([outage], [sorry], use=Use("Helpdesk")), "run-1", "1")
        library.approve_accepted("ann", "by hand")
        library.release("ann")
    (project / "in").mkdir()
    return project


def write(file: Path, texts: list[str], first: int = 0) -> None:
    with file.open("a") as log:
        for number, text in enumerate(texts, first):
            said = [{"role": "user", "content": text}, {"role": "assistant", "content": "I see."}]
            log.write(json.dumps({"id": number, "messages": said}) + "\n")


def test_what_is_near_is_near_and_what_is_far_waits(desk: Path, preceptor: Command) -> None:
    write(desk / "in" / "a.jsonl", [OUTAGE[0], *BAKERY])
    code, out, _ = preceptor("watch", "--once", "--no-teach", "--folder", desk / "in", "--project", desk)
    assert code == 0
    assert "5 conversations are new" in out
    assert "held against release" in out
    assert "4 of 5 moments (80%) are far" in out
    assert "4 conversations wait" in out
    assert "too few" in out
    assert "watch" not in preceptor("runs", "--project", desk)[1], "nothing was taught, so there is no run"

    write(desk / "in" / "a.jsonl", [OUTAGE[1]], 5)
    with (desk / "in" / "a.jsonl").open("a") as log:
        log.write('{"messages": [{"role": "us')  # being written
    code, out, _ = preceptor("watch", "--once", "--no-teach", "--folder", desk / "in", "--json", "--project", desk)
    told = json.loads(out)
    assert (code, told["imported"], told["conversations"], told["far"], told["waiting"]) == (0, 1, 1, 0, 4)


def test_recordings_of_the_gateway_are_looked_at(desk: Path, preceptor: Command) -> None:
    write(desk / "said.jsonl", BAKERY[:2])
    code, out, _ = preceptor(
        "watch", "--once", "--no-teach", "--set", "serving.record=said.jsonl", "--project", desk, "--json"
    )
    assert (code, json.loads(out)["conversations"]) == (0, 2)


def test_a_bad_file_and_a_folder_that_is_not_there_are_told_and_the_rest_is_looked_at(
    desk: Path, preceptor: Command
) -> None:
    look = ("watch", "--once", "--no-teach", "--project", desk)
    code, out, err = preceptor(*look)
    assert (code, "watch.folder" in err) == (0, True), "nothing is watched"
    code, out, err = preceptor(*look, "--set", "watch.folder=out")
    assert (code, "There is no" in err) == (0, True)
    code, out, err = preceptor(*look, "--folder", desk / "out")
    assert (code, "out" in err) == (1, True)
    write(desk / "in" / "z.jsonl", BAKERY)
    (desk / "in" / "a.csv").write_text("no,log\n1,2\n")
    code, out, err = preceptor(*look, "--folder", desk / "in")
    assert (code, "4 conversations are new" in out, "a.csv" in err) == (0, True, True)


def test_only_what_is_new_is_read_also_by_another_process(desk: Path, preceptor: Command) -> None:
    """And a folder that was moved brings nothing new."""
    look = ("watch", "--once", "--no-teach", "--project", desk, "--folder")
    write(desk / "in" / "a.jsonl", BAKERY)
    preceptor(*look, desk / "in")
    loaded = Project.load(desk)
    with loaded.database() as db:
        assert Watch(loaded, db).look(desk / "in").imported == ()
        write(desk / "in" / "a.jsonl", [OUTAGE[0]], 4)
        [onward] = Watch(loaded, db).look(desk / "in").imported
        assert (onward.added, onward.known) == (1, 0), "what was read is not read again"
        (desk / "elsewhere").mkdir()
        (desk / "in").rename(desk / "elsewhere" / "in")
        assert Watch(loaded, db).look(desk / "elsewhere" / "in").imported == ()
    code, out, _ = preceptor(*look, desk / "elsewhere")
    assert (code, "0 conversations are new" in out) == (0, True), "the same by another name"


def test_without_scenarios_there_is_nothing_to_hold_them_against(project: Path, preceptor: Command) -> None:
    (project / "in").mkdir()
    write(project / "in" / "a.jsonl", OUTAGE)
    code, out, _ = preceptor("watch", "--once", "--folder", project / "in", "--project", project)
    assert code == 0
    assert "preceptor teach" in out


def test_a_drift_is_an_alarm_with_an_exit_code(desk: Path, preceptor: Command) -> None:
    shuffled = [f"{OUTAGE[n % 8]} It is number {n}." for n in range(40)]
    write(desk / "in" / "a.jsonl", shuffled)
    watch = ("watch", "--once", "--no-teach", "--folder", desk / "in", "--set", "watch.window=40", "--project", desk)
    assert preceptor(*watch)[0] == 0
    write(desk / "in" / "a.jsonl", [f"{BAKERY[n % 4]} For {n} people." for n in range(40)], 40)
    code, out, _ = preceptor(*watch)
    assert code == 3
    assert "ALARM" in out


def test_nobody_else_watches_meanwhile(desk: Path) -> None:
    loaded = Project.load(desk)
    with loaded.database() as db, loaded.database() as other, Watch(loaded, db).held(), pytest.raises(Conflict):
        Watch(loaded, other).held().__enter__()


def test_alarms_are_rare_when_nothing_changes_and_come_when_it_does() -> None:
    dice = random.Random(4)

    def look(odds: float) -> Look:
        contexts = dice.randint(1, 6)
        return Look("k", contexts, sum(dice.random() < odds for _ in range(contexts)))

    calm = [drift([look(0.3) for _ in range(400)], 200, 0.02) for _ in range(400)]
    assert sum(found is not None and found.alarm for found in calm) <= 8
    changed = [[*(look(0.3) for _ in range(400)), *(look(0.6) for _ in range(50))] for _ in range(50)]
    found = [drift(looks, 200, 0.1) for looks in changed]
    assert sum(one is not None and one.alarm for one in found) >= 45
    small = drift([*(look(0.3) for _ in range(4000)), *(look(0.37) for _ in range(4000))], 4000, 0.1)
    assert small is not None
    assert not small.alarm, "a change too small to matter"
    assert drift([look(0.3) for _ in range(210)], 200, 0.1) is None


def test_what_waits_is_taken_once_even_after_a_kill(desk: Path) -> None:
    loaded = Project.load(desk)
    write(desk / "in" / "a.jsonl", BAKERY)
    with loaded.database() as db:
        Watch(loaded, db).look(Path("in"))
        looks = Looks(db, "default")
        assert looks.take("1", 3) == 3
        assert looks.take("1", 3) == 0
        assert (looks.taken("1"), looks.waiting()) == (3, 1)
        assert len({one.turns for one in looks.batch("1")}) == 3
        Store(db).remove("in/a.jsonl")
        assert list(looks.batch("1")) == [], "what was removed is not taught"
        assert looks.waiting() == looks.take("2", 3) == 0
        assert Watch(Project.load(desk, ["watch.enough=1", "watch.calls=0"]), db).lesson() is None


def learn(lesson: Lesson) -> None:
    async def run() -> None:
        series = lesson.today
        used = series.used(lesson.run.run.id)
        async with lesson.project.team(series.db, lesson.run.run.id, Stop(), None, used) as team:
            await lesson.teach(team, lambda event: None)

    with lesson.today.held():
        asyncio.run(run())


def test_a_day_has_its_budget_and_what_is_not_done_goes_on_the_next(desk: Path) -> None:
    wanted = ["watch.enough=3", "watch.customers=4", "watch.calls=50", "teaching.held_out=2"]
    loaded = Project.load(desk, wanted)
    write(desk / "in" / "a.jsonl", BAKERY)
    with loaded.database() as db:
        watch = Watch(loaded, db)
        watch.look(Path("in"))
        library, runs = loaded.library(db), Runs(db)
        live, decided = library.live_hash(), [one.decision for one in library.strategies()]
        charged, days, last = [], 0, ""
        for day in range(1, 29):
            lesson = watch.lesson(datetime(2026, 11, day, tzinfo=UTC))
            if lesson is None:
                break
            days += 1
            assert not last or lesson.run.run.id == last, "the same run goes on"
            last = lesson.run.run.id
            before = Ledger(db, last).charged.calls
            try:
                learn(lesson)
            except BudgetExhausted:
                again = watch.lesson(datetime(2026, 11, day, 23, tzinfo=UTC))
                assert again is not None
                with pytest.raises(BudgetExhausted):
                    learn(again)
            charged.append(Ledger(db, last).charged.calls - before)
        assert days >= 2
        assert max(charged) <= 50
        assert min(charged[:-1]) > 30
        assert runs.get(last).status == "done"
        assert library.live_hash() == live
        new = [one for one in library.strategies() if one.id != "st-sorry"]
        assert {one.decision for one in new} <= {"pending"}
        assert len(decided) == 1
