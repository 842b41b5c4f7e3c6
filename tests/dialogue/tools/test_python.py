"""Python functions as tools."""

import json
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from preceptor.dialogue.tools.backend import Visit
from preceptor.dialogue.tools.functions import described
from preceptor.dialogue.tools.python import PythonTools
from preceptor.errors import SettingsError, ToolFailed

pytestmark = pytest.mark.anyio
HERE = Visit("co-1", "cu-1", "bill", 4)
DESK = '''
    from __future__ import annotations

    import asyncio
    from dataclasses import dataclass
    from datetime import date
    from typing import Annotated, Literal

    from pydantic import Field

    import orders
    from preceptor import ToolFailed, Visit

    @dataclass
    class Line:
        article: str
        count: int = 1

    def get_order(number: int, part: Literal["all", "lines"] = "all") -> dict:
        """Look an order up.

        Only open orders are found.

        Args:
            number: As it stands on the bill,
                without the letter.
            part (str): How much of it.

        Returns:
            The order.
        """
        if number == 13:
            raise ToolFailed("There is no order 13.")
        return orders.ALL[number]

    Odd = Annotated[bool, Field(description="Odd.")]

    async def ship(lines: list[Line], on: date, json: Odd = False, *, visit: Visit) -> str:
        """Send something."""
        await asyncio.sleep(0)
        return f"{sum(line.count for line in lines)} on {on:%d.%m.%Y} for {visit.customer}"

    def nothing() -> None:
        pass

    def _hidden() -> None:
        pass
'''


@pytest.fixture
def desk(tmp_path: Path) -> PythonTools:
    (tmp_path / "orders.py").write_text("ALL = {7: {'state': 'sent', 'ä': None}}")
    (tmp_path / "desk.py").write_text(dedent(DESK))
    return PythonTools.load("desk.py", tmp_path)


async def test_the_schema_is_read_off_the_function(desk: PythonTools) -> None:
    specs = {spec.name: spec for spec in desk.specs}
    assert list(specs) == ["get_order", "ship", "nothing"]
    assert specs["get_order"].description == "Look an order up. Only open orders are found."
    assert specs["get_order"].parameters == {
        "type": "object",
        "properties": {
            "number": {"type": "integer", "description": "As it stands on the bill, without the letter."},
            "part": {"type": "string", "enum": ["all", "lines"], "default": "all", "description": "How much of it."},
        },
        "required": ["number"],
        "additionalProperties": False,
    }
    ship = specs["ship"].parameters
    assert set(ship["properties"]) == {"lines", "on", "json"}, "the visit is nothing an agent fills in"
    assert ship["properties"]["json"]["description"] == "Odd."
    assert ship["properties"]["on"] == {"type": "string", "format": "date"}


async def test_functions_get_what_they_ask_for(desk: PythonTools) -> None:
    assert json.loads(await desk.call("get_order", {"number": 7}, HERE, "k")) == {"state": "sent", "ä": None}
    lines = [{"article": "lamp", "count": 2}, {"article": "bulb"}]
    assert await desk.call("ship", {"lines": lines, "on": "2026-11-21"}, HERE, "k") == "3 on 21.11.2026 for cu-1"
    assert await desk.call("nothing", {}, HERE, "k") == "null"


@pytest.mark.parametrize(
    ("name", "arguments", "told"),
    [
        ("get_order", {}, "number: Field required."),
        ("get_order", {"number": "seven"}, "number: Input should be a valid integer"),
        ("get_order", {"number": 7, "more": 1}, "more: Extra inputs are not permitted."),
        ("ship", {"lines": [{"count": 2}], "on": "2026-11-21"}, "lines.0.article: Field required."),
        ("ship", {"lines": [], "on": "soon", "visit": {}}, "on: Input should be a valid date"),
    ],
)
async def test_arguments_that_do_not_fit_are_told(
    desk: PythonTools, name: str, arguments: dict[str, object], told: str
) -> None:
    with pytest.raises(ToolFailed, match=told) as failed:
        await desk.call(name, arguments, HERE, "k")
    assert failed.value.why == "arguments"


async def test_what_a_function_says_is_told_and_what_it_lets_slip_is_not(desk: PythonTools) -> None:
    with pytest.raises(ToolFailed, match=r"There is no order 13\."):
        await desk.call("get_order", {"number": 13}, HERE, "k")
    with pytest.raises(ToolFailed) as failed:
        await desk.call("get_order", {"number": 8}, HERE, "k")
    assert str(failed.value) == "The tool failed."
    assert failed.value.why == "broken"
    assert failed.value.about.startswith("KeyError (desk.py, line ")


