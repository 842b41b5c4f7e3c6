"""The sandbox on tau2-bench's airline and shop: gold actions, doing nothing, and other controls; recorded calls beside.

Every task of the data folder is held as a conversation: a scripted customer, an agent, the example's functions over the
data's database, and the checks of the task. The oracle makes the task's gold actions and says what must be said. Beside
it agents that know nothing: one does nothing and is polite, one says what must be said without doing anything, one
makes a single change that another task asks for. Where the gold actions leave the database as it was, doing nothing is
right, so the null figure stands beside every other.

That the checks can fail: the oracle once more, with each change that it makes left out, and with each altered in one
argument. It must fail unless what is left comes to the same rows, which is reckoned outside of any conversation.

Recorded calls: tau-bench's conversations of another agent with the original tools are made again, call by call, and the
results held against those recorded; and the reward then given, against the outcome found here. Of the shop there are
dialogues with results but without calls; the calls are told from the results and made.

No model is asked. QUICK=1 takes a third of the tasks and recordings. Prints tables and, as its last line, a JSON
object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from desk import DATA, needed, quick
from preceptor.dialogue.agent import Agent
from preceptor.dialogue.conversation import Context, Conversation, Turn
from preceptor.dialogue.customers import Customer, Voice
from preceptor.dialogue.domain import Domain, Persona, Topic
from preceptor.dialogue.environment import Session
from preceptor.dialogue.outcome import Outcome
from preceptor.dialogue.rollout import Rollout
from preceptor.dialogue.tools.sandbox.changes import differences, same
from preceptor.dialogue.tools.sandbox.sandbox import Sandbox
from preceptor.dialogue.tools.sandbox.tasks import Action, Task
from preceptor.llm.messages import Request, ToolCall
from preceptor.llm.scripted import ScriptedModel
from preceptor.storage.canonical import short_id

ROOT = Path(__file__).resolve().parents[1]
DOMAINS = ("airline", "retail")
PERSONA = Persona(id="plain", description="You write plainly.")
POLITE = "Thank you for contacting us. I am sorry, but there is nothing that I can do about this today."
COPIES = 2_000
"""Opened at once, to see what one costs."""
USER_ID = "{first_name} {last_name}"
CABIN = "the same but for the cabin, which the original forgot to change"
OFFERS = "the same trips; for flights of the day after, the original gave the day's own seats and prices"
ALIKE = ("the same", "refused in both")
KNOWN = (*ALIKE, CABIN, OFFERS)


@dataclass(frozen=True)
class Scripted:
    """An agent that makes some calls, one a turn, and then says something."""

    name: str
    actions: tuple[Action, ...] = ()
    says: str = POLITE

    async def reply(self, context: Context, seed: int) -> Turn:
        made = sum(turn.party == "agent" for turn in context.turns)
        if made >= len(self.actions):
            return Turn("agent", self.says)
        action = self.actions[made]
        call = ToolCall(f"call-{made}", action.tool, json.dumps(action.arguments))
        return Turn("agent", "", (call,))


@dataclass
class Share:
    """Of conversations, those that passed."""

    passed: int = 0
    of: int = 0
    failed: list[str] = field(default_factory=list)

    def add(self, name: str, outcome: Outcome | None) -> None:
        self.of += 1
        if outcome is not None and outcome.passed:
            self.passed += 1
        else:
            self.failed.append(name)

    def __str__(self) -> str:
        return f"{self.passed}/{self.of}"


class House:
    """A sandbox with a scripted customer, in which agents are tried on tasks."""

    def __init__(self, sandbox: Sandbox, name: str) -> None:
        self.sandbox = sandbox
        self.name = name
        topics = sandbox.topics or (Topic(id="any", description="Anything."),)
        domain = Domain(
            name=name, role="You serve customers.", goal="", topics=topics, personas=(PERSONA,), tools=sandbox.specs
        )
        self.rollout = Rollout(Voice(ScriptedModel("customer", _customer), domain), 4, sandbox.environment())

    async def hold(self, agent: Agent, task: Task) -> Conversation:
        return await self.rollout.play(agent, Customer(task.topic, PERSONA, 0))

    async def share(self, agent_for: Callable[[Task], Agent], tasks: Sequence[Task]) -> Share:
        share = Share()
        for task in tasks:
            share.add(task.topic.id, (await self.hold(agent_for(task), task)).outcome)
        return share


def _customer(request: Request) -> str:
    begun = "(nothing yet)" not in request.messages[-1].content
    return json.dumps({"message": "Thank you." if begun else "Hello!", "ends": "resolved" if begun else "no"})


async def main() -> int:
    args = arguments()
    figures: dict[str, Any] = {}
    targets: dict[str, bool] = {}
    recorded = args.data / "tau_bench" / "gpt4o_airline_train_tasks.json"
    dialogues = args.data / "tau_bench" / "retail_few_shot.jsonl"
    tau2 = [args.data / "tau2" / name / file for name in DOMAINS for file in ("db.json", args.tasks)]
    needed(*tau2, recorded, dialogues)
    for name in DOMAINS:
        place = args.data / "tau2" / name
        tasks_file = place / args.tasks
        began = time.process_time()
        sandbox = Sandbox.load(place / "db.json", ROOT / "examples" / name / "tools.py", tasks_file)
        loaded = time.process_time() - began
        house = House(sandbox, name)
        tasks = list(sandbox.tasks.values())[:: 3 if quick() else 1]
        found = await measured(house, tasks, args.seed) | {"load_cpu_s": loaded, **copying(sandbox)}
        show(name, found)
        figures[name] = found
        targets |= {f"{name} {what}": met for what, met in judged(found).items()}
    bare = Sandbox.load(args.data / "tau2" / "airline" / "db.json", ROOT / "examples" / "airline" / "tools.py")
    found = await replayed(bare, json.loads(recorded.read_bytes())[:: 3 if quick() else 1])
    show_recorded(found)
    figures["recorded"] = found
    targets["recorded results are the same but for what is known"] = found["the same but for what is known"] == 1
    targets["recorded rewards agree"] = found["rewards agreeing"] == 1
    bare = Sandbox.load(args.data / "tau2" / "retail" / "db.json", ROOT / "examples" / "retail" / "tools.py")
    told = [json.loads(line)["messages_display"] for line in dialogues.read_text("utf-8").splitlines()]
    figures["dialogues"] = found = await shop_replayed(bare, told[:: 3 if quick() else 1])
    print(f"\ndialogues: {found['results']} results of {found['dialogues']}; {found['the same']:.1%} the same")
    for kind, count in found["classes"].items():
        print(f"  {kind:80}{count:>6}")
    targets["results in recorded dialogues are the same"] = found["the same"] == 1
    ok = bool(targets) and all(targets.values())
    print(json.dumps({"bench": "sandbox", "ok": ok, "figures": figures, "targets": targets}))
    return 0 if ok else 1


async def measured(house: House, tasks: Sequence[Task], seed: int) -> dict[str, Any]:
    """The agents' shares, and what became of the oracle's mutants."""
    sandbox = house.sandbox
    began = time.process_time()
    others = writes_of(sandbox, tasks)
    chance = random.Random(f"writes {seed}")
    shares = {
        "oracle": await house.share(oracle, tasks),
        "null": await house.share(lambda task: Scripted("null"), tasks),
        "information only": await house.share(lambda task: Scripted("information", says=_saying(task)), tasks),
        "random write": await house.share(lambda task: Scripted("random", (_foreign(others, task, chance),)), tasks),
        "gold calls, nothing said": await house.share(lambda task: Scripted("silent", task.actions or ()), tasks),
    }
    changing = [task for task in tasks if sandbox.gold(task).changes]
    mutants, blind = await mutations(house, changing)
    return {
        "tasks": len(tasks),
        "shares": {name: share.passed / share.of for name, share in shares.items()},
        "passed": {name: share.passed for name, share in shares.items()},
        "failed": {name: share.failed for name, share in shares.items() if name == "oracle"},
        "unchanged by gold": len(tasks) - len(changing),
        "of these, with nothing to be said": sum(
            not task.information and not task.required for task in tasks if task not in changing
        ),
        "gold refused": {task.topic.id: refused for task in tasks if (refused := _refused_writes(sandbox, task))},
        "mutants": mutants,
        "tasks no mutant fails on": blind,
        "cpu_s": time.process_time() - began,
    }


async def mutations(house: House, tasks: Sequence[Task]) -> tuple[dict[str, dict[str, int]], list[str]]:
    """Of oracles with one change left out or altered: how many there were, how many failed, and how many came to the
    gold rows all the same (one change overwritten by another); and tasks on which none failed."""
    counts = {kind: Counter[str](there=0, failed=0, same=0, missed=0) for kind in ("dropped", "altered")}
    blind = []
    for task in tasks:
        gold = house.sandbox.gold(task).changes
        caught = False
        for kind, actions in _mutants(house.sandbox, task):
            outcome = (await house.hold(Scripted("mutant", actions, _saying(task)), task)).outcome
            # Reckoned on a fresh copy, outside of any conversation.
            reached = house.sandbox.gold(replace(task, topic=_renamed(task, actions), actions=actions)).changes
            same = not differences(reached, gold)
            failed = outcome is not None and not outcome.passed
            counts[kind].update(there=1, failed=failed, same=same, missed=not failed and not same)
            caught = caught or failed
        if not caught:
            blind.append(task.topic.id)
    return {kind: dict(count) for kind, count in counts.items()}, blind


def _mutants(sandbox: Sandbox, task: Task) -> Iterator[tuple[str, tuple[Action, ...]]]:
    actions = task.actions or ()
    for at in _writes(sandbox, task):
        yield "dropped", actions[:at] + actions[at + 1 :]
        for altered in _altered(actions[at]):
            yield "altered", (*actions[:at], altered, *actions[at + 1 :])


def _altered(action: Action) -> Iterator[Action]:
    """One argument at a time made another: a number one more, a text longer, a list without its last."""
    for name, value in action.arguments.items():
        match value:
            case bool():
                other: Any = not value
            case int() | float():
                other = value + 1
            case str():
                other = f"{value}x"
            case list() if value:
                other = value[:-1]
            case _:
                continue
        yield replace(action, arguments={**action.arguments, name: other})


def _renamed(task: Task, actions: tuple[Action, ...]) -> Topic:
    """The sandbox keeps gold states by topic; this is another task."""
    return task.topic.model_copy(update={"id": short_id(task.topic.id, [[one.tool, one.arguments] for one in actions])})


def _writes(sandbox: Sandbox, task: Task) -> list[int]:
    """Which of the gold actions change something, one after the other."""
    found = []
    before: Mapping[Any, Any] = {}
    for at in range(len(task.actions or ())):
        part = (task.actions or ())[: at + 1]
        after = sandbox.gold(replace(task, topic=_renamed(task, part), actions=part)).changes
        if differences(after, before):
            found.append(at)
        before = after
    return found


def writes_of(sandbox: Sandbox, tasks: Sequence[Task]) -> list[tuple[str, Action]]:
    return [(task.topic.id, (task.actions or ())[at]) for task in tasks for at in _writes(sandbox, task)]


def _foreign(writes: Sequence[tuple[str, Action]], task: Task, chance: random.Random) -> Action:
    own = task.actions or ()
    return chance.choice([action for owner, action in writes if owner != task.topic.id and action not in own])


def _refused_writes(sandbox: Sandbox, task: Task) -> list[str]:
    """What gold actions were refused that would have changed something: looks at what is not there are not counted."""
    return [said for said in sandbox.gold(task).refused if not said.startswith(("get_", "find_", "search_"))]


def oracle(task: Task) -> Scripted:
    return Scripted("oracle", task.actions or (), _saying(task))


def _saying(task: Task) -> str:
    return f"Here is what you asked for: {'; '.join(task.information)}." if task.information else "It is done."


def copying(sandbox: Sandbox) -> dict[str, float]:
    """What it takes to open the database for one more conversation, beside reading it again."""
    began = time.process_time()
    copies = [sandbox.store.copy() for _ in range(COPIES)]
    spent = time.process_time() - began
    return {"open_cpu_us": spent / len(copies) * 1e6}


def judged(found: Mapping[str, Any]) -> dict[str, bool]:
    return {
        "oracle passes every task": found["passed"]["oracle"] == found["tasks"],
        "null passes only what asks for nothing": found["passed"]["null"] == found["of these, with nothing to be said"],
        "no mutant missed": all(count["missed"] == 0 for count in found["mutants"].values()),
        "some mutant fails on every task that changes something": not found["tasks no mutant fails on"],
        "opening costs under a millisecond": found["open_cpu_us"] < 1_000,
    }


def show(name: str, found: Mapping[str, Any]) -> None:
    null = found["shares"]["null"]
    print(f"\n{name}: {found['tasks']} tasks; in {found['unchanged by gold']} the gold actions change nothing,")
    print(f"{found['of these, with nothing to be said']} of which ask for nothing to be said either")
    print(f"{'agent':28}{'passed':>8}{'share':>8}{'null':>8}")
    for agent, share in found["shares"].items():
        print(f"{agent:28}{found['passed'][agent]:>8}{share:>8.3f}{null:>8.3f}")
    for task, refused in found["gold refused"].items():
        print(f"gold of task {task} was refused: {'; '.join(refused)}")
    print(f"{'mutants of the oracle':28}{'there':>8}{'failed':>8}{'same':>8}{'missed':>8}")
    for kind, count in found["mutants"].items():
        print(f"one change {kind:17}{count['there']:>8}{count['failed']:>8}{count['same']:>8}{count['missed']:>8}")
    print(f"loading {found['load_cpu_s']:.2f} s, opening {found['open_cpu_us']:.1f} µs a conversation (CPU)")


async def replayed(bare: Sandbox, logs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Recorded conversations with the original tools, made again here."""
    classes: Counter[tuple[str, str]] = Counter()
    rewards: Counter[tuple[bool, bool]] = Counter()
    for number, log in enumerate(logs):
        outcome = await _made_again(bare, log, number, classes)
        # A recording that was cut before its end was given no reward but a nought.
        if log["info"]["reward_info"] is not None:
            rewards[log["reward"] == 1, bool(outcome and outcome.passed)] += 1
    total = classes.total()
    alike = sum(count for (_, kind), count in classes.items() if kind in ALIKE)
    return {
        "conversations": len(logs),
        "calls": total,
        "the same": alike / total,
        "the same but for what is known": sum(n for (_, kind), n in classes.items() if kind in KNOWN) / total,
        "classes": {f"{tool}: {kind}": count for (tool, kind), count in sorted(classes.items())},
        "rewards": {
            f"reward {int(reward)}, here {'passed' if here else 'failed'}": count
            for (reward, here), count in sorted(rewards.items())
        },
        "rewards agreeing": sum(n for (reward, here), n in rewards.items() if reward == here) / rewards.total(),
    }


