"""From the settings to a sandbox behind a domain's tools."""

import json
import shutil
from pathlib import Path

import pytest

from preceptor.dialogue.conversation import Conversation
from preceptor.dialogue.customers import draw_customers
from preceptor.dialogue.domain import Domain
from preceptor.errors import NotFound, PreceptorError, SettingsError
from preceptor.llm.messages import ToolCall
from preceptor.settings.project import Project

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).resolve().parents[2]
HIRE = Path(__file__).parents[1] / "dialogue" / "sandbox" / "hire.py"
DOMAIN = """
name: Hire
role: You hire out.
goal: Help.
policy_file: rules/policy.md
topics: [{id: chat, description: You want to chat.}]
personas: [{id: calm, description: You are calm.}]
"""
MODELS = "".join(
    f'[models.{role}]\nkind = "openai"\nbase_url = "http://127.0.0.1:9/v1"\nmodel = "{role}"\n'
    for role in ("teacher", "student", "customer", "judge")
)
TOOLS = '[tools]\nkind = "sandbox"\nmodule = "hire.py"\ndata = "db.json"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "domain.yaml").write_text(DOMAIN)
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "policy.md").write_text("Never lend a crane.")
    shutil.copy(HIRE, tmp_path)
    hires = {"h1": {"customer": "ann", "thing": "ladder", "days": 3}}
    (tmp_path / "db.json").write_text(json.dumps({"hires": hires, "customers": {"ann": {"owes": 0}}}))
    (tmp_path / "tasks.yaml").write_text(
        "- {id: end, customer: You bring the ladder back., actions: [{tool: end, with: {number: h1}}]}"
    )
    return tmp_path


def project(folder: Path, settings: str) -> Project:
    (folder / "preceptor.toml").write_text(f"{settings}\n{MODELS}")
    return Project.load(folder, ())


async def test_conversations_of_a_project_have_a_database_each_and_are_checked(folder: Path) -> None:
    loaded = project(folder, TOOLS + 'tasks = "tasks.yaml"')
    domain = loaded.equipped()
    assert domain.policy == "Never lend a crane."
    assert [topic.id for topic in domain.topics] == ["end"]
    assert {spec.name for spec in domain.tools} >= {"look_up", "end"}
    customer = draw_customers(domain, 1, 0)[0]
    async with loaded.environment(domain) as environment:
        assert environment.repeatable
        for kept in (True, False):
            async with environment.open(customer) as session:
                if kept:
                    await session.call(ToolCall("1", "end", '{"number": "h1"}'))
                outcome = session.outcome(Conversation(()))
                assert outcome is not None
                assert outcome.passed is kept


def test_without_tasks_customers_come_with_the_domains_topics(folder: Path) -> None:
    assert [topic.id for topic in project(folder, TOOLS).equipped().topics] == ["chat"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ('[tools]\nkind = "sandbox"\nmodule = "hire.py"', r"tools\.data"),
        ('[tools]\nkind = "sandbox"\ndata = "db.json"', r"tools\.module"),
        ('[tools]\nkind = "python"\nmodule = "hire.py"\ndata = "db.json"', "sandbox"),
        (TOOLS.replace("db.json", "none.json"), r"none\.json"),
        (TOOLS.replace("hire.py", "none.py"), r"none\.py"),
        (TOOLS + 'tasks = "none.yaml"', r"none\.yaml"),
    ],
)
def test_what_is_missing_is_said(folder: Path, settings: str, said: str) -> None:
    with pytest.raises(PreceptorError, match=said):
        project(folder, settings).equipped()


def test_a_policy_is_in_one_place(folder: Path) -> None:
    path = folder / "domain.yaml"
    path.write_text(DOMAIN + "policy: Always smile.\n")
    with pytest.raises(SettingsError, match="policy_file"):
        Domain.load(path)
    path.write_text(DOMAIN.replace("rules/", "laws/"))
    with pytest.raises(SettingsError, match="laws"):
        Domain.load(path)


@pytest.mark.parametrize("name", ["airline", "retail"])
def test_the_examples_are_whole_but_for_their_data(name: str) -> None:
    loaded = Project.load(ROOT / "examples" / name, ())
    if not (ROOT.parent / "shared" / "data" / "tau2").is_dir():
        with pytest.raises((NotFound, SettingsError), match="tau2"):
            loaded.equipped()
        return
    domain = loaded.equipped()
    assert "Agent Policy".casefold() in domain.policy.casefold()
    assert len(domain.topics) >= 30
