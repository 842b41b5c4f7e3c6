"""LiteLLM as a client of the URL it is given; run by `test_other_clients`, with an interpreter that has it.

Asks in the order of `main` and prints, as JSON, what LiteLLM made of each answer.
"""

import asyncio
import json
import sys
from typing import Any

import litellm

TOOL = {"type": "function", "function": {"name": "van", "parameters": {"type": "object", "properties": {}}}}


def refused(**asked: Any) -> list[Any]:
    try:
        litellm.completion(**asked)
    except (litellm.BadRequestError, litellm.RateLimitError) as fault:
        return [type(fault).__name__, fault.status_code, fault.message]
    return ["nothing was raised"]


def header(answer: Any, name: str) -> str:
    """A header of the gateway's answer, as LiteLLM hands it on."""
    return str(answer._hidden_params["additional_headers"][f"llm_provider-x-preceptor-{name}"])


async def streamed(**asked: Any) -> dict[str, Any]:
    stream = await litellm.acompletion(**asked, stream=True, stream_options={"include_usage": True})
    pieces = [piece async for piece in stream]
    texts = [text for piece in pieces for choice in piece.choices if (text := choice.delta.content)]
    usage = [piece.usage.total_tokens for piece in pieces if getattr(piece, "usage", None)]
    return {"texts": texts, "usage": usage}


def calls(message: Any) -> list[Any]:
    return [[call.function.name, call.function.arguments, call.id] for call in message.tool_calls]


def main(url: str, about: str) -> None:
    there = {"model": "openai/m", "api_base": f"{url}/v1", "api_key": "sk-mine", "max_retries": 0}
    asked = [{"role": "system", "content": "You serve bakers."}, {"role": "user", "content": about}]
    common: dict[str, Any] = {**there, "messages": asked}
    told: dict[str, Any] = {}

    plain = litellm.completion(**common)
    told["plain"] = [plain.choices[0].message.content, header(plain, "teaching")]
    off = litellm.completion(**common, extra_headers={"x-preceptor-teaching": "off"})
    told["off by header"] = header(off, "teaching")
    explained = litellm.completion(**common, extra_body={"preceptor": {"explain": True}})
    told["explained by field"] = json.loads(header(explained, "explain"))["teaching"]
    told["stream"] = asyncio.run(streamed(**common))
    told["tool"] = calls(litellm.completion(**common, tools=[TOOL]).choices[0].message)
    pieces = list(litellm.completion(**common, tools=[TOOL], stream=True))
    told["tool in a stream"] = calls(litellm.stream_chunk_builder(pieces).choices[0].message)
    call = {"id": "c1", "type": "function", "function": {"name": "van", "arguments": "{}"}}
    history = [
        *asked,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "Late."},
    ]
    told["after the tool"] = litellm.completion(**{**common, "messages": history}).choices[0].message.content
    told["responses"] = litellm.responses(**there, input=about).output[0].content[0].text
    claude = {"model": "anthropic/m", "api_base": url, "api_key": "sk-mine", "max_retries": 0, "max_tokens": 9}
    told["anthropic"] = litellm.completion(**claude, messages=asked).choices[0].message.content
    told["no such release"] = refused(**common, extra_body={"preceptor": {"release": "ffff"}})
    told["busy"] = refused(**common)
    embedded = litellm.embedding(**{**there, "model": "openai/e"}, input=[about], encoding_format="float")
    told["embedded"] = embedded.data[0]["embedding"]
    print(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