async def _made_again(
    bare: Sandbox, log: Mapping[str, Any], number: int, classes: Counter[tuple[str, str]]
) -> Outcome | None:
    task = _recorded_task(log, number)
    sandbox = Sandbox(bare.store, bare.functions, {task.topic.id: task})
    async with sandbox.environment().open(Customer(task.topic, PERSONA, 0)) as session:
        for call, result in _calls(log["traj"]):
            classes[call.name, _held(call, await session.call(call), result)] += 1
        turns = tuple(Turn("agent", one["content"] or "") for one in log["traj"] if one["role"] == "assistant")
        return session.outcome(Conversation(turns))


def _recorded_task(log: Mapping[str, Any], number: int) -> Task:
    gold = log["info"]["task"]
    actions = tuple(Action(one["name"], one["kwargs"]) for one in gold["actions"])
    topic = Topic(id=f"recorded-{number}", description=gold["instruction"])
    return Task(topic, actions=actions, information=tuple(gold["outputs"]))


def _calls(messages: Sequence[Mapping[str, Any]]) -> Iterator[tuple[ToolCall, str]]:
    """Calls in order, with what they gave: the message after. Ids are no guide, some were used more than once."""
    for message, after in pairwise(messages):
        for one in message.get("tool_calls") or ():
            assert after["role"] == "tool"
            yield ToolCall(one["id"], one["function"]["name"], one["function"]["arguments"]), after["content"]


