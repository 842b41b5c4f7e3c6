"""Requests that are wrong, long, slow or broken off: a clear error in the protocol's shape, and others unharmed."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from preceptor.library.store import Library
from preceptor.serving.app import Bounds
from preceptor.serving.protocols.asked import Speech
from preceptor.serving.protocols.chat import Chat
from preceptor.serving.protocols.messages import Messages
from preceptor.serving.protocols.responses import Responses
from preceptor.serving.refusals import Refused
from preceptor.serving.splice import edited

from .stage import ABOUT_BILL, ABOUT_BREAD, BREAD, LONGEST, Echo, behind, plain

pytestmark = pytest.mark.anyio
GOOD = orjson.dumps({"model": "m", "messages": [{"role": "user", "content": ABOUT_BREAD}]})
PATHS = ("/v1/chat/completions", "/v1/responses", "/v1/messages")


@pytest.fixture
async def url(library: Library, database: Path) -> AsyncIterator[str]:
    async with behind(Echo(), database, Bounds(body=1 << 20, seconds=LONGEST)) as (place, _):
        yield place


BROKEN = [
    *(
        b"",
        b"{",
        b"[]",
        b"null",
        b"{}{}",
        b'{"a":1,}',
        b"\xff\xfe",
        b'{"a":"\x01"}',
        b"[" * 200_000,
        b'{"a":' * 100_000,
    ),
    *(b'{"a":' + b"9" * 5_000 + b"}", b'{"a":tru}', b'{"a" 1}', b"\xef\xbb\xbf{}", b'{"messages":[{"role":"user"}'),
    *(b'{"messages":[3],"input":[3]}', b'{"messages":[],"input":[]}', b'{"messages":{},"input":{}}'),
    *(
        b'{"model":3,"messages":[{"role":"user"}],"input":"x"}',
        b'{"preceptor":3,"messages":[{"role":"user"}],"input":"x"}',
    ),
]


@pytest.mark.parametrize("path", PATHS)
async def test_what_cannot_be_read_is_told(url: str, path: str) -> None:
    async with plain() as session:
        for body in BROKEN:
            async with session.post(url + path, data=body) as answer:
                assert answer.status == 400, body[:60]
                told = await answer.json()
                assert told["error"]["message"]
                assert ("type" in told) == (path == "/v1/messages")
        for role in (b"3", b"null", b"[]"):
            body = b'{"messages":[{"role":%s}],"input":[{"role":%s}]}' % (role, role)
            async with session.post(url + path, data=body) as answer:
                assert answer.status == (200 if path == "/v1/responses" else 400)


async def test_wishes_that_cannot_be_meant_are_told(url: str) -> None:
    async with plain() as session:
        for headers in ({"x-preceptor-teaching": "maybe"}, {"x-preceptor-explain": "perhaps"}):
            async with session.post(f"{url}/v1/chat/completions", data=GOOD, headers=headers) as answer:
                assert answer.status == 400
                assert next(iter(headers)) in (await answer.json())["error"]["message"]
        async with session.post(
            f"{url}/v1/chat/completions", data=GOOD, headers={"content-encoding": "gzip"}
        ) as answer:
            assert answer.status == 415


async def test_a_body_that_is_too_long_is_refused_while_others_are_served(url: str) -> None:
    async with plain() as session:

        async def long() -> AsyncIterator[bytes]:
            for _ in range(50):
                yield b" " * (1 << 20)

        big = asyncio.create_task(session.post(f"{url}/v1/chat/completions", data=long()))
        while not big.done():
            async with session.post(f"{url}/v1/chat/completions", data=GOOD) as answer:
                assert answer.status == 200
        async with await big as answer:
            assert answer.status == 413


async def test_slow_and_half_closed_clients_harm_nobody(library: Library, database: Path) -> None:
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(GOOD)
    async with behind(Echo(), database, Bounds(seconds=0.3)) as (url, _):
        host, port = url.removeprefix("http://").split(":")
        slow, writing = await asyncio.open_connection(host, int(port))
        writing.write(head + GOOD[:10])
        half, closing = await asyncio.open_connection(host, int(port))
        closing.write(head + GOOD[:10])
        closing.write_eof()
        _, leaving = await asyncio.open_connection(host, int(port))
        leaving.write(head + GOOD)
        leaving.close()
        # In one piece, so that it comes in in time however busy the machine is.
        good, asking = await asyncio.open_connection(host, int(port))
        asking.write(head + GOOD)
        assert b" 200 " in await good.readline()
        assert b" 408 " in await slow.readline()
        assert b" 200 " not in await half.read()
        for writer in (writing, closing, asking):
            writer.close()


def test_odd_but_valid_bodies_are_read(library: Library) -> None:
    content = b'"\\ud83d half","content":[{"type":"text","text":"\\u0000 whole"}]'
    odd = b'{"messages":[{"role":"user","content":' + content + b'}],"n":NaN}'
    asked = Chat().read(odd)
    assert [turn.text for turn in asked.turns] == ["\0 whole"]
    assert asked.teachable
    roles = b'{"messages":[{"role":"wizard","content":"x"},{"role":"user","content":{"a":1}},{"role":"user"}]}'
    assert not Chat().read(roles).teachable


async def test_half_characters_are_taught_like_others(url: str) -> None:
    body = orjson.dumps({"messages": [{"role": "user", "content": ABOUT_BREAD + "@"}]}).replace(b"@", b"\\ud83d")
    async with plain() as session, session.post(f"{url}/v1/chat/completions", data=body) as answer:
        assert answer.headers["x-preceptor-teaching"] == "on"


async def test_of_a_book_that_is_pasted_the_end_is_read(url: str) -> None:
    pasted = f"{ABOUT_BILL} " * 12_000 + f"{ABOUT_BREAD} " * 150
    body = orjson.dumps({"messages": [{"role": "user", "content": pasted}]})
    explain = {"x-preceptor-explain": "1"}
    async with plain() as session, session.post(f"{url}/v1/chat/completions", data=body, headers=explain) as answer:
        scenarios = orjson.loads(answer.headers["x-preceptor-explain"])["scenarios"]
    assert [name for name, share in scenarios if share > 0.5] == [BREAD.id]


SPEECHES: tuple[Speech, ...] = (Chat(), Responses(), Messages())
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
CONTENT = (
    st.text(max_size=20)
    | JSON
    | st.lists(
        st.fixed_dictionaries(
            {"type": st.sampled_from(["text", "input_text", "image_url"]), "text": st.text(max_size=9)}
        ),
        max_size=3,
    )
)
MESSAGE = st.fixed_dictionaries(
    {"role": st.sampled_from(["system", "developer", "user", "assistant", "tool", "wizard"])},
    optional={"content": CONTENT, "name": JSON},
)
ASKED = st.fixed_dictionaries(
    {},
    optional={
        "model": st.text(max_size=5),
        "messages": st.lists(MESSAGE, max_size=5) | JSON,
        "input": st.lists(MESSAGE, max_size=5) | st.text(max_size=9) | JSON,
        "instructions": CONTENT,
        "system": CONTENT,
        "x": JSON,
        "preceptor": st.fixed_dictionaries({}, optional={"explain": st.booleans()}) | JSON,
    },
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    asked=ASKED,
    speech=st.sampled_from(SPEECHES),
    placement=st.sampled_from(["system_end", "before_last", "in_last", "prefix"]),
    space=st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", "\t: ")]),
)
def test_any_json_is_refused_or_changed_by_the_slot_alone(
    asked: Any, speech: Speech, placement: Any, space: Any
) -> None:
    body = json.dumps(asked, separators=space, ensure_ascii=bool(len(str(asked)) % 2)).encode("utf-8", "surrogatepass")
    slot = 'Guidance: say "yes".\n- é'
    try:
        read = speech.read(body)
    except Refused as refused:
        orjson.loads(speech.error(refused))
        return
    if not read.teachable:
        return
    (edit,) = speech.insert(read, slot, placement)
    changed = edited(read.document.text, [edit])
    text = body.decode()
    assert changed.decode() == text[: edit.start] + edit.text + text[edit.end :]
    replaced = text[edit.start : edit.end]
    assert replaced == "" or not isinstance(json.loads(replaced), str | list), "only what is no content makes room"
    assert str(json.loads(changed)).count("Guidance: say") == 1 + str(asked).count("Guidance: say")
