"""Logs in whatever they come: compressed, through a pipe, in another encoding, with a line that never ends."""

import gzip
import io
import os
import sys
from pathlib import Path

import orjson
import pytest

from preceptor.dialogue.conversation import Conversation
from preceptor.errors import SettingsError
from preceptor.logs import mapping
from preceptor.logs.importing import files
from preceptor.logs.readers import read
from preceptor.logs.rows import LONGEST_LINE

TALK = {"id": "1", "messages": [{"role": "user", "content": "Wo bleibt die Müslischüssel?"}]}
LINES = orjson.dumps(TALK) + b"\n" + orjson.dumps(TALK | {"id": "2"}) + b"\n"
TABLE = "ticket;from;body\n1;customer;Grüße, wo bleibt es?\n"


def said(found: list[Conversation]) -> list[str]:
    return [one.turns[0].text for one in found]


def test_gzip_is_read_as_what_is_in_it(tmp_path: Path) -> None:
    lines, table = tmp_path / "a.jsonl.gz", tmp_path / "b.csv.gz"
    lines.write_bytes(gzip.compress(LINES))
    table.write_bytes(gzip.compress(TABLE.encode()))
    named_otherwise = tmp_path / "c.jsonl"
    named_otherwise.write_bytes(gzip.compress(LINES))
    listed = tmp_path / "d.json.gz"
    listed.write_bytes(gzip.compress(orjson.dumps({"conversations": [TALK]})))
    assert [len(list(read(path))) for path in (lines, table, named_otherwise, listed)] == [2, 1, 2, 1]
    log = read(lines)
    list(log)
    assert log.progress[1] == lines.stat().st_size


def test_gzip_that_is_cut_off_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(LINES)[:-12])
    with pytest.raises(SettingsError, match="cut off or damaged"):
        list(read(path))


def test_standard_input_and_pipes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    receiving, sending = os.pipe()
    os.write(sending, gzip.compress(LINES))
    os.close(sending)
    with os.fdopen(receiving, "rb") as pipe:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(pipe))
        [(name, path)] = files(Path("-"))
        assert name == "stdin"
        assert len(list(read(path))) == 2


def test_utf_16_says_so_itself_and_other_encodings_are_said_in_the_mapping(tmp_path: Path) -> None:
    lines, table, old = tmp_path / "a.jsonl", tmp_path / "b.csv", tmp_path / "c.csv"
    lines.write_bytes(LINES.decode().encode("utf-16"))
    table.write_bytes(TABLE.encode("utf-16"))
    old.write_bytes(TABLE.encode("cp1252"))
    assert said(list(read(lines))) == ["Wo bleibt die Müslischüssel?"] * 2
    assert said(list(read(table))) == ["Grüße, wo bleibt es?"]
    told = {"conversation": "ticket", "speaker": "from", "text": "body", "encoding": "cp1252"}
    columns = mapping.Columns.model_validate(told)
    assert said(list(read(old, columns=columns))) == ["Grüße, wo bleibt es?"]
    wrong = read(old)
    assert list(wrong) == []
    assert "cp1252" in wrong.skipped[0].reason
    for encoding, reason in (("cp1253x", "cp1253x"), ("a\0b", "no encoding"), ("ascii", "no text in ascii")):
        with pytest.raises(SettingsError, match=reason):
            list(read(old, columns=columns.model_copy(update={"encoding": encoding})))


def test_what_is_no_text_is_said_without_showing_it(tmp_path: Path) -> None:
    for name in ("program", "a.csv", "b.xlsx"):
        path = tmp_path / name
        path.write_bytes(b"\x7fELF\x02\x01\x00\x00\x00" * 30)
        with pytest.raises(SettingsError, match="is no text") as caught:
            list(read(path))
        assert "ELF" not in str(caught.value)


def test_a_line_that_does_not_end_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    first, _, last = LINES.partition(b"\n")
    with path.open("wb") as file:
        file.write(first + b"\n")
        file.seek(LONGEST_LINE + 10, os.SEEK_CUR)
        file.write(b"\n" + last)
    log = read(path)
    assert len(list(log)) == 2
    [skipped] = log.skipped
    assert (skipped.line, "64 MB" in skipped.reason) == (2, True)
