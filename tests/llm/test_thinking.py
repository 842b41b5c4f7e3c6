"""Thinking in a stream: whatever way the text is cut into pieces, the same is shown."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preceptor.llm.thinking import Thoughtless, split_thinking


def streamed(pieces: list[str]) -> str:
    thoughtless = Thoughtless()
    return "".join([*(thoughtless.feed(piece) for piece in pieces), thoughtless.end()])


@given(cuts=st.sets(st.integers(1, 40)))
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<think>one <b> two</think>Hello < there <thin", "Hello < there <thin"),
        ("Hello<think>never closed </thin", "Hello"),
        ("no thinking at all", "no thinking at all"),
    ],
)
def test_pieces(text: str, shown: str, cuts: set[int]) -> None:
    bounds = [0, *sorted(cut for cut in cuts if cut < len(text)), len(text)]
    pieces = [text[start:end] for start, end in pairwise(bounds)]
    assert streamed(pieces) == shown


def test_text_without_thinking_is_left_as_it_is() -> None:
    assert split_thinking("  as it is ") == ("  as it is ", None)
