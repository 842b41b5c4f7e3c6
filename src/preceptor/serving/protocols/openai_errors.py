"""Errors as OpenAI writes them; chat completions, responses, embeddings and the list of models share this."""

import orjson

from preceptor.serving.refusals import Refused


def error(refused: Refused) -> bytes:
    """A refusal as a body."""
    kind = "invalid_request_error" if refused.kind in ("request_too_large", "not_found_error") else refused.kind
    body = {"message": refused.message, "type": kind, "param": refused.param, "code": refused.code}
    return orjson.dumps({"error": body})


def broken(refused: Refused) -> bytes:
    """A refusal as the last event of a stream."""
    return b"data: " + error(refused) + b"\n\n"
