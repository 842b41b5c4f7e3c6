"""Forms in which a row is a conversation. Which one it is, its keys tell.

========== ====================================================================================================
messages   OpenAI messages with tool calls: ``{"messages": […]}``, optionally ``id``, ``outcome``, ``reward``,
           ``task``, ``trial``, ``tags``; so also the gateway's own recordings
sharegpt   ``{"conversations": [{"from": "human", "value": …}]}``
star       STAR (Mosig et al. 2020, arXiv 2010.11853): ``{"turns": [{"speaker": …}]}``; what customers were
           instructed to do is not a turn
stc3       STC-3 (NTCIR-14): ``{"turns": [{"sender": …, "utterances": […]}]}``
tau-bench  tau-bench (Yao et al. 2024, arXiv 2406.12045): trajectories (``traj``, ``task_id``, ``reward``, ``trial``),
           or conversations as text (``messages_display``), whose tool calls are not written there
zendesk    a ticket with its ``comments``, as in a full JSON export; private comments are left out
intercom   a conversation with ``source`` and ``conversation_parts``; notes and assignments are left out
========== ====================================================================================================
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import orjson

from preceptor.dialogue.conversation import Party, Turn
from preceptor.llm.messages import ToolCall
from preceptor.logs.rows import Unreadable
from preceptor.logs.talk import (
    PARTIES,
    STRANGE,
    Record,
    Talk,
    checked,
    ending_of,
    id_of,
    names_of,
    party,
    plain,
    tags_of,
    text_of,
    turns_of,
)

UNSAID = "not_recorded"
"""The name of a tool whose result is there and whose call is not."""
_SAID = re.compile(r"^(user|assistant|tool): ", re.MULTILINE)


def talk_of(data: Record, form: str | None = None) -> Talk:
    """The conversation of a row; `form`: found out when not given. Raises: Unreadable"""
    form = form or form_of(data)
    if form is None:
        raise Unreadable(
            "Neither `messages` nor `turns` is there, nor what else we know a conversation by (`conversations`, "
            "`traj`, `comments`, `conversation_parts`)."
        )
    read, where = _READERS[form]
    try:
        return checked(read(data), where)
    except STRANGE:
        raise Unreadable(f"It is not of the form {form!r}.") from None


def form_of(data: Record) -> str | None:
    """By its keys; None: unknown."""
    if "messages" in data:
        return "messages"
    if "traj" in data or "messages_display" in data:
        return "tau-bench"
    if "turns" in data:
        turns = data["turns"]
        first = turns[0] if isinstance(turns, list) and turns else {}
        return "stc3" if isinstance(first, dict) and "sender" in first else "star"
    if "conversation_parts" in data or ("source" in data and data.get("type") == "conversation"):
        return "intercom"
    if "comments" in data and ("requester_id" in data or "requester" in data):
        return "zendesk"
    return "sharegpt" if "conversations" in data or "conversation" in data else None


def _messages(data: Record) -> Talk:
    tags = data.get("tags") or []
    if not isinstance(tags, list):
        raise Unreadable("`tags` must be a list.")
    known = tags_of(**{name: data.get(name) for name in ("outcome", "reward", "task", "trial")})
    names = data.get("names") if isinstance(data.get("names"), list) else ()
    turns, ending = turns_of(data["messages"]), ending_of(data.get("outcome"))
    return Talk(turns, id_of(data.get("id")), ending, (*map(str, tags), *known), names_of(*names or ()))


def _sharegpt(data: Record) -> Talk:
    turns: list[Turn] = []
    call = 0
    for place, said in enumerate(data.get("conversations", data.get("conversation"))):
        speaker, text = said.get("from", said.get("role")), text_of(said.get("value", said.get("content")))
        if str(speaker).casefold() in ("system", "instruction"):
            continue
        if str(speaker).casefold() in ("function_call", "tool_call"):
            call += 1
            turns.append(Turn("agent", "", (_called(text, f"call-{call}"),)))
            continue
        who = party(speaker)
        if who is None:
            raise Unreadable(f"`conversations[{place}]` is said by {speaker!r}, whom we do not know.")
        turns.append(Turn(who, text.strip(), tool_call_id=f"call-{call}" if who == "tool" else None))
    return Talk(tuple(turns), id_of(data.get("id")))


def _called(text: str, id_: str) -> ToolCall:
    call = orjson.loads(text)
    arguments = call.get("arguments", call.get("parameters", {}))
    return ToolCall(id_, str(call["name"]), arguments if isinstance(arguments, str) else text_of(arguments))


def _star(data: Record) -> Talk:
    turns = data["turns"]
    if not isinstance(turns, list) or not all(isinstance(turn, dict) for turn in turns):
        raise Unreadable("`turns` must be a list of objects.")
    said = [turn for turn in turns if turn.get("speaker") != "customer_instruction"]
    call, result = 0, []
    for place, turn in enumerate(said):
        call += turn.get("speaker") == "tool_call"
        try:
            result.append(_star_turn(turn, f"call-{call}"))
        except STRANGE:
            raise Unreadable(f"`turns[{place}]` is not of STAR's form.") from None
    return Talk(tuple(result), id_of(data.get("id")), tags=tags_of(task=data.get("task")))


def _star_turn(turn: Record, call: str) -> Turn:
    speaker = turn["speaker"]
    if speaker in ("customer", "agent"):
        return Turn(speaker, turn["text"].strip())
    if speaker == "tool_call":
        return Turn("agent", "", (ToolCall(call, str(turn["api"]), _arguments(turn["constraints"])),))
    if speaker == "tool_result":
        return Turn("tool", _json(turn["item"]), tool_call_id=call)
    raise ValueError(speaker)


def _arguments(constraints: Sequence[Mapping[str, Any]]) -> str:
    """A list of one-entry objects, as the object it stands for."""
    return _json({name: value for constraint in constraints for name, value in constraint.items()})


def _json(value: object) -> str:
    return orjson.dumps(value).decode()


def _stc3(data: Record) -> Talk:
    parties: Mapping[str, Party] = {"customer": "customer", "helpdesk": "agent"}
    turns = tuple(
        Turn(parties[turn["sender"]], "\n".join(text for text in turn["utterances"] if text.strip()))
        for turn in data["turns"]
    )
    return Talk(turns, id_of(data.get("id")), tags=_means(data.get("quality")))


def _means(quality: object) -> tuple[str, ...]:
    """What its annotators made of it, on average; on the scale of the file."""
    if not isinstance(quality, Mapping):
        return ()
    scored = {name: value for name, value in quality.items() if isinstance(value, list) and value}
    return tuple(f"rating {name}:{sum(value) / len(value):.2f}" for name, value in scored.items())


def _tau_bench(data: Record) -> Talk:
    if "traj" not in data:
        return Talk(_displayed(data["messages_display"]))
    known = tags_of(task=data.get("task_id"), trial=data.get("trial"), reward=data.get("reward"))
    return Talk(turns_of(data["traj"]), id_of(data.get("task_id"), data.get("trial")), tags=known)


def _displayed(text: str) -> tuple[Turn, ...]:
    _, *parts = _SAID.split(text)
    turns: list[Turn] = []
    calls = 0
    for role, said in zip(parts[::2], parts[1::2], strict=True):
        if role == "assistant" and said.strip() == "None":
            calls += 1
            turns.append(Turn("agent", "", (ToolCall(f"call-{calls}", UNSAID, "{}"),)))
        else:
            turns.append(Turn(PARTIES[role], said.strip(), tool_call_id=f"call-{calls}" if role == "tool" else None))
    return tuple(turns)


def _zendesk(data: Record) -> Talk:
    requester = data.get("requester") or {}
    mine = {data.get("requester_id", requester.get("id")), *(data.get("collaborator_ids") or ())}
    ends = {person["id"] for person in data.get("users") or () if person.get("role") == "end-user"}
    comments = [comment for comment in data["comments"] if comment.get("public", True)]
    turns = (
        Turn("customer" if comment["author_id"] in mine | ends else "agent", _worded(comment)) for comment in comments
    )
    score = (data.get("satisfaction_rating") or {}).get("score")
    tags = (*map(str, data.get("tags") or ()), *tags_of(status=data.get("status"), rating=score))
    authors = (comment.get("author") for comment in comments)
    people = (requester, data.get("assignee"), data.get("submitter"), *authors, *(data.get("users") or ()))
    ending = "resolved" if data.get("status") in ("solved", "closed") else "open"
    return Talk(_spoken(turns), id_of(data.get("id")), ending, tags, names_of(*people))  # type: ignore[arg-type]


def _worded(comment: Record) -> str:
    text = comment.get("plain_body") or comment.get("body")
    return text.strip() if isinstance(text, str) and text else plain(comment.get("html_body") or "")


def _intercom(data: Record) -> Talk:
    source = data.get("source") or data.get("conversation_message") or {}
    held = data.get("conversation_parts") or {}
    parts = held.get("conversation_parts", []) if isinstance(held, Mapping) else held
    said = [part for part in (source, *parts) if part.get("body") and part.get("part_type") != "note"]
    customers = ("user", "lead", "contact")
    turns = (Turn("customer" if part["author"]["type"] in customers else "agent", plain(part["body"])) for part in said)
    tagged = ((data.get("tags") or {}).get("tags") or ()) if isinstance(data.get("tags"), Mapping) else ()
    rating = (data.get("conversation_rating") or {}).get("rating")
    tags = (*(str(tag["name"]) for tag in tagged), *tags_of(state=data.get("state"), rating=rating))
    people = [part["author"] for part in said]
    return Talk(_spoken(turns), id_of(data.get("id")), tags=tags, names=names_of(*people))


def _spoken(turns: Iterable[Turn]) -> tuple[Turn, ...]:
    """Without those that say nothing, such as a picture alone."""
    return tuple(turn for turn in turns if turn.text)


_READERS: Mapping[str, tuple[Callable[[Record], Talk], str]] = {
    "messages": (_messages, "messages"),
    "sharegpt": (_sharegpt, "conversations"),
    "star": (_star, "turns"),
    "stc3": (_stc3, "turns"),
    "tau-bench": (_tau_bench, "traj"),
    "zendesk": (_zendesk, "comments"),
    "intercom": (_intercom, "conversation_parts"),
}
FORMS = tuple(_READERS)
