"""Forms nobody told the models about, and forms that stand in the prompt instead of the request."""

from collections.abc import Mapping
from typing import Literal

import orjson
import pydantic
import pytest

from preceptor.llm.messages import Message, Request, Sampling, Schema
from preceptor.simulated.model import SimulatedModel

from .conftest import answered, task

Cast = Mapping[str, SimulatedModel]


class Part(pydantic.BaseModel):
    name: str
    weight: float = pydantic.Field(ge=2, le=3)


class Form(pydantic.BaseModel):
    kind: Literal["a", "b"]
    count: int = pydantic.Field(ge=1, le=4)
    sure: bool
    note: str | None
    parts: list[Part]


@pytest.mark.parametrize("model", ["obedient", "customer", "judge"])
def test_an_unknown_form_is_filled_with_the_right_types(cast: Cast, model: str) -> None:
    schema = Schema("something_new", Form.model_json_schema())
    for seed in range(10):
        request = Request((Message("user", "Fill this in."),), Sampling(seed=seed), schema=schema)
        assert Form.model_validate_json(cast[model].answer(request).text).parts


def test_a_schema_in_the_prompt_names_the_task(cast: Cast) -> None:
    asked = task("compare_replies", conversation="Customer: Where is my bread, order 1?", first="Yes.", second="No.")
    body = orjson.dumps({"title": "compare_replies", "type": "object", "properties": {"better": {}}}).decode()
    form = Message("user", f"Answer with nothing but a JSON object that fits this JSON schema:\n{body}")
    request = Request((*asked.messages, form), asked.sampling)
    assert answered(cast["judge"], request)["better"] == "tie"


def test_a_class_like_title_is_understood(cast: Cast) -> None:
    asked = task("CompareReplies", conversation="Customer: Where is my bread, order 1?", first="Yes.", second="No.")
    assert answered(cast["judge"], asked)["better"] == "tie"


def test_a_repair_request_is_answered_like_the_first(cast: Cast) -> None:
    asked = task("customer_turn", "Your bread has not been delivered.", conversation="(nothing yet)")
    again = Request(
        (*asked.messages, Message("assistant", "Hm?"), Message("user", "That does not fit the form.")),
        asked.sampling,
        schema=asked.schema,
    )
    assert answered(cast["customer"], again)["message"]
