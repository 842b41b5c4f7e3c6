"""Contents of messages: a text, or a list of parts of which some are text. Chat completions, responses and Anthropic
messages differ only in what their text parts are called."""

from collections.abc import Sequence
from typing import Any

from preceptor.serving.refusals import Refused
from preceptor.serving.splice import Document, Edit, Part, elements, members, quoted

TEXTS = frozenset({"text", "input_text", "output_text"})
"""Types of parts that hold text."""


def spoken(content: Any) -> str:
    """The text of a content; images, sounds and whatever else is in it say nothing here."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    return "".join(part["text"] for part in content if _is_text(part))


def listed(document: Document, key: str) -> Sequence[Part]:
    """The objects in a list of messages.

    Raises:
        Refused: no list, an empty one, or with something else in it.
    """
    part = document.part(key)
    if part is None or document.text[part.start] != "[" or not part.value:
        raise Refused(400, f"`{key}` must be a list of at least one message.", key)
    found: Sequence[Part] = part.value
    for index, element in enumerate(found):
        if not isinstance(element.value, dict):
            raise Refused(400, f"`{key}[{index}]` is not an object.", f"{key}[{index}]")
    return found


def role_of(message: Any, key: str, index: int) -> str:
    """The role of a message that stands in a list under a key.

    Raises:
        Refused: it has none, or one that is no text.
    """
    role = message.get("role")
    if not isinstance(role, str):
        where = f"{key}[{index}].role"
        raise Refused(400, f"`{where}` must be a text.", where)
    return role


def lengthened(text: str, message: Part, words: str, kind: str) -> Edit:
    """More words at the end of a message's content. `kind`: the type of a text part, should a new one be needed."""
    found, _ = members(text, message.start)
    content = next((member.part for member in reversed(found) if member.key == "content"), None)
    if content is None:
        comma = "," if found else ""
        return Edit(message.start + 1, message.start + 1, f'"content":{quoted(words.lstrip())}{comma}')
    return grown(text, content, words, kind)


def grown(text: str, content: Part, words: str, kind: str, *, apart: bool = False) -> Edit:
    """More words at the end of a content. `apart`: in a list, as a part of its own in any case."""
    if isinstance(content.value, str):
        return Edit(content.end - 1, content.end - 1, quoted(words)[1:-1])
    if not isinstance(content.value, list):
        return Edit(content.start, content.end, quoted(words.lstrip()))
    parts: list[Part] = elements(text, content.start).value
    if not apart and parts and _is_text(parts[-1].value):
        found, _ = members(text, parts[-1].start)
        last = next(member.part for member in reversed(found) if member.key == "text")
        return Edit(last.end - 1, last.end - 1, quoted(words)[1:-1])
    comma = "," if parts else ""
    written = f'{comma}{{"type":{quoted(kind)},"text":{quoted(words.lstrip())}}}'
    return Edit(content.end - 1, content.end - 1, written)


def _is_text(part: Any) -> bool:
    return isinstance(part, dict) and part.get("type") in TEXTS and isinstance(part.get("text"), str)
