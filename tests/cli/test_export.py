"""`preceptor export`: what an evaluation kept, as training data."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from preceptor.dialogue.conversation import Conversation, Turn
from preceptor.dialogue.customers import draw_customers
from preceptor.evaluation.keeping import Keeper
from preceptor.evaluation.results import Guided, Served
from preceptor.judging.verdicts import Rating
from preceptor.settings.project import Project
from preceptor.storage.records import Records
from preceptor.storage.runs import Runs

Command = Callable[..., tuple[int, str, str]]
ASKED = "It is down again."


@pytest.fixture
def evaluated(taught: Path) -> tuple[Path, str]:
    """A project, and a run in which the taught student did well by two customers and the student alone did not."""
    loaded = Project.load(taught)
    who = draw_customers(loaded.domain(), 2, 0)
    with loaded.database() as db:
        run = Runs(db).create("evaluate", {}, 0)
        keeper = Keeper(Records(db), run.id, ["student", "taught"], who)
        for customer in who:
            for arm, reply, rated in (("student", "Oh.", 1.5), ("taught", "I am sorry.", 4.5)):
                turns = (Turn("customer", f"{ASKED} Order 88{customer.seed}."), Turn("agent", reply))
                guided = (Guided(1, (), ("st-sorry",)),) if arm == "taught" else ()
                conversation = Conversation(turns, "resolved", customer.key)
                keeper.keep(Served(arm, customer, conversation, (Rating(rated, True, True, ""),), guided=guided))
        keeper.written()
        Runs(db).finish(run.id, "done")
    return taught, run.id


@pytest.mark.parametrize(("kind", "count"), [("sft", 1), ("preference", 1), ("kto", 2)])
def test_each_kind_is_written_line_by_line(
    preceptor: Command, evaluated: tuple[Path, str], kind: str, count: int, tmp_path: Path
) -> None:
    """Both customers say the same once their numbers are taken out, so there is one example of each."""
    project, run = evaluated
    code, _, err = preceptor("export", kind, run, "--project", project, "--out", tmp_path / "data.jsonl")
    assert (code, f"{count} examples (simulated) from 4 conversations." in err) == (0, True)
    lines = (tmp_path / "data.jsonl").read_text("utf-8").splitlines()
    assert len([json.loads(line) for line in lines]) == count
    assert f"{ASKED} Order [order 1]." in lines[0]


def test_standard_output_is_nothing_but_json(preceptor: Command, evaluated: tuple[Path, str]) -> None:
    project, run = evaluated
    _, out, _ = preceptor("export", "sft", run, "--with-personal-data", "--project", project)
    assert len([json.loads(line) for line in out.splitlines()]) == 2


def test_guidance_is_put_in_only_when_asked_for(preceptor: Command, evaluated: tuple[Path, str]) -> None:
    project, run = evaluated
    sorry = "Apologise for the repeated trouble."
    assert sorry not in preceptor("export", "sft", run, "--project", project)[1]
    assert sorry in preceptor("export", "sft", run, "--with-guidance", "--project", project)[1]


@pytest.mark.parametrize(
    ("more", "hint"),
    [
        (("kto", "--format", "openai"), "--format trl"),
        (("sft", "--min-satisfaction", "5"), "--min-satisfaction"),
        (("sft", "--arm", "teacher"), "It has 'student', 'taught'"),
        (("sft", "--arm", "student", "--with-guidance"), "holds nothing for sft"),
    ],
)
def test_what_cannot_be_exported_is_told(
    preceptor: Command, evaluated: tuple[Path, str], more: tuple[str, ...], hint: str
) -> None:
    project, run = evaluated
    code, out, err = preceptor("export", *more, run, "--project", project)
    assert (code, out) == (1, "")
    assert hint in err


def test_a_run_without_conversations(preceptor: Command, taught: Path) -> None:
    with Project.load(taught).database() as db:
        run = Runs(db).create("teach", {}, 0)
    code, _, err = preceptor("export", "sft", run.id, "--project", taught)
    assert code == 1
    assert "preceptor evaluate" in err
