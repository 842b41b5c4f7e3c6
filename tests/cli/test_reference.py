"""docs/reference/cli.md is what the commands say."""

from pathlib import Path

from preceptor.cli.reference import reference

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "cli.md"


def test_the_reference_page_is_fresh() -> None:
    assert PAGE.read_text("utf-8") == reference(), "run `make docs`"
