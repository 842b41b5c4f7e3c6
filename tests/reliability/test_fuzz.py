"""`make fuzz` and `make fuzz-logs`, their first inputs: every target reads them, and what it is there for is told."""

import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

import fuzz_logs
import fuzz_parsers
from fuzzing import RARELY, Slow, Target, promptly

TARGETS = (*fuzz_logs.TARGETS, *fuzz_parsers.targets())
EACH = 12
"""Seeds of a target that are tried here, at most; importing costs commits."""


def some(target: Target) -> Iterator[bytes]:
    """Of all kinds, whole and cut."""
    for seed in target.seeds[:: max(1, -(-len(target.seeds) // (2 if target.name == "import" else EACH)))]:
        yield from (seed, seed[: len(seed) // 2])


@pytest.mark.parametrize("target", TARGETS, ids=[target.name for target in TARGETS])
def test_first_inputs_are_read(target: Target, tmp_path: Path) -> None:
    for data in some(target):
        target.once(data, tmp_path)


def test_a_slow_reader_is_told() -> None:
    rare = next(text for n in range(200) if zlib.crc32((text := f"{n}?").encode()) % RARELY == 0)
    with pytest.raises(Slow, match="30,000 characters"):
        promptly(sorted, rare, bound=0.0)
