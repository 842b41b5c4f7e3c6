"""The map: the drawing and the table say the same."""

import re

import pytest

from preceptor.library.areas import Area
from preceptor.library.rows import Reach
from preceptor.web.atlas import HEIGHT, WIDTH, Atlas

from .conftest import Visitor


def area(n: int, approved: int = 1) -> Area:
    return Area(f"sc-{n}", f"Scenario of kind {n % 7}, number {n}.", Reach(n + 1, 1000), approved, 0, 0, 0.2)


@pytest.mark.anyio
async def test_each_scenario_is_drawn_and_has_its_line(visitor: Visitor) -> None:
    text = (await visitor.get("/map")).text
    assert text.count("<circle") == 2
    assert "The customer reports the same outage again." in text
    assert len(re.findall(r'<td class="number">\d+</td>\s*<th scope="row">', text)) == 2
    assert "scenario=sc-outage" in text


def test_dots_lie_within_the_drawing_and_the_frequent_are_larger() -> None:
    areas = [area(n, approved=n % 2) for n in range(60)]
    dots = Atlas().chart(areas)
    assert [dot.number for dot in dots] == list(range(1, 61))
    assert all(dot.x - dot.radius > 0 and dot.x + dot.radius < WIDTH for dot in dots)
    assert all(dot.y - dot.radius > 0 and dot.y + dot.radius < HEIGHT for dot in dots)
    assert dots[0].radius < dots[-1].radius
    assert {dot.area.kind for dot in dots} == {"taught", "weak"}


def test_places_do_not_depend_on_the_order_and_are_kept() -> None:
    atlas, areas = Atlas(), [area(n) for n in range(20)]
    there = {dot.area.scenario: (dot.x, dot.y) for dot in atlas.chart(areas)}
    assert {dot.area.scenario: (dot.x, dot.y) for dot in atlas.chart(areas[::-1])} == there
    assert Atlas().chart([]) == ()
