"""Training sets out of judged conversations, and the files they are written to."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from preceptor.dialogue.conversation import Conversation, Ending, Turn
from preceptor.dialogue.customers import Customer
from preceptor.dialogue.domain import Domain, Persona, ToolSpec, Topic
from preceptor.errors import UserError
from preceptor.evaluation.results import Breach, Duel, Guided, Served
from preceptor.evaluation.training_data import Example, Framing, Kind, Selection, examples
from preceptor.evaluation.training_formats import Format, row
from preceptor.judging.verdicts import Comparison, Outcome, Rating, Unscored
from preceptor.library.model import Guidance, Strategy
from preceptor.llm.messages import ToolCall

DOMAIN = Domain(
    name="Bakery",
    role="You answer for Crumb, a bakery.",
    goal="Help. Orders are called 0800 555.",
    topics=(Topic(id="late", description="Your rolls are late."),),
    personas=(Persona(id="calm", description="You are calm."),),
)
TOOLS = [ToolSpec(name="track", description="Where an order is.").tool()]
STRATEGY = Strategy("st-1", "Apologise for the delay first.", "", None)
FRAMING = Framing(DOMAIN)
CALL = Turn("agent", "Let me look.", (ToolCall("c1", "track", '{"order":"A4711"}'),))


def customer(seed: int = 1) -> Customer:
    return Customer(DOMAIN.topics[0], DOMAIN.personas[0], seed)


def served(
    arm: str,
    *said: str | Turn,
    rated: float | None = 5,
    kept: bool = True,
    seed: int = 1,
    ending: Ending = "resolved",
    **more: Any,
) -> Served:
    """Customer and agent take turns; the judge rates it all."""
    turns = tuple(t if isinstance(t, Turn) else Turn("agent" if n % 2 else "customer", t) for n, t in enumerate(said))
    rating = Unscored("unread") if rated is None else Rating(rated, rated > 2.5, kept, "")
    return Served(arm, customer(seed), Conversation(turns, ending, customer(seed).key), (rating,), **more)


def duel(outcome: Outcome | None, reply: str = "Sorry!") -> tuple[Duel, ...]:
    return (Duel(1, reply, Comparison(outcome, "", True) if outcome else Unscored("unread")),)


def rows(kind: Kind, *given: Served, form: Format = "trl", framing: Framing = FRAMING, **chosen: Any) -> list[Any]:
    return [row(example, form) for example in found(kind, *given, framing=framing, **chosen)]


def found(kind: Kind, *given: Served, framing: Framing = FRAMING, **chosen: Any) -> list[Example]:
    return list(examples(kind, given, framing, Selection(**chosen)))


def said(messages: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in messages if message["role"] != "system"]


GOOD = served("student", "Where are my rolls?", "On their way.", "Thanks.")
LATE = ("Where are my rolls?", "No idea.", "What?", "Bye.")


# Demonstrations


def test_good_conversations_are_shown_up_to_the_last_reply() -> None:
    (shown,) = rows("sft", GOOD)
    assert said(shown["messages"]) == [("user", "Where are my rolls?"), ("assistant", "On their way.")]
    assert shown["messages"][0] == {"role": "system", "content": f"{DOMAIN.role}\n\n{DOMAIN.goal}"}


@pytest.mark.parametrize(
    "other",
    [
        replace(GOOD, ratings=(Unscored("unread"),)),
        served("student", *LATE, rated=3.5),
        served("student", *LATE, kept=False),
        served("student", *LATE, breaches=(Breach("sorry", None, "no apology"),)),
        served("student", *LATE, ending="broken"),
        served("student", "Where are my rolls?"),
    ],
)
def test_others_are_not(other: Served) -> None:
    assert len(rows("sft", GOOD, other)) == 1


def test_what_is_good_enough_can_be_said() -> None:
    assert rows("sft", served("student", *LATE, rated=3.5), min_satisfaction=3.5)


def test_only_the_arms_named_are_taken_and_doubles_once() -> None:
    twin = replace(GOOD, arm="teacher")
    assert len(rows("sft", GOOD, twin)) == 1
    assert not rows("sft", GOOD, arms=("teacher",))


GUIDED = replace(GOOD, arm="taught", guided=(Guided(1, (), ("st-1",)),))


def test_strategies_are_left_out_unless_asked_for() -> None:
    assert STRATEGY.text not in json.dumps(rows("sft", GUIDED))
    with_guidance = Framing(DOMAIN, Guidance("Bakery", strategies=(STRATEGY,)))
    (shown,) = rows("sft", GUIDED, framing=with_guidance)
    assert shown["prompt"][0]["content"].endswith(STRATEGY.text)
    assert said(shown["completion"]) == [("assistant", "On their way.")]


def test_with_guidance_openai_learns_the_last_reply_alone() -> None:
    two = replace(served("taught", *LATE), guided=(Guided(1, (), ("st-1",)), Guided(3, (), ())))
    shown = rows("sft", two, form="openai", framing=Framing(DOMAIN, Guidance("Bakery", strategies=(STRATEGY,))))
    weights = [[m.get("weight", 1) for m in one["messages"] if m["role"] == "assistant"] for one in shown]
    assert weights == [[1], [0, 1]]


# Preferences


@pytest.mark.parametrize(
    ("outcome", "chosen"), [("win", "Sorry!"), ("loss", "On their way."), ("tie", None), (None, None)]
)
def test_a_duel_is_a_preference(outcome: Outcome | None, chosen: str | None) -> None:
    shown = rows("preference", GOOD, served("taught", *LATE, duels=duel(outcome)))
    assert [one["chosen"][0]["content"] for one in shown] == ([chosen] if chosen else [])
    assert all(said(one["prompt"]) == [("user", "Where are my rolls?")] for one in shown)


def test_a_duel_with_actions_is_left_out() -> None:
    assert not rows(
        "preference", GOOD, served("taught", *LATE, duels=duel("win", "Let me see.\n(calls track with {})"))
    )


def test_two_arms_part_where_the_better_reply_is_preferred() -> None:
    worse = served("taught", *LATE, rated=2)
    (shown,) = rows("preference", GOOD, worse)
    assert (shown["chosen"][0]["content"], shown["rejected"][0]["content"]) == ("On their way.", "No idea.")


@pytest.mark.parametrize(
    "other",
    [
        served("taught", *LATE, rated=4.5),
        served("taught", *LATE, rated=2, seed=2),
        served("taught", "Rolls?", "No idea.", rated=2),
        served("taught", "Where are my rolls?", "On their way.", "What?", "Bye.", rated=2),
        served("taught", *LATE, rated=None),
    ],
)
def test_arms_too_close_or_not_comparable_give_none(other: Served) -> None:
    assert not rows("preference", GOOD, other)


# Verdicts


def test_replies_of_good_and_bad_conversations() -> None:
    shown = rows("kto", GOOD, served("taught", *LATE, rated=1))
    assert [(one["completion"][0]["content"], one["label"]) for one in shown] == [
        ("On their way.", True),
        ("No idea.", False),
        ("Bye.", False),
    ]


def test_a_reply_that_broke_a_rule_is_bad_wherever_it_stands() -> None:
    middling = served("student", *LATE, rated=3, breaches=(Breach("polite", 3, "curt"),))
    assert [(one["completion"][0]["content"], one["label"]) for one in rows("kto", middling)] == [("Bye.", False)]


def test_a_duel_judges_both_replies_and_what_is_disputed_is_left_out() -> None:
    middling = served("student", *LATE, rated=3)
    shown = rows("kto", middling, served("taught", *LATE, rated=3, duels=duel("win")))
    assert [(one["completion"][0]["content"], one["label"]) for one in shown] == [("Sorry!", True), ("No idea.", False)]
    assert not rows("kto", GOOD, served("taught", *LATE, rated=3, duels=duel("loss", "On their way.")))


# Customers' data

PRIVATE = served(
    "student",
    "My name is Roberta Quill, order A4711, phone 0170 1234567. I called 0800 555 and wrote to ro@example.org.",
    CALL,
    Turn("tool", '{"order":"A4711","hour":"16"}', tool_call_id="c1"),
    Turn("agent", "Roberta, order A4711 comes at 16; we wrote to ro@example.org. Call 0800 555."),
)


def test_customers_data_becomes_placeholders_that_agree() -> None:
    (shown,) = rows("sft", PRIVATE)
    text = json.dumps(shown)
    for datum in ("Roberta", "Quill", "4711", "1234567", "ro@example"):
        assert datum not in text
    asked, call, told, answer = shown["messages"][1:]
    assert "order [order 1]" in asked["content"]
    assert call["tool_calls"][0]["function"]["arguments"] == {"order": "[order 1]"}
    assert json.loads(told["content"])["order"] == "[order 1]"
    assert "[name 1], order [order 1] comes at 16; we wrote to [e-mail 1]. Call 0800 555." in answer["content"]


def test_what_the_domain_itself_says_is_no_secret() -> None:
    (shown,) = rows("sft", served("student", "Hello Crumb, do I call 0800 555 for 1200 rolls?", "Yes, Crumb it is."))
    assert said(shown["messages"])[0][1] == "Hello Crumb, do I call 0800 555 for [number 1] rolls?"


def test_customers_data_stays_when_asked() -> None:
    assert "A4711" in json.dumps(rows("sft", PRIVATE, framing=replace(FRAMING, personal_data=True)))


# Formats


def test_openai_preferences() -> None:
    worse = served("taught", *LATE, rated=2)
    (shown,) = rows("preference", GOOD, worse, form="openai")
    assert sorted(shown) == ["input", "non_preferred_output", "preferred_output"]
    assert [m["role"] for m in shown["input"]["messages"]] == ["system", "user"]
    assert shown["preferred_output"] == [{"role": "assistant", "content": "On their way."}]


def test_openai_has_no_kto() -> None:
    with pytest.raises(UserError, match="trl"):
        rows("kto", GOOD, form="openai")


def test_openai_keeps_arguments_as_text() -> None:
    (shown,) = [row(example, "openai", TOOLS) for example in found("sft", PRIVATE)]
    assert json.loads(shown["messages"][2]["tool_calls"][0]["function"]["arguments"]) == {"order": "[order 1]"}
    assert shown["tools"][0]["function"]["name"] == "track"


def test_sharegpt_alternates() -> None:
    (shown,) = [row(example, "sharegpt", TOOLS) for example in found("sft", PRIVATE)]
    assert [turn["from"] for turn in shown["conversations"]] == ["human", "function_call", "observation", "gpt"]
    assert json.loads(shown["conversations"][1]["value"]) == {"name": "track", "arguments": {"order": "[order 1]"}}
    assert shown["system"].startswith(DOMAIN.role)
    assert json.loads(shown["tools"])[0]["name"] == "track"


def test_sharegpt_preferences_and_verdicts() -> None:
    worse = served("taught", *LATE, rated=1)
    (pair,) = rows("preference", GOOD, worse, form="sharegpt")
    assert pair["chosen"] == {"from": "gpt", "value": "On their way."}
    assert [one["kto_tag"] for one in rows("kto", GOOD, worse, form="sharegpt")] == [True, False, False]


def test_sharegpt_has_no_place_for_guidance_between_turns() -> None:
    guidance = Guidance("Bakery", strategies=(STRATEGY,), placement="before_last")
    with pytest.raises(UserError, match="trl"):
        rows("sft", GUIDED, form="sharegpt", framing=Framing(DOMAIN, guidance))


# Where the libraries are installed: do they read it?

WORSE = served("taught", *LATE, rated=1)


@pytest.mark.parametrize(
    ("kind", "columns"),
    [
        ("sft", ["messages", "tools"]),
        ("preference", ["chosen", "prompt", "rejected", "tools"]),
        ("kto", ["completion", "label", "prompt", "tools"]),
    ],
)
def test_datasets_and_trl_read_it(kind: Kind, columns: list[str], tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    data_utils = pytest.importorskip("trl.data_utils")
    given = found(kind, GOOD, PRIVATE, WORSE)
    file = tmp_path / "data.jsonl"
    file.write_text("".join(json.dumps(row(example, "trl", TOOLS)) + "\n" for example in given))
    read = datasets.load_dataset("json", data_files=str(file), split="train", cache_dir=str(tmp_path))
    assert sorted(read.column_names) == columns
    assert len(read) == len(given)
    assert all(data_utils.is_conversational(one) for one in read)
