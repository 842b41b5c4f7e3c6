"""Forms in which a row is a part of a conversation: what was sent to an application or a model, and what came back.

langfuse   traces or observations, as exported from its tables (JSON, JSONL, CSV) or downloaded one by one; put together
           by ``sessionId``, else by trace
langsmith  runs, one each; put together by the thread their metadata name, else by trace

A chat is sent whole each time or only its newest message; both are put together to one conversation. Of a trace with
several steps the outermost that says anything counts, so that what an agent asked itself on the way is no turn.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from preceptor.logs.rows import Unreadable
from preceptor.logs.talk import AGENT, CUSTOMER, STRANGE, TOOL, Record, Talk, checked, id_of, tags_of, text_of, turns_of

Message = dict[str, Any]
FORMS = ("langfuse", "langsmith")
_THREADS = ("session_id", "thread_id", "conversation_id")
"""Where LangSmith's metadata name a thread, by its own rule."""


@dataclass(frozen=True)
class Part:
    """One exchange, as the spool keeps it."""

    at: str
    """When, so that parts can be ordered; ISO 8601."""
    depth: int
    """0: the outermost step of its trace."""
    trace: str
    said: Sequence[Message]
    """All that was sent."""
    given: Sequence[Message]
    """What came back."""
    tags: Sequence[str] = ()


def form_of(data: Record) -> str | None:
    """By its keys; None: neither of the two."""
    if "run_type" in data or "dotted_order" in data or ("inputs" in data and "outputs" in data):
        return "langsmith"
    if "traceId" in data or "observations" in data or ("input" in data and "output" in data):
        return "langfuse"
    return "langfuse" if "traces" in data and "id" in data else None


def parts_of(data: Record, form: str) -> Iterator[tuple[str, Part]]:
    """(what it belongs to, the exchange). Steps that say nothing give none. Raises: Unreadable"""
    try:
        yield from _langsmith(data) if form == "langsmith" else _langfuse(data)
    except STRANGE:
        raise Unreadable(f"It is not of the form {form!r}.") from None


def talk_of(key: str, parts: Iterable[Mapping[str, Any]]) -> Talk:
    """A conversation of its parts. Raises: Unreadable"""
    found = [Part(**part) for part in parts]
    depths: dict[str, int] = {}
    for part in found:
        depths[part.trace] = min(part.depth, depths.get(part.trace, part.depth))
    messages: list[Message] = []
    for part in sorted((part for part in found if part.depth == depths[part.trace]), key=lambda part: part.at):
        messages = _joined(messages, [*part.said, *part.given])
    tags = tuple(dict.fromkeys(tag for part in found for tag in part.tags))
    return checked(Talk(turns_of(messages), id_of(key), tags=tags), "input")


def _joined(before: list[Message], now: list[Message]) -> list[Message]:
    """What was sent now may repeat all that was said before, or go on from it."""
    same = next((n for n, (old, new) in enumerate(zip(before, now, strict=False)) if old != new), None)
    if same is None:
        return now if len(now) > len(before) else before
    # A chat sent whole shares its beginning; one whose instructions change each time shares it after them.
    return now if same and same >= len(before) - 1 else [*before, *now]


def _langfuse(data: Record, session: object = None) -> Iterator[tuple[str, Part]]:
    session = session or data.get("sessionId")
    if "traces" in data:
        for trace in data["traces"]:
            yield from _langfuse(trace, data["id"])
        return
    trace = str(data.get("traceId") or data["id"])
    key = str(session or trace)
    observations = data.get("observations") or ()
    yield from _exchange(key, data, trace, _depth(data), _scores(data))
    for step in observations:
        if isinstance(step, Mapping):
            yield from _exchange(key, step, trace, 1 if step.get("parentObservationId") is None else 2, ())


def _depth(data: Record) -> int:
    if "traceId" not in data:
        return 0
    return 1 if not data.get("parentObservationId") else 2


def _scores(data: Record) -> tuple[str, ...]:
    scores = [score for score in data.get("scores") or () if isinstance(score, Mapping)]
    named = {str(score.get("name")): score.get("value", score.get("stringValue")) for score in scores}
    tags = _loaded(data.get("tags")) or ()
    return (*(str(tag) for tag in tags if isinstance(tags, list)), *tags_of(**named))


def _exchange(key: str, data: Record, trace: str, depth: int, tags: Sequence[str]) -> Iterator[tuple[str, Part]]:
    said, given = _messages(data.get("input"), "user"), _messages(data.get("output"), "assistant")
    if said and given:
        at = str(data.get("timestamp") or data.get("startTime") or data.get("createdAt") or "")
        yield key, Part(at, depth, trace, said, _answers(said, given), tags)


