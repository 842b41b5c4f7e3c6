"""Texts on a plane."""

import numpy as np
import pytest

from preceptor.retrieval.embedding import StaticEmbedder
from preceptor.retrieval.plane import MOST, lay_out

BILLS = [f"A customer asks about a charge of {n} euros on the bill" for n in range(8)]
LINES = [f"The internet line has been down for {n} days and the router blinks red" for n in range(8)]


def test_what_is_alike_stands_near_each_other() -> None:
    places = lay_out([*BILLS, *LINES], StaticEmbedder())
    assert places.shape == (16, 2)
    assert places.min() >= 0
    assert places.max() <= 1
    middles = places[:8].mean(axis=0), places[8:].mean(axis=0)
    near = [
        bool(np.hypot(*(place - middles[n // 8])) < np.hypot(*(place - middles[1 - n // 8])))
        for n, place in enumerate(places)
    ]
    assert sum(near) >= 15


def test_it_is_the_same_each_time() -> None:
    assert (lay_out(BILLS, StaticEmbedder()) == lay_out(BILLS, StaticEmbedder())).all()


@pytest.mark.parametrize("texts", [[], ["one"], ["two", "texts"], ["the same"] * 5])
def test_few_and_the_same_texts_have_places_too(texts: list[str]) -> None:
    places = lay_out(texts, StaticEmbedder())
    assert places.shape == (len(texts), 2)
    assert np.isfinite(places).all()
    if len(texts) == 5:
        assert len({tuple(place) for place in places}) == 5


def test_very_many_are_laid_out_too() -> None:
    assert lay_out([f"text number {n}" for n in range(MOST + 50)], StaticEmbedder()).shape == (MOST + 50, 2)
