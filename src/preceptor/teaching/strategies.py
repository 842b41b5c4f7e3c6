"""Step 2, strategies for improvement: the teacher writes, the student tries again, until a judge sees no difference.

Several rounds with the student's own retry in view, because what a model elicits in one shot is seldom what this
student can use (strategy executability, arXiv 2602.22583).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from preceptor.dialogue.conversation import Context, Turn, transcript
from preceptor.errors import BadReply, Rejected
from preceptor.judging.judge import shown
from preceptor.judging.verdicts import Comparison
from preceptor.library.leak import leaks
from preceptor.library.model import Evidence, Scenario, Strategy
from preceptor.llm.messages import Sampling
from preceptor.teaching.crew import Crew
from preceptor.teaching.moments import Moment
from preceptor.teaching.tasks import WRITE_STRATEGIES, WrittenStrategies

SAMPLING = Sampling(temperature=0.7, max_tokens=800)


@dataclass(frozen=True)
class Draft:
    """What was written for a scenario, not yet measured."""

    scenario: Scenario
    strategies: tuple[Strategy, ...]
    """Candidates, in the teacher's order of importance, without those the student already had."""
    refused: tuple[tuple[Strategy, str], ...]
    """Refused unmeasured (a leak), with the reason."""
    evidence: dict[str, tuple[Evidence, ...]]
    """By strategy id: origin and retries."""


async def write(crew: Crew, scenario: Scenario, given: tuple[Strategy, ...], sources: Sequence[Moment]) -> Draft:
    """Write strategies for a scenario from a few of its contexts; `given` are in force already. An errand."""
    desk = _Desk(crew, scenario, given)
    for moment in sources:
        await desk.work_on(moment)
    return desk.draft()


class _Desk:
    """One scenario's strategies while they are being written."""

    def __init__(self, crew: Crew, scenario: Scenario, given: tuple[Strategy, ...]) -> None:
        self.crew, self.scenario, self.given = crew, scenario, given
        self.current: tuple[Strategy, ...] = ()
        self.refused: dict[str, tuple[Strategy, str]] = {}
        self.evidence: dict[str, list[Evidence]] = {}

    async def work_on(self, moment: Moment) -> None:
        """Rounds on one source context, until on a par or out of rounds."""
        last = moment.student
        if moment.contrast is not None:
            self._take(moment, last, moment.contrast.written)
        try:
            for round_ in range(self.crew.settings.rounds):
                last = await self._retry(moment, round_)
                if not await self._falls_short(moment, last, round_):
                    break
                self._take(moment, last, await self._ask(moment, last, round_))
            else:
                last = await self._retry(moment, self.crew.settings.rounds)
        except (BadReply, Rejected):
            pass  # what was written so far stands; the gate decides
        self._note_retry(moment, last)

    async def _retry(self, moment: Moment, round_: int) -> Turn:
        strategies = (*self.given, *self.current)
        seed = self.crew.seed("retry", moment.context.key, round_)
        return await self.crew.student.reply_with(moment.context, strategies, seed)

    async def _falls_short(self, moment: Moment, reply: Turn, round_: int) -> bool:
        seed = self.crew.seed("par", moment.context.key, round_)
        verdict = await self.crew.judge.compare(moment.context, reply, moment.teacher, seed)
        return isinstance(verdict, Comparison) and verdict.outcome == "win"

    async def _ask(self, moment: Moment, reply: Turn, round_: int) -> WrittenStrategies:
        listed = [strategy.text for strategy in (*self.given, *self.current)]
        return await WRITE_STRATEGIES.ask(
            self.crew.teacher_model,
            replace(SAMPLING, seed=self.crew.seed("write", moment.context.key, round_)),
            policy=self.crew.domain.policy,
            tools=self.crew.domain.listed_tools(),
            conversation=moment.context.transcript(),
            teacher_reply=shown(moment.teacher),
            reference=transcript(moment.reference) or "(not known)",
            student_reply=shown(reply),
            strategies="\n".join(f"{n}. {text}" for n, text in enumerate(listed, 1)) or "(none)",
            limit=str(self.crew.settings.strategies_per_scenario),
        )

    def _take(self, moment: Moment, reply: Turn, written: WrittenStrategies) -> None:
        """The teacher's answer becomes the current set; what leaks is refused."""
        given = {strategy.text for strategy in self.given}
        kept: dict[str, Strategy] = {}
        for item in written.strategies:
            text = " ".join(item.text.split())
            if not text or text in given:
                continue
            strategy = Strategy(Strategy.new_id(text, self.scenario.id), text, item.reason, self.scenario.id)
            if reason := self._leak(text, moment):
                self.refused[strategy.id] = (strategy, reason)
                continue
            kept[strategy.id] = strategy
            if strategy.id not in self.evidence:
                self.evidence[strategy.id] = [_origin(moment, reply, written.missing or item.reason)]
        self.current = tuple(kept.values())[: self.crew.settings.strategies_per_scenario]

    def _leak(self, text: str, moment: Moment) -> str | None:
        others = (*moment.reference, *(moment.contrast.turns if moment.contrast else ()))
        seen = [Context((*moment.context.turns, *others))]
        answers = (moment.teacher.text, *(turn.text for turn in others if turn.party == "agent"))
        return next(filter(None, (leaks(text, answer, seen) for answer in answers)), None)

    def _note_retry(self, moment: Moment, after: Turn) -> None:
        before, teacher = shown(moment.student), shown(moment.teacher)
        for strategy in self.current:
            entry = Evidence("retry", "", moment.context, before, shown(after), teacher)
            self.evidence[strategy.id].append(entry)

    def draft(self) -> Draft:
        refused = tuple(self.refused.values())
        ids = {strategy.id for strategy in self.current} | self.refused.keys()
        evidence = {id_: tuple(entries) for id_, entries in self.evidence.items() if id_ in ids}
        return Draft(self.scenario, self.current, refused, evidence)


def _origin(moment: Moment, before: Turn, reason: str) -> Evidence:
    return Evidence("origin", "", moment.context, shown(before), "", shown(moment.teacher), reason)
