"""Keys in front of the gateway: who is let in, how often, for how much; and what happens when the database is away."""

import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import openai
import orjson
import pytest
import sqlalchemy as sa

from preceptor.errors import Conflict, NotFound, UserError
from preceptor.library.store import Library
from preceptor.llm.prices import Amount, Price
from preceptor.serving.access import Caller
from preceptor.serving.keyring import Keyring
from preceptor.serving.keys import Key, Keys, hashed
from preceptor.serving.spending import Spending
from preceptor.serving.usage import Ear, Heard
from preceptor.storage.database import Database

from .stage import ABOUT_BREAD, LATE, LONGEST, POLITE, Echo, Place, behind, chunk, fill, plain, said, source, streamed

pytestmark = pytest.mark.anyio
MESSAGES: list[Any] = [{"role": "user", "content": ABOUT_BREAD}]
ANN = Key("", "ann", "shop", "default")
NOW = datetime.now(UTC)


@pytest.fixture
def database(either: Place) -> Place:
    return either


def reply(prompt: int, completion: int) -> bytes:
    message = {"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}
    usage = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    frame = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m"}
    return orjson.dumps({**frame, "choices": [message], "usage": usage})


def ring(database: Place, folder: Path, open_to: Caller | None = None) -> Keyring:
    return Keyring(source(database), folder, {"up-0": Price(Decimal(1000), Decimal(2000))}, open_to, LONGEST)


Front = Callable[..., AbstractAsyncContextManager[tuple[str, Keyring, Echo]]]


@pytest.fixture
def front(library: Library, database: Place, tmp_path: Path) -> Front:
    @asynccontextmanager
    async def made(open_to: Caller | None = None, **more: Any) -> AsyncIterator[tuple[str, Keyring, Echo]]:
        access, echo = ring(database, tmp_path / "kept", open_to), Echo()
        async with behind(echo, database, access=access, **more) as (url, _):
            yield f"{url}/v1", access, echo

    return made


def asking(url: str, key: str) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=url, api_key=key, max_retries=0)


async def ask(url: str, key: str, model: str = "m", **more: Any) -> Any:
    async with asking(url, key) as client:
        return await client.chat.completions.create(model=model, messages=MESSAGES, **more)


async def listen(url: str, key: str) -> None:
    async with asking(url, key) as client:
        async for _ in await client.chat.completions.create(model="m", messages=MESSAGES, stream=True):
            pass


def add(library: Library, key: Key = ANN) -> tuple[str, Key]:
    return Keys(library.db).add(key)


async def test_only_those_with_a_good_key_are_let_in(front: Front, library: Library) -> None:
    secret, key = add(library)
    async with front() as (url, access, echo):
        with pytest.raises(openai.AuthenticationError) as wrong:
            await ask(url, "sk-pre-guess")
        assert wrong.value.code == "invalid_api_key"
        async with plain() as session:
            for path in ("chat/completions", "embeddings", "messages", "responses"):
                async with session.post(f"{url}/{path}", data=b"{}") as answer:
                    assert answer.status == 401
            async with session.get(f"{url}/models", headers={"x-api-key": secret}) as answer:
                assert answer.status == 200
        await ask(url, secret)
        assert LATE in echo.seen[-1].body.decode()
        assert secret not in str(echo.seen)
        Keys(library.db).revoke("ann")
        access.look()
        with pytest.raises(openai.AuthenticationError):
            await ask(url, secret)
    assert key.tenant == "shop"


