"""Reading turns."""

import random
import string
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import Stemmer

from preceptor.retrieval.windows import stemmed, words


@pytest.fixture
def hasty() -> Iterator[None]:
    """Threads that take turns often."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("hasty")
def test_threads_that_read_side_by_side_read_what_is_there() -> None:
    luck = random.Random(3)
    endings = ("ing", "ations", "fulness", "ies", "ed")
    texts = [
        " ".join("".join(luck.choices(string.ascii_lowercase, k=5)) + luck.choice(endings) for _ in range(300))
        for _ in range(4)
    ]
    alone = Stemmer.Stemmer("english")
    with ThreadPoolExecutor(len(texts)) as pool:
        assert list(pool.map(stemmed, map(words, texts))) == [alone.stemWords(text.split()) for text in texts]
