"""Each screen in a real browser: in both themes, on a phone, at 200 %, under the strict policy, and checked by axe."""

import pytest

from .conftest import OpenPage, Theme
from .screens import SCREENS


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(open_page: OpenPage, theme: Theme) -> None:
    reader = open_page("/queue", theme=theme, checks=True)
    for path in SCREENS:
        reader.page.goto(path)
        assert reader.violations() == [], path


def test_nothing_is_asked_elsewhere_and_nothing_is_refused_by_the_policy(open_page: OpenPage) -> None:
    reader = open_page("/queue")
    for path in SCREENS:
        reader.faults.clear()
        response = reader.page.goto(path)
        assert response is not None
        missing = "Failed to load resource: the server responded with a status of 404 (Not Found)"
        expected = [] if response.ok else [missing]
        assert reader.faults == expected, path


@pytest.mark.parametrize("width", [360, 640])
def test_it_fits_a_phone_and_200_per_cent(open_page: OpenPage, width: int) -> None:
    """640 pixels are what a window of 1,280 has at 200 %."""
    reader = open_page("/queue", width=width)
    for path in SCREENS:
        reader.page.goto(path)
        assert reader.overflow == 0, path
