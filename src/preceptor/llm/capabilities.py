"""What a model turned out to lack, and how to do without.

Servers differ in what they take. What one refuses is read off its error, remembered for the model, and from then on
worked around in a stated way that the reply's notes tell:

- no ``response_format``: the schema goes into the prompt, with its name as the title;
- no ``seed``, ``temperature`` or ``top_p``: left out;
- no ``max_tokens``: sent as ``max_completion_tokens``;
- no system role, or none after the start: its text opens the next user message;
- no ``content: null`` in an assistant message that only calls tools: sent as an empty text, or, where that is refused
  too, as an ellipsis.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Literal

import orjson

from preceptor.errors import Rejected
from preceptor.llm.messages import Message, Request, Schema
from preceptor.llm.wire import LimitField

Feature = Literal[
    "response_format", "seed", "temperature", "top_p", "max_tokens", "system", "null_content", "empty_content"
]

_SIGNS: dict[Feature, re.Pattern[str]] = {
    # Before all others: validators list whatever else the message could have been, the system role for one.
    "null_content": re.compile(
        r"nonetype|<nil>|invalid type: null|\bnull\b.{0,60}\bcontent\b|missing (?:field )?\W?content\b"
        r"|\bcontent\b.{0,80}(?:\bnull\b|\bnone\b|valid string|(?:expected|be) (?:a |an )?(?:string|array|list)"
        r"|required|missing)"
    ),
    "empty_content": re.compile(
        r"non-?empty|non-?whitespace|(?:empty|blank|missing).{0,60}\bcontent\b"
        r"|\bcontent\b.{0,80}(?:empty|blank|required|missing|at least 1)"
    ),
    "max_tokens": re.compile(r"max_completion_tokens"),
    "response_format": re.compile(r"response_format|json_schema|structured[ _]outputs?|guided[ _](?:json|decoding)"),
    "seed": re.compile(r"\bseed\b"),
    "temperature": re.compile(r"\btemperature\b"),
    "top_p": re.compile(r"\btop_p\b"),
    "system": re.compile(
        r"system (?:role|message|prompt|instruction)|role\W+system|'system'|developer instruction|roles must alternate"
        r"|only user and assistant roles"
    ),
}
_TOO_LONG = re.compile(
    r"context_length_exceeded|exceed_context_size|maximum context length|context (?:length|window|size)|too many tokens"
    r"|prompt is too long|reduce the length"
)
_TELLING = frozenset({400, 413, 422, 500})
"""500, because some servers render the chat template late and call its refusal an internal error."""
_NOTES: dict[Feature, str] = {
    "response_format": "the schema was put into the prompt: the model does not take response_format",
    "seed": "the seed was left out: the model does not take one, so this reply may not be repeatable",
    "temperature": "the temperature was left out: the model does not take it",
    "top_p": "top_p was left out: the model does not take it",
    "max_tokens": "the length limit was sent as max_completion_tokens",
    "system": "the system message was put into the user's: the model does not take the role",
    "null_content": "a turn that only calls tools was not sent with null for its text: the model does not take it",
    "empty_content": "nor was it sent with an empty text: an ellipsis stands there",
}
_ECHOING: frozenset[Feature] = frozenset({"null_content", "empty_content"})
"""Read off the whole of a refusal: validators come to the message at fault late. They also repeat what was sent, in
which the signs of the others could stand by chance."""


@dataclass(frozen=True)
class Fitted:
    """A request as this model can take it."""

    request: Request
    limit_field: LimitField = "max_tokens"
    notes: tuple[str, ...] = ()
    used: frozenset[Feature] = frozenset()
    """The features it still uses."""
    silence: str | None = None
    """What to send as the text of a turn that only calls tools."""


class Capabilities:
    """What one model lacks."""

    def __init__(self, lacks: Iterable[Feature] = ()) -> None:
        self.lacks: set[Feature] = set(lacks)

    def fit(self, request: Request) -> Fitted:
        wanted = _features(request)
        avoided = [feature for feature in _SIGNS if feature in wanted and feature in self.lacks]
        for feature in avoided:
            request = _WAYS[feature](request)
        field: LimitField = "max_completion_tokens" if "max_tokens" in self.lacks else "max_tokens"
        notes = tuple(_NOTES[feature] for feature in avoided)
        return Fitted(request, field, notes, self._still_used(wanted), self._silence)

    def learn(self, refusal: Rejected, sent: Fitted, whole: str = "") -> bool:
        """Take note of what a refusal says about a feature that was used; False: it is about something else.

        `whole`: everything it said, if it said more than the refusal's message.
        """
        if refusal.status not in _TELLING or is_too_long(refusal):
            return False
        for said in filter(None, (refusal.param, str(refusal))):
            for feature, sign in _SIGNS.items():
                text = whole or said if feature in _ECHOING else said
                if feature in sent.used and (text == feature or sign.search(text.lower())):
                    self.lacks.add(feature)
                    return True
        return False

    @property
    def _silence(self) -> str | None:
        if "null_content" not in self.lacks:
            return None
        return "…" if "empty_content" in self.lacks else ""

    def _still_used(self, wanted: frozenset[Feature]) -> frozenset[Feature]:
        """Nobody is sent an empty text who takes null."""
        left = wanted - self.lacks
        return left if "null_content" in self.lacks else left - {"empty_content"}


def is_too_long(refusal: Rejected) -> bool:
    """Whether the request was refused for its length."""
    return refusal.status in _TELLING and bool(_TOO_LONG.search(str(refusal).lower()))


def _features(request: Request) -> frozenset[Feature]:
    sampling = request.sampling
    used: dict[Feature, bool] = {
        "response_format": request.schema is not None,
        "seed": sampling.seed is not None,
        "temperature": sampling.temperature is not None,
        "top_p": sampling.top_p is not None,
        "max_tokens": True,
        "system": any(message.role == "system" for message in request.messages),
        "null_content": (silent := any(message.tool_calls and not message.content for message in request.messages)),
        "empty_content": silent,
    }
    return frozenset(feature for feature, is_used in used.items() if is_used)


def _schema_in_prompt(request: Request) -> Request:
    assert request.schema is not None
    asked = (*request.messages, Message("user", _form(request.schema)))
    return replace(request, messages=_joined(asked), schema=None)


def _form(schema: Schema) -> str:
    body = orjson.dumps({**schema.body, "title": schema.name}).decode()
    return f"Answer with nothing but a JSON object that fits this JSON schema:\n{body}"


def _without_system(request: Request) -> Request:
    spoken = tuple(
        replace(message, role="user") if message.role == "system" else message for message in request.messages
    )
    return replace(request, messages=_joined(spoken))


def _joined(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """With neighbouring user messages made one: many templates insist that roles alternate."""
    result: list[Message] = []
    for message in messages:
        if result and result[-1].role == message.role == "user":
            result[-1] = replace(message, content=f"{result[-1].content}\n\n{message.content}")
        else:
            result.append(message)
    return tuple(result)


_WAYS: dict[Feature, Callable[[Request], Request]] = {
    "response_format": _schema_in_prompt,
    "seed": lambda request: replace(request, sampling=replace(request.sampling, seed=None)),
    "temperature": lambda request: replace(request, sampling=replace(request.sampling, temperature=None)),
    "top_p": lambda request: replace(request, sampling=replace(request.sampling, top_p=None)),
    "max_tokens": lambda request: request,
    "system": _without_system,
    "null_content": lambda request: request,
    "empty_content": lambda request: request,
}
