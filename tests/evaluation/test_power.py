"""What n customers can show."""

import math

import pytest

from preceptor.evaluation import power


@pytest.mark.parametrize(
    ("n", "effect"),
    # G*Power's and Cohen's textbook cases for the paired t-test, two-sided 5 %, power 80 %: d = 0.5 needs 34 pairs,
    # d = 0.2 needs 199, d = 0.8 needs 15.
    [(34, 0.5), (199, 0.2), (15, 0.8)],
)
def test_textbook_cases(n: int, effect: float) -> None:
    assert power.detectable(1.0, n) <= effect < power.detectable(1.0, n - 1)


def test_the_spread_scales_it() -> None:
    assert power.detectable(2.4, 60) == pytest.approx(2.4 * power.detectable(1.0, 60))


def test_more_power_asks_for_more() -> None:
    assert power.detectable(1.0, 60, power=0.9) > power.detectable(1.0, 60) > power.detectable(1.0, 60, alpha=0.1)


@pytest.mark.parametrize("n", [2, 3, 10, 10_000])
def test_every_number_of_customers_has_an_answer(n: int) -> None:
    assert 0 < power.detectable(1.0, n) < 40


def test_one_customer_shows_nothing() -> None:
    assert power.detectable(1.0, 1) == math.inf


def test_the_table_speaks() -> None:
    rows = power.table(0.8, [60, 1000])
    assert [str(row) for row in rows] == [
        "With 60 customers you can see a difference of 0.29.",
        "With 1,000 customers you can see a difference of 0.071.",
    ]
