"""What every form comes to: a conversation, the name it has in its file, and the names of people its file gives."""

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any, get_args

import orjson

from preceptor.dialogue.conversation import Ending, Party, Turn
from preceptor.errors import Rejected
from preceptor.llm.messages import Message
from preceptor.llm.thinking import split_thinking
from preceptor.llm.wire import parse_messages
from preceptor.logs.rows import Unreadable

Record = Mapping[str, Any]
STRANGE = (LookupError, TypeError, ValueError, AttributeError, RecursionError)
"""What comes of a row that has the marks of a form and is not of it."""
CUSTOMER = frozenset(
    (
        *("customer", "user", "human", "client", "visitor", "end-user", "enduser", "end_user", "consumer", "contact"),
        *("lead", "caller", "guest", "buyer", "patient", "requester"),
    )
)
AGENT = frozenset(
    (
        *("agent", "assistant", "gpt", "ai", "bot", "model", "helpdesk", "admin", "support", "operator", "advisor"),
        *("adviser", "representative", "team", "chatgpt", "employee", "staff", "rep"),
    )
)
TOOL = frozenset(("tool", "function", "observation", "tool_response", "tool_result"))
PARTIES: Mapping[str, Party] = {"user": "customer", "assistant": "agent", "tool": "tool"}
_ENDINGS: tuple[Ending, ...] = get_args(Ending)


@dataclass(frozen=True)
class Talk:
    """A conversation as a file has it."""

    turns: tuple[Turn, ...]
    id: str | None = None
    """What the file calls it; None: nothing."""
    ending: Ending = "open"
    tags: tuple[str, ...] = ()
    """What is known of it, for measuring; never shown to a model: ``reward:1.0``, ``rating:good``, ``task:…``."""
    names: tuple[str, ...] = ()
    """People the file names beside what was said, so that they can be taken out of it."""


def party(word: object) -> Party | None:
    """Who a word for a speaker means; None: nobody we know."""
    plain = str(word).strip().casefold()
    if plain in CUSTOMER:
        return "customer"
    if plain in AGENT:
        return "agent"
    return "tool" if plain in TOOL else None


def turns_of(messages: object) -> tuple[Turn, ...]:
    """Of OpenAI messages, without instructions and thinking. Raises: Unreadable"""
    try:
        parsed = parse_messages(messages)
    except Rejected as fault:
        raise Unreadable(str(fault)) from None
    return tuple(_turn(message) for message in parsed if message.role != "system")


def _turn(message: Message) -> Turn:
    text, _ = split_thinking(message.content) if message.role == "assistant" else (message.content, None)
    return Turn(PARTIES[message.role], text, message.tool_calls, message.tool_call_id)


def checked(talk: Talk, where: str) -> Talk:
    """Raises: Unreadable: no customer says anything."""
    if not any(turn.party == "customer" for turn in talk.turns):
        raise Unreadable(f"`{where}` holds nothing a customer said.")
    return talk


def ending_of(word: object) -> Ending:
    return next((ending for ending in _ENDINGS if ending == word), "open")


def tags_of(**known: object) -> tuple[str, ...]:
    """``name:value`` for what is known."""
    return tuple(f"{name}:{value}" for name, value in known.items() if value is not None and value != "")


def names_of(*people: object) -> tuple[str, ...]:
    """Of objects with a ``name``, or names themselves."""
    found = (person.get("name") if isinstance(person, Mapping) else person for person in people)
    return tuple(dict.fromkeys(name.strip() for name in found if isinstance(name, str) and name.strip()))


def text_of(value: object) -> str:
    """A text, or what else is there as JSON. Raises: Unreadable"""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    try:
        return orjson.dumps(value).decode()
    except (TypeError, orjson.JSONEncodeError):
        raise Unreadable("Holds a number or a depth that JSON has no room for.") from None


def id_of(*parts: object) -> str | None:
    """What a file calls a conversation, where it does; without NUL, which no database holds."""
    known = [str(part).replace("\0", "\ufffd") for part in parts if part is not None and part != ""]
    return "-".join(known) or None


class _Words(HTMLParser):
    _BREAKS = frozenset(("br", "p", "div", "li", "tr", "h1", "h2", "h3", "h4", "blockquote"))

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        self._hidden += tag in ("script", "style")
        if tag in self._BREAKS:
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in ("script", "style") and self._hidden > 0
        if tag in self._BREAKS:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(data)


def plain(text: str) -> str:
    """What a reader of HTML sees; a text without tags stays as it is."""
    if not re.search(r"</?[a-zA-Z][^<>]*>", text):
        return html.unescape(text).strip()
    words = _Words()
    words.feed(text)
    words.close()
    lines = (" ".join(line.split()) for line in "".join(words.parts).split("\n"))
    return "\n".join(line for line in lines if line)
