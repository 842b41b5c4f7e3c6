"""From the settings to what stands behind a domain's tools; and a run that is killed while a tool is at work."""

import io
import re
import shlex
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import sqlalchemy as sa

from desk import Desk, simulated
from preceptor.cli.main import run
from preceptor.dialogue.conversation import Turn
from preceptor.dialogue.customers import visitor
from preceptor.dialogue.tools.toolbox import taken_up
from preceptor.errors import SettingsError
from preceptor.llm.messages import ToolCall
from preceptor.settings.project import Project
from preceptor.simulated.world import World
from preceptor.storage.runs import Runs

pytestmark = pytest.mark.anyio
COUNTER = Path(__file__).parents[1] / "simulated" / "counter.yaml"
BOOKING = Path(__file__).with_name("booking.py")
CLERK = Path(__file__).parents[1] / "dialogue" / "tools" / "clerk.py"
DOMAIN = """
name: Desk
role: You answer customers.
goal: Help them.
topics: [{id: day, description: You want a day.}, {id: other, description: You want something else.}]
personas: [{id: calm, description: You are calm.}]
"""
MODELS = "".join(
    f'[models.{role}]\nkind = "openai"\nbase_url = "http://127.0.0.1:9/v1"\nmodel = "{role}"\n'
    for role in ("teacher", "student", "customer", "judge")
)
TOOLS = '''
import os, signal
from pathlib import Path
from preceptor import ToolFailed, Visit

HERE = Path(__file__).parent

def book(day: str, visit: Visit) -> str:
    """Book a day.

    Args:
        day: Which.
    """
    with (HERE / "booked.txt").open("a") as out:
        out.write(f"{visit.conversation} {day}\\n")
    if len((HERE / "booked.txt").read_text().splitlines()) >= 3 and not (HERE / "killed").exists():
        (HERE / "killed").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return f"booked {day}"

def look_up(day: str) -> str:
    """Say whether a day is free."""
    raise ToolFailed("The book is closed.")
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "domain.yaml").write_text(DOMAIN)
    (tmp_path / "tools.py").write_text(TOOLS)
    settle(tmp_path, 'kind = "python"\nmodule = "tools.py"')
    return tmp_path


def settle(folder: Path, tools: str, more: str = "") -> None:
    arms = '[evaluation]\ncustomers = 4\nduels = 0\n[evaluation.arms]\na = {kind = "student"}\nb = {kind = "teacher"}\n'
    (folder / "preceptor.toml").write_text(f"[tools]\n{tools}\n{more}{MODELS}{arms}")


def booking(folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(BOOKING), str(folder), *more], capture_output=True, text=True)


def test_a_run_that_is_killed_at_a_tool_goes_on_and_does_nothing_twice(folder: Path) -> None:
    killed = booking(folder)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    with Project.load(folder).database() as db:
        (begun,) = Runs(db).list()
        with db.reading() as connection:
            before = connection.execute(sa.text("SELECT result FROM tool_calls")).scalars().all()
    assert None in before, "what is under way is on disk before it is done"
    resumed = booking(folder, begun.id)
    assert resumed.returncode == 0, resumed.stderr
    booked = Counter(line.split()[0] for line in (folder / "booked.txt").read_text().splitlines())
    lines = resumed.stdout.splitlines()
    unknown = [line for line in lines if "not known whether this was done" in line]
    done = [line for line in lines if " booked " in line]
    assert len(lines) == len(unknown) + len(done) == 8
    # Four conversations of each of two arms; the same customers book the same day, each in its own conversation.
    assert set(booked.values()) == {1}
    assert len(done) <= len(booked) <= 8
    assert unknown, "of what was under way nobody knows whether it was done, and nobody does it again"
    with Project.load(folder).database() as db:
        told = [event.body["text"] for event in Runs(db).events(begun.id) if event.kind == "Note"]
        with db.reading() as connection:
            rows = connection.execute(sa.text("SELECT result, again FROM tool_calls")).all()
    assert told == [f"Of 8 tool calls {len(unknown)} failed: book {len(unknown)} (under way when the run ended)."]
    assert all(row.result and row.again == 0 for row in rows)
    assert len(rows) == 8


def test_what_the_file_does_not_say_the_functions_say(folder: Path) -> None:
    tools = {spec.name: spec for spec in Project.load(folder).equipped().tools}
    assert list(tools) == ["book", "look_up"]
    assert tools["book"].parameters["properties"]["day"]["description"] == "Which."
    (folder / "domain.yaml").write_text(f"{DOMAIN}tools: [look_up, {{name: book, description: Books.}}]\n")
    named = Project.load(folder).equipped().tools
    assert [(spec.name, spec.description) for spec in named] == [
        ("look_up", "Say whether a day is free."),
        ("book", "Books."),
    ]
    assert named[1].parameters == tools["book"].parameters
    (folder / "domain.yaml").write_text(f"{DOMAIN}tools: [cancel]\n")
    with pytest.raises(SettingsError, match="behind the tool 'cancel'"):
        Project.load(folder).equipped()


@pytest.mark.parametrize(
    ("tools", "told"),
    [
        ('kind = "python"', "needs tools.module"),
        ('kind = "http"', "needs tools.url"),
        ('kind = "mcp"', "needs tools.command or tools.url"),
        ('kind = "mcp"\nurl = "http://a/"\ncommand = ["b"]', "one of them"),
        ('module = "tools.py"', "no tools.kind"),
        ('kind = "http"\nurl = "http://me:hunter2@a/"', "a user or password must not stand in the address"),
        ('kind = "rpc"', "tools.kind"),
    ],
)
def test_a_section_that_cannot_be_meant(folder: Path, tools: str, told: str) -> None:
    settle(folder, tools)
    with pytest.raises(SettingsError, match=told) as refused:
        Project.load(folder)
    assert "hunter2" not in str(refused.value)


def test_tools_are_listed_and_tried_by_hand(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["tools", "list", "--project", str(folder)]) == 0
    out = capfd.readouterr().out
    assert "book" in out
    assert "day*" in out
    assert "Behind them: Python functions in tools.py" in out
    assert run(["tools", "call", "book", '{"day": "Monday"}', "--project", str(folder)]) == 0
    assert capfd.readouterr().out == "booked Monday\n"
    assert run(["tools", "call", "look_up", '{"day": 3}', "--project", str(folder)]) == 1
    told = capfd.readouterr()
    assert "day must be string" in told.out
    assert "arguments that do not fit" in told.err
    assert run(["tools", "call", "book", "{}", "--topic", "none", "--project", str(folder)]) == 1
    assert "There is no topic 'none'; the domain has: day, other." in capfd.readouterr().err


def test_the_tools_of_an_mcp_server_are_tried(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    settle(folder, f'kind = "mcp"\ncommand = ["{sys.executable}", "{CLERK}"]')
    assert run(["tools", "call", "get_order", '{"number": 7}', "--project", str(folder)]) == 0
    assert capfd.readouterr().out == "Order 7 was sent on Monday.\n"


def test_a_key_that_is_not_set_is_missed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DESK_KEY", raising=False)
    settle(folder, 'kind = "mcp"\nurl = "http://127.0.0.1:9/mcp"\nkey_env = "DESK_KEY"')
    with pytest.raises(SettingsError, match=r"'DESK_KEY', which tools\.key_env names, is not set"):
        Project.load(folder).equipped()


async def test_what_is_harmless_is_a_tool(folder: Path) -> None:
    settle(folder, 'kind = "python"\nmodule = "tools.py"\nharmless = ["lookup"]')
    project = Project.load(folder)
    with pytest.raises(SettingsError, match=r"'lookup', which is no tool; there are: book, look_up"):
        async with project.environment(project.equipped()):
            pass


FERRY = "Can I take the ferry on Monday with ticket 123456?"


@pytest.fixture
def counter(tmp_path: Path) -> Path:
    """A project in a simulated world with tools; its student is the world's teacher, who looks things up."""
    world = World.load(COUNTER)
    roles = world.roles | {"student": world.roles["teacher"]}
    desk = Desk.open(tmp_path / "desk", world, simulated(str(COUNTER), roles), {})
    desk.project.database(create=True).close()
    return desk.folder


def test_the_tools_of_a_simulated_project_are_its_world_s(counter: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["tools", "list", "--project", str(counter)]) == 0
    assert "Behind them: the simulated world that plays the customers" in capfd.readouterr().out
    asked = ["tools", "call", "look_up_ticket", '{"ticket": "123456"}', "--project", str(counter)]
    assert run(asked) == 0
    assert "fare" in capfd.readouterr().out
    assert run([*asked[:3], "{}", *asked[4:]]) == 1
    assert "It failed: the tool said no." in capfd.readouterr().err
    assert run([*asked, "--set", "tools.kind=none"]) == 1
    assert "not connected" in capfd.readouterr().out


def test_chat_shows_calls_and_what_they_gave(
    counter: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{FERRY}\n/quit\n"))
    assert run(["chat", "--project", str(counter), "--topic", "change"]) == 0
    out = capfd.readouterr().out
    assert "(calls look_up_ticket with" in out
    assert "  = {" in out
    assert run(["chat", "--project", str(counter), "--topic", "nothing"]) == 1


def test_doctor_looks_whether_tools_are_there(counter: Path, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "--project", str(counter)]) == 0
    assert "3; behind them the simulated world" in capfd.readouterr().out
    behind = ["--set", 'tools.kind="python"', "--set"]
    assert run(["doctor", "--project", str(counter), *behind, "tools.module=gone.py"]) == 1
    assert "There is no file" in capfd.readouterr().out


async def test_a_conversation_is_taken_up_without_doing_again_what_was_done(tmp_path: Path) -> None:
    (tmp_path / "tools.py").write_text(TOOLS)
    (tmp_path / "domain.yaml").write_text(DOMAIN)
    (tmp_path / "killed").touch()
    for state, lines in (("outside", 2), ("conversation", 3)):
        (tmp_path / "booked.txt").write_text("")
        settle(tmp_path, f'kind = "python"\nmodule = "tools.py"\nstate = "{state}"')
        project = Project.load(tmp_path)
        domain = project.equipped()
        customer = visitor(domain)
        turns: tuple[Turn, ...] = ()
        with project.database(create=True) as db:
            for day in ("Monday", "Tuesday"):
                call = ToolCall("c1", "book", f'{{"day": "{day}"}}')
                async with (
                    project.environment(domain, db, f"talk {state}") as environment,
                    taken_up(environment, customer, turns) as session,
                ):
                    result = await session.call(call)
                turns = (*turns, Turn("agent", "", (call,)), Turn("tool", result, tool_call_id="c1"))
        assert [turn.text for turn in turns if turn.party == "tool"] == ["booked Monday", "booked Tuesday"]
        assert len((tmp_path / "booked.txt").read_text().splitlines()) == lines


def test_what_the_documentation_shows_is_what_happens(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).parents[2] / "docs" / "tools.md").read_text("utf-8")
    program, shown = (re.findall(rf"^```{kind}\n(.*?)^```", page, re.M | re.S)[0] for kind in ("python", "console"))
    (folder / "tools.py").write_text(program)
    asked = [block.partition("\n") for block in shown.split("$ preceptor ")[1:]]
    assert len(asked) == 4
    for words, _, told in asked:
        run([*shlex.split(words), "--project", str(folder)])
        out, err = capfd.readouterr()
        assert out + err == told
