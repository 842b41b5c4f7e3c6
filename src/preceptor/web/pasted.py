"""A conversation that somebody pasted: a line for each turn, ``Customer: …`` or ``Agent: …``."""

import re
from collections.abc import Mapping

from preceptor.dialogue.conversation import Party, Turn
from preceptor.errors import UserError

SPEAKERS: Mapping[str, Party] = {
    "customer": "customer",
    "user": "customer",
    "client": "customer",
    "caller": "customer",
    "agent": "agent",
    "assistant": "agent",
    "student": "agent",
    "bot": "agent",
    "support": "agent",
}
_HEAD = re.compile(r"^\s*(\w+)\s*:\s*(.*)$")


def turns_of(text: str) -> tuple[Turn, ...]:
    """The turns; a line that names no speaker goes on with the turn before it. Without any names: one customer's turn.

    Raises:
        UserError: it begins with words of nobody, though others are named.
    """
    turns: list[tuple[Party, list[str]]] = []
    lines = [line.rstrip() for line in text.strip().splitlines()]
    named = any(_head(line) for line in lines)
    for number, line in enumerate(lines, 1):
        if head := _head(line):
            turns.append((head[0], [head[1]]))
        elif turns:
            turns[-1][1].append(line)
        elif named:
            raise UserError(f"Line {number} says nothing of who speaks. Begin each turn with `Customer:` or `Agent:`.")
        elif line:
            turns.append(("customer", [line]))
    return tuple(Turn(party, "\n".join(said).strip()) for party, said in turns if "".join(said).strip())


def _head(line: str) -> tuple[Party, str] | None:
    found = _HEAD.match(line)
    party = SPEAKERS.get(found[1].casefold()) if found else None
    return (party, found[2]) if found and party else None
