"""The models that may be asked for: what all upstreams have, as far as they answer for it here and a key allows it."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from preceptor.serving.refusals import Refused
from preceptor.serving.relay import Headers
from preceptor.serving.upstream import Keyed, Line, ask

PATIENCE = 5.0
"""Seconds an upstream has to tell; one that does not is left out."""
Json = dict[str, Any]


async def offered(lines: Sequence[Line], path: str, headers: Headers, keyed: Keyed, allowed: frozenset[str]) -> Json:
    """The list, in the form that the first upstream to answer gives it. `path`: where it stands at an upstream.
    `allowed`: by the key; empty: all.

    Raises:
        Refused: no upstream tells.
    """
    told = await asyncio.gather(*(_told(line, path, headers, keyed) for line in lines))
    if not any(told):
        raise Refused(502, "No upstream tells its models.", code="upstream_error")
    models: dict[str, Json] = {}
    for line, listed in zip(lines, told, strict=True):
        for model in _of(line, listed, allowed):
            models.setdefault(model["id"], model)
    found: Json = {**next(filter(None, told)), "data": list(models.values())}
    names = [*models]
    ends = {"first_id": names[0] if names else None, "last_id": names[-1] if names else None, "has_more": False}
    return found | {key: value for key, value in ends.items() if key in found}


def _of(line: Line, listed: Json | None, allowed: frozenset[str]) -> Iterator[Json]:
    """What one upstream answers for, and a key allows."""
    upstream = line.upstream
    entries = {model["id"]: model for model in (listed or {}).get("data", ())}
    # What the settings name is there even if the upstream does not list it; and where the settings put a name of their
    # own in place of a request's, whatever a key may ask for is.
    named = upstream.models or (allowed if upstream.model else frozenset())
    for name in [*entries, *sorted(named - entries.keys())]:
        if (not upstream.models or name in upstream.models) and (not allowed or name in allowed):
            yield entries.get(name) or {"id": name, "object": "model", "created": 0, "owned_by": upstream.name}


async def _told(line: Line, path: str, headers: Headers, keyed: Keyed) -> Json | None:
    """What an upstream tells; None: nothing, or no list of models."""
    try:
        async with asyncio.timeout(PATIENCE), line:
            answer = await ask(line, line.head("GET", path, keyed, headers, None), b"")
            try:
                told = orjson.loads(await answer.whole()) if answer.status == 200 else None
            finally:
                line.pool.put_back(answer)
    except (OSError, orjson.JSONDecodeError):
        return None
    return told if _is_list(told) else None


def _is_list(told: Any) -> bool:
    data = told.get("data") if isinstance(told, dict) else None
    return isinstance(data, list) and all(isinstance(one, dict) and isinstance(one.get("id"), str) for one in data)
