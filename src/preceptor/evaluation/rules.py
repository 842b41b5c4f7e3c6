"""What the domain file says of every conversation, checked without a model: the same conversation, the same answer.

What was cut off says nothing about what would still have been said: in a conversation that broke, and after a
customer's last word, nothing is missing.
"""

import re
from collections.abc import Iterator, Sequence

from preceptor.dialogue.conversation import Conversation, Party, Turn
from preceptor.dialogue.domain import Escalation, Rule
from preceptor.evaluation.results import Breach


def check(conversation: Conversation, rules: Sequence[Rule]) -> tuple[Breach, ...]:
    """Every breach of every rule, rules in their order, turns in theirs."""
    return tuple(breach for rule in rules for breach in _check(conversation, rule))


def escalated(conversation: Conversation, escalation: Escalation | None) -> bool | None:
    """Whether the customer asked for a person or was handed to one; None when the domain does not say how one sees."""
    if escalation is None:
        return None
    turns = conversation.turns
    return (
        any(call.name == escalation.tool for turn in turns for call in turn.tool_calls)
        or _says(turns, "agent", escalation.agent_says)
        or _says(turns, "customer", escalation.customer_says)
    )


def _check(conversation: Conversation, rule: Rule) -> Iterator[Breach]:
    turns = conversation.turns
    if rule.before is not None:
        yield from _too_early(turns, rule)
        return
    start = 0 if rule.when is None else next(_said(turns, "customer", rule.when), None)
    if start is None:
        return
    if rule.never_say is not None:
        for turn in _said(turns, "agent", rule.never_say, start):
            yield Breach(rule.id, turn, f"{rule.description} The agent said {_found(turns[turn], rule.never_say)!r}.")
        return
    answered = any(turn.party == "agent" for turn in turns[start:])
    if answered and conversation.ending != "broken" and not _says(turns, "agent", rule.must_say, start):
        yield Breach(rule.id, None, f"{rule.description} The agent did not say so.")


def _too_early(turns: Sequence[Turn], rule: Rule) -> Iterator[Breach]:
    called: set[str] = set()
    for index, turn in enumerate(turns):
        names = {call.name for call in turn.tool_calls}
        if rule.before in names and rule.require not in called:
            yield Breach(rule.id, index, f"{rule.description} {rule.before!r} was called without {rule.require!r}.")
        called |= names


def _said(turns: Sequence[Turn], party: Party, pattern: str | None, start: int = 0) -> Iterator[int]:
    """Indices of the turns in which a party says it."""
    if pattern is None:
        return
    for index, turn in enumerate(turns[start:], start):
        if turn.party == party and re.search(pattern, turn.text, re.IGNORECASE):
            yield index


def _says(turns: Sequence[Turn], party: Party, pattern: str | None, start: int = 0) -> bool:
    return next(_said(turns, party, pattern, start), None) is not None


def _found(turn: Turn, pattern: str) -> str:
    found = re.search(pattern, turn.text, re.IGNORECASE)
    return found[0] if found else ""
