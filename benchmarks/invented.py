"""An invented evaluation of any size: what a report is tried on where no models are to be asked. Simulated."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from preceptor.dialogue.conversation import Conversation, Ending, Turn
from preceptor.dialogue.customers import Customer
from preceptor.dialogue.domain import Persona, Topic
from preceptor.evaluation.attribution import Attribution, Contribution
from preceptor.evaluation.omissions import Kind
from preceptor.evaluation.rendering.provenance import ModelUsed, Provenance
from preceptor.evaluation.report import ArmResult, Report
from preceptor.evaluation.results import Breach, Cost, Duel, Guided, Served
from preceptor.evaluation.statistics import Interval
from preceptor.judging.verdicts import Comparison, Rating, Unscored
from preceptor.library.model import Strategy
from preceptor.llm.messages import ToolCall


@dataclass(frozen=True)
class Invented:
    """An arm as it is made up."""

    name: str
    quality: float
    """Mean satisfaction, before the customer's own."""
    tokens: int
    """A call."""
    nano: int
    """A token."""
    guided: bool = False


ARMS = (
    Invented("student", 3.05, 420, 150),
    Invented("student + library", 3.62, 560, 150, guided=True),
    Invented("general strategies only", 3.31, 520, 150, guided=True),
    Invented("few-shot", 3.24, 980, 150),
    Invented("generic instruction", 3.10, 450, 150),
    Invented("draft, then correct", 3.28, 1310, 150),
    Invented("teacher", 3.95, 640, 3900),
    Invented("null", 1.62, 0, 0),
)
TOPICS = (
    "outage",
    "slow-line",
    "billing",
    "move-house",
    "cancel",
    "router-setup",
    "engineer-visit",
    "price-rise",
    "mail",
)
ROLES = ("student", "teacher", "judge", "customer")
PERSONAS = ("calm", "impatient", "wordy", "confused", "sarcastic")
SCENARIOS = (
    "The customer reports the same fault again after an engineer has been.",
    "The customer asks for money back for days without a connection.",
    "The customer threatens to leave for another provider.",
    "The customer cannot say which lights on the router are on.",
    "The customer wants a date for the repair and is given none.",
    "The customer asks for something that policy does not allow.",
    "The customer has already restarted the router, twice.",
    "The customer changes the subject in the middle.",
)
ADVICE = (
    "Say in the first sentence that you see this is not their first call, and what was done before.",
    "Name the next step and when it will happen, even if it is only when you will know more.",
    "Do not ask for steps the customer has already said they took.",
    "Say what you can do before what you cannot.",
    "Ask for one thing at a time.",
)
SAID = (
    "My connection went down again last night, and this is the third time this month. I work from home.",
    "I already restarted it. Twice. Is there nobody who can just look at the line?",
    "That is what the last person said as well. When exactly?",
    "All right. And do I have to pay for the days without it?",
)
ANSWERED = (
    "I am sorry to hear that. Could you please restart your router and tell me which lights are on?",
    "I see this is your third call, and that an engineer replaced the splitter on Monday. I am testing the line now; "
    "it takes two minutes.",
    "The test shows a fault outside your house. An engineer is booked for tomorrow between 8 and 10, and I will text "
    "you tonight to confirm it.",
    "No. I have taken the three days off your next bill; it will say so by tomorrow.",
)


