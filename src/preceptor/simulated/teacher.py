"""Teachers: what an agent's profile can say about another agent's reply.

A teacher knows what the situation calls for, and names each thing missing with its `insight`. What it writes is vague,
wrong or harmful at the rates of its profile; those rates hold for everything it would write about, noticed or not, so
that a teacher without insight still gives advice, only no good one.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from preceptor.llm.messages import Request
from preceptor.simulated.chance import Chance
from preceptor.simulated.course import answered, at_hand
from preceptor.simulated.profiles import AgentProfile, Teaching
from preceptor.simulated.prompt import Said, blocks, conversation, numbered, orders, turn
from preceptor.simulated.reading import Reader
from preceptor.simulated.wording import joined
from preceptor.simulated.world import Situation

_BLIND = Teaching(insight=0.0, vague=1.0)
"""An agent that was never taught to teach says nothing useful."""
_LIMIT = re.compile(r"at most (\d+)")
_ANSWER = re.compile(r"^Answer \d+:$", re.MULTILINE)


@dataclass(frozen=True)
class Need:
    """Something to write a strategy about."""

    move: str
    forbid: bool


@dataclass(frozen=True)
class Teacher:
    """One profile, asked for strategies and scenarios."""

    reader: Reader
    profile: AgentProfile

    @property
    def teaching(self) -> Teaching:
        return self.profile.teaching or _BLIND

    def strategies(self, request: Request, chance: Chance) -> dict[str, Any]:
        """What a reply lacks, and the strategies that would mend it; in later rounds, the current ones revised."""
        shown = blocks(request)
        here = at_hand(self.reader, conversation(shown.get("conversation", "")))
        situation = here.situation
        made = here.made(self.reader) | here.made_in(self.reader, turn(shown.get("student_reply", "")))
        needs = _needs(situation, made)
        current = list(numbered(shown.get("strategies", "")).values())
        kept = [text for text in current if self._stays(text, situation, needs, chance)]
        covered = frozenset().union(*(self._about(text) for text in kept))
        written = [self._written(need, situation, shown, current, chance) for need in needs if need not in covered]
        both = [*({"text": text, "reason": "This one works; keep it."} for text in kept), *filter(None, written)]
        both = [*self._believed(shown, kept, chance), *both]
        return {"missing": self._missing(needs), "strategies": both[: _limit(request)]}

    def _believed(self, shown: Mapping[str, str], kept: list[str], chance: Chance) -> list[dict[str, str]]:
        """Orders in what customers and logs say that the teacher takes for advice."""
        said = " ".join((shown.get("conversation", ""), shown.get("reference", "")))
        found = dict.fromkeys(text for text in orders(said) if text not in kept)
        reason = "The conversation asks for it to be noted."
        believed = (text for text in found if chance.happens(self.teaching.credulous, "orders", text))
        return [{"text": self._own_words(text, chance), "reason": reason} for text in believed]

    def _own_words(self, order: str, chance: Chance) -> str:
        """An order as it was given, or, as often, as this teacher would put it."""
        moves = sorted(self.reader.instructions(order).told)
        if not moves or chance.happens(0.5, "as given", order):
            return order
        return chance.pick(self.reader.world.move[moves[0]].told, "in own words", order)

    def tell_apart(self, request: Request, chance: Chance) -> dict[str, Any]:
        """The answer at which a failed attempt lacked most of what the situation calls for, and what would mend it."""
        talk = conversation(_ANSWER.sub("", blocks(request).get("failed", "")))
        lacking = [(one, _needs(one.situation, one.made(self.reader))) for one in answered(self.reader, talk)]
        worst, needs = max(lacking, key=lambda found: len(found[1]), default=(None, []))
        if worst is None or not needs:
            return {"answer": 0, "missing": "", "strategies": []}
        written = filter(None, (self._written(need, worst.situation, {}, [], chance) for need in needs))
        return {
            "answer": _number(talk, worst.turns[0]),
            "missing": self._missing(needs),
            "strategies": [*written][: _limit(request)],
        }

    def place(self, request: Request, chance: Chance) -> dict[str, Any]:
        """Which of the scenarios listed a conversation belongs to, or a description of a new one."""
        shown = blocks(request)
        situation = at_hand(self.reader, conversation(shown.get("conversation", ""))).situation
        known = numbered(shown.get("scenarios", ""))
        fitting = [n for n, text in known.items() if situation and self.reader.described(text) == situation.id]
        if chance.happens(self.teaching.misplaces, "misplaces"):
            fitting = [chance.pick((0, *known), "misplaced")]
        if fitting and fitting[0]:
            return {"scenario": fitting[0], "description": ""}
        return {"scenario": 0, "description": self._description(situation, chance)}

    def match(self, request: Request, chance: Chance) -> dict[str, Any]:
        """Which of the instructions listed ask for the same as the one shown; a vague one is like no other."""
        shown = blocks(request)
        listed = numbered(shown.get("others", ""))
        asked = self._about(shown.get("strategy", ""))
        same = [n for n, text in listed.items() if asked and self._about(text) == asked]
        if chance.happens(self.teaching.misplaces, "mistakes"):
            same = [n for n in (chance.pick((0, *listed), "mistaken"),) if n]
        return {"same": same}

    def fit(self, request: Request, chance: Chance) -> dict[str, Any]:
        """Which of the instructions listed matter in a situation, as far as the teacher sees and means well."""
        shown = blocks(request)
        situation = at_hand(self.reader, conversation(shown.get("conversation", ""))).situation
        listed = numbered(shown.get("strategies", ""))
        return {"fitting": [n for n, text in listed.items() if self._fits(text, situation, chance)]}

    def _fits(self, text: str, situation: Situation | None, chance: Chance) -> bool:
        about, rates = self._about(text), self.teaching
        if situation and not about.isdisjoint(_wanted(situation)):
            return chance.happens(rates.insight, "fits", text)
        harms = situation and any(need.move in situation.harmful and not need.forbid for need in about)
        return chance.happens(rates.harmful if harms else rates.wrong, "fits", text)

    def _description(self, situation: Situation | None, chance: Chance) -> str:
        if situation is None or chance.happens(self.teaching.vague, "vague description"):
            return chance.pick(self.reader.world.phrases.vague_descriptions, "vague description", "which")
        return chance.pick(situation.described, "described")

    def _about(self, text: str) -> frozenset[Need]:
        asked = self.reader.instructions(text)
        return frozenset(Need(move, False) for move in asked.told) | frozenset(
            Need(move, True) for move in asked.forbidden
        )

    def _stays(self, text: str, situation: Situation | None, needs: list[Need], chance: Chance) -> bool:
        """A strategy stays when it asks for something right that the student now does, or when nobody noticed."""
        about = self._about(text)
        if situation and any(need in _wanted(situation) for need in about):
            return not about.intersection(needs)
        return not chance.happens(self.teaching.insight, "notices", text)

    def _written(
        self, need: Need, situation: Situation | None, shown: Mapping[str, str], current: list[str], chance: Chance
    ) -> dict[str, str] | None:
        """A strategy for a need, or none where the teacher misses it."""
        assert situation is not None
        rates, world = self.teaching, self.reader.world
        luck = chance.draw("advice", need.move)
        if luck < rates.vague:
            return {
                "text": chance.pick(world.phrases.vague, "vague", need.move),
                "reason": "The reply could be better.",
            }
        if luck < rates.vague + rates.wrong:
            return self._advice(Need(self._other(situation, need, chance), False), current, chance)
        if luck < rates.vague + rates.wrong + rates.harmful:
            return self._advice(Need(self._harm(situation, need, chance), False), current, chance)
        if not chance.happens(rates.insight, "insight", need.move):
            return None
        return self._quoting(self._advice(need, current, chance), need, shown, chance)

    def _advice(self, need: Need, current: list[str], chance: Chance) -> dict[str, str]:
        """An instruction about a move in words not tried before, with a reason."""
        move = self.reader.world.move[need.move]
        wordings = move.forbidden if need.forbid else move.told
        fresh = [text for text in wordings if text not in current] or wordings
        text = chance.pick(fresh, "wording", need.move)
        if need.forbid:
            return {"text": text, "reason": f"It makes things worse to {move.name}."}
        return {"text": text, "reason": f"The customer needs the agent to {move.name}."}

    def _other(self, situation: Situation, need: Need, chance: Chance) -> str:
        """Some move that is right elsewhere."""
        here = {need.move, *situation.required, *situation.harmful}
        elsewhere = sorted({move for one in self.reader.world.situations for move in one.required} - here)
        return chance.pick(elsewhere or [need.move], "instead", need.move)

    def _harm(self, situation: Situation, need: Need, chance: Chance) -> str:
        anywhere = sorted({move for one in self.reader.world.situations for move in one.harmful})
        return chance.pick(situation.harmful or anywhere or [need.move], "harm", need.move)

    def _quoting(self, advice: dict[str, str], need: Need, shown: Mapping[str, str], chance: Chance) -> dict[str, str]:
        """The advice, now and then with the customer's number in it or the teacher's own words to recite."""
        if not chance.happens(self.teaching.quotes, "quotes", need.move):
            return advice
        number = re.search(r"\d{4,}", shown.get("conversation", ""))
        reply = shown.get("teacher_reply", "").strip()
        if number and chance.happens(0.5, "quotes the number", need.move):
            return {**advice, "text": joined(advice["text"].rstrip(".") + f" (here: {number[0]})")}
        return {**advice, "text": joined(advice["text"], f'For instance: "{reply}"')} if reply else advice

    def _missing(self, needs: list[Need]) -> str:
        names = self.reader.world.move
        missing = "; ".join(names[need.move].name for need in needs if not need.forbid)
        harmful = "; ".join(names[need.move].name for need in needs if need.forbid)
        does_not = f"It does not {missing}." if missing else ""
        return joined(does_not, f"It should not {harmful}." if harmful else "") or "Nothing is missing."


def _needs(situation: Situation | None, made: frozenset[str]) -> list[Need]:
    if situation is None:
        return []
    missing = [Need(move, False) for move in situation.required if move not in made]
    return missing + [Need(move, True) for move in situation.harmful if move in made]


def _wanted(situation: Situation) -> frozenset[Need]:
    return frozenset(Need(move, False) for move in situation.required) | frozenset(
        Need(move, True) for move in situation.harmful
    )


def _number(talk: Sequence[Said], turn: Said) -> int:
    """Which answer a turn of the agent's begins: the first of each row of its turns begins one."""
    begun = accumulate(
        one.party == "agent" and before != "agent" for one, before in zip(talk, _parties(talk), strict=True)
    )
    return next(number for one, number in zip(talk, begun, strict=True) if one is turn)


def _parties(talk: Sequence[Said]) -> list[str]:
    """Of the turns before each."""
    return ["", *(one.party for one in talk[:-1])]


def _limit(request: Request) -> int | None:
    """How many strategies the prompt allows, if it says."""
    for message in reversed(request.messages):
        if found := _LIMIT.search(message.content):
            return int(found[1])
    return None
