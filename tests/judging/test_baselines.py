"""Judges that understand nothing, and kinship of models."""

import pytest

from preceptor.dialogue.conversation import Conversation, Turn
from preceptor.judging.baselines import BASELINES, brevity, chance, lexicon, sentiment, words
from preceptor.judging.family import family, kin


def talk(customer: str, agent: str = "We will see.") -> Conversation:
    return Conversation((Turn("customer", customer), Turn("agent", agent), Turn("tool", "a lot of data here")))


def test_words_of_tools_are_not_said() -> None:
    assert words(talk("Good morning.")) == 5
    assert words(talk("Good morning."), "customer") == 2
    assert brevity(talk("Hello.")) > brevity(talk("Hello there, anybody?"))


def test_sentiment_is_the_customers() -> None:
    assert sentiment(talk("Great, thank you!")) > 0 > sentiment(talk("This is horrible."))
    assert sentiment(talk("The router.", agent="Great, excellent, wonderful.")) == 0
    assert len(lexicon()) == 3064
    assert all(-4 <= value <= 4 and value for value in lexicon().values())


def test_chance_is_the_same_for_the_same_words() -> None:
    assert chance(talk("A.")) == chance(talk("A.")) != chance(talk("B."))
    assert set(BASELINES) == {"fewer words", "sentiment words", "chance"}


@pytest.mark.parametrize(
    ("judge", "teacher", "same"),
    [
        ("gpt-4.1-mini", "openai/o3", True),
        ("meta-llama/Llama-3.3-70B", "llama3.1:8b", True),
        ("Qwen/Qwen3-8B", "qwen2.5", True),
        ("mixtral-8x7b", "mistral-large", True),
        ("claude-sonnet", "gpt-4.1", False),
        ("gemma3", "gemini-2.5-pro", True),
        ("7b", "7b", False),
    ],
)
def test_kinship(judge: str, teacher: str, same: bool) -> None:
    assert (family(judge) == family(teacher) != "") == same
    assert bool(kin(judge, teacher)) == same
