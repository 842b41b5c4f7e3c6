"""What the teacher is asked in a fixed form."""

from typing import Annotated

import pydantic

from preceptor.llm.prompts import Prompt
from preceptor.llm.tasks import Task

Text = Annotated[str, pydantic.AfterValidator(lambda text: text.replace("\0", "\ufffd"))]
"""Without NUL: a run must not end because the teacher wrote what no database holds."""


class PlacedContext(pydantic.BaseModel):
    """Which known scenario a context belongs to."""

    scenario: int = pydantic.Field(ge=0)
    """Number in the list shown; 0 for none of them."""
    description: Text = ""
    """For a new scenario: what kind of context this is, in the third person, without anyone's data."""


class WrittenStrategy(pydantic.BaseModel):
    text: Text = pydantic.Field(min_length=1)
    """One imperative instruction."""
    reason: Text = ""


class WrittenStrategies(pydantic.BaseModel):
    missing: str = ""
    """What the student's reply lacks, in a sentence."""
    strategies: list[WrittenStrategy]


class ToldApart(WrittenStrategies):
    """What made the difference between two attempts at one task."""

    answer: int = pydantic.Field(ge=0)
    """The number of the answer at which the failed attempt went wrong; 0: none that is shown."""


class MatchedStrategies(pydantic.BaseModel):
    """Which of the instructions listed ask for the same as the one shown."""

    same: list[int]
    """Numbers in the list shown."""


class FittingStrategies(pydantic.BaseModel):
    """Which of the instructions listed matter in a situation."""

    fitting: list[int]
    """Numbers in the list shown."""


PLACE_CONTEXT = Task("place_context", PlacedContext, Prompt.load("preceptor.teaching", "place_context"))
WRITE_STRATEGIES = Task("write_strategies", WrittenStrategies, Prompt.load("preceptor.teaching", "write_strategies"))
TELL_APART = Task("tell_apart", ToldApart, Prompt.load("preceptor.teaching", "tell_apart"))
MATCH_STRATEGIES = Task("match_strategies", MatchedStrategies, Prompt.load("preceptor.teaching", "match_strategies"))
FITTING_STRATEGIES = Task(
    "fitting_strategies", FittingStrategies, Prompt.load("preceptor.teaching", "fitting_strategies")
)
