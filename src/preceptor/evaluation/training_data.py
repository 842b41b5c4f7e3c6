"""Training sets out of judged conversations: demonstrations (SFT), preferences (DPO and kin) and verdicts (KTO).

Prompts are what the model would be sent without a library: the domain's system message and the conversation. So whoever
trains on replies that were given *with* strategies in the prompt teaches the model to give them without. The strategies
themselves are put in only when asked for. Customers' data is replaced by placeholders unless asked otherwise
(`library.redaction`).

What is taken: good conversations are those rated high enough, with the goal reached by most verdicts, policy kept by
all, and no rule broken; bad ones those rated low enough. Nothing in between, nothing unscored.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, takewhile
from typing import Literal

from preceptor.dialogue.agents import system_message
from preceptor.dialogue.conversation import Context, Turn
from preceptor.dialogue.domain import Domain
from preceptor.evaluation.results import Duel, Guided, Served
from preceptor.judging.verdicts import Comparison
from preceptor.library.model import Guidance
from preceptor.library.redaction import Redaction
from preceptor.llm.messages import Message
from preceptor.storage.canonical import content_hash
from preceptor.student.slot import place, render

Kind = Literal["sft", "preference", "kto"]


@dataclass(frozen=True)
class Demonstration:
    """A conversation to be imitated, in each of the agent's messages or in the last alone."""

    prompt: tuple[Message, ...]
    """The system message, and with strategies in the prompt all that came before the reply."""
    completion: tuple[Message, ...]
    """The rest; ends with the agent."""


@dataclass(frozen=True)
class Preference:
    """Two replies in the same context."""

    prompt: tuple[Message, ...]
    chosen: Message
    rejected: Message


@dataclass(frozen=True)
class Verdict:
    """A reply that was good or bad."""

    prompt: tuple[Message, ...]
    completion: Message
    good: bool


Example = Demonstration | Preference | Verdict


@dataclass(frozen=True)
class Selection:
    """What is taken."""

    min_satisfaction: float = 4.0
    """A conversation with at least this (1 to 5) may be good."""
    max_satisfaction: float = 2.0
    """A conversation with at most this is bad; used by KTO."""
    margin: float = 1.0
    """By how much a customer must be more satisfied with one arm than with another for its reply to be preferred."""
    arms: tuple[str, ...] = ()
    """Whose replies are taken; for preferences, whose are chosen. None named: everybody's."""

    def takes(self, arm: str) -> bool:
        return not self.arms or arm in self.arms

    def good(self, served: Served) -> bool:
        reached, kept = served.share("goal_reached"), served.share("policy_kept")
        satisfied = served.satisfaction is not None and served.satisfaction >= self.min_satisfaction
        return bool(satisfied and reached and reached > 0.5 and kept == 1.0 and not served.breaches and _whole(served))

    def bad(self, served: Served) -> bool:
        rated = served.satisfaction
        return rated is not None and rated <= self.max_satisfaction and _whole(served)


@dataclass(frozen=True)
class Framing:
    """How prompts are made."""

    domain: Domain
    guidance: Guidance | None = None
    """Where the strategies are looked up that stood in the prompt, to be put in again; None leaves them out."""
    personal_data: bool = False
    """Whether customers' data stays in."""

    def prompt(self, turns: tuple[Turn, ...], guided: Guided | None = None) -> tuple[Message, ...]:
        """What the model is sent in a context."""
        messages = (system_message(self.domain), *Context(turns).messages())
        if self.guidance is None or guided is None:
            return messages
        texts = {strategy.id: strategy for strategy in self.guidance.strategies}
        slot = render([texts[id_] for id_ in guided.strategies if id_ in texts])
        return place(messages, slot, self.guidance.placement)

    def redacted(self, example: Example, contexts: Sequence[Context]) -> Example:
        """Without customers' data, one placeholder for one datum throughout the example."""
        if self.personal_data:
            return example
        redaction = Redaction.of(contexts, system_message(self.domain).content)

        def clean(message: Message) -> Message:
            calls = tuple(replace(call, arguments=redaction.json(call.arguments)) for call in message.tool_calls)
            return replace(message, content=redaction.json(message.content), tool_calls=calls)

        prompt = tuple(map(clean, example.prompt))
        match example:
            case Demonstration():
                return Demonstration(prompt, tuple(map(clean, example.completion)))
            case Preference():
                return Preference(prompt, clean(example.chosen), clean(example.rejected))
            case Verdict():
                return Verdict(prompt, clean(example.completion), example.good)


def examples(kind: Kind, served: Iterable[Served], framing: Framing, selection: Selection) -> Iterator[Example]:
    """Every example there is, each once. The first arm served is the one that duels were fought against."""
    everything = tuple(served)
    found: Iterator[Example]
    match kind:
        case "sft":
            found = _demonstrations(everything, framing, selection)
        case "preference":
            found = _preferences(everything, framing, selection)
        case "kto":
            found = _verdicts(everything, framing, selection)
    seen: set[str] = set()
    for example in found:
        key = content_hash(example)
        if key not in seen:
            seen.add(key)
            yield example


def _demonstrations(served: Sequence[Served], framing: Framing, selection: Selection) -> Iterator[Example]:
    for one in served:
        if not (selection.takes(one.arm) and selection.good(one)):
            continue
        turns = _up_to_last_reply(one.conversation.turns)
        whole = [Context(turns)]
        if framing.guidance is None:
            system, *rest = framing.prompt(turns)
            if rest:
                yield framing.redacted(Demonstration((system,), tuple(rest)), whole)
            continue
        for index, guided in _replies(one):  # what stands in the prompt differs from turn to turn
            prompt = framing.prompt(turns[:index], guided)
            yield framing.redacted(Demonstration(prompt, (turns[index].message(),)), whole)


