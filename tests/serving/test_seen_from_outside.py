"""What the gateway tells of itself: metrics and the access log."""

from pathlib import Path
from typing import Any

import openai
import orjson
import pytest
from prometheus_client.parser import text_string_to_metric_families

from preceptor.library.store import Library
from preceptor.serving.access import Caller, Open
from preceptor.serving.lines import Lines
from preceptor.serving.log import AccessLog

from .stage import ABOUT_BREAD, LATE, Echo, behind, plain, said

pytestmark = pytest.mark.anyio
MESSAGES: list[Any] = [{"role": "user", "content": ABOUT_BREAD}]
REPLY = (
    b'{"id":"chatcmpl-9","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":'
    b'{"role":"assistant","content":"Soon."},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":11,"completion_tokens":4,"total_tokens":15}}'
)


async def metrics(url: str) -> dict[tuple[str, ...], float]:
    async with plain() as session, session.get(f"{url}/metrics") as answer:
        text = await answer.text()
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {(sample.name, *sample.labels.values()): sample.value for sample in samples}


async def test_metrics_count_requests_tokens_and_refusals(library: Library, database: Path) -> None:
    echo, access = Echo(), Open(Caller("shop", "default", models=frozenset({"m"})))
    async with behind(echo, database, access=access) as (url, _):
        async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="x", max_retries=0) as client:
            echo.answers.append(said(REPLY))
            await client.chat.completions.create(model="m", messages=MESSAGES)
            with pytest.raises(openai.PermissionDeniedError):
                await client.chat.completions.create(model="other", messages=MESSAGES)
        found = await metrics(url)
    assert found["preceptor_requests_total", "chat", "200"] == 1
    assert found["preceptor_requests_total", "chat", "403"] == 1
    assert found["preceptor_refusals_total", "model_not_allowed"] == 1
    assert found["preceptor_tokens_total", "prompt", "shop"] == 11
    assert found["preceptor_tokens_total", "completion", "shop"] == 4
    assert found["preceptor_teaching_total", "on", "shop"] == 1
    assert found["preceptor_upstream_up", "up-0"] == 1
    assert 0 <= found["preceptor_release_age_seconds", "default"] < 60


async def test_the_log_has_a_line_for_each_request_and_no_word_of_it(
    library: Library, database: Path, tmp_path: Path
) -> None:
    place, echo = tmp_path / "access.jsonl", Echo()
    async with behind(echo, database, beside=[AccessLog(Lines(place))]) as (url, _):
        echo.answers.append(said(REPLY))
        async with plain() as session:
            body = orjson.dumps({"model": "m", "messages": MESSAGES})
            for data in (body, b"{", b'{"model":"\\ud800","messages":[{"role":"user","content":"Hi"}]}'):
                headers = {"authorization": "Bearer sk-mine"}
                async with session.post(f"{url}/v1/chat/completions", data=data, headers=headers) as answer:
                    await answer.read()
            async with session.get(f"{url}/healthz"):
                pass
    written = read(place)
    assert "bread" not in written.casefold()
    assert LATE not in written
    assert "sk-" not in written
    first, second, third = (orjson.loads(line) for line in written.splitlines())
    assert (first["status"], first["teaching"], first["answer"]) == (200, "on", "chatcmpl-9")
    assert (first["prompt_tokens"], first["completion_tokens"], len(first["strategies"])) == (11, 4, 2)
    assert (second["status"], second["refused"]) == (400, "invalid_request_error")
    assert third["status"] == 200


def read(path: Path) -> str:
    return path.read_text("utf-8")


def test_what_cannot_be_written_is_counted(tmp_path: Path) -> None:
    lines = Lines(tmp_path / "no" / "such" / "folder")
    lines.open()
    for _ in range(3):
        lines.put(b"{}")
    lines.close()
    assert lines.lost == 3