def _held(call: ToolCall, here: str, recorded: str) -> str:
    """How two results compare."""
    one, other = _read(here), _as_now(_read(recorded))
    refused = isinstance(one, dict) and set(one) == {"error"}, recorded.startswith("Error")
    if any(refused):
        return "refused in both" if all(refused) else "refused here alone" if refused[0] else "refused there alone"
    if one == other:
        return "the same"
    if isinstance(one, dict) and isinstance(other, dict) and one | {"cabin": other.get("cabin")} == other:
        return CABIN
    if call.name == "search_onestop_flight" and _trips(one) == _trips(other):
        return OFFERS
    return "other"


def _as_now(result: Any) -> Any:
    """tau-bench's users in the form of tau2-bench's data: a province is a state, and users know their ids."""
    if isinstance(result, dict) and "payment_methods" in result:
        name, address = result["name"], dict(result["address"])
        address["state"] = address.pop("province", None) or address["state"]
        return result | {"address": address, "user_id": USER_ID.format(**name)}
    return result


def _read(text: str) -> Any:
    try:
        found = json.loads(text)
    except ValueError:
        return text
    if isinstance(found, dict) and "payment_methods" in found and "user_id" in found:
        found["user_id"] = USER_ID.format(**found["name"])
    return found


def _trips(pairs: Any) -> list[list[tuple[str, str]]]:
    """Flights and days, without what is on offer."""
    return [[(leg["flight_number"], leg["date"]) for leg in pair] for pair in pairs]


