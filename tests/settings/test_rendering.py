"""The reference page and the commented file say everything there is, and the file means what it shows."""

import re
import tomllib
from pathlib import Path

from preceptor.settings import rendering
from preceptor.settings.reading import read
from preceptor.settings.schema import ROLES, Settings

VALUES = {f"models.{role}": {"kind": "simulated", "world": "broadband", "model": role} for role in ROLES}
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "settings.md"


def test_every_key_says_what_it_means() -> None:
    assert rendering.undocumented() == []


def test_the_reference_page_is_fresh() -> None:
    assert PAGE.read_text("utf-8") == rendering.reference(), "run `make docs`"


def test_the_commented_file_has_every_section_and_sets_what_it_was_given() -> None:
    data = tomllib.loads(rendering.commented(VALUES))
    assert data.keys() == Settings.model_fields.keys()
    assert data["models"]["teacher"] == VALUES["models.teacher"]


def test_taking_the_comment_off_a_default_changes_nothing(tmp_path: Path) -> None:
    text = rendering.commented(VALUES)
    path = tmp_path / "preceptor.toml"
    path.write_text(text, "utf-8")
    as_written = read(path)
    uncommented = re.sub(r"^# ([a-z_]+ = [^(].*)$", r"\1", text, flags=re.MULTILINE)
    assert uncommented.count("\n# ") < text.count("\n# ") - 20
    path.write_text(uncommented, "utf-8")
    assert read(path) == as_written
