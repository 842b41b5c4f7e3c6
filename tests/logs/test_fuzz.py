"""Whatever a file holds, reading it ends in conversations, told rows or one sentence; never in a crash."""

import csv
import io
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from preceptor.errors import UserError
from preceptor.logs.importing import Redactor
from preceptor.logs.readers import FORMS, read
from preceptor.logs.store import stored

WORDS = (
    *("messages", "role", "content", "tool_calls", "function", "name", "arguments", "id", "conversations", "from"),
    *("value", "turns", "speaker", "text", "sender", "utterances", "traj", "task_id", "reward", "messages_display"),
    *("comments", "requester_id", "author_id", "body", "public", "users", "source", "conversation_parts", "author"),
    *("type", "part_type", "traceId", "sessionId", "input", "output", "observations", "traces", "scores", "run_type"),
    *("inputs", "outputs", "dotted_order", "extra", "metadata", "thread_id", "kwargs", "constraints", "api", "item"),
    *("tags", "quality", "status", "satisfaction_rating", "conversation_rating", "runs", "data", "tickets", "message"),
)
SAID = st.sampled_from(
    ("user", "assistant", "customer", "tool_call", "human", "system", "user: a\ntool: b", "[{", "None")
)
LEAVES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), SAID, st.text(max_size=30))
KEYS = st.sampled_from(WORDS)
VALUES: st.SearchStrategy[Any] = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=6), max_leaves=25
)
ROWS = st.dictionaries(KEYS, VALUES, max_size=8)
EASY = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def through(content: bytes, name: str, form: str | None = None) -> None:
    """Read, redact, and make ready to store."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        log = read(path, form)
        with suppress(UserError):
            for line, talk in log.talks():
                assert any(turn.party == "customer" for turn in talk.turns)
                found = stored(Redactor().talk(talk), line)
                assert found.turns == len(talk.turns)


@given(rows=st.lists(ROWS, max_size=4))
@EASY
def test_rows_of_any_form(rows: list[dict[str, Any]]) -> None:
    whole = [row for row in rows if _json(row) is not None]
    through(b"\n".join(filter(None, map(_json, whole))), "a.jsonl")
    through(_json(whole) or b"[]", "a.json")


@pytest.mark.parametrize("form", FORMS)
@given(row=ROWS)
@settings(EASY, max_examples=25)
def test_rows_that_are_said_to_be_of_a_form(form: str, row: dict[str, Any]) -> None:
    through(_json(row) or b"{}", "a.jsonl", form)


@given(content=st.binary(max_size=300), name=st.sampled_from(("a.jsonl", "a.json", "a.csv", "a.tsv", "a.xlsx", "a")))
@EASY
def test_bytes(content: bytes, name: str) -> None:
    through(content, name)
    through(b"[" + content, name)
    through(b"PK\x03\x04" + content, name)


@given(rows=st.lists(st.lists(SAID | st.text(max_size=20), max_size=6), max_size=6))
@EASY
def test_tables(rows: list[list[str]]) -> None:
    out = io.StringIO()
    csv.writer(out).writerows([["conversation_id", "role", "text", "time"], *rows])
    through(out.getvalue().encode("utf-8", "surrogatepass"), "a.csv")


def _json(value: object) -> bytes | None:
    try:
        return orjson.dumps(value)
    except TypeError:
        return None
