"""What stored evaluations say of one library against another."""

from collections.abc import Iterator, Mapping
from typing import Any

import pydantic

from preceptor.errors import Conflict, UserError
from preceptor.library.model import Guidance
from preceptor.settings.evaluation import KIND, reported
from preceptor.storage.database import Database
from preceptor.storage.runs import Run, Runs

_GUIDANCE = pydantic.TypeAdapter(Guidance)


def held_against(db: Database, new: Guidance, old: Guidance) -> Iterator[str]:
    """The verdict of the newest evaluation in which students had these two libraries, in a sentence; none if none."""
    for run in Runs(db).list():
        if run.kind != KIND or run.status != "done":
            continue
        arms = _arms(run)
        if new.hash not in arms or old.hash not in arms:
            continue
        try:
            verdict = reported(db, run).verdict(arms[new.hash], arms[old.hash])
        except (UserError, Conflict):
            continue
        yield f"Evaluation {run.id} has compared them. {verdict}"
        return


def _arms(run: Run) -> Mapping[str, str]:
    """By the hash of their library, the arms that use one as it is deployed."""
    arms: Mapping[str, Any] = run.settings["settings"]["evaluation"]["arms"]
    libraries: Mapping[str, Any] = run.settings.get("stock", {}).get("libraries", {})
    used = {name: body for name, body in libraries.items() if name in arms and arms[name]["kind"] == "library"}
    return {_GUIDANCE.validate_python(body).hash: name for name, body in used.items()}