def _preferences(served: Sequence[Served], framing: Framing, selection: Selection) -> Iterator[Example]:
    for first, other, duel, verdict in _duels(served):
        if verdict.outcome == "tie":
            continue
        old, new = first.conversation.turns[duel.turn], Turn("agent", duel.reply)
        chosen, rejected, arm = (new, old, other.arm) if verdict.outcome == "win" else (old, new, first.arm)
        if selection.takes(arm):
            context = first.conversation.turns[: duel.turn]
            yield _preferred(framing, context, chosen, rejected, None)
    for one, two in _same_customer(served):
        better, worse = (one, two) if _rated(one) > _rated(two) else (two, one)
        apart = _rated(better) - _rated(worse) >= selection.margin
        if apart and selection.takes(better.arm) and selection.good(better) and (at := _parting(better, worse)):
            turns = better.conversation.turns
            guided = dict(_replies(better)).get(at)
            yield _preferred(framing, turns[:at], turns[at], worse.conversation.turns[at], guided)


def _preferred(
    framing: Framing, context: tuple[Turn, ...], chosen: Turn, rejected: Turn, guided: Guided | None
) -> Example:
    example = Preference(framing.prompt(context, guided), chosen.message(), rejected.message())
    return framing.redacted(example, [Context((*context, chosen, rejected))])


def _verdicts(served: Sequence[Served], framing: Framing, selection: Selection) -> Iterator[Example]:
    """What is called good in one place and bad in another is left out."""
    found: dict[str, tuple[Verdict, Context]] = {}
    disputed: set[str] = set()
    for verdict, context in _all_verdicts(served, framing, selection):
        key = content_hash([verdict.prompt, verdict.completion])
        known = found.setdefault(key, (verdict, context))[0]
        if known.good != verdict.good:
            disputed.add(key)
    for key, (verdict, context) in found.items():
        if key not in disputed:
            yield framing.redacted(verdict, [context])


def _all_verdicts(
    served: Sequence[Served], framing: Framing, selection: Selection
) -> Iterator[tuple[Verdict, Context]]:
    """From duels, from the replies of good and bad conversations, and from replies that broke a rule."""
    for first, other, duel, verdict in _duels(served):
        context = first.conversation.turns[: duel.turn]
        for arm, reply, won in (
            (other.arm, Turn("agent", duel.reply), verdict.outcome == "win"),
            (first.arm, first.conversation.turns[duel.turn], verdict.outcome == "loss"),
        ):
            if verdict.outcome != "tie" and selection.takes(arm):
                yield Verdict(framing.prompt(context), reply.message(), won), Context((*context, reply))
    for one in served:
        if not selection.takes(one.arm):
            continue
        broke = {breach.turn for breach in one.breaches}
        good, bad = selection.good(one), selection.bad(one)
        turns = one.conversation.turns
        for index, guided in _replies(one):
            if good or bad or index in broke:
                prompt = framing.prompt(turns[:index], guided)
                yield Verdict(prompt, turns[index].message(), good), Context(turns[: index + 1])


def _duels(served: Sequence[Served]) -> Iterator[tuple[Served, Served, Duel, Comparison]]:
    """The first arm's conversation, the other arm's, and the duel, where both replies are words and nothing else:
    actions are kept as a judge read them, which is not how a model takes them."""
    first = {one.customer.key: one for one in served if one.arm == served[0].arm}
    for other in served:
        for duel in other.duels:
            if other.customer.key not in first or not isinstance(duel.verdict, Comparison):
                continue
            old = first[other.customer.key]
            if duel.turn < len(old.conversation.turns) and _only_words(old.conversation.turns[duel.turn], duel.reply):
                yield old, other, duel, duel.verdict


def _only_words(old: Turn, new: str) -> bool:
    return not old.tool_calls and not any(line.startswith("(calls ") for line in new.splitlines())


def _same_customer(served: Sequence[Served]) -> Iterator[tuple[Served, Served]]:
    by_customer: dict[str, list[Served]] = {}
    for one in served:
        if one.satisfaction is not None:
            by_customer.setdefault(one.customer.key, []).append(one)
    for group in by_customer.values():
        yield from combinations(group, 2)


def _parting(one: Served, other: Served) -> int | None:
    """Where two conversations with the same customer part, if it is the agents who part them."""
    pairs = list(zip(one.conversation.turns, other.conversation.turns, strict=False))
    at = len(list(takewhile(lambda pair: pair[0] == pair[1], pairs)))
    return at if 0 < at < len(pairs) and pairs[at][0].party == pairs[at][1].party == "agent" else None


def _replies(served: Served) -> Iterator[tuple[int, Guided | None]]:
    """Where the agent acted, and what stood in the slot there."""
    slots = {guided.turn: guided for guided in served.guided}
    for index, turn in enumerate(_up_to_last_reply(served.conversation.turns)):
        if turn.party == "agent" and index > 0:
            yield index, slots.get(index)


def _up_to_last_reply(turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
    """Up to the last message of the agent that is no call for a tool."""
    last = max((n for n, turn in enumerate(turns) if turn.party == "agent" and not turn.tool_calls), default=-1)
    return turns[: last + 1]


def _whole(served: Served) -> bool:
    return served.conversation.ending != "broken"


def _rated(served: Served) -> float:
    assert served.satisfaction is not None
    return served.satisfaction
