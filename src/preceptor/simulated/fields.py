"""What the fields of a world file hold."""

from typing import Annotated

import pydantic

Id = Annotated[str, pydantic.Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
Name = Annotated[str, pydantic.Field(pattern=r"^[a-z][a-z0-9_]*$")]
Text = Annotated[str, pydantic.Field(min_length=1)]
Texts = Annotated[tuple[Text, ...], pydantic.Field(min_length=1)]
Chance = Annotated[float, pydantic.Field(ge=0, le=1)]
Weight = Annotated[float, pydantic.Field(ge=0)]


class Part(pydantic.BaseModel):
    """A part of a world file, in which nothing stands that is not known."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)
