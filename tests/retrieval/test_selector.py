from dataclasses import replace

from preceptor.dialogue.conversation import Context, Turn
from preceptor.library.model import Guidance, Scenario, Strategy
from preceptor.retrieval.selector import Retriever, about_tokens, fit


def context(text: str) -> Context:
    return Context((Turn("customer", text),))


def scenario(name: str, *texts: str) -> Scenario:
    return Scenario(name, f"The customer asks about {name}.", tuple(context(text) for text in texts))


def strategy(name: str, of: str | None, value: float) -> Strategy:
    return Strategy(name, f"Do {name}.", "because", of, value)


SCENARIOS = (
    scenario(
        "refunds", "Where is my refund?", "You still owe me money.", "Please pay me back.", "I want my money back."
    ),
    scenario("luggage", "My suitcase is lost.", "The bag never arrived.", "You broke my suitcase.", "No luggage came."),
    scenario("pets", "May my dog fly?", "I want to bring a cat.", "Is there a fee for pets?", "My dog is large."),
)
GUIDANCE = Guidance(
    "desk",
    SCENARIOS,
    (
        strategy("a", "refunds", 0.4),
        strategy("b", "refunds", 0.9),
        strategy("c", "luggage", 0.8),
        strategy("d", None, 0.5),
        strategy("e", "pets", 0.7),
    ),
)


def names(found: tuple[Strategy, ...]) -> list[str]:
    return [strategy.id for strategy in found]


def test_strategies_of_the_scenario_and_general_ones_by_value() -> None:
    found = Retriever(GUIDANCE).find(context("Where is my refund, please?"))
    assert not found.abstained
    assert found.matches[0][0] == "refunds"
    assert names(found.strategies)[:1] == ["b"]
    assert {"a", "b", "d"} <= set(names(found.strategies))
    assert "c" not in names(found.strategies)


def test_what_was_fitted_before_the_strategies_were_known_finds_the_same() -> None:
    asked = context("Where is my refund, please?")
    fitted = fit(replace(GUIDANCE, strategies=()))
    assert Retriever(GUIDANCE, matcher=fitted).find(asked) == Retriever(GUIDANCE).find(asked)


def test_nothing_near_nothing_said() -> None:
    found = Retriever(GUIDANCE).find(context("The weather in the mountains was glorious yesterday."))
    assert found.abstained
    assert found.strategies == ()
    assert len(found.matches) == 3


def test_a_smaller_budget_is_a_prefix_of_a_larger() -> None:
    asked = context("Where is my refund, please?")
    whole = Retriever(GUIDANCE).find(asked).strategies
    for limit in range(len(whole) + 1):
        assert Retriever(GUIDANCE, limit=limit).find(asked).strategies == whole[:limit]
    cost = about_tokens(whole[0].text)
    assert Retriever(GUIDANCE, tokens=cost).find(asked).strategies == whole[:1]
    assert Retriever(GUIDANCE, tokens=cost - 1).find(asked).strategies == ()


def test_between_two_scenarios_both_are_heard() -> None:
    twins = (
        scenario("late", "My train is late.", "The train is delayed again.", "Why is it so late?"),
        scenario("late-again", "My train is late.", "The train is delayed again.", "Why is it so late?"),
        scenario("pets", "May my dog fly?", "I want to bring a cat.", "Is there a fee for pets?"),
    )
    strategies = (strategy("x", "late", 0.5), strategy("y", "late-again", 0.4), strategy("z", "pets", 0.9))
    found = Retriever(Guidance("rail", twins, strategies, false_injections=0.5)).find(context("My train is late."))
    assert names(found.strategies) == ["x", "y"]


def test_an_empty_library_is_silent() -> None:
    found = Retriever(Guidance("desk")).find(context("Hello"))
    assert found.abstained
    assert found.matches == ()