async def test_a_function_that_ends_the_program_ends_its_call_only(tmp_path: Path) -> None:
    text = "import sys\ndef stop(): sys.exit(3)\nasync def halt(): sys.exit(3)\ndef next_(): raise StopIteration\n"
    (tmp_path / "desk.py").write_text(text, "utf-8")
    tools = PythonTools.load("desk.py", tmp_path)
    for name in ("stop", "halt", "next_"):
        with pytest.raises(ToolFailed) as failed:
            await tools.call(name, {}, HERE, "k")
        assert failed.value.why == "broken"


def test_a_function_that_hangs_does_not_keep_the_program_from_ending(tmp_path: Path) -> None:
    (tmp_path / "desk.py").write_text("import time\ndef hang(): time.sleep(600)\n")
    program = f"""
import anyio
from pathlib import Path
from preceptor import Visit
from preceptor.dialogue.tools.python import PythonTools

async def main():
    tools = PythonTools.load("desk.py", Path({str(tmp_path)!r}))
    with anyio.move_on_after(0.05):
        await tools.call("hang", {{}}, Visit("co", "cu", "t", 0), "k")

anyio.run(main)
"""
    assert subprocess.run([sys.executable, "-c", program], timeout=60).returncode == 0


async def test_what_is_no_text_is_written_as_json(tmp_path: Path) -> None:
    text = """
        import sqlite3

        def odd():
            db = sqlite3.connect(":memory:")
            db.row_factory = sqlite3.Row
            row = db.execute("SELECT 7 AS n").fetchone()
            db.close()
            return {1: {2}, "b": bytes([255]), "f": float("nan"), "o": slice, "r": row}
    """
    (tmp_path / "desk.py").write_text(dedent(text), "utf-8")
    told = json.loads(await PythonTools.load("desk.py", tmp_path).call("odd", {}, HERE, "k"))
    assert told == {"1": [2], "b": "_w==", "f": "NaN", "o": "<class 'slice'>", "r": {"n": 7}}


async def test_a_type_that_fails_on_an_argument_fails_its_call_only(tmp_path: Path) -> None:
    text = """
        from typing import Annotated
        from pydantic import AfterValidator

        def pay(bank: Annotated[str, AfterValidator({"ours": 1}.__getitem__)]): ...
    """
    (tmp_path / "desk.py").write_text(dedent(text), "utf-8")
    with pytest.raises(ToolFailed) as failed:
        await PythonTools.load("desk.py", tmp_path).call("pay", {"bank": "theirs"}, HERE, "k")
    assert failed.value.why == "broken"


async def test_a_module_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "till_of_this_test.py").write_text("def pay(euros: float) -> str:\n    return f'{euros:.2f}'\n")
    till = PythonTools.load("till_of_this_test", tmp_path, ["pay"])
    assert await till.call("pay", {"euros": 2}, HERE, "k") == "2.00"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("def a(", r"SyntaxError.*\(desk.py, line 1\)"),
        ("import nothing_of_that_name", r"ModuleNotFoundError.*\(desk.py, line 1\)"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("def größe(): ...", "'größe'.*names of A-Z"),
        ("x = 1", "has no function that could be a tool"),
        ("def a(*all): ...", "'all' has no name to be called by"),
        ("def a(x: 'Nowhere'): ...", "'a'.*Nowhere"),
        ("import json\ndef a(x: 'json.Nowhere'): ...", "'a'.*Nowhere"),
        ("class Odd: ...\ndef a(x: Odd): ...", "'a'.*types"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "desk.py").write_text(text, "utf-8")
    with pytest.raises(SettingsError, match=told):
        PythonTools.load("desk.py", tmp_path)


def test_a_function_that_is_not_there_is_missed(tmp_path: Path) -> None:
    (tmp_path / "desk.py").write_text("def a(): ...\ndef b(): ...")
    with pytest.raises(SettingsError, match=r"no function 'c'.*it has: a, b\."):
        PythonTools.load("desk.py", tmp_path, ["a", "c"])
    with pytest.raises(SettingsError, match="no file"):
        PythonTools.load("other.py", tmp_path)


def test_a_docstring_without_sections_is_all_description() -> None:
    assert described("Looks.\nAnd: sees.") == ("Looks. And: sees.", {})
    assert described("") == ("", {})
    assert described("Looks.\n\nArgs:\n    :param x: Sphinx's way.") == ("Looks.", {})
