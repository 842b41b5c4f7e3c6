"""The served document: what it tells is what the gateway does."""

from pathlib import Path
from typing import Any

import anyio.to_thread
import orjson
import pydantic
import pytest
from yarl import URL

from contract import Findings, examine
from preceptor.library.store import Library
from preceptor.serving.contract import OPERATIONS, TRUTHS, document, routed
from preceptor.serving.outcomes import Outcomes
from preceptor.serving.protocols.asked import Wishes
from preceptor.serving.releases import DatabaseSource
from preceptor.serving.trial import Trial
from preceptor.storage.database import Database

from .stage import Echo, behind, gateway, plain, said, served

pytestmark = pytest.mark.anyio
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")


def test_document_and_routes_come_from_one_table() -> None:
    told = document(1, keyed=True)["paths"]
    assert {(path, method.upper()) for path, methods in told.items() for method in methods} == {
        (operation.path, operation.method) for operation in OPERATIONS
    }

    async def nobody(*_: Any) -> None: ...

    handlers = {operation.name: nobody for operation in OPERATIONS}
    routed(handlers)
    with pytest.raises(ValueError, match="no operation is called chitchat"):
        routed({**handlers, "chitchat": nobody})
    del handlers["feedback"]
    with pytest.raises(KeyError):
        routed(handlers)


async def test_what_the_document_tells_of_is_answered_and_nothing_else(library: Library, database: Path) -> None:
    async with behind(Echo(), database) as (url, _), plain() as session:
        async with session.get(f"{url}/openapi.json") as answer:
            told = orjson.loads(await answer.read())
        assert told["openapi"].startswith("3.1")
        for path, methods in told["paths"].items():
            for method in METHODS:
                where = url + path.replace("{name}", "m")
                async with session.request(method, where, data=b"{}" if method == "POST" else None) as answer:
                    assert (answer.status == 405) == (method.lower() not in methods), (method, path)
                    assert answer.status != 404 or path == "/v1/feedback"
        async with session.get(f"{url}/docs") as answer:
            assert answer.status == 404


def test_references_lead_somewhere() -> None:
    told = document(1, keyed=True)
    text = orjson.dumps(told).decode()
    named = {part.split('"')[0] for part in text.split('"$ref":"#/components/schemas/')[1:]}
    assert named <= set(told["components"]["schemas"])
    assert "ChatRequest" in named


async def test_keys_are_told_of_where_they_are_asked_for(library: Library, database: Path) -> None:
    assert not gateway(database, "http://127.0.0.1:1").access.keyed
    assert "security" not in document(1, keyed=False)["paths"]["/v1/chat/completions"]["post"]
    assert "security" in document(1, keyed=True)["paths"]["/v1/chat/completions"]["post"]
    assert "security" not in document(1, keyed=True)["paths"]["/healthz"]["get"]


def test_truths_are_those_that_are_read() -> None:
    for word in TRUTHS:
        assert Wishes.model_validate({"explain": word.upper()}).explain == (word in TRUTHS[:6])
    for word in ("", "2", "maybe", " 1"):
        with pytest.raises(pydantic.ValidationError):
            Wishes.model_validate({"explain": word})


async def test_a_models_name_leads_nowhere_else(library: Library, database: Path) -> None:
    echo = Echo()
    async with behind(echo, database) as (url, _), plain() as session:
        for path in ("%2e%2e/files", "x/%2e%2e/%2e%2e/files", "", "a//b", "%2e"):
            async with session.get(URL(f"{url}/v1/models/{path}", encoded=True)) as answer:
                assert answer.status == 404, path
        assert not echo.seen
        for path, at in (("a%20b%0d%0ax", "/a b\r\nx"), ("meta%2Fllama", "/meta/llama"), ("a%3Fb%23", "/a?b#")):
            async with session.get(URL(f"{url}/v1/models/{path}", encoded=True)) as answer:
                assert answer.status == 200
                assert answer.headers["x-preceptor-upstream"] == "up-0"
            assert echo.seen[-1].path == f"/v1/models{at}"


async def test_schemathesis_finds_nothing(library: Library, database: Path) -> None:
    """The short form of `make bench-contract`."""
    trial, found = Trial(holdout=0.1), Findings()
    source = DatabaseSource(lambda: Database.open(database, create=False), database)
    async with behind(Echo(), database, trial=trial, outcomes=Outcomes(source, trial)) as (url, _):
        await anyio.to_thread.run_sync(examine, url, 20, 1, found)
    assert found.well, (found.wrong, found.shown)
    assert found.total > 300
    assert len(found.statuses) >= 4


async def test_schemathesis_finds_what_is_wrong(library: Library, database: Path) -> None:
    """The check can fail: an upstream's fault is told apart from a document that promises too much."""
    found = Findings()
    async with behind(Echo(), database) as (url, _), served(Wrong(url)) as wrong:
        await anyio.to_thread.run_sync(examine, wrong, 3, 1, found)
    assert found.ours_5xx
    assert found.undocumented
    assert any("negative_data_rejection" in name for name in found.wrong)


class Wrong:
    """Serves the gateway's document and does something else."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        body, status = b"{}", {"/v1/embeddings": 501, "/v1/feedback": 200}.get(scope["path"], 418)
        if scope["path"] == "/openapi.json":
            async with plain() as session, session.get(self._url + scope["path"]) as answer:
                body, status = await answer.read(), 200
        await said(body, status)(send)
