"""How sure it is that an effect is positive in each of several scenarios."""

import random

import pytest

from preceptor.teaching.pooling import positive


def scores(wins: int, losses: int, ties: int) -> list[int]:
    return [1] * wins + [-1] * losses + [0] * ties


def test_a_scenario_that_loses_does_not_hide_behind_those_that_win() -> None:
    helped, harmed = positive([scores(50, 5, 45), scores(5, 30, 65)])
    assert helped > 0.99
    assert harmed < 0.01


def test_scenarios_that_agree_speak_for_each_other() -> None:
    alone = positive([scores(14, 9, 27)])[0]
    agreed = positive([scores(14, 9, 27)] * 6)
    assert alone < 0.9 < min(agreed)
    assert agreed == pytest.approx([agreed[0]] * 6)


def test_few_pairs_lean_on_the_others_and_many_do_not() -> None:
    others = [scores(40, 20, 40)] * 4
    few, many = positive([*others, scores(1, 1, 2)])[-1], positive([*others, scores(50, 50, 100)])[-1]
    assert few > 0.9 > many


def test_nothing_measured_says_nothing() -> None:
    assert positive([]) == []
    assert positive([[]]) == pytest.approx([0.5])


def test_it_is_as_sure_as_it_may_be() -> None:
    """Of scenarios called positive with a chance of 0.9 or more, at most about one in ten is not."""
    luck = random.Random(3)
    called = wrong = 0
    for _ in range(150):
        mean, spread = luck.uniform(-0.3, 0.3), luck.uniform(0, 0.4)
        effects = [min(0.5, max(-0.5, luck.gauss(mean, spread))) for _ in range(4)]
        found = [luck.choices([1, -1, 0], [0.25 + e / 2, 0.25 - e / 2, 0.5], k=50) for e in effects]
        for effect, chance in zip(effects, positive(found), strict=True):
            called += chance >= 0.9
            wrong += chance >= 0.9 and effect <= 0
    assert called > 100
    assert wrong <= 0.1 * called
