"""Structured requests: each a named task with a prompt file and a pydantic model of its result.

A reply that does not fit is repaired once, by asking again with the fault named; a second misfit is a `BadReply`,
which callers record as a failed measurement and never as a value.
"""

import re
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Generic, TypeVar

import orjson
import pydantic

from preceptor.errors import BadReply
from preceptor.llm.messages import Message, Reply, Request, Sampling, Schema
from preceptor.llm.model import Model
from preceptor.llm.prompts import Prompt
from preceptor.llm.tally import asked
from preceptor.llm.watching import Watched

ResultT = TypeVar("ResultT", bound=pydantic.BaseModel)
_FENCE = re.compile(r"^\s*```(?:json)?\s*(.*?)\s*```\s*$", re.DOTALL)


@dataclass(frozen=True)
class Task(Generic[ResultT]):
    """A question with a form for its answer.

    `name` is also the schema's name on the wire, so that servers and simulated models can tell tasks apart.
    """

    name: str
    result: type[ResultT]
    prompt: Prompt

    async def ask(self, model: Model, sampling: Sampling, **values: str) -> ResultT:
        """Fill the prompt, ask, and read the answer.

        Raises:
            BadReply: two replies in a row did not fit the form.
            ProviderError, Stopped: from the model, and from a watched one whose replies never fitted.
        """
        request = self.request(sampling, **values)
        reply = await asked(model, request)
        try:
            return self._read(model, reply)
        except BadReply as fault:
            return self._read(model, await asked(model, _again(request, reply, fault)))

    def request(self, sampling: Sampling, **values: str) -> Request:
        return Request(self.prompt.messages(**values), sampling, schema=self._schema)

    @cached_property
    def _schema(self) -> Schema:
        return Schema(self.name, self.result.model_json_schema())

    def _read(self, model: Model, reply: Reply) -> ResultT:
        """`read`, and tell a model that is watched how it went."""
        try:
            result = self.read(reply)
        except BadReply as fault:
            if isinstance(model, Watched):
                model.missed(self.name, fault)
            raise
        if isinstance(model, Watched):
            model.read(self.name)
        return result

    def read(self, reply: Reply) -> ResultT:
        """Parse a reply's text.

        Raises:
            BadReply: naming the task and what does not fit.
        """
        text = reply.text
        if fenced := _FENCE.match(text):
            text = fenced[1]
        elif (start := text.find("{")) > 0:
            text = text[start : text.rfind("}") + 1]
        try:
            # Stricter than pydantic's own reader, which takes NaN, and Infinity, for numbers.
            orjson.loads(text)
        except orjson.JSONDecodeError as fault:
            raise BadReply(f"Task {self.name!r}: the reply is not JSON: {fault.msg}.") from None
        try:
            return self.result.model_validate_json(text)
        except pydantic.ValidationError as fault:
            first = fault.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "the reply"
            raise BadReply(f"Task {self.name!r}: {where}: {first['msg']}.") from None


def _again(request: Request, reply: Reply, fault: BadReply) -> Request:
    complaint = f"That does not fit the form. {fault} Answer again with nothing but the JSON object."
    return replace(
        request,
        messages=(*request.messages, Message("assistant", reply.text), Message("user", complaint)),
    )
