"""What the gateway tells of itself: metrics and the access log."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import openai
import orjson
import pytest
from prometheus_client.parser import text_string_to_metric_families

from preceptor.library.store import Library
from preceptor.serving.access import Caller, Watch
from preceptor.serving.lines import Lines
from preceptor.serving.log import AccessLog
from preceptor.serving.refusals import Refused

from .stage import ABOUT_BREAD, LATE, Echo, Open, behind, chunk, plain, said, streamed

pytestmark = pytest.mark.anyio
Room = Callable[[int], AbstractContextManager[None]]
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


async def test_the_log_has_words_only_where_they_are_asked_for(
    library: Library, database: Path, tmp_path: Path
) -> None:
    place, echo = tmp_path / "access.jsonl", Echo()
    asked = [
        {"role": "system", "content": "Policy 7 is secret."},
        {"role": "user", "content": "I am Ann Miller, order 471147."},
        {"role": "assistant", "content": "Hello Ann."},
        {"role": "user", "content": f"{ABOUT_BREAD} Write to ann@example.com about 471147, says Miller."},
    ]
    answer = REPLY.replace(b"Soon.", b"Soon, Miller: 471147.")
    async with behind(echo, database, beside=[AccessLog(Lines(place), messages=True)]) as (url, _):
        echo.answers += [said(answer), streamed(chunk("So"), chunk("on.")), said(b"{}", 500), said(b"[3]")]
        async with plain() as session:
            for stream in (False, True, False, False):
                body = orjson.dumps({"model": "m", "messages": asked, "stream": stream})
                async with session.post(f"{url}/v1/chat/completions", data=body) as got:
                    await got.read()
            for bad in (b"{", b'{"messages":[{"role":"user","content":"\\ud800"}]}'):
                async with session.post(f"{url}/v1/chat/completions", data=bad) as got:
                    await got.read()
    written = read(place)
    for secret in ("ann@example.com", "471147", "Miller", "Policy", LATE):
        assert secret not in written, secret
    first, second, third, fourth, fifth, sixth = (orjson.loads(line) for line in written.splitlines())
    assert "bread" in first["said"]
    assert first["answered"].startswith("Soon")
    assert second["answered"] == "Soon."
    assert third["status"] == 500
    assert "answered" not in third
    assert "answered" not in fourth
    assert "said" not in fifth
    assert sixth["said"]


async def test_metrics_are_for_this_machine_unless_told_otherwise(library: Library, database: Path) -> None:
    def answers(watch: Watch, client: Any, key: str = "") -> int:
        headers = {b"authorization": f"Bearer {key}".encode()} if key else {}
        try:
            watch.admit(headers, client)
        except Refused as refused:
            return refused.status
        return 200

    for host in ("127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"):
        assert answers(Watch(), (host, 1)) == 200
    for host in ("10.0.0.1", "192.168.1.5", "::ffff:10.0.0.1", "2001:db8::1", "0.0.0.0"):
        assert answers(Watch(), (host, 1)) == 403
        assert answers(Watch(anyone=True), (host, 1)) == 200
        assert answers(Watch("s3cret"), (host, 1), "s3cret") == 200
    assert answers(Watch(), None) == 200
    assert answers(Watch("s3cret", anyone=True), ("127.0.0.1", 1)) == 401
    assert answers(Watch("s3cret"), ("127.0.0.1", 1), "s3cre") == 401
    async with behind(Echo(), database, watch=Watch("s3cret")) as (url, _), plain() as session:
        for key, status in (("s3cret", 200), ("other", 401)):
            headers = {"authorization": f"Bearer {key}"}
            async with session.get(f"{url}/metrics", headers=headers) as got:
                assert got.status == status
                assert "s3cret" not in await got.text()


def read(path: Path) -> str:
    return path.read_text("utf-8")


def test_what_cannot_be_written_is_counted(tmp_path: Path) -> None:
    lines = Lines(tmp_path / "no" / "such" / "folder")
    lines.open()
    for _ in range(3):
        lines.put(b"{}")
    lines.close()
    assert lines.lost == 3


def test_a_line_that_there_was_no_room_for_takes_none_after_it_along(tmp_path: Path, room: Room) -> None:
    lines = Lines(tmp_path / "log")
    with room(25):
        for number in range(4):
            lines.put(b'{"line":%d}' % number)
        lines.open()
        lines.close()
    assert lines.lost == 2
    assert read(tmp_path / "log") == '{"line":0}\n{"line":1}\n{"l'
    lines.put(b'{"line":4}')
    lines.open()
    lines.close()
    assert lines.lost == 2
    assert read(tmp_path / "log").splitlines()[2:] == ['{"l', '{"line":4}']
