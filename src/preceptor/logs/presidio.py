"""Names and the like found by Presidio, where it is installed (the ``presidio`` extra and a language model of spaCy).

Beside `library.private`, not instead: its recognisers overlap with ours, and a model is needed only for what has no
form, names of people and places. Loaded when asked for: it takes seconds and some 500 MB.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from preceptor.errors import UserError
from preceptor.library.private import Kind, Span
from preceptor.library.redaction import Finder

KINDS: Mapping[str, Kind] = {"PERSON": "name", "LOCATION": "address"}
"""By Presidio's names for them. The rest has a form and is found without; its own search for e-mail addresses fetches a
list of domains from the network."""
_MODEL = "en_core_web_lg"
"""Presidio's choice."""
_SURE = 0.5
"""Least score of a finding. Presidio gives spaCy's entities 0.85, and less to patterns without context."""


class Analyzer(Protocol):
    """What is used of Presidio's engine."""

    def analyze(self, text: str, language: str, entities: list[str]) -> list[Any]: ...


def finder(analyzer: Analyzer | None = None, *, model: str | None = None, language: str = "en") -> Finder:
    """Finds with Presidio's default engine when none is given.

    `model`: of spaCy's, a name or a folder; Presidio's own choice when None.

    Raises:
        UserError: it is not installed, or has no language model.
    """
    engine = analyzer or _engine(model or _MODEL, language)

    def find(text: str) -> list[Span]:
        found = engine.analyze(text=text, language=language, entities=list(KINDS))
        return [Span(one.start, one.end, KINDS[one.entity_type]) for one in found if one.score >= _SURE]

    return find


def _engine(model: str, language: str) -> Analyzer:
    try:
        import spacy
        from presidio_analyzer import AnalyzerEngine
        from presidio_analyzer.nlp_engine import NlpEngineProvider
    except ImportError:
        raise UserError("Presidio is not installed. Install preceptor with its 'presidio' extra.") from None
    # Without this Presidio downloads a model that is missing, and where it cannot, ends the process.
    if not (spacy.util.is_package(model) or Path(model).is_dir()):
        raise UserError(
            f"spaCy has no model {model!r}. Give one you have by --presidio-model FOLDER, or: "
            f"python -m spacy download {model}"
        )
    models = {"nlp_engine_name": "spacy", "models": [{"lang_code": language, "model_name": model}]}
    try:
        nlp = NlpEngineProvider(nlp_configuration=models).create_engine()
    except (OSError, ValueError, SystemExit) as fault:
        raise UserError(f"spaCy cannot load the model {model!r}: {fault}") from None
    engine: Analyzer = AnalyzerEngine(nlp_engine=nlp, supported_languages=[language])
    return engine