def report(conversations: int, arms: Sequence[Invented] = ARMS[:4], seed: int = 0) -> Report:
    """About so many conversations, over all arms together."""
    chance = random.Random(f"invented {seed}")
    customers = [_customer(chance) for _ in range(max(1, conversations // len(arms)))]
    moods = [chance.gauss(0, 0.7) for _ in customers]
    made = []
    for place, arm in enumerate(arms):
        served = tuple(
            _served(arm, customer, mood, chance, first=not place)
            for customer, mood in zip(customers, moods, strict=True)
        )
        made.append(ArmResult(arm.name, served))
    return Report(tuple(made))


def provenance(*, simulated: bool = True) -> Provenance:
    strategies = {s.id: s for s in _strategies()}
    return Provenance(
        title="Broadband helpdesk",
        run="20261121-090412-7c1e",
        created="2026-11-21T09:04:12+00:00",
        version="0.1.0",
        simulated=simulated,
        currency="USD",
        models=tuple(
            ModelUsed(role, f"{role}-1", "world “broadband”") for role in ("student", "teacher", "judge", "customer")
        ),
        seeds={"customers": 7, "judge": 7},
        prompts={"rate_conversation": "9f" * 32, "compare_replies": "3a" * 32},
        release="b61f" * 16,
        settings="07c4" * 16,
        notes=("This evaluation was invented to try the report on; no model was asked.",),
        strategies=strategies,
        scenarios={f"sc-{n}": text for n, text in enumerate(SCENARIOS)},
    )


def attribution(seed: int = 0) -> Attribution:
    chance = random.Random(f"effects {seed}")
    strategies = [_contribution("strategy", s.id, s.text, s.scenario, chance) for s in _strategies()]
    sets = [_contribution("scenario", f"sc-{n}", text, f"sc-{n}", chance) for n, text in enumerate(SCENARIOS)]
    return Attribution("student + library", 3000, 600, 2, _ordered(strategies), _ordered(sets))


def _contribution(kind: Kind, id_: str, text: str, scenario: str | None, chance: random.Random) -> Contribution:
    middle, half = chance.gauss(0.18, 0.15), chance.uniform(0.08, 0.25)
    effect = Interval(middle, middle - half, middle + half, 40) if chance.random() < 0.9 else None
    p = 0.001 if abs(middle) > half else 0.3
    turns = chance.randrange(40, 400)
    return Contribution(
        kind, id_, text, scenario, turns, turns / 3000, turns // 2, turns / 1200, effect, 30, 35, 15, 0, p, p
    )


def _ordered(found: list[Contribution]) -> tuple[Contribution, ...]:
    return tuple(sorted(found, key=lambda one: -one.effect.value if one.effect else math.inf))


def _strategies() -> list[Strategy]:
    found = [
        Strategy("st-general", "Answer the question that was asked before anything else.", "They wait for it.", None)
    ]
    for n in range(len(SCENARIOS)):
        found += [Strategy(f"st-{n}-{k}", ADVICE[(n + k) % len(ADVICE)], "", f"sc-{n}") for k in range(2)]
    return found


def _customer(chance: random.Random) -> Customer:
    topic, persona = chance.choice(TOPICS), chance.choice(PERSONAS)
    return Customer(
        Topic(id=topic, description=topic), Persona(id=persona, description=persona), chance.randrange(2**31)
    )


def _served(arm: Invented, customer: Customer, mood: float, chance: random.Random, *, first: bool) -> Served:
    calls = 2 + chance.randrange(3)
    turns = [turn for n in range(calls) for turn in (Turn("customer", SAID[n]), _answer(n, chance))]
    satisfaction = min(5.0, max(1.0, round(2 * (arm.quality + mood + chance.gauss(0, 0.55))) / 2))
    rating: Rating | Unscored = Rating(
        satisfaction,
        satisfaction + chance.gauss(0, 0.5) > 3,
        chance.random() > 0.04,
        "The agent asked for what had been done already, and gave no date." if satisfaction < 3 else "Clear and kind.",
    )
    if chance.random() < 0.008:
        rating = Unscored("The judge's reply was not of the form asked for, twice.")
    ending: Ending = "resolved" if satisfaction > 3 else chance.choice(("left", "cut"))
    scenario = TOPICS.index(customer.topic.id) % len(SCENARIOS)
    tokens = round(arm.tokens * calls * chance.uniform(0.85, 1.15))
    return Served(
        arm.name,
        customer,
        Conversation(tuple(turns), ending, customer.key),
        (rating,),
        (Breach("no-refund-promise", 3, "Promises money back before it was looked up."),)
        if chance.random() < 0.02
        else (),
        tuple(_guided(2 * n + 1, scenario, chance) for n in range(calls)) if arm.guided else (),
        Cost(calls, tokens, calls * 60, tokens * arm.nano, calls * 1.1) if arm.tokens else Cost(),
        () if first else (_duel(arm, chance),),
        rules=3,
        escalated=chance.random() < 0.05,
    )


def _answer(n: int, chance: random.Random) -> Turn:
    calls = (ToolCall("c1", "line_test", '{"account": "70-4412"}'),) if chance.random() < 0.1 else ()
    return Turn("agent", ANSWERED[n], calls)


def _guided(turn: int, scenario: int, chance: random.Random) -> Guided:
    if chance.random() < 0.25:
        return Guided(turn, ((f"sc-{scenario}", 0.31),), ())
    return Guided(
        turn, ((f"sc-{scenario}", chance.uniform(0.6, 0.98)),), ("st-general", f"st-{scenario}-0", f"st-{scenario}-1")
    )


def _duel(arm: Invented, chance: random.Random) -> Duel:
    win = 1 / (1 + math.exp(-1.6 * (arm.quality - 3.1)))
    outcome = chance.choices(("win", "tie", "loss"), (win, 0.7, 1 - win))[0]
    return Duel(1, "…", Comparison(outcome, "", orders_agree=True))  # type: ignore[arg-type]
