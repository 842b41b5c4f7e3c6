"""Planted personal data, followed to every place a project or a gateway leaves something.

Conversations with planted data, also in what tools were asked, are imported, learned from, evaluated, reported,
exported, watched and shown, all by the commands; and the same conversations go through the gateway's recorder, access
log and traces. What is planted is then looked for in all that is left, place by place.
"""

from __future__ import annotations

import asyncio
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import httpx2
import orjson
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from preceptor.cli.main import run
from preceptor.library.desk import Desk
from preceptor.serving.coach import Given
from preceptor.serving.lines import Lines
from preceptor.serving.log import AccessLog
from preceptor.serving.protocols.chat import Chat
from preceptor.serving.recording import Recorder
from preceptor.serving.relay import Trip
from preceptor.serving.traces import Traces
from preceptor.serving.upstream import Upstream
from preceptor.serving.usage import Ear, Heard
from preceptor.serving.visit import Visit
from preceptor.settings.project import Project
from preceptor.web.admission import Alone
from preceptor.web.app import app
from preceptor.web.house import House
from preceptor.web.people import Person
from private_talk import PATTERNED, Labelled

_UPSTREAM = Upstream("u", "http://127.0.0.1:1/v1")
TALK = 10
"""Turns of a conversation."""
FIELDS: Mapping[str, str] = {
    "e-mail": "email",
    "phone": "phone_number",
    "card": "card_number",
    "iban": "iban",
    "order": "order_id",
    "birth date": "date_of_birth",
    "ip": "ip_address",
    "document": "passport_number",
    "link": "url",
    "login": "password",
    "name": "customer_name",
    "address": "address",
}
"""What tools call them."""
SMALL = (
    *("--set", "teaching.customers=6", "--set", "teaching.iterations=1", "--set", "teaching.logged_conversations=40"),
    *("--set", "teaching.min_contexts=4", "--set", "teaching.held_out=4", "--set", "teaching.looks=[8]"),
)
Place = tuple[str, bytes]


def talks(turns: Sequence[Labelled]) -> list[list[dict[str, Any]]]:
    """As OpenAI messages. Every third conversation's planted data are not said but stand in what a tool is asked."""
    return [_talk(turns[at : at + TALK], at % (3 * TALK) == 0) for at in range(0, len(turns), TALK)]


def _talk(turns: Sequence[Labelled], tool: bool) -> list[dict[str, Any]]:
    if not tool:
        # The planted turn last: of some places it is the only one.
        messages: list[dict[str, Any]] = [{"role": one.party, "content": one.text} for one in reversed(turns)]
        return [*messages, {"role": "assistant", "content": f"I see. {turns[0].text}"}]
    fields = {FIELDS[one.kind]: one.data for one in turns if one.data}
    call = {"id": "c1", "type": "function", "function": {"name": "look_up", "arguments": orjson.dumps(fields).decode()}}
    return [
        *({"role": one.party, "content": one.text} for one in turns if not one.data),
        {"role": "user", "content": "Can you look it up?"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "found"},
        {"role": "assistant", "content": "I have it before me."},
    ]


def project(folder: Path, turns: Sequence[Labelled], later: Sequence[Labelled]) -> Iterator[Place]:
    """What the commands leave. `later`: what comes in while it is watched."""
    home, source, growing = folder / "desk", folder / "source", folder / "growing"
    for made in (source, growing):
        made.mkdir()
    rows = [{"id": str(n), "reward": n % 2, "messages": talk} for n, talk in enumerate(talks(turns))]
    others = [[{"from": said["role"], "value": said["content"]} for said in talk] for talk in talks(turns)[1::3]]
    bad = [{"messages": [{"role": one.data, "content": one.text}]} for one in turns[:200:2]]
    (source / "a.jsonl").write_bytes(b"\n".join(map(orjson.dumps, [*rows, *bad])))
    (source / "b.json").write_bytes(orjson.dumps([{"conversations": talk} for talk in others]))
    (growing / "c.jsonl").write_bytes(b"\n".join(orjson.dumps({"messages": talk}) for talk in talks(later)))

    yield "printed: import, logs", _told(home, ("init", str(home)), ("logs", "import", str(source)), ("logs", "list"))
    shown = [("logs", "show", name, "-n", "100000") for name in ("source/a.jsonl", "source/b.json")]
    yield "printed: logs show", _told(home, *shown)
    yield (
        "printed: discover",
        _told(home, ("logs", "discover", "--json"), ("logs", "discover", "--write", str(home / "found.yaml"))),
    )
    yield "printed: teach", _told(home, ("teach", "--json", "--yes", "--logs", "imported", *SMALL))
    yield (
        "printed: evaluate",
        _told(home, ("evaluate", "--json", "--yes", "--customers", "4", "--arms", "student,teacher")),
    )
    for kind in ("html", "json", "md", "csv"):
        out = home / f"report.{kind}"
        _told(home, ("report", "--format", kind, "--out", str(out)))
    evaluations = re.findall(r"(\d{8}-\d{6}-\w+)[^\n]*evaluate", _told(home, ("runs",)).decode())
    for kind in ("sft", "preference") if evaluations else ():
        _told(home, ("export", kind, evaluations[0], "--min-satisfaction", "1", "--out", str(home / f"{kind}.jsonl")))
    for name in ("library.yaml", "library.jsonl", "library.md"):
        _told(home, ("library", "export", str(home / name)))
    yield "printed: watch", _told(home, ("watch", "--once", "--json", "--folder", str(growing)))
    yield "printed: backup, runs", _told(home, ("backup", str(home / "backup.jsonl")), ("runs",), ("audit", "list"))
    yield "review pages", asyncio.run(_pages(home))
    for path in sorted(path for path in home.rglob("*") if path.is_file()):
        yield _where(path.relative_to(home)), path.read_bytes()


