"""Conversations too long for a model's context.

The rule: system messages, tools and the last customer turn with all that follows it stay; of the rest, the oldest
exchanges go first, each whole: a user message with everything up to the next one, so that no tool result loses its call
and roles still alternate. What was left out is said in the reply's notes.
"""

from dataclasses import replace
from itertools import pairwise

from preceptor.llm.messages import Message, Request
from preceptor.storage.canonical import canonical

_BYTES_PER_TOKEN = 3
"""A safe estimate where no tokeniser is known: English has some 4 bytes to a token, German and most others over 3."""
_PER_MESSAGE = 8
"""Tokens a template puts around a message, at most."""


def exchanges(request: Request) -> int:
    """How many could be left out."""
    return len(_droppable(request.messages))


def without_oldest(request: Request, count: int) -> Request:
    """The request without its oldest `count` exchanges."""
    gone = {index for exchange in _droppable(request.messages)[:count] for index in exchange}
    kept = tuple(message for index, message in enumerate(request.messages) if index not in gone)
    return replace(request, messages=kept)


def excess(request: Request, context_length: int) -> int:
    """The fewest exchanges to leave out so that prompt and reply fit, by estimate; all if even that is too little."""
    count, most = 0, exchanges(request)
    while count < most and _estimate(without_oldest(request, count)) > context_length:
        count += 1
    return count


def _estimate(request: Request) -> int:
    written = [
        *(message.content for message in request.messages),
        *(call.arguments for m in request.messages for call in m.tool_calls),
    ]
    size = sum(len(text.encode("utf-8", "replace")) for text in written)
    size += len(canonical([request.tools, request.schema])) if request.tools or request.schema else 0
    return size // _BYTES_PER_TOKEN + _PER_MESSAGE * len(request.messages) + request.sampling.max_tokens


def _droppable(messages: tuple[Message, ...]) -> list[tuple[int, ...]]:
    """The exchanges before the last user message, as positions; system messages belong to none."""
    spoken = [index for index, message in enumerate(messages) if message.role != "system"]
    users = [index for index in spoken if messages[index].role == "user"]
    if not users:
        return []
    bounds = sorted({spoken[0], *users})
    return [tuple(index for index in spoken if start <= index < end) for start, end in pairwise(bounds)]
