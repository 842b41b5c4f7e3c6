"""What can be measured of one served customer: a number each, or None where it is not known."""

from collections.abc import Callable

from preceptor.evaluation.results import Served

Measure = Callable[[Served], float | None]


def satisfaction(served: Served) -> float | None:
    """1 (worst) to 5, as the judge has it."""
    return served.satisfaction