def _langsmith(data: Record) -> Iterator[tuple[str, Part]]:
    extra = _loaded(data.get("extra")) or {}
    metadata = extra.get("metadata") or {}
    trace = str(data.get("trace_id") or data["id"])
    key = next((str(metadata[name]) for name in _THREADS if metadata.get(name)), trace)
    said, given = _messages(data.get("inputs"), "user"), _messages(data.get("outputs"), "assistant")
    if not said or not given or data.get("run_type") in ("tool", "retriever", "embedding", "prompt", "parser"):
        return
    order = str(data.get("dotted_order") or data.get("start_time") or "")
    depth = order.count(".") if data.get("dotted_order") else int(bool(data.get("parent_run_id")))
    feedback = _loaded(data.get("feedback_stats")) or {}
    rated = {name: stats.get("avg") for name, stats in feedback.items() if isinstance(stats, Mapping)}
    tags = (*(str(tag) for tag in _loaded(data.get("tags")) or ()), *tags_of(**rated))
    yield key, Part(str(data.get("start_time") or order), depth, trace, said, _answers(said, given), tags)


def _answers(said: Sequence[Message], given: list[Message]) -> list[Message]:
    """What came back without what was sent, which some applications give back as well."""
    return given[len(said) :] if given[: len(said)] == list(said) and len(given) > len(said) else given


def _loaded(value: object) -> Any:
    """What a table keeps as text."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError:
            return value
    return value


_HOLDS = ("messages", "chat_history", "history", "input", "inputs", "output", "outputs", "generations", "choices")
_SAYS = ("question", "query", "prompt", "text", "content", "answer", "response", "result", "message", "completion")
_DEPTH = 20
"""Levels that are looked into for messages; no tracer nests them deeper."""


def _messages(value: object, role: str, depth: int = 0) -> list[Message]:
    """The messages that are somewhere in what was sent or came back; a bare text is said by `role`."""
    value = _loaded(value)
    if value is None or value == "" or depth > _DEPTH:
        return []
    if isinstance(value, str):
        return [{"role": role, "content": value}]
    if isinstance(value, list):
        return [message for item in value for message in _messages(item, role, depth + 1)]
    if not isinstance(value, Mapping):
        return []
    if (message := _message(value, role)) is not None:
        return [message] if message else []
    found: list[Message] = []
    for name in _HOLDS:
        if name in value:
            found += _messages(value[name], role, depth + 1)
    if found:
        return found
    for name in _SAYS:
        if value.get(name):
            return _messages(value[name], role, depth + 1)
    return []


def _message(value: Mapping[str, Any], role: str) -> Message | None:
    """One message, in any of the ways tracers write it; empty: instructions; None: it is no message."""
    if "kwargs" in value and value.get("type") == "constructor":  # LangChain's own serialisation
        kind = str((value.get("id") or [""])[-1]).removesuffix("Chunk").removesuffix("Message").casefold()
        return _as({**value["kwargs"], "type": kind})
    if isinstance(value.get("message"), Mapping) and "role" not in value:
        return _message(value["message"], role)
    if "content" in value and ("role" in value or value.get("type") in _TYPES):
        return _as(value)
    if "role" in value and value.get("tool_calls"):
        return _as({**value, "content": ""})
    return None


_TYPES = ("human", "ai", "system", "tool", "function", "user", "assistant", "developer")


def _as(value: Mapping[str, Any]) -> Message:
    speaker = str(value.get("role") or value.get("type")).casefold()
    if speaker in CUSTOMER:
        return {"role": "user", "content": _text(value.get("content"))}
    if speaker in AGENT:
        calls = value.get("tool_calls") or (value.get("additional_kwargs") or {}).get("tool_calls") or []
        more = {"tool_calls": [_call(call) for call in calls]} if calls else {}
        return {"role": "assistant", "content": _text(value.get("content")), **more}
    if speaker in TOOL:
        return {"role": "tool", "content": _text(value.get("content")), "tool_call_id": str(value.get("tool_call_id"))}
    return {}


def _call(call: Mapping[str, Any]) -> Message:
    function = call.get("function") or {"name": call["name"], "arguments": text_of(call.get("args", {}))}
    arguments = function.get("arguments", "{}")
    name = {"name": str(function["name"]), "arguments": arguments if isinstance(arguments, str) else text_of(arguments)}
    return {"id": str(call.get("id")), "type": "function", "function": name}


def _text(content: object) -> str:
    """Of a text or a list of parts, what is text."""
    if isinstance(content, list):
        texts = (part.get("text") if isinstance(part, Mapping) else part for part in content)
        return "\n".join(text for text in texts if isinstance(text, str))
    return text_of(content)
