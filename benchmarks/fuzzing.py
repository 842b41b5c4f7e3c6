"""Targets under Atheris, guided by coverage, one after the other: what they have in common.

Each target is fuzzed in a process of its own, so that a crash, a hang or too much memory ends that target and is told,
and the others still have their time. Without Atheris (it has no wheels for every Python, so it is in no lock: ``pip
install atheris``) it says "not run", and `ok` is false. Inputs that were found are kept with `--corpus FOLDER`, and a
fault's input beside them.
"""

import argparse
import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LONGEST = 4096
"""Bytes of an input."""
PATIENCE = 60
"""Seconds an input may take on a busy machine before it is called a hang."""
SLOW = 2.0
"""Processor seconds that reading `LONG` characters may take."""
LONG = 30_000
"""Characters of a long text."""
RARELY = 16
"""Long texts are tried with one input in so many, or nothing else would be."""
MEMORY = 2048
"""MB."""


class Slow(Exception):
    """An input took far longer to read than its length explains."""


class Half(Exception):
    """Something was taken in that cannot be given back whole."""


@dataclass(frozen=True)
class Target:
    """Something that reads what others wrote."""

    name: str
    once: Callable[[bytes, Path], object]
    """Reads one input; raises nothing, whatever it holds. The folder is the target's own."""
    seeds: Sequence[bytes]


@dataclass(frozen=True)
class Found:
    """What came of a target."""

    name: str
    minutes: float
    executions: int
    coverage: int
    fault: str
    """Empty: none."""


def watched() -> AbstractContextManager[Any]:
    """What is imported inside is watched for coverage, in a process that fuzzes."""
    if "--only" not in sys.argv:
        return nullcontext()
    import atheris

    watching: AbstractContextManager[Any] = atheris.instrument_imports(include=["preceptor"])
    return watching


def promptly(read: Callable[[str], object], text: str, bound: float = SLOW) -> None:
    """Read a text, and now and then the same many times over: time must not grow as a power of its length.
    `bound`: processor seconds.

    Raises:
        Slow
    """
    read(text)
    if text and zlib.crc32(text.encode("utf-8", "replace")) % RARELY == 0:
        long = (text * (LONG // len(text) + 1))[:LONG]
        began = time.process_time()
        read(long)
        if (took := time.process_time() - began) > bound:
            raise Slow(f"{took:.1f} s of processor time for {LONG:,} characters of {text[:60]!r} repeated")


def main(about: str | None, targets: Sequence[Target], name: str) -> int:
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--minutes", type=float, default=60, help="for all targets together")
    parser.add_argument("--targets", nargs="+", choices=[target.name for target in targets], metavar="TARGET")
    parser.add_argument("--corpus", type=Path, help="keep what was found here, and begin with what is here")
    parser.add_argument("--only", metavar="TARGET", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.only:
        _fuzz(next(target for target in targets if target.name == args.only), args.minutes, args.corpus)
    chosen = [target for target in targets if not args.targets or target.name in args.targets]
    if importlib.util.find_spec("atheris") is None:
        print("not run: Atheris is not installed (pip install atheris).")
        _tell(name, [], args.minutes)
        return 0
    found = []
    with tempfile.TemporaryDirectory() as kept:
        print(f"{'target':<12} {'minutes':>7} {'executions':>11} {'branches':>9}  finding")
        for target in chosen:
            found.append(_child(target.name, args.minutes / len(chosen), args.corpus or Path(kept)))
            one = found[-1]
            told = f"{one.minutes:>7.1f} {one.executions:>11,} {one.coverage:>9,}  {one.fault or 'none'}"
            print(f"{one.name:<12} {told}", flush=True)
    _tell(name, found, args.minutes)
    return 0


def _tell(name: str, found: Sequence[Found], asked: float) -> None:
    minutes = round(sum(one.minutes for one in found), 1)
    figures = {
        "minutes": minutes,
        "executions": sum(one.executions for one in found),
        "findings": sum(bool(one.fault) for one in found),
        "targets": len(found),
    }
    targets = {"minutes": asked, "findings": 0}
    ok = bool(found) and not figures["findings"] and all(one.executions for one in found) and minutes >= 0.95 * asked
    print(json.dumps({"bench": name, "ok": ok, "figures": figures, "targets": targets}))


def _child(target: str, minutes: float, corpus: Path) -> Found:
    corpus = corpus.absolute()
    corpus.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, *sys.argv[:1], "--only", target, "--minutes", str(minutes), "--corpus", str(corpus)]
    log = corpus / f"{target}.log"
    began = time.monotonic()
    with log.open("wb") as told:
        code = subprocess.run(command, stdout=told, stderr=told, check=False).returncode
    took = (time.monotonic() - began) / 60
    text = log.read_text("utf-8", "replace")
    runs = [int(number) for number in re.findall(r"^#(\d+)\s", text, re.M)]
    runs += [int(number) for number in re.findall(r"stat::number_of_executed_units: (\d+)", text)]
    covered = [int(number) for number in re.findall(r" cov: (\d+)", text)]
    return Found(target, took, max(runs, default=0), max(covered, default=0), _fault(text, code, log))


def _fault(text: str, code: int, log: Path) -> str:
    if code == 0:
        return ""
    lines = text.splitlines()
    at = next((n for n, line in enumerate(lines) if "Uncaught Python exception" in line), None)
    said = "" if at is None else next((line for line in lines[at + 1 :] if line.strip()), "")
    other = next((line for line in lines if "ERROR: libFuzzer" in line), "")
    return f"{said or other or f'ended with {code}'} (see {log.name})"[:200]


def _fuzz(target: Target, minutes: float, corpus: Path) -> None:
    import atheris

    mine = corpus / target.name
    mine.mkdir(parents=True, exist_ok=True)
    seeds = corpus / f"{target.name}.seeds"
    seeds.mkdir(exist_ok=True)
    for number, seed in enumerate(target.seeds):
        (seeds / f"{number:04}").write_bytes(seed)
    options = (
        *(f"-max_total_time={max(1, int(minutes * 60))}", f"-max_len={LONGEST}", f"-timeout={PATIENCE}"),
        *(f"-rss_limit_mb={MEMORY}", f"-artifact_prefix={corpus}/{target.name}.fault-", "-print_final_stats=1"),
    )
    with tempfile.TemporaryDirectory(dir=_quick()) as folder:
        atheris.Setup([sys.argv[0], *options, str(mine), str(seeds)], lambda data: target.once(data, Path(folder)))
        atheris.Fuzz()


def _quick() -> str | None:
    """A folder in memory where there is one: what is read is written to a file each time."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
