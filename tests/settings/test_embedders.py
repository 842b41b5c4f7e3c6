"""From [retrieval] to vectors: a real endpoint on this machine, and what the database keeps of it."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from preceptor.dialogue.conversation import Turn
from preceptor.retrieval.matcher import Example, Matcher
from preceptor.settings import templates
from preceptor.settings.project import Project

TEXTS = ["My card was stolen.", "Where is my suitcase?", "A thief has my card."]


class Endpoint(ThreadingHTTPServer):
    """Embeds a text as how often each letter is in it."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Endpoint

    def do_POST(self) -> None:
        texts = json.loads(self.rfile.read(int(self.headers["content-length"])))["input"]
        self.server.asked += texts
        letters = [[text.lower().count(chr(97 + letter)) for letter in range(26)] for text in texts]
        body = json.dumps({"data": [{"index": at, "embedding": row} for at, row in enumerate(letters)]}).encode()
        self.send_response(200 if self.path == "/v1/embeddings" else 404)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Nothing: a test's output is its own."""


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint() as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def project(folder: Path, endpoint: Endpoint) -> Project:
    at = ["retrieval.embedder=endpoint", f"retrieval.base_url={endpoint.url}", "retrieval.model=letters"]
    return Project.load(folder, at)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    templates.write(tmp_path, "broadband")
    return tmp_path


def test_a_second_run_answers_from_the_database(folder: Path, endpoint: Endpoint) -> None:
    first = project(folder, endpoint)
    with first.database(create=True) as db:
        rows = first.embedder(db).embed(TEXTS)
    assert set(TEXTS) <= set(endpoint.asked)
    endpoint.asked.clear()
    second = project(folder, endpoint)
    with second.database() as db:
        embedder = second.embedder(db)
        # How long its vectors are is all that has to be asked again.
        endpoint.asked.clear()
        np.testing.assert_array_equal(embedder.embed([*TEXTS, TEXTS[0]]), rows[[0, 1, 2, 0]])
        assert endpoint.asked == []
        embedder.embed([*TEXTS, "Something new."])
        assert endpoint.asked == ["Something new."]


def test_contexts_are_matched_by_an_endpoint_s_vectors(folder: Path, endpoint: Endpoint) -> None:
    examples = [Example((Turn("customer", text),), label) for text, label in zip(TEXTS, "aba", strict=True)]
    matcher = Matcher.fit(examples, project(folder, endpoint).embedder())
    assert matcher.match((Turn("customer", "A stolen card!"),)).ranked[0][0] == "a"
    assert matcher.embedder_id.startswith(f"endpoint {endpoint.url} letters")