async def shop_replayed(bare: Sandbox, dialogues: Sequence[str]) -> dict[str, Any]:
    """Recorded dialogues with the shop's original tools. They hold results but no calls, which are told from them: an
    order that is cancelled for a reason was cancelled for that reason."""
    classes: Counter[tuple[str, str]] = Counter()
    for number, dialogue in enumerate(dialogues):
        customer = Customer(Topic(id=f"dialogue-{number}", description="Anything."), PERSONA, 0)
        async with bare.environment().open(customer) as session:
            for recorded in _results(dialogue):
                action = await _told(session, recorded)
                if action is None:
                    continue
                here = _read(await session.call(_call(action)))
                alike = same(here, _without_order(_as_now(recorded))) or same(_without_order(here), _as_now(recorded))
                classes[action.tool, "the same" if alike else "other"] += 1
    total = classes.total()
    return {
        "dialogues": len(dialogues),
        "results": total,
        "the same": sum(count for (_, kind), count in classes.items() if kind == "the same") / total,
        "classes": {f"{tool}: {kind}": count for (tool, kind), count in sorted(classes.items())},
    }


def _results(dialogue: str) -> Iterator[dict[str, Any]]:
    """What tools gave, where it is an object."""
    for line in re.split(r"\n(?=(?:user|assistant|tool): )", dialogue):
        if line.startswith("tool: {"):
            yield json.loads(line.removeprefix("tool: "))


