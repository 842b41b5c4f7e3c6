"""`preceptor init --from-docs`: a project drafted from guidelines."""

from pathlib import Path

import orjson
import pytest
import yaml

from preceptor.dialogue.domain import Domain

from .conftest import Command
from .scripted import speaking

POLICY = "# Garden Centre\n\n## Returns\nCustomers may return plants.\n\n- Ask for: the receipt\n- Be kind: always\n"


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "policy.md").write_text(POLICY)
    (folder / "broken.json").write_text("{")
    return folder


def test_a_new_user_gets_a_draft_that_runs(docs: Path, preceptor: Command, tmp_path: Path) -> None:
    desk = tmp_path / "desk"
    code, out, err = preceptor("init", desk, "--from-docs", docs)
    assert code == 0
    assert "broken.json: is not valid JSON" in err
    assert "Read, with statements: policy.md (3)." in err
    assert "The teacher is simulated" in err
    assert "3 statements of policy, 1 topics, 0 rules" in out
    text = (desk / "domain.yaml").read_text()
    assert text.startswith("# DRAFT, made by preceptor from docs")
    assert "#   2: policy.md:4 (Garden Centre > Returns)" in text
    domain = Domain.load(desk / "domain.yaml")
    assert domain.policy.splitlines()[1] == "- Customers may return plants."
    assert [topic.id for topic in domain.topics] == ["returns"]
    code, out, _ = preceptor("doctor", "--project", desk)
    assert (code, "they know none of the 1 topics" in out) == (0, True), "simulated models know another desk"
    assert preceptor("teach", "--dry-run", "--project", desk)[0] == 0


def test_what_is_there_is_never_overwritten(docs: Path, project: Path, preceptor: Command) -> None:
    before = {path.name: path.read_bytes() for path in project.iterdir()}
    code, _, err = preceptor("init", project, "--from-docs", docs)
    assert (code, "domain.yaml' is there already" in err) == (1, True)
    assert {path.name: path.read_bytes() for path in project.iterdir()} == before
    (project / "domain.yaml").unlink()
    assert preceptor("init", project, "--from-docs", docs / "policy.md")[0] == 0
    assert (project / "preceptor.toml").read_bytes() == before["preceptor.toml"]


def test_without_guidelines_nothing_is_written(docs: Path, preceptor: Command, tmp_path: Path) -> None:
    (docs / "policy.md").unlink()
    code, _, err = preceptor("init", tmp_path / "desk", "--from-docs", docs)
    assert (code, "broken.json: is not valid JSON" in err) == (1, True)
    assert "'none'" in preceptor("init", tmp_path / "desk", "--from-docs", "none")[2]
    (docs / "policy.md").write_text("Be kind.")
    assert "'x'" in preceptor("init", tmp_path / "desk", "--template", "x", "--from-docs", docs)[2]
    assert "'nothing=1'" in preceptor("init", tmp_path / "desk", "--from-docs", docs, "--set", "nothing=1")[2]
    assert not (tmp_path / "desk" / "preceptor.toml").exists()
    assert "--from-docs" in preceptor("init", tmp_path / "desk", "--set", "budget.calls=1")[2]


def test_a_real_teacher_drafts_under_the_budget_and_in_the_ledger(
    docs: Path, preceptor: Command, tmp_path: Path
) -> None:
    said = {
        "statements": [{"text": "Plants come back with a receipt.", "from": [1, 2]}],
        "topics": [{"name": "Returns", "description": "You bring a plant back: it died.", "from": [1]}],
        "rules": [{"description": "No blame: ever.", "never_say": "your fault", "from": [3]}],
        "role": "You are a gardener: a kind one.",
        "goal": "",
    }
    desk = tmp_path / "desk"
    with speaking(lambda _: orjson.dumps(said).decode()) as teacher:
        code, out, err = preceptor("init", desk, "--from-docs", docs, *teacher.options())
    assert (code, len(teacher.heard)) == (0, 1)
    assert "The teacher was asked 1 times, for 110 tokens" in err
    domain = Domain.load(desk / "domain.yaml")
    assert domain.policy == "Returns:\n- Plants come back with a receipt.\n"
    assert (domain.role, domain.rules[0].never_say) == ("You are a gardener: a kind one.", "your fault")
    text = (desk / "domain.yaml").read_text()
    assert "#   2: policy.md:4 (Garden Centre > Returns), policy.md:6 (Garden Centre > Returns)" in text
    assert "A draft of the domain from docs." in preceptor("runs", "--project", desk)[1]
    desk = tmp_path / "poor"
    with speaking(lambda _: "") as teacher:
        options = (*teacher.options(), "--set", "budget.calls=0")
        code, out, err = preceptor("init", desk, "--from-docs", docs, *options)
    assert (code, teacher.heard, "drafted without the teacher" in err) == (0, [], True)
    assert "3 statements of policy" in out


@pytest.mark.parametrize(
    "said", ["- key: value\n- 'quoted", "\x85\x07 bell &amp; {strategy} # no comment: here", "--- \n...\n%TAG ! x"]
)
def test_whatever_guidelines_say_the_file_is_a_domain(said: str, preceptor: Command, tmp_path: Path) -> None:
    (tmp_path / "policy.txt").write_text(f"# {said} title\n\n## {said}\n{said} for customers\n", "utf-8")
    assert preceptor("init", tmp_path / "desk", "--from-docs", tmp_path / "policy.txt")[0] == 0
    text = (tmp_path / "desk" / "domain.yaml").read_text("utf-8")
    assert Domain.parse(yaml.safe_load(text), "here").policy
