"""Errors and keys as OpenAI writes them; chat completions, responses, embeddings and the list of models share this."""

from collections.abc import Mapping
from typing import Any

import orjson

from preceptor.serving.refusals import Refused


def error(refused: Refused) -> bytes:
    """A refusal as a body."""
    kind = "invalid_request_error" if refused.kind in ("request_too_large", "not_found_error") else refused.kind
    body = {"message": refused.message, "type": kind, "param": refused.param, "code": refused.code}
    return dumped({"error": body})


def dumped(body: Mapping[str, Any]) -> bytes:
    return orjson.dumps(body)


def keyed(key: str) -> Mapping[str, str]:
    """The header that carries a key."""
    return {"Authorization": f"Bearer {key}"}


def broken(refused: Refused) -> bytes:
    """A refusal as the last event of a stream."""
    return b"data: " + error(refused) + b"\n\n"
