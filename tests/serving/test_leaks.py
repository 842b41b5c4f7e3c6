"""Only approved strategies of the caller's own live release reach an upstream (`make bench-leaks`: 10,000 cases)."""

import pytest

from leaks import Bench, inserted, prop


def test_nothing_else_reaches_the_upstream() -> None:
    with Bench() as bench:
        prop(bench, 40)()
        assert bench.tally.taught > 0


def test_a_change_elsewhere_would_be_found() -> None:
    assert inserted(b"abab", b"ababab") in (b"ab", b"ba")
    assert inserted(b"ab", b"ab") == b""
    with pytest.raises(AssertionError):
        inserted(b"a b", b"a xb c")
    with pytest.raises(AssertionError):
        inserted(b"ab", b"b")
