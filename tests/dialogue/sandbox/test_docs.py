"""The page about sandboxes: its function and its task are what it says they are."""

import re
from pathlib import Path

import yaml

from preceptor import Sandbox, Tables
from preceptor.dialogue.tools.sandbox.tables import JsonStore
from preceptor.dialogue.tools.sandbox.tasks import parse_tasks

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "sandbox.md").read_text("utf-8")


def test_the_pages_function_does_the_pages_task() -> None:
    (code,), (tasks,) = (
        re.findall(rf"^```{kind}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE) for kind in ("python", "yaml")
    )
    names: dict[str, object] = {}
    exec(code, names)

    def look_up(db: Tables, number: str) -> object:
        return db["hires"][number]

    def end(db: Tables, number: str) -> None:
        db["hires"].remove(number)

    (task,) = parse_tasks(yaml.safe_load(tasks), "the page")
    hires = {name: {"days": 1} for name in ("h1", "h2", "h9")}
    sandbox = Sandbox.of(JsonStore({"hires": hires}), [names["extend"], look_up, end], [task])  # type: ignore[list-item]
    assert sandbox.gold(task).changes == {
        ("hires", "h1"): {"days": 6},
        ("hires", "h2"): {"days": 2},
        ("hires", "h9"): None,
    }
    (spec,) = [spec for spec in sandbox.specs if spec.name == "extend"]
    assert spec.description == "Let a customer keep something longer."
