"""The house order of docs/concepts.md, held against the imports that are there."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import preceptor

ORDER: tuple[frozenset[str], ...] = tuple(
    frozenset(rooms.split())
    for rooms in (
        "errors",
        "storage",
        "llm",
        "simulated",
        "dialogue",
        "judging",
        "library",
        "retrieval",
        "student",
        "teaching evaluation serving logs",
        "settings",
        "experiments adapters",
        "web",
        "cli",
    )
)
"""From left to right; rooms that stand together do not know each other."""
PLACE = {room: place for place, rooms in enumerate(ORDER) for room in rooms}
SOURCE = Path(preceptor.__file__).parent


def modules() -> list[Path]:
    return sorted(path for path in SOURCE.rglob("*.py") if path != SOURCE / "__init__.py")


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every module imported anywhere in a file, lazily ones included, with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: relative imports hide which room is meant"
            yield node.lineno, node.module or ""
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def wrong(room: str, tree: ast.AST) -> Iterator[str]:
    for line, name in imports(tree):
        parts = name.split(".")
        if parts[0] != "preceptor" or parts[1:2] in ([], [room]):
            continue
        other = parts[1]
        if PLACE[other] >= PLACE[room]:
            yield f"line {line}: {room!r} must not use {other!r}"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_only_go_left(path: Path) -> None:
    assert list(wrong(room_of(path), ast.parse(path.read_text("utf-8")))) == []


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(SOURCE)))
def test_the_environment_is_read_in_settings_only(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    readers = [
        node.lineno
        for node in ast.walk(tree)
        if (isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv", "environb"))
        or (isinstance(node, ast.ImportFrom) and {alias.name for alias in node.names} & {"environ", "getenv"})
    ]
    assert not readers or room_of(path) == "settings", f"lines {readers}"


def test_a_wrong_import_is_found() -> None:
    assert list(wrong("llm", ast.parse("def f():\n    from preceptor.teaching import loop"))) != []
    assert list(wrong("teaching", ast.parse("import preceptor.evaluation.arms"))) != []
    assert list(wrong("teaching", ast.parse("from preceptor.student.student import Student\nimport os"))) == []


def test_every_room_has_its_place() -> None:
    assert {room_of(path) for path in modules()} <= PLACE.keys()
