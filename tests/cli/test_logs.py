"""`preceptor logs`, and teaching from what was imported."""

from pathlib import Path

import orjson

from preceptor.settings.project import Project
from preceptor.settings.teaching import TeachingRun, drawn

from .conftest import Command

TALK = {
    "id": "t-1",
    "messages": [
        {"role": "user", "content": "My name is Jane Doe, it is down again."},
        {"role": "assistant", "content": "Sorry, Jane. I will look."},
    ],
}


def file(tmp_path: Path, *rows: object) -> Path:
    path = tmp_path / "talks.jsonl"
    path.write_bytes(b"\n".join(orjson.dumps(row) for row in rows))
    return path


def test_a_file_is_imported_listed_shown_and_removed(project: Path, preceptor: Command, tmp_path: Path) -> None:
    path = file(tmp_path, TALK, {"text": "no conversation"})
    code, out, _ = preceptor("logs", "import", path, "--project", project)
    assert code == 0
    assert "talks.jsonl (messages): 1 conversation, 2 turns; 1 new, 0 known." in out
    assert "Redacted: name 2." in out
    assert "1 row could not be read. Row 2: Neither" in out
    assert f"preceptor teach --logs imported --project {project}" in out
    [rejected] = (project / "rejected" / "talks.jsonl.jsonl").read_bytes().splitlines()
    assert orjson.loads(rejected)["line"] == 2
    assert "0 new, 1 known" in preceptor("logs", "import", path, "--project", project)[1]
    assert "talks.jsonl" in preceptor("logs", "list", "--project", project)[1]
    _, shown, _ = preceptor("logs", "show", "talks.jsonl", "--project", project)
    assert "Customer: My name is [name 1], it is down again." in shown
    assert "Jane" not in shown
    assert preceptor("logs", "remove", "talks.jsonl", "--project", project)[0] == 1
    assert preceptor("logs", "remove", "talks.jsonl", "--yes", "--project", project)[0] == 0
    assert preceptor("logs", "show", "talks.jsonl", "--project", project)[0] == 1


def test_raw_only_when_told(project: Path, preceptor: Command, tmp_path: Path) -> None:
    arguments = ("--no-redact", "--json", "--name", "raw", "--project", project)
    code, out, err = preceptor("logs", "import", file(tmp_path, TALK), *arguments)
    assert code == 0
    assert "Nothing is redacted" in err
    assert orjson.loads(out)["source"]["name"] == "raw"
    assert "Jane Doe" in preceptor("logs", "show", "raw", "--project", project)[1]


def test_a_folder_and_what_cannot_be_imported(project: Path, preceptor: Command, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    file(folder, TALK)
    (folder / "turns.csv").write_text("a,b\n1,2\n")
    code, _, err = preceptor("logs", "import", folder, "--name", "x", "--project", project)
    assert (code, "--name" in err) == (1, True)
    (folder / "z.jsonl").write_text("{}\n")
    file(folder, TALK).rename(folder / "zz.jsonl")
    file(folder, TALK)
    code, out, err = preceptor("logs", "import", folder, "--project", project)
    assert (code, "--mapping" in err) == (1, True), "it is told, and the others are imported"
    assert "z.jsonl: no conversations" in out
    assert "4 files: 2 conversations, 1 of them new, 1 files with none, 1 not imported (above)." in out
    listed = preceptor("logs", "list", "--project", project)[1]
    assert "in/talks.jsonl" in listed
    assert "in/zz.jsonl" in listed
    assert "turns.csv" not in listed, "nothing came from it"
    code, out, err = preceptor("logs", "import", folder / "z.jsonl", "--project", project)
    assert (code, "Next:" in out) == (1, False), "nothing came in"
    code, _, err = preceptor("logs", "import", tmp_path / "none.jsonl", "--project", project)
    assert (code, "none.jsonl" in err) == (1, True)
    code, _, err = preceptor("logs", "import", folder, "--format", "papyrus", "--project", project)
    assert (code, "'papyrus'" in err) == (1, True)


def test_what_is_from_before_and_in_the_file_no_more_is_told(project: Path, preceptor: Command, tmp_path: Path) -> None:
    preceptor("logs", "import", file(tmp_path, TALK), "--project", project)
    changed = TALK | {"id": "t-2"}
    _, out, _ = preceptor("logs", "import", file(tmp_path, changed), "--project", project)
    assert "2 conversations, 4 turns; 1 new, 0 known." in out
    assert "1 of them are from before" in out
    assert "preceptor logs remove talks.jsonl" in out


def test_a_column_of_the_mapping_is_named(project: Path, preceptor: Command, tmp_path: Path) -> None:
    """It is the user's word, not a customer's."""
    mapping = tmp_path / "map.toml"
    mapping.write_text('conversation = "ticket"\nspeaker = "from"\ntext = "body"\n')
    _, out, _ = preceptor("logs", "import", file(tmp_path, TALK), "--mapping", mapping, "--project", project)
    assert "Row 1: The column `ticket` is empty." in out


def test_teaching_takes_what_was_imported(project: Path, preceptor: Command, tmp_path: Path) -> None:
    dry = ("teach", "--dry-run", "--project", project)
    assert "No conversations were imported yet" in preceptor(*dry, "--logs", "imported")[2]
    preceptor("logs", "import", file(tmp_path, TALK), "--name", "talks", "--project", project)
    for log in ("imported", "talks"):
        assert "Logs: 1 conversations" in preceptor(*dry, "--logs", log)[1]
    assert "Logs: 1 conversations" in preceptor(*dry, "--set", 'teaching.logs=["talks"]')[1]
    assert "'nobody'" in preceptor(*dry, "--logs", "nobody")[2]
    loaded = Project.load(project)
    with loaded.database() as db:
        run = TeachingRun.begin(loaded, db, ["imported"])
        assert run.logs == ("imported:talks",)
        assert drawn(db, "talks") == [run.run.id]
    assert run.run.id in preceptor("logs", "remove", "talks", "--yes", "--project", project)[1]
