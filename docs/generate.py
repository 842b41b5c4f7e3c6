"""Write the generated reference pages, or with --check say which are stale."""

import sys
from collections.abc import Iterator
from pathlib import Path

from preceptor.cli import reference as commands
from preceptor.settings import rendering as settings

FOLDER = Path(__file__).parent / "reference"


def pages() -> Iterator[tuple[Path, str]]:
    yield FOLDER / "settings.md", settings.reference()
    yield FOLDER / "cli.md", commands.reference()


def main(check: bool) -> int:
    stale = [(path, text) for path, text in pages() if not path.exists() or path.read_text("utf-8") != text]
    for path, text in stale:
        if check:
            print(f"docs/reference/{path.name} is stale: run `make docs`.", file=sys.stderr)
        else:
            path.write_text(text, "utf-8")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
