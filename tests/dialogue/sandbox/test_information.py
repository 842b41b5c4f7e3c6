"""Whether something was said."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from preceptor.dialogue.tools.sandbox.information import said


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("1628", "The total is $1,628."),
        ("1628", "That comes to 1628.00 dollars"),
        ("481.50", "It costs $481.5"),
        ("8276.23", "You get **$8,276.23** back"),
        ("10", "There are ten options"),
        ("4", "You may bring 4 bags."),
        ("64GB", "The one with 64 GB."),
        ("camera", "It is the Camera, at $481.50"),
        ("20 hours", "battery life: 20 hours"),
        ("943 Maple Drive", "To 943 maple drive, Suite 356"),
        ("0042", "Your number is 0042."),
        ("1234567", "1,234,567"),
    ],
)
def test_it_was(wanted: str, message: str) -> None:
    assert said(wanted, ["Hello.", message])


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("4", "You may bring 14 bags, or 40, or 4.5."),
        ("1628", "It is $11,628."),
        ("0042", "Your number is 42."),
        ("20 hours", "20 times in 3 hours"),
        ("cotton", "nothing"),
        ("camera", "cameraman"),
        ("1628", "The total is 1, 628."),
        ("123456789012345678901234567890123", "Your parcel is 123456789012345678901234567890124."),
    ],
)
def test_it_was_not(wanted: str, message: str) -> None:
    assert not said(wanted, ["Hello.", message])


def test_all_of_it_must_be_in_one_message() -> None:
    assert not said("Maple Drive", ["Maple", "Drive"])


@given(some.integers(0, 10**9), some.integers(0, 99))
def test_any_sum_is_found_in_every_way_to_write_it(whole: int, cents: int) -> None:
    wanted = f"{whole}.{cents:02}"
    assert said(wanted, [f"(${whole:,}.{cents:02})"])
    assert not said(wanted, [f"{whole + 1}.{cents:02}"])
