"""Names and the like found by Presidio, where it is installed (the ``presidio`` extra and a language model of spaCy).

Beside `library.private`, not instead: its recognisers overlap with ours, and a model is needed only for what has no
form, names of people and places. Loaded when asked for: it takes seconds and some 500 MB.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from preceptor.errors import UserError
from preceptor.library.private import Kind, Span
from preceptor.library.redaction import Finder

KINDS: Mapping[str, Kind] = {
    "PERSON": "name",
    "LOCATION": "address",
    "EMAIL_ADDRESS": "e-mail",
    "PHONE_NUMBER": "phone",
}
"""By Presidio's names for them. The rest has a form, and is found without."""
_SURE = 0.5
"""Least score of a finding. Presidio gives spaCy's entities 0.85, and less to patterns without context."""


class Analyzer(Protocol):
    """What is used of Presidio's engine."""

    def analyze(self, text: str, language: str, entities: list[str]) -> list[Any]: ...


def finder(analyzer: Analyzer | None = None, language: str = "en") -> Finder:
    """Finds with Presidio's default engine when none is given.

    Raises:
        UserError: it is not installed, or has no language model.
    """
    engine = analyzer or _engine()

    def find(text: str) -> list[Span]:
        found = engine.analyze(text=text, language=language, entities=list(KINDS))
        return [Span(one.start, one.end, KINDS[one.entity_type]) for one in found if one.score >= _SURE]

    return find


def _engine() -> Analyzer:
    try:
        from presidio_analyzer import AnalyzerEngine
    except ImportError:
        raise UserError("Presidio is not installed. Install preceptor with its 'presidio' extra.") from None
    try:
        engine: Analyzer = AnalyzerEngine()
    except (OSError, SystemExit) as fault:  # spaCy tries to download a model, and ends the process where it cannot
        raise UserError(f"Presidio has no language model: {fault}. python -m spacy download en_core_web_lg") from None
    return engine
