"""What was measured, kept with its run and read back as it was."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

import pydantic

from preceptor.dialogue.customers import Customer
from preceptor.errors import Conflict
from preceptor.evaluation.attribution import Attribution
from preceptor.evaluation.report import Report
from preceptor.evaluation.results import Served
from preceptor.storage.records import Records

T = TypeVar("T")
KIND = "served"
ATTRIBUTION = "attribution"
_SERVED = pydantic.TypeAdapter(Served)
_ATTRIBUTION = pydantic.TypeAdapter(Attribution)


class Keeper:
    """Give `keep` to `evaluate`. Results come as they are complete, and are read back arm by arm, customers in the
    order in which they were drawn."""

    def __init__(self, records: Records, run: str, arms: Sequence[str], customers: Sequence[Customer]) -> None:
        self._records = records
        self._run = run
        self._arms = {arm: place * len(customers) for place, arm in enumerate(arms)}
        self._customers = {customer.key: place for place, customer in enumerate(customers)}

    def keep(self, served: Served) -> None:
        """Raises: UserError, Conflict: an earlier one could not be written."""
        key = served.customer.key
        place = self._arms[served.arm] + self._customers[key]
        self._records.keep(self._run, KIND, f"{served.arm} {key}", served, place)

    def attributed(self, found: Attribution) -> None:
        """Keep what strategies do. Raises: UserError, Conflict: an earlier one could not be written."""
        body = _ATTRIBUTION.dump_python(found, mode="json")
        self._records.keep(self._run, ATTRIBUTION, found.arm, body, self._arms[found.arm])

    def written(self) -> None:
        """Wait until all is on disk. Raises: UserError, Conflict: it could not be written."""
        self._records.written()


def read(records: Records, run: str) -> Iterator[Served]:
    """What a run has kept so far.

    Raises:
        Conflict: another version of preceptor wrote it.
    """
    return _read(records, run, KIND, _SERVED)


def report(records: Records, run: str, *, watched: bool = False) -> Report:
    """The report of a run: of the customers whom every arm has served. `watched`: it was to stop early.

    Raises:
        UserError: there is none yet.
        Conflict: another version of preceptor wrote it.
    """
    return Report.of(read(records, run), watched=watched)


def attribution(records: Records, run: str) -> Attribution | None:
    """What the strategies of a run's library arm do, if that was measured.

    Raises:
        Conflict: another version of preceptor wrote it.
    """
    return next(_read(records, run, ATTRIBUTION, _ATTRIBUTION), None)


def _read(records: Records, run: str, kind: str, form: pydantic.TypeAdapter[T]) -> Iterator[T]:
    for record in records.all(run, kind):
        try:
            yield form.validate_json(record.body)
        except pydantic.ValidationError:
            raise Conflict(f"What run {run!r} measured was recorded by another version of preceptor.") from None
