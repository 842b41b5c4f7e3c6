"""What an evaluation run says about itself in its report: from its record, not from the settings as they are now."""

import math
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

import pydantic

from preceptor.evaluation.rendering.provenance import JudgeFigure, ModelUsed, Provenance
from preceptor.evaluation.statistics import Interval
from preceptor.judging.family import kin
from preceptor.judging.judge import RATE_CONVERSATION
from preceptor.library.model import Guidance
from preceptor.storage.canonical import content_hash
from preceptor.storage.runs import Run

_GUIDANCE = pydantic.TypeAdapter(Guidance)


def provenance(run: Run, checks: Sequence[Run] = ()) -> Provenance:
    """Of an evaluation run as `settings.evaluation` keeps it.

    `checks`: runs of `settings.judges`, newest first; of each file, the newest with this run's judge is named.
    """
    kept = run.settings
    settings, libraries = kept["settings"], _libraries(kept)
    models: Mapping[str, Mapping[str, Any]] = settings["models"]
    used = tuple(ModelUsed(role, model["model"], _where(model)) for role, model in models.items() if model)
    return Provenance(
        title=kept["domain"]["name"],
        run=run.id,
        created=run.created,
        version=kept.get("version", version("preceptor")),
        simulated=any(model["kind"] == "simulated" for model in models.values() if model),
        currency=settings["project"]["currency"],
        models=used,
        seeds={"customers, arms and judge": run.seed},
        prompts=kept.get("prompts", {}),
        release=", ".join(dict.fromkeys(guidance.hash for guidance in libraries)),
        settings=content_hash(settings),
        judge=tuple(_judge(run, checks)),
        notes=tuple(_notes(run, used)),
        strategies={strategy.id: strategy for guidance in libraries for strategy in guidance.strategies},
        scenarios={scenario.id: scenario.description for guidance in libraries for scenario in guidance.scenarios},
    )


def _libraries(kept: Mapping[str, Any]) -> list[Guidance]:
    return [_GUIDANCE.validate_python(guidance) for guidance in kept["stock"]["libraries"].values()]


def _where(model: Mapping[str, Any]) -> str:
    """Without a path, and without what may stand before an @."""
    return f"world “{model['world']}”" if model["kind"] == "simulated" else urlsplit(model["base_url"]).hostname or ""


def _notes(run: Run, models: tuple[ModelUsed, ...]) -> Iterator[str]:
    kept = run.settings
    if kept["settings"]["evaluation"]["stop_early"]:
        yield (
            "The run could stop early. The second arm's difference in satisfaction is a confidence sequence, which "
            "holds however often one looked; intervals of everything else are as if nobody had."
        )
    if run.status != "done":
        yield f"The run is {run.status}: these are the customers whom every arm has served so far."
    by_role = {model.role: model for model in models}
    judge, teacher = by_role.get("judge"), by_role.get("teacher")
    if judge and teacher and not judge.where.startswith("world") and (warning := kin(judge.name, teacher.name)):
        yield warning


def _judge(run: Run, checks: Sequence[Run]) -> Iterator[JudgeFigure]:
    seen = set()
    for check in checks:
        file = check.settings["file"]["name"]
        if check.status == "done" and file not in seen and _asked(check) == _asked(run):
            seen.add(file)
            yield from (JudgeFigure(one["label"], _interval(one)) for one in check.result["figures"])


def _asked(run: Run) -> tuple[object, ...]:
    """The judge of a run: the model and the prompt; sampling may differ."""
    judge = run.settings["settings"]["models"]["judge"]
    place = judge.get("base_url") or judge.get("world")
    return judge["kind"], judge["model"], place, run.settings.get("prompts", {}).get(RATE_CONVERSATION.name)


def _interval(kept: Mapping[str, Any]) -> Interval:
    """JSON has no infinity: an end that is not there is null."""
    low, high = kept["low"], kept["high"]
    return Interval(kept["value"], -math.inf if low is None else low, math.inf if high is None else high, kept["n"])