async def _told(session: Session, recorded: dict[str, Any]) -> Action | None:
    """The call that gave a result; None where it cannot be told."""
    if "variants" in recorded:
        return Action("get_product_details", {"product_id": recorded["product_id"]})
    if "payment_methods" in recorded:
        user = (await session.call(_call(Action("find_user_id_by_email", {"email": recorded["email"]})))).strip()
        return await _moved(session, "user_id", user, recorded, "get_user_details", "modify_user_address")
    if "order_id" not in recorded:
        return Action("list_all_product_types")
    number = recorded["order_id"]
    now = _read(await session.call(_call(Action("get_order_details", {"order_id": number}))))
    changed = {name for name in recorded if not same(recorded[name], now.get(name))}
    order = {"order_id": number}
    match sorted(changed):
        case ["cancel_reason", *_]:
            return Action("cancel_pending_order", order | {"reason": recorded["cancel_reason"]})
        case ["return_items", *_]:
            given = {"item_ids": recorded["return_items"], "payment_method_id": recorded["return_payment_method_id"]}
            return Action("return_delivered_order_items", order | given)
        case ["exchange_items", *_]:
            pairs = await _pairs(session, now, recorded["exchange_items"], recorded["exchange_new_items"])
            given = {**pairs, "payment_method_id": recorded["exchange_payment_method_id"]}
            return Action("exchange_delivered_order_items", order | given)
        case ["items", *_] | ["payment_history", "status"]:
            swaps = list(zip(now["items"], recorded["items"], strict=True))
            swapped = [(old, new) for old, new in swaps if old != new] or swaps
            given = {
                "item_ids": [old["item_id"] for old, _ in swapped],
                "new_item_ids": [new["item_id"] for _, new in swapped],
                "payment_method_id": recorded["payment_history"][-1]["payment_method_id"],
            }
            return Action("modify_pending_order_items", order | given)
        case ["payment_history"]:
            method = recorded["payment_history"][-2]["payment_method_id"]
            return Action("modify_pending_order_payment", order | {"payment_method_id": method})
    return await _moved(session, "order_id", number, recorded, "get_order_details", "modify_pending_order_address")


