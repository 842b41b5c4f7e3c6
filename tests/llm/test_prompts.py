"""Every prompt file of every room, held against the code that fills it."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import preceptor
from preceptor.errors import Defect
from preceptor.llm.prompts import Prompt

SOURCE = Path(preceptor.__file__).parent
TREES = {path: ast.parse(path.read_text("utf-8")) for path in sorted(SOURCE.rglob("*.py"))}
FILES = sorted(path.relative_to(SOURCE) for path in SOURCE.rglob("prompts/*.md"))


@dataclass(frozen=True)
class Loaded:
    """``NAME = Task("task", Result, Prompt.load("package", "file"))``, or the prompt alone."""

    constant: str
    task: str | None
    package: str
    file: str


def loaded() -> Iterator[Loaded]:
    for tree in TREES.values():
        for node in tree.body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                yield from loads(node.targets[0].id, node.value)


def loads(constant: str, value: ast.expr) -> Iterator[Loaded]:
    for call in (node for node in ast.walk(value) if isinstance(node, ast.Call)):
        if ast.unparse(call.func) == "Prompt.load":
            package, file = (ast.literal_eval(argument) for argument in call.args)
            task = isinstance(value, ast.Call) and ast.unparse(value.func) == "Task"
            name = ast.literal_eval(value.args[0]) if task and isinstance(value, ast.Call) else None
            yield Loaded(constant, name, package, file)


def fillings() -> dict[str, list[set[str]]]:
    """Which names each constant is filled with, at each place in the code."""
    found: dict[str, list[set[str]]] = {}
    calls = (node for tree in TREES.values() for node in ast.walk(tree) if isinstance(node, ast.Call))
    for call in calls:
        constant, _, method = ast.unparse(call.func).rpartition(".")
        if method in ("ask", "request", "messages"):
            found.setdefault(constant, []).append({keyword.arg for keyword in call.keywords if keyword.arg})
    return found


LOADED = tuple(loaded())


def test_every_file_is_used_and_every_use_has_its_file() -> None:
    used = {Path(*one.package.split(".")[1:], "prompts", f"{one.file}.md") for one in LOADED}
    assert used == set(FILES)
    assert LOADED


@pytest.mark.parametrize("one", LOADED, ids=lambda one: one.file)
def test_file_and_code_agree_on_the_names(one: Loaded) -> None:
    prompt = Prompt.load(one.package, one.file)
    assert one.task in (None, one.file)
    places = fillings()[one.constant]
    assert places
    assert all(names == prompt.names for names in places)


@pytest.mark.parametrize("one", LOADED, ids=lambda one: one.file)
def test_every_file_says_something_to_somebody_and_is_filled_in_one_pass(one: Loaded) -> None:
    prompt = Prompt.load(one.package, one.file)
    filled = prompt.messages(**dict.fromkeys(prompt.names, "{other} <b>"))
    assert filled[-1].role == "user"
    assert all(message.content for message in filled)
    text = "\n".join(message.content for message in filled)
    assert "<b>" not in text
    assert text.count("{other} &lt;b&gt;") >= len(set(re.findall(r"\{([a-z_]+)\}", prompt.text)))
    assert "{if" not in text
    assert "{/if}" not in text


def test_lines_stand_only_where_there_is_something_to_fill_in() -> None:
    prompt = Prompt("# user\nOne {a}.\n{if b}\nTwo {b}.\n{/if}\nThree.\n")
    assert prompt.names == {"a", "b"}
    assert prompt.messages(a="1", b="")[0].content == "One 1.\nThree."
    assert prompt.messages(a="1", b="{if a}")[0].content == "One 1.\nTwo {if a}.\nThree."


def test_a_name_too_many_or_too_few_is_our_mistake() -> None:
    prompt = Prompt("# user\n{a}")
    for values in ({}, {"a": "1", "b": "2"}):
        with pytest.raises(Defect):
            prompt.messages(**values)


def test_the_hash_names_the_text() -> None:
    assert Prompt("# user\n{a}").hash == Prompt("# user\n{a}").hash != Prompt("# user\n{b}").hash
