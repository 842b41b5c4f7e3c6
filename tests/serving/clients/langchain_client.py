"""LangChain's ChatOpenAI in front of the URL it is given; run by `test_other_clients`, with an interpreter that has it.

Asks in the order of `main` and prints, as JSON, what LangChain made of each answer.
"""

import asyncio
import json
import sys
from typing import Any

import openai
import pydantic
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

SYSTEM = SystemMessage("You serve bakers.")


class Delivery(pydantic.BaseModel):
    """How late a delivery is."""

    late: bool
    hours: int


TOOL = {"type": "function", "function": {"name": "van", "parameters": {"type": "object", "properties": {}}}}


def refused(model: Any, asked: list[Any], **more: Any) -> list[Any]:
    try:
        model.invoke(asked, **more)
    except openai.APIStatusError as fault:
        body: Any = fault.body
        return [type(fault).__name__, fault.status_code, body["message"]]
    return ["nothing was raised"]


async def streamed(model: Any, asked: list[Any]) -> dict[str, Any]:
    pieces = [piece async for piece in model.astream(asked)]
    usage = [piece.usage_metadata["total_tokens"] for piece in pieces if piece.usage_metadata]
    return {"texts": [piece.text for piece in pieces if piece.text], "usage": usage}


def called(messages: list[Any]) -> list[Any]:
    whole = messages[0]
    for piece in messages[1:]:
        whole = whole + piece
    return [[call["name"], call["args"], call["id"]] for call in whole.tool_calls]


def main(url: str, about: str) -> None:
    common: dict[str, Any] = {"model": "m", "base_url": f"{url}/v1", "api_key": "sk-mine", "max_retries": 0}
    model = ChatOpenAI(**common, include_response_headers=True)
    customer = HumanMessage(about)
    asked = [SYSTEM, customer]
    tools = model.bind_tools([TOOL])
    told: dict[str, Any] = {}

    plain = model.invoke(asked)
    told["plain"] = [plain.text, plain.response_metadata["headers"]["x-preceptor-teaching"]]
    off = model.invoke(asked, extra_headers={"x-preceptor-teaching": "off"})
    told["off by header"] = off.response_metadata["headers"]["x-preceptor-teaching"]
    explained = model.invoke(asked, extra_body={"preceptor": {"explain": True}})
    told["explained by field"] = json.loads(explained.response_metadata["headers"]["x-preceptor-explain"])["teaching"]
    told["stream"] = asyncio.run(streamed(ChatOpenAI(**common, stream_usage=True), asked))
    told["tool"] = called([tools.invoke(asked)])
    told["tool in a stream"] = called(list(tools.stream(asked)))
    history = [
        *asked,
        AIMessage("", tool_calls=[{"name": "van", "args": {}, "id": "c1"}]),
        ToolMessage("Late.", tool_call_id="c1"),
    ]
    told["after the tool"] = tools.invoke(history).text
    told["structured"] = model.with_structured_output(Delivery).invoke(asked).model_dump()
    told["responses"] = ChatOpenAI(**common, use_responses_api=True).invoke([customer]).text
    told["no such release"] = refused(model, asked, extra_headers={"x-preceptor-release": "ffff"})
    told["busy"] = refused(model, asked)
    vectors = OpenAIEmbeddings(
        **{**common, "model": "e"}, check_embedding_ctx_length=False, model_kwargs={"encoding_format": "float"}
    )
    told["embedded"] = vectors.embed_query(about)
    print(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
