"""What a world file says about tools: tables of records, what each tool does with them, calls, and results.

Nothing lists the records: what a row holds is drawn from a hash of the table and the key (`records`), so that whatever
number a customer gives, there is something behind it.
"""

from typing import Annotated

import pydantic

from preceptor.simulated.fields import Name, Part, Text, Weight

Values = Annotated[tuple[Text, ...], pydantic.Field(min_length=1), pydantic.BeforeValidator(lambda v: _listed(v))]
"""One value, or a list of them."""


def _listed(values: object) -> object:
    return [values] if isinstance(values, str) else values


class Digits(Part):
    """Values that are numbers."""

    digits: Annotated[int, pydantic.Field(ge=1, le=18)]


Column = Annotated[
    Digits | Annotated[dict[Text, Weight], pydantic.Field(min_length=1)],
    pydantic.Field(union_mode="left_to_right"),
]
"""Numbers of so many digits, or values with their weights."""


class Table(Part):
    """Records of one kind."""

    key: Name
    """The placeholder whose values are the keys."""
    columns: Annotated[dict[Name, Column], pydantic.Field(min_length=1)]


class Service(Part):
    """What a tool does: it gives a row, or, with `sets`, changes one."""

    table: Name
    by: Text
    """The argument that holds the row's key."""
    sets: dict[Name, Text] = pydantic.Field(default_factory=dict)
    """Columns it writes; ``{argument}`` stands for what that argument holds."""
    only: dict[Name, Values] = pydantic.Field(default_factory=dict)
    """What the row must hold; otherwise the call is refused."""
    refusal: Text = "This is not possible."
    """What is said then."""


class Action(Part):
    """The call that a move is."""

    tool: Text
    arguments: dict[Text, Text] = pydantic.Field(default_factory=dict, alias="with")
    """Values; ``{placeholder}`` stands for what the customer said, ``{table.column}`` for what a tool gave."""


class Result(Part):
    """The result of a call that makes a situation of another."""

    tool: Text
    after: Annotated[tuple[Text, ...], pydantic.Field(min_length=1)]
    """The situations, one of which the agent was in when it called."""
    when: dict[Name, Values] = pydantic.Field(default_factory=dict)
    """What the row holds, column by column."""
    refused: bool = False
    """Whether the call was refused."""
