"""Readers and redaction of logs under Atheris, guided by coverage: no crash, whatever a file holds.

Needs atheris (`pip install atheris`; Linux). Takes the first byte for the file's kind, the rest for its content. Ends
after `--minutes`, or at the first exception that is not one for the user, with the input that caused it.
"""

import argparse
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["preceptor.logs", "preceptor.library"]):
    from preceptor.errors import UserError
    from preceptor.logs.importing import Redactor
    from preceptor.logs.readers import FORMS, read
    from preceptor.logs.store import stored

NAMES = ("a.jsonl", "a.json", "a.csv", "a.tsv", "a")
FOLDER = Path(tempfile.mkdtemp())


def once(data: bytes) -> None:
    kind, content = data[:1] or b"\0", data[1:]
    path = FOLDER / NAMES[kind[0] % len(NAMES)]
    path.write_bytes(content)
    form = (None, *FORMS)[kind[0] // len(NAMES) % (len(FORMS) + 1)]
    with suppress(UserError):
        for line, talk in read(path, form).talks():
            stored(Redactor().talk(talk), line)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    args = parser.parse_args()
    atheris.Setup([sys.argv[0], f"-max_total_time={int(args.minutes * 60)}", "-max_len=4096"], once)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
