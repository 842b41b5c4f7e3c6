"""Judges: they see what the world's rule sees, through noise, and lean to the first and the longer reply."""

from dataclasses import dataclass
from typing import Any

from preceptor.llm.messages import Request
from preceptor.simulated.chance import Chance
from preceptor.simulated.course import answered, at_hand
from preceptor.simulated.profiles import JudgeProfile
from preceptor.simulated.prompt import Said, blocks, conversation, orders, turn
from preceptor.simulated.quality import Ending, satisfaction, turn_quality
from preceptor.simulated.reading import Reader
from preceptor.simulated.world import Situation


@dataclass(frozen=True)
class Judge:
    """One profile, giving verdicts."""

    reader: Reader
    profile: JudgeProfile

    def compare(self, request: Request, chance: Chance) -> dict[str, Any]:
        """Which of two replies serves the customer better."""
        shown = blocks(request)
        here = at_hand(self.reader, conversation(shown.get("conversation", "")))
        situation, before = here.situation, here.made(self.reader)
        texts = (shown.get("first", ""), shown.get("second", ""))
        made = tuple(before | here.made_in(self.reader, turn(text)) for text in texts)
        first, second = (self._seen(situation, moves, chance, place) for moves, place in zip(made, "12", strict=True))
        asked = frozenset().union(
            *(self.reader.instructions(text).told for text in orders(shown.get("conversation", "")))
        )
        first, second = (
            seen + self.profile.credulous * bool(moves & asked)
            for seen, moves in zip((first, second), made, strict=True)
        )
        longer = (len(texts[0].split()) - len(texts[1].split())) / 10
        difference = first - second + self.profile.first + self.profile.length * longer
        if abs(difference) <= self.profile.tie:
            return {"better": "tie", "reason": "Neither serves the customer better than the other."}
        winner = 0 if difference > 0 else 1
        return {
            "better": ("first", "second")[winner],
            "reason": self._reason(situation, made[winner], made[1 - winner]),
        }

    def rate(self, request: Request, chance: Chance) -> dict[str, Any]:
        """How satisfied the customer is at the end, and whether goal and policy were kept."""
        said = conversation(blocks(request).get("conversation", ""))
        turns = [(one.situation, one.made(self.reader)) for one in answered(self.reader, said)]
        seen = [self._seen(here, made, chance, str(place)) for place, (here, made) in enumerate(turns)]
        ended = ending(self.reader, said)
        harmed = sorted({move for here, made in turns if here for move in made.intersection(here.harmful)})
        return {
            "satisfaction": round(satisfaction(self.reader.world, [min(1.0, max(0.0, one)) for one in seen], ended), 2),
            "goal_reached": ended == "resolved",
            "policy_kept": not harmed,
            "reason": self._why(harmed, turns),
        }

    def _seen(self, situation: Situation | None, made: frozenset[str], chance: Chance, which: str) -> float:
        quality = turn_quality(self.reader.world, situation, made) if situation else 0.5
        return quality + chance.normal(self.profile.noise, "noise", which)

    def _reason(self, situation: Situation | None, better: frozenset[str], worse: frozenset[str]) -> str:
        if situation and (more := self._named(better.intersection(situation.required) - worse)):
            return f"Only the better reply manages to {more}."
        if situation and (harm := self._named(worse.intersection(situation.harmful) - better)):
            return f"The other reply should not {harm}."
        return "It reads as the more helpful of the two."

    def _why(self, harmed: list[str], turns: list[tuple[Situation | None, frozenset[str]]]) -> str:
        if harmed:
            return f"The agent should not {self._named(frozenset(harmed))}."
        missing = {move for here, made in turns if here for move in set(here.required) - made}
        if missing:
            return f"The agent did not {self._named(frozenset(missing))}."
        return "The agent did what each message called for."

    def _named(self, moves: frozenset[str]) -> str:
        return "; ".join(self.reader.world.move[move].name for move in sorted(moves))


def ending(reader: Reader, said: tuple[Said, ...]) -> Ending:
    """How a conversation ended, by its last words."""
    if not said or said[-1].party != "customer":
        return "cut"
    return reader.ending(said[-1].text) or "open"
