"""What a domain file says must be said, must not be said, and must be done first."""

import pytest

from preceptor.dialogue.conversation import Conversation, Ending, Turn
from preceptor.dialogue.domain import Domain, Escalation, Rule
from preceptor.errors import SettingsError
from preceptor.evaluation.rules import check, escalated
from preceptor.llm.messages import ToolCall

NEVER = Rule(id="no-pin", description="Nobody asks for a PIN.", never_say=r"\byour pin\b")
NEVER_THEN = Rule(id="calm", description="Nobody tells the angry to calm down.", never_say="calm down", when="furious")
MUST = Rule(id="money", description="Who decides about money is said.", must_say="billing team", when="refund")
ALWAYS = Rule(id="hello", description="Customers are greeted.", must_say="hello")
FIRST = Rule(id="look-first", description="Look the order up first.", before="change_order", require="find_order")


def talk(*said: str, ending: Ending = "cut") -> Conversation:
    """Customer and agent in turn; ``!name`` is a tool call of the agent."""
    turns = [
        Turn("agent", "", (ToolCall("c", text[1:], "{}"),))
        if text.startswith("!")
        else Turn("customer" if text.startswith("C") else "agent", text[2:])
        for text in said
    ]
    return Conversation(tuple(turns), ending)


def broken(rule: Rule, conversation: Conversation) -> list[int | None]:
    return [breach.turn for breach in check(conversation, [rule])]


@pytest.mark.parametrize(
    ("rule", "conversation", "turns"),
    [
        (NEVER, talk("C Hi", "A What is YOUR pin?", "C No", "A Then your PIN later."), [1, 3]),
        (NEVER, talk("C What is your pin?", "A The number."), []),
        (NEVER_THEN, talk("C Hi", "A Calm down.", "C I am furious", "A Please calm down."), [3]),
        (NEVER_THEN, talk("C Hi", "A Calm down."), []),
        (MUST, talk("C I want a refund", "A No.", "C Why?", "A The billing team decides."), []),
        (MUST, talk("C I want a refund", "A No."), [None]),
        (MUST, talk("C Hi", "A The billing team is here.", "C A refund, then", "A No."), [None]),
        (MUST, talk("C Hi", "A What is it?", "C A refund"), []),
        (MUST, talk("C I want a refund", "A No.", ending="broken"), []),
        (ALWAYS, talk("C Hi", "A Yes?"), [None]),
        (ALWAYS, talk("C Hi", "A Hello!"), []),
        (FIRST, talk("C Hi", "!find_order", "!change_order"), []),
        (FIRST, talk("C Hi", "!change_order", "!find_order", "!change_order"), [1]),
    ],
)
def test_a_rule_is_broken_where_it_is(rule: Rule, conversation: Conversation, turns: list[int | None]) -> None:
    assert broken(rule, conversation) == turns


def test_what_is_called_in_one_turn_has_not_been_seen_before() -> None:
    calls = (ToolCall("1", "find_order", "{}"), ToolCall("2", "change_order", "{}"))
    at_once = Conversation((Turn("customer", "Hi"), Turn("agent", "", calls)))
    assert broken(FIRST, at_once) == [1]


def test_a_breach_is_told_in_words() -> None:
    (breach,) = check(talk("C Hi", "A Give me your PIN!"), [NEVER])
    assert breach.reason == "Nobody asks for a PIN. The agent said 'your PIN'."


def test_how_a_person_being_called_in_shows_is_for_the_domain_to_say() -> None:
    by_words = Escalation(customer_says="manager", agent_says="put you through")
    assert escalated(talk("C A manager, now!", "A No."), None) is None
    assert escalated(talk("C A manager, now!", "A No."), by_words) is True
    assert escalated(talk("C Hi", "A I put you through."), by_words) is True
    assert escalated(talk("C Hi", "A I am the manager."), by_words) is False
    assert escalated(talk("C Hi", "!hand_over"), Escalation(tool="hand_over")) is True
    assert escalated(talk("C Hi", "A hand_over"), Escalation(tool="hand_over")) is False


BASE = {
    "name": "Desk",
    "role": "You answer.",
    "goal": "",
    "topics": [{"id": "t", "description": "You ask."}],
    "personas": [{"id": "p", "description": "You are calm."}],
    "tools": [{"name": "find_order"}],
}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (
            {"rules": [{"id": "a", "description": "d", "must_say": "("}]},
            r"rules\.0\.must_say: .* is not a regular expression",
        ),
        ({"rules": [{"id": "a", "description": "d"}]}, "rules.0: rule 'a' needs one of must_say"),
        ({"rules": [{"id": "a", "description": "d", "must_say": "x", "never_say": "y"}]}, "needs one of"),
        ({"rules": [{"id": "a", "description": "d", "before": "find_order"}]}, "before and require belong together"),
        (
            {"rules": [{"id": "a", "description": "d", "before": "find_ordr", "require": "find_order"}]},
            "names a tool 'find_ordr' that is not among the tools; did you mean 'find_order'?",
        ),
        ({"rules": 2 * [{"id": "a", "description": "d", "must_say": "x"}]}, "two rules have the id 'a'"),
        ({"topics": 2 * [{"id": "a", "description": "d"}]}, "two topics have the id 'a'"),
        ({"personas": 2 * [{"id": "a", "description": "d"}]}, "two personas have the id 'a'"),
        ({"escalation": {}}, "escalation needs a tool, agent_says or customer_says"),
        ({"escalation": {"tool": "call"}}, "escalation names a tool 'call' that is not among the tools"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused(more: dict[str, object], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        Domain.parse({**BASE, **more}, "domain.yaml")