def _where(path: Path) -> str:
    known = {".db": "database", ".db-wal": "database", ".md": "exports, reports", ".html": "exports, reports"}
    if path.parts[0] == "rejected":
        return "rejected rows"
    if path.name.startswith("backup"):
        return "backup"
    return known.get(
        path.suffix, "exports, reports" if path.stem in ("library", "report", "sft", "preference") else "other files"
    )


def _told(home: Path, *commands: Sequence[str]) -> bytes:
    out = io.StringIO()
    with redirect_stdout(out), redirect_stderr(out):
        for command in commands:
            run([*command, *([] if command[0] == "init" else ["--project", str(home)])])
    return out.getvalue().encode("utf-8", "surrogateescape")


async def _pages(home: Path) -> bytes:
    """Every strategy with its evidence, the queue, the trail, the map."""
    loaded, told = Project.load(home), bytearray()
    with loaded.database(create=True) as db:
        library = loaded.library(db)
        house = House(Desk(library))
        transport = httpx2.ASGITransport(app=app(house, Alone(Person("ann", "admin"))))
        ids = [versions[-1].strategy.id for versions in library.snapshot().strategies]
        paths = ["/queue?state=all&measured=all", "/trail", "/map", "/runs", *(f"/strategies/{id_}" for id_ in ids)]
        async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as browser:
            for path in paths:
                told += (await browser.get(path)).content
    return bytes(told)


def gateway(folder: Path, turns: Sequence[Labelled]) -> Iterator[Place]:
    """What a gateway leaves that records, logs and traces messages, without customers' data."""
    return iter(asyncio.run(_served(folder, turns)))


async def _served(folder: Path, turns: Sequence[Labelled]) -> list[Place]:
    spans = InMemorySpanExporter()
    recorder = Recorder(Lines(folder / "recorded.jsonl"))
    access = AccessLog(Lines(folder / "access.jsonl"), messages=True)
    traces = Traces(SimpleSpanProcessor(spans), messages=True)
    said: list[bytes] = []
    async with recorder.running(), access.running(), traces.running():
        for *asked, answer in talks(turns):
            visit = _visit(asked, answer)
            visit.traced = traces.begin({"path": "/v1/chat/completions", "method": "POST", "headers": []})
            if visit.traced is not None:
                visit.traced.calling(_UPSTREAM, [])
            for beside in (recorder, access, traces):
                beside.note(visit)
            said += [str(dict(span.attributes or {})).encode() for span in spans.get_finished_spans()]
            spans.clear()
    return [
        ("gateway: recordings", (folder / "recorded.jsonl").read_bytes()),
        ("gateway: access log", (folder / "access.jsonl").read_bytes()),
        ("gateway: traces", b"\n".join(said)),
    ]


def _visit(asked: Sequence[Mapping[str, Any]], answer: Mapping[str, Any]) -> Visit:
    body = orjson.dumps({"model": "m", "messages": asked})
    reply = orjson.dumps({"id": "r", "choices": [{"index": 0, "message": answer, "finish_reason": "stop"}]})
    heard: list[Heard] = []
    ear = Ear(len(body), heard.append, taped=True)
    ear.hear(reply)
    ear.over()
    trip = Trip("POST", "/chat/completions", body, [], [], "m")
    return Visit("chat", 200, None, Chat().read(body), Given((), "on"), trip, heard[0])


def left(places: Iterator[Place], turns: Sequence[Labelled]) -> dict[str, tuple[int, list[str]]]:
    """By place: bytes looked through, and what was found of planted data that have a form."""
    # Five digits also stand in some hash: what is looked for begins and ends where a word does.
    planted = sorted({one.data for one in turns if one.kind in PATTERNED and len(one.data) > 5})
    edge = r"(?<![0-9A-Za-z]){}(?![0-9A-Za-z])"
    forms = [(form, datum) for datum in planted for form in {datum, orjson.dumps(datum).decode()[1:-1]}]
    found: dict[str, tuple[int, list[str]]] = {}
    for where, content in places:
        text = content.decode("utf-8", "replace")
        words = set(_WORD.findall(text))
        here = {
            datum
            for form, datum in forms
            if words.issuperset(_WORD.findall(form)) and form in text and re.search(edge.format(re.escape(form)), text)
        }
        size, before = found.get(where, (0, []))
        found[where] = (size + len(content), sorted({*before, *here}))
    return found


_WORD = re.compile(r"[0-9A-Za-z]+")
