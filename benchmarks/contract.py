"""A served OpenAPI document held against the server that serves it: Schemathesis asks, and every answer is judged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import schemathesis
from schemathesis.engine import events, from_schema

UPSTREAMS = "x-preceptor-upstream"
"""The header of what an upstream said; what has none is the gateway's own."""


@dataclass
class Findings:
    """What came of it."""

    cases: Counter[str] = field(default_factory=Counter)
    """By operation."""
    statuses: Counter[int] = field(default_factory=Counter)
    ours_5xx: int = 0
    theirs_5xx: int = 0
    unanswered: int = 0
    """The connection broke, or nothing came."""
    undocumented: int = 0
    """Statuses of ours that the document does not tell of."""
    wrong: Counter[str] = field(default_factory=Counter)
    """Checks that failed, by operation and check."""
    shown: dict[str, str] = field(default_factory=dict)
    """Of each that failed, how to see it again."""

    @property
    def total(self) -> int:
        return sum(self.cases.values())

    @property
    def well(self) -> bool:
        return not (self.ours_5xx or self.unanswered or self.undocumented or self.wrong)


def examine(url: str, most: int, seed: int, found: Findings, key: str = "", *, coverage: bool = True) -> None:
    """Ask everything the document at a server tells of, with good data and with bad.

    `most`: drawn cases of an operation, beside those that cover its document's corners, where `coverage` is asked for.
    """
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    wanted: dict[str, Any] = {
        "seed": seed,
        "continue-on-failure": True,
        "request-timeout": 60.0,
        "headers": headers,
        "generation": {"max-examples": most, "mode": "all", "database": "none", "no-shrink": True},
        "phases": {"stateful": {"enabled": False}, "coverage": {"enabled": coverage}},
    }
    config = schemathesis.Config.from_dict(wanted)
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json", config=config)
    documented = _documented(schema.raw_schema)
    for event in from_schema(schema).execute():
        if isinstance(event, events.ScenarioFinished):
            _judge(event.recorder, documented, found)
        elif isinstance(event, events.FatalError):
            raise event.exception
        elif isinstance(event, events.NonFatalError):
            found.wrong[f"{event.label}: {type(event.value).__name__}"] += 1
            found.shown.setdefault(event.label, str(event.value))


def _documented(schema: Mapping[str, Any]) -> Mapping[str, set[str]]:
    """The statuses of each operation that the document names one by one."""
    return {
        f"{method.upper()} {path}": {status for status in operation["responses"] if status != "default"} | {"405"}
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    }


def _judge(recorder: Any, documented: Mapping[str, set[str]], found: Findings) -> None:
    for interaction in recorder.interactions.values():
        found.cases[recorder.label] += 1
        if (response := interaction.response) is None:
            found.unanswered += 1
            continue
        found.statuses[response.status_code] += 1
        theirs = UPSTREAMS in {name.lower() for name in response.headers}
        if response.status_code >= 500:
            found.theirs_5xx += theirs
            found.ours_5xx += not theirs
        if not theirs and str(response.status_code) not in documented[recorder.label]:
            found.undocumented += 1
    for checks in recorder.checks.values():
        for check in checks:
            if (info := check.failure_info) is not None:
                name = f"{recorder.label}: {check.name}"
                found.wrong[name] += 1
                found.shown.setdefault(name, f"{info.failure.message}\n{info.code_sample}")
