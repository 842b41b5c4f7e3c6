"""Draw what a command printed: `preceptor demo | python docs/picture.py docs/images/demo.svg "What was learned"`.

Reads from standard input, from the first line that holds the given words on, and writes a terminal window as SVG.
"""

import io
import re
import sys
from itertools import dropwhile
from pathlib import Path

from rich.console import Console
from rich.text import Text

WIDTH = 160


def main() -> None:
    target, start = Path(sys.argv[1]), sys.argv[2]
    lines = dropwhile(lambda line: start not in line, sys.stdin)
    console = Console(record=True, width=WIDTH, file=io.StringIO())
    for line in lines:
        console.print(Text.from_ansi(line.rstrip("\n")))
    drawn = console.export_svg(title="preceptor demo", font_aspect_ratio=0.61)
    # The reader's own monospaced font: a picture in the docs must not fetch one.
    target.write_text(re.sub(r"@font-face \{.*?\}", "", drawn, flags=re.DOTALL), "utf-8")


if __name__ == "__main__":
    main()
