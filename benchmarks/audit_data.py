"""A library as large as audits are promised to bear: strategies, evidence, scenarios, all drawn from a seed.

    python benchmarks/audit_data.py FILE [--strategies 20000] [--evidence 100000] [--scenarios 400] [--seed 1]

fills a new database, through the library's own doors, and prints how much it holds. Words are drawn from a trade that
does not exist, so that nothing of what the product ships knows them. A part of the strategies is flagged, doubled or
contradicted, edited, decided or deferred, as in a library people have worked on.
"""

import argparse
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path

from preceptor.dialogue.conversation import Context, Turn
from preceptor.library.desk import Desk
from preceptor.library.model import Decision, Effect, Evidence, Measured, Scenario, Strategy
from preceptor.library.rows import Reach, Use
from preceptor.library.store import Batch, Library
from preceptor.storage.database import Database

SYLLABLES = ("ka", "ro", "mi", "ten", "sul", "bar", "vo", "lin", "dra", "pe", "sho", "wan", "gri", "tol", "me", "fa")
VERBS = ("Ask", "Offer", "Confirm", "Explain", "Check", "Mention", "Name", "Repeat", "Summarise", "Describe", "Record")
FORBIDDING = ("Never", "Do not", "Avoid")
VOCABULARY = ["".join(parts) for count in (2, 3) for parts in product(SYLLABLES, repeat=count)]
FLAWS = ("Promise a full refund at once", "Write to help@vorlin.example", "Call 555 010 4477", "See www.vorlin.com")
RUNS, STEPS = 12, 4
EXAMPLES = 8
"""Contexts of a scenario."""


def words(chance: random.Random, count: int) -> str:
    return " ".join(chance.choices(VOCABULARY, k=count))


def context(chance: random.Random) -> Context:
    turns = []
    for _ in range(chance.randint(1, 4)):
        turns += [Turn("customer", f"{words(chance, 12)}?"), Turn("agent", f"{words(chance, 16)}.")]
    return Context((*turns, Turn("customer", f"{words(chance, 10)}!")))


def scenarios(chance: random.Random, count: int) -> list[Scenario]:
    found = []
    for _ in range(count):
        examples = tuple(context(chance) for _ in range(EXAMPLES))
        description = f"The customer {words(chance, 7)}."
        found.append(Scenario(Scenario.new_id(description, examples[0]), description, examples, (words(chance, 1),)))
    return found


def strategies(chance: random.Random, homes: list[Scenario], count: int) -> Iterator[Strategy]:
    """One in a hundred general; some like their neighbour, some its opposite, some flawed."""
    last: dict[str | None, str] = {}
    for n in range(count):
        home = None if n % 100 == 0 else chance.choice(homes).id
        body = f"{words(chance, chance.randint(6, 14))} before the {words(chance, 3)}"
        kind = chance.random()
        if kind < 0.03 and home in last:
            body = last[home]  # with another verb: a double
        text = f"{chance.choice(VERBS)} {body}."
        if 0.03 <= kind < 0.05 and home in last:
            text = f"{chance.choice(FORBIDDING)} {last[home]}."
        elif 0.05 <= kind < 0.08:
            text = f"{chance.choice(FLAWS)}, {body}."
        last[home] = body
        measured: Measured = chance.choices(("accepted", "proposed", "refused", "dropped"), (70, 10, 15, 5))[0]
        value = round(chance.gauss(0.25, 0.2), 6)
        reason = f"Because {words(chance, 12)}."
        yield Strategy(Strategy.new_id(f"{n} {text}", home), text, reason, home, value, measured)


def evidence(chance: random.Random, strategy: Strategy, seen: Context, count: int) -> list[Evidence]:
    """Origin, acceptance, then losses and retries."""
    n = chance.randint(12, 96)
    half = 1.96 / n**0.5
    mean = max(-1.0, min(1.0, strategy.value))
    effect = Effect(mean, max(-1.0, mean - half), min(1.0, mean + half), n)
    replies = [f"{words(chance, 18)}." for _ in range(3)]
    found = [
        Evidence("origin", "", seen, replies[0], "", replies[2], strategy.reason),
        Evidence("acceptance", "", seen, replies[0], replies[1], "", "It helps.", effect),
    ]
    for _ in range(count - 2):
        before, after = f"{words(chance, 15)}.", f"{words(chance, 15)}."
        kind = "loss" if chance.random() < 0.5 else "retry"
        found.append(Evidence("loss" if kind == "loss" else "retry", "", seen, before, after))
    return found[:count]


def fill(library: Library, strategies_: int, evidence_: int, scenarios_: int, seed: int) -> None:
    """Put it in, as runs would, and decide on a part of it, as people would."""
    chance = random.Random(seed)
    homes = scenarios(chance, scenarios_)
    everything = list(strategies(chance, homes, strategies_))
    examples = {home.id: home.examples for home in homes}
    begun = datetime(2026, 3, 1, tzinfo=UTC)
    share = -(-len(everything) // (RUNS * STEPS))
    for part in range(RUNS * STEPS):
        run = f"{begun + timedelta(days=part // STEPS):%Y%m%d-%H%M%S}-{part // STEPS:04x}"
        some = everything[part * share : (part + 1) * share]
        if not some:
            break
        found = {}
        for n, one in enumerate(some, part * share):
            seen = chance.choice(examples[one.scenario] if one.scenario else homes[n % len(homes)].examples)
            count = evidence_ * (n + 1) // strategies_ - evidence_ * n // strategies_
            found[one.id] = evidence(chance, one, seen, count)
        reach = {home.id: Reach(chance.randint(0, 90), 2400) for home in homes[: len(homes) * 3 // 4]}
        batch = Batch(
            homes if part == 0 else (), some, found, use=Use("Vorlin"), reach=reach if part % STEPS == 0 else {}
        )
        library.store(batch, run, str(part % STEPS))


def work(desk: Desk, count: int, seed: int) -> None:
    """Decide, edit, defer and comment, one at a time, as people do."""
    chance = random.Random(seed)
    ids = [one.id for one in desk.library.strategies(measured="accepted", decision="pending")]
    for id_ in chance.sample(ids, min(count, len(ids))):
        who, kind = chance.choice(("ann", "bob", "cem")), chance.random()
        seen = desk.view(id_).seen
        decision: Decision = "approved" if kind < 0.55 else "rejected"
        if kind < 0.8:
            desk.decide(id_, decision, who, words(chance, 5), seen=seen)
        elif kind < 0.9:
            desk.edit(id_, f"{chance.choice(VERBS)} {words(chance, 10)}.", who, seen=seen)
        elif kind < 0.95:
            desk.defer(id_, who, words(chance, 4), seen=seen)
        else:
            desk.comment(id_, who, words(chance, 9))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="the database to make")
    parser.add_argument("--library", default="default")
    parser.add_argument("--strategies", type=int, default=20_000)
    parser.add_argument("--evidence", type=int, default=100_000)
    parser.add_argument("--scenarios", type=int, default=400)
    parser.add_argument("--decided", type=int, default=300, help="strategies people have worked on")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with Database.open(asked.file) as db:
        library = Library(db, asked.library)
        fill(library, asked.strategies, asked.evidence, asked.scenarios, asked.seed)
        work(Desk(library), asked.decided, asked.seed)
        counts = Desk(library).counts()
    print(f"{asked.file}: {counts.of:,} strategies, {counts.flagged:,} flagged, {counts.decided:,} decided")


if __name__ == "__main__":
    main()