async def _moved(session: Session, by: str, key: str, recorded: Mapping[str, Any], look: str, move: str) -> Action:
    """A look at something, or a change of its address."""
    now = _read(await session.call(_call(Action(look, {by: key}))))
    address = _as_now(dict(recorded))["address"]
    return Action(look, {by: key}) if now["address"] == address else Action(move, {by: key} | address)


async def _pairs(session: Session, order: Mapping[str, Any], old: list[str], new: list[str]) -> dict[str, list[str]]:
    """Which of the new items is for which of the old: the one of the same product."""
    products = {item["item_id"]: item["product_id"] for item in order["items"]}
    left, found = list(new), []
    for item in old:
        look = _call(Action("get_product_details", {"product_id": products[item]}))
        variants = _read(await session.call(look))["variants"]
        found.append(left.pop(next(at for at, one in enumerate(left) if one in variants)))
    return {"item_ids": old, "new_item_ids": found}


def _without_order(result: Any) -> Any:
    """The original put the new items in an order of their own; here they stand with the old ones."""
    if isinstance(result, dict) and "exchange_new_items" in result:
        return result | {"exchange_new_items": sorted(result["exchange_new_items"])}
    return result


def _call(action: Action) -> ToolCall:
    return ToolCall("1", action.tool, json.dumps(action.arguments))


def show_recorded(found: Mapping[str, Any]) -> None:
    print(f"\nrecorded: {found['calls']} calls of {found['conversations']} conversations made again;")
    print(f"{found['the same']:.1%} gave the same, {found['the same but for what is known']:.1%} with what is known")
    for kind, count in (*found["classes"].items(), *found["rewards"].items()):
        print(f"  {kind:80}{count:>6}")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, help="folder with tau2/ and tau_bench/")
    parser.add_argument("--tasks", default="tasks_train.json", help="the tasks' file in tau2/airline and tau2/retail")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
