"""``POST /v1/feedback``: what became of a conversation, as the application tells it."""

from collections.abc import Mapping
from typing import Annotated

import pydantic
from pydantic.config import JsonDict

from preceptor.serving.outcomes import Measure
from preceptor.serving.refusals import Refused

_ABOUT_ONE: JsonDict = {
    "oneOf": [
        {"required": [name], "properties": {name: {"type": "string"}, other: {"type": "null"}}}
        for name, other in (("conversation", "response"), ("response", "conversation"))
    ]
}
_TELLING: JsonDict = {
    "anyOf": [
        {"required": [name], "properties": {name: {"type": kind}}}
        for name, kind in (("rating", "number"), ("resolved", "boolean"), ("handed_over", "boolean"))
    ]
}
"""What `read_feedback` asks beyond single fields, for the served document."""


class Feedback(pydantic.BaseModel):
    """What an application tells of a conversation. The first of each measure stays."""

    model_config = pydantic.ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, json_schema_extra={"allOf": [_ABOUT_ONE, _TELLING]}
    )

    conversation: Annotated[str, pydantic.Field(min_length=1)] | None = None
    """The application's name for it, or ours, from the answer's header ``x-preceptor-conversation``."""
    response: Annotated[str, pydantic.Field(min_length=1)] | None = None
    """Instead: the id of one of its answers, such as ``chatcmpl-…``. Known while a trial is on."""
    rating: Annotated[float, pydantic.Field(ge=1, le=5)] | None = None
    """How content the customer was."""
    resolved: bool | None = None
    """Whether the matter was settled."""
    handed_over: bool | None = None
    """Whether a person had to take over."""

    @property
    def measures(self) -> Mapping[Measure, float]:
        told: dict[Measure, float | None] = {
            "rating": self.rating,
            "resolved": self.resolved,
            "handed_over": self.handed_over,
        }
        return {measure: float(value) for measure, value in told.items() if value is not None}


def read_feedback(body: bytes) -> Feedback:
    """Raises: Refused: malformed, about nothing, or telling nothing."""
    try:
        told = Feedback.model_validate_json(body, strict=True)
    except pydantic.ValidationError as fault:
        first = fault.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or None
        raise Refused(400, f"{where or 'The body'}: {first['msg']}.", where) from None
    if (told.conversation is None) == (told.response is None):
        raise Refused(400, "Name either `conversation` or `response`.", "conversation")
    if not told.measures:
        raise Refused(400, "Tell at least one of `rating`, `resolved`, `handed_over`.", "rating")
    return told
