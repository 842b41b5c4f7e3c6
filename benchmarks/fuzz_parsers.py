"""Every parser of models' words, of settings and of worlds under Atheris: what is no good is refused by name.

A fault is any exception but ours. Needs Atheris, which has no wheels for every Python that preceptor runs on, so it is
in no lock: `pip install atheris`. Without it, says "not run". `--minutes` for how long; ends at the first fault, and
Atheris keeps the input that made it.
"""

import argparse
import importlib.util
import json
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import orjson

from preceptor.errors import PreceptorError
from preceptor.library.leak import leaks
from preceptor.library.lint import lint_text
from preceptor.llm.messages import Message, Reply, Usage
from preceptor.llm.thinking import split_thinking
from preceptor.llm.wire import parse_messages, parse_reply, parse_request
from preceptor.settings.reading import read
from preceptor.simulated.world import World
from preceptor.teaching.tasks import MATCH_STRATEGIES, PLACE_CONTEXT, WRITE_STRATEGIES

TASKS = (PLACE_CONTEXT, WRITE_STRATEGIES, MATCH_STRATEGIES)


def once(data: bytes, folder: Path) -> None:
    """Give one input to every parser."""
    text = data.decode("utf-8", "surrogateescape")
    for task in TASKS:
        with suppress(PreceptorError):
            task.read(Reply(Message("assistant", text), Usage()))
    split_thinking(text)
    lint_text(text)
    leaks(text, text[::-1], ())
    with suppress(PreceptorError):
        World.parse(data.decode("utf-8", "replace"), "fuzzed")
    settings = folder / "preceptor.toml"
    settings.write_bytes(data)
    with suppress(PreceptorError):
        read(settings)
    try:
        body = orjson.loads(data)
    except orjson.JSONDecodeError:
        return
    for parse in (parse_reply, parse_request, parse_messages):
        with suppress(PreceptorError):
            parse(body)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    args = parser.parse_args()
    if importlib.util.find_spec("atheris") is None:
        print("not run: Atheris is not installed (pip install atheris).")
        print(
            json.dumps({"bench": "fuzz", "ok": False, "figures": {"minutes": 0}, "targets": {"minutes": args.minutes}})
        )
        return 0
    import atheris

    with tempfile.TemporaryDirectory() as folder:
        atheris.instrument_all()
        options = [f"-max_total_time={int(args.minutes * 60)}", "-max_len=4096"]
        atheris.Setup([sys.argv[0], *options], lambda data: once(data, Path(folder)))
        atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