def contents(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def open_to_others(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.stat().st_mode & 0o077]


def move(path: Path, to: Path) -> None:
    path.rename(to)


async def test_the_key_is_nowhere(library: Library, database: Place, front: Front, tmp_path: Path) -> None:
    secret, _ = add(library)
    async with front() as (url, _, echo):
        echo.answers.append(said(reply(10, 5)))
        await ask(url, secret)
    kept = contents(tmp_path)
    assert hashed(secret).encode() in kept
    assert secret.encode() not in kept
    assert open_to_others(tmp_path / "kept") == []


async def test_names_are_given_once_and_ids_may_be_short(library: Library) -> None:
    _, key = add(library)
    with pytest.raises(Conflict, match="'ann'"):
        add(library)
    assert Keys(library.db).revoke(key.id[:8]).name == "ann"
    with pytest.raises(NotFound, match="'ann'"):
        Keys(library.db).revoke("ann")
    add(library)


async def test_models_of_a_key(front: Front, library: Library) -> None:
    secret, _ = add(library, Key("", "ann", "shop", "default", models=("small",)))
    async with front() as (url, _, echo):
        await ask(url, secret, "small")
        with pytest.raises(openai.PermissionDeniedError, match="'large'"):
            await ask(url, secret, "large")
        async with asking(url, secret) as client:
            with pytest.raises(openai.PermissionDeniedError):
                await client.embeddings.create(model="large", input="x")
        assert len(echo.seen) == 1


async def test_how_often(front: Front, library: Library) -> None:
    secret, _ = add(library, Key("", "ann", "shop", "default", per_minute=2))
    async with front() as (url, access, echo):
        for _ in range(2):
            await ask(url, secret)
        access.look()
        with pytest.raises(openai.RateLimitError) as often:
            await ask(url, secret)
        assert 0 < int(often.value.response.headers["retry-after"]) <= 61
        assert len(echo.seen) == 2


@pytest.mark.parametrize("bound", [{"tokens": 15}, {"nano": 20_000_000}])
async def test_how_much(front: Front, library: Library, bound: dict[str, int], one_day: None) -> None:
    secret, key = add(library, Key("", "ann", "shop", "default", **bound))  # type: ignore[arg-type]
    async with front() as (url, access, echo):
        echo.answers.append(said(reply(10, 5)))
        await ask(url, secret)
        for _ in range(2):
            with pytest.raises(openai.RateLimitError) as spent:
                await ask(url, secret)
            assert spent.value.code == "insufficient_quota"
            access.look()
    # 10 prompt tokens at 1,000 a million and 5 at 2,000.
    told = Keys(library.db).spent(datetime.now(UTC))[key.id]
    assert told["month"] == told["ever"] == Amount(1, 10, 5, 20_000_000)


async def test_failed_answers_cost_nothing(front: Front, library: Library) -> None:
    secret, key = add(library)
    async with front() as (url, _, echo):
        echo.answers.append(said(b'{"error":{"message":"no"}}', status=400))
        with pytest.raises(openai.BadRequestError):
            await ask(url, secret)
    assert Keys(library.db).spent(NOW).get(key.id) is None


async def test_streams_are_counted_by_what_they_tell_or_estimated(front: Front, library: Library) -> None:
    secret, key = add(library)
    usage = b'data: {"id":"1","choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3}}\n\n'
    async with front() as (url, _, echo):
        echo.answers.append(streamed(chunk("Hel"), chunk("lo"), usage, b"data: [DONE]\n\n"))
        await listen(url, secret)
        echo.answers.append(streamed(chunk("Hello you there."), b"data: [DONE]\n\n"))
        await listen(url, secret)
    told = Keys(library.db).spent(datetime.now(UTC))[key.id]["ever"]
    assert told.calls == 2
    assert told.completion_tokens == 3 + 4
    assert told.prompt_tokens > 7 + 10


async def test_each_tenant_has_its_library(database: Place, library: Library, front: Front) -> None:
    other = fill(database, "other")
    for strategy in other.strategies():
        if strategy.text == LATE:
            other.decide(strategy.id, "rejected", "ann")
    other.release("ann")
    other.db.close()
    mine, _ = add(library)
    yours, _ = add(library, Key("", "bob", "other shop", "other"))
    first = library.releases()[0].hash
    pinned, _ = add(library, Key("", "eve", "third", "default", release=first[:12]))
    async with front() as (url, _, echo):
        for secret in (mine, yours, pinned):
            await ask(url, secret)
        bodies = [seen.body.decode() for seen in echo.seen]
    assert [LATE in body for body in bodies] == [True, False, True]
    assert [POLITE in body for body in bodies] == [True, True, True]


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
async def test_without_a_database_good_keys_stay_good(front: Front, library: Library, database: Path) -> None:
    secret, key = add(library)
    library.db.close()
    gone = database.with_suffix(".away")
    async with front() as (url, access, echo):
        move(database, gone)
        access.look()
        echo.answers.append(said(reply(10, 5)))
        await ask(url, secret)
    # A gateway that starts without the database knows the keys, too.
    async with front() as (url, access, _):
        await ask(url, secret)
        with pytest.raises(openai.InternalServerError) as unknown:
            await ask(url, "sk-pre-new")
        assert unknown.value.status_code == 503
        move(gone, database)
        access.look(first=True)
    with Database.open(database) as db:
        assert Keys(db).spent(datetime.now(UTC))[key.id]["ever"].completion_tokens >= 5


async def test_nobody_needs_a_key_until_there_is_one(front: Front, library: Library) -> None:
    async with front(Caller("default", "default")) as (url, access, _):
        await ask(url, "whatever")
        secret, _ = add(library)
        access.look()
        with pytest.raises(openai.AuthenticationError):
            await ask(url, "whatever")
        await ask(url, secret)
        Keys(library.db).revoke("ann")
        access.look()
        with pytest.raises(openai.AuthenticationError):
            await ask(url, "whatever")


def test_what_a_killed_process_has_counted_is_taken_in_once(place: str, tmp_path: Path, one_day: None) -> None:
    program = (
        "import os, sys, pathlib\n"
        "from preceptor.llm.prices import Amount\n"
        "from preceptor.serving.spending import Spending\n"
        "from preceptor.storage.database import Database\n"
        "spending = Spending(pathlib.Path(sys.argv[1]))\n"
        "spending.charge('key-1', Amount(1, 10, 5, 3))\n"
        "spending.settle(Database.open(sys.argv[2]))\n"
        "for _ in range(9): spending.charge('key-1', Amount(1, 10, 5, 3))\n"
        "os.kill(os.getpid(), 9)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program, tmp_path / "kept", place], check=False)
    assert ended.returncode == -9
    with Database.open(place) as db:
        mine = Spending(tmp_path / "kept")
        mine.charge("key-1", Amount(1, 10, 5, 3))
        assert mine.recover(db) == 1
        assert mine.recover(db) == 0
        assert Keys(db).spent(datetime.now(UTC))["key-1"]["ever"] == Amount(10, 100, 50, 30)
        mine.settle(db)
        mine.close(db)
        assert Keys(db).spent(datetime.now(UTC))["key-1"]["day"] == Amount(11, 110, 55, 33)
    assert list((tmp_path / "kept").iterdir()) == []


def test_a_reply_that_there_was_no_room_for_takes_none_after_it_along(
    tmp_path: Path, room: Callable[[int], AbstractContextManager[None]]
) -> None:
    """What is in the journal is counted even when the process is killed."""
    killed, one = Spending(tmp_path / "kept"), Amount(1, 10, 5, 3)
    killed.charge("key-1", one)
    (journal,) = (tmp_path / "kept").iterdir()
    with room(journal.stat().st_size + 9):
        killed.charge("key-1", one)
    killed.charge("key-1", one)
    assert killed.faults == 1
    assert len(journal.read_bytes().splitlines()) == 2
    with Database.open(tmp_path / "p.db") as db:
        killed.close(None)
        mine = Spending(tmp_path / "kept")
        assert mine.recover(db) == 1
        assert Keys(db).spent(NOW)["key-1"]["ever"] == Amount(2, 20, 10, 6)


class Doubtful(Database):
    """Keeps what it says it could not."""

    @contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        with super().begin() as connection:
            yield connection
        raise UserError("gone")


def test_what_was_kept_without_being_told_so_is_not_counted_twice(tmp_path: Path) -> None:
    place = tmp_path / "p.db"
    mine, one = Spending(tmp_path / "kept"), Amount(1, 10, 5, 3)
    with Database.open(place) as db, Doubtful.open(place) as doubtful:
        for _ in range(2):
            mine.charge("key-1", one)
            with pytest.raises(UserError, match="gone"):
                mine.settle(doubtful)
        mine.charge("key-1", one)
        mine.settle(db)
        assert Keys(db).spent(NOW)["key-1"]["ever"] == Amount(3, 30, 15, 9)
        mine.close(db)


def heard(*pieces: bytes) -> Heard:
    told: list[Heard] = []
    ear = Ear(400, told.append)
    for piece in pieces:
        ear.hear(piece)
    ear.over()
    ear.over()
    (only,) = told
    return only


@pytest.mark.parametrize("told", [1 << 63, (1 << 64) - 1, 10**30], ids=["column", "json", "beyond"])
async def test_a_count_that_cannot_be_meant_is_estimated_and_holds_up_no_key(
    front: Front, library: Library, told: int
) -> None:
    secret, key = add(library)
    whole = reply(10, 5).replace(b":10,", b":%d," % told).replace(b":5,", b":%d," % told)
    async with front() as (url, access, echo):
        echo.answers.append(said(whole))
        await ask(url, secret)
        access.look()
        assert access.fault == ""
        Keys(library.db).revoke("ann")
        access.look()
        with pytest.raises(openai.AuthenticationError):
            await ask(url, secret)
    spent = Keys(library.db).spent(NOW)[key.id]["ever"]
    assert spent.calls == 1
    assert 10 < spent.tokens < 1_000


def test_replies_of_every_protocol_tell_what_they_took() -> None:
    started = (
        b'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_1",'
        b'"usage":{"input_tokens":9,"output_tokens":1}}}\n\n'
    )
    ended = b'event: message_delta\ndata: {"type":"message_delta","delta":{},"usage":{"output_tokens":6}}\n\n'
    done = (
        b'data: {"type":"response.completed","response":{"id":"resp_1",'
        b'"usage":{"input_tokens":9,"output_tokens":6}}}\r\n\r\n'
    )
    for pieces in ([started + ended], [started[:30], started[30:], ended[:-1], b"\n"], [done[:40], done[40:]]):
        found = heard(*pieces)
        assert (found.usage.prompt_tokens, found.usage.completion_tokens, found.estimated) == (9, 6, False)
        assert found.id in ("msg_1", "resp_1")


def test_a_long_reply_is_not_read_as_a_whole() -> None:
    vectors = b'{"data":[' + b"0.5," * 50_000 + b'0],"usage":{"prompt_tokens":8,"total_tokens":8},"model":"e"}'
    assert heard(vectors).usage.prompt_tokens == 8


def test_words_about_usage_are_no_usage() -> None:
    said_so = chunk('{"usage": {"prompt_tokens": 1, "completion_tokens": 1}}')
    found = heard(said_so)
    assert found.estimated
    assert found.usage.prompt_tokens == 100
