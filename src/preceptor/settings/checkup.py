"""Whether a project's settings hold in the world outside: what `preceptor doctor` asks.

Each model is asked a few short questions, at a cost of well under a thousand tokens. Nothing is written to the ledger.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Literal

import anyio.to_thread
import httpx2
import orjson

from preceptor.dialogue.environment import NoTools
from preceptor.errors import Adjusted, BadReply, NotFound, PreceptorError, ProviderError
from preceptor.llm.client import OpenAIModel
from preceptor.llm.messages import Message, Reply, Request, Sampling, Schema, Tool
from preceptor.llm.model import Model
from preceptor.settings import errand_queue
from preceptor.settings.models import Providers, Sampled, key, world
from preceptor.settings.project import Project
from preceptor.settings.schema import ROLES, Endpoint, Simulated
from preceptor.settings.tools import stands

State = Literal["fine", "note", "wrong"]

_SAMPLING = Sampling(max_tokens=512)
"""Enough for a model that thinks before it answers."""
_SCHEMA = Schema(
    "doctor",
    {"title": "doctor", "type": "object", "properties": {"ready": {"type": "boolean"}}, "required": ["ready"]},
)
_TOOL = Tool(
    "look_up",
    "Looks a customer up.",
    {"type": "object", "properties": {"number": {"type": "string"}}, "required": ["number"]},
)


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    """``settings``, ``database``, or a role."""
    what: str
    state: State
    found: str
    advice: str = ""
    """What to do; empty when nothing needs doing."""


async def examine(project: Project) -> AsyncIterator[Finding]:
    """Findings one by one, as they come in. Faults are findings, not exceptions."""
    for finding in (
        _domain(project),
        *_strangers(project),
        _database(project),
        *_workers(project),
        await anyio.to_thread.run_sync(_embedder, project),
    ):
        yield finding
    async for finding in _behind(project):
        yield finding
    providers = Providers(project.folder)
    try:
        for role in ROLES:
            section = project.settings.models.of(role)
            try:
                model = Sampled(providers.model(section), section)
                async for finding in _model(role, section, model, project):
                    yield finding
            except PreceptorError as fault:
                yield Finding(role, "can be asked", "wrong", str(fault), f"See [models.{role}] in preceptor.toml.")
    finally:
        await providers.aclose()


def _domain(project: Project) -> Finding:
    try:
        domain = project.domain()
    except PreceptorError as fault:
        return Finding("settings", "domain", "wrong", str(fault), "Mend the file, or name another in project.domain.")
    return Finding(
        "settings", "domain", "fine", f"{domain.name}: {len(domain.topics)} topics, {len(domain.tools)} tools"
    )


def _strangers(project: Project) -> list[Finding]:
    """Whether simulated models know what this domain is about; nothing where none are simulated, or they do."""
    simulated = [section for role in ROLES if isinstance(section := project.settings.models.of(role), Simulated)]
    try:
        known = {topic for one in simulated for topic in world(one.world, project.folder).topics}
        topics = project.domain().topics
    except PreceptorError:
        return []  # told elsewhere
    if not simulated or any(topic.id in known for topic in topics):
        return []
    worlds = ", ".join(sorted({one.world for one in simulated}))
    found = f"made for {worlds}: they know none of the {len(topics)} topics, so what they do here means nothing"
    return [Finding("settings", "simulated models", "note", found, "Set real ones in [models.ROLE] before you teach.")]


def _database(project: Project) -> Finding:
    place = project.settings.project.database
    if "://" not in place and not (project.folder / place).exists():
        return Finding("database", place, "fine", "not there yet; `preceptor teach` makes it")
    try:
        with project.database() as db:
            damage, about = db.check(), db.about()
    except NotFound as fault:
        return Finding("database", place, "fine", str(fault))
    except PreceptorError as fault:
        return Finding("database", place, "wrong", str(fault), "Name another in project.database, or restore a backup.")
    if damage:
        advice = "It is damaged: `preceptor restore` a backup into another place."
        return Finding("database", place, "wrong", damage[0], advice)
    found = f"sound; {about.engine}, schema {about.schema}, {1000 * about.seconds:.1f} ms there and back"
    if about.cautions:
        return Finding("database", place, "note", "; ".join((found, *about.cautions)))
    return Finding("database", place, "fine", found)


def _workers(project: Project) -> list[Finding]:
    """Whether other processes can take part in runs; nothing where the database is a file, for there they cannot."""
    if "://" not in str(project.place):
        return []
    try:
        errand_queue.check(project.place)
    except PreceptorError as fault:
        return [Finding("database", "workers", "fine", f"none take part: {fault}")]
    try:
        with project.database() as db:
            count, allowed = errand_queue.present(db), errand_queue.allowed(db)
    except PreceptorError:
        return []  # what is wrong with the database was said
    if not allowed:
        advice = "GRANT CREATE ON DATABASE to this user, if workers are to take part in runs."
        return [Finding("database", "workers", "note", "the queue's schema may not be made here", advice)]
    return [Finding("database", "workers", "fine", f"{count or 'none'} at work; `preceptor worker` adds one")]


def _embedder(project: Project) -> Finding:
    try:
        embedder = project.embedder()
    except PreceptorError as fault:
        return Finding("settings", "embedder", "wrong", str(fault), "See [retrieval] in preceptor.toml.")
    return Finding("settings", "embedder", "fine", f"{embedder.id}, {embedder.dim} numbers a text")


async def _behind(project: Project) -> AsyncIterator[Finding]:
    """What stands behind the tools. Nothing is called: that could change something."""
    try:
        if not project.domain().tools and project.settings.tools.kind is None:
            return
        domain = await anyio.to_thread.run_sync(project.equipped)
        async with project.environment(domain) as environment:
            found = f"{len(domain.tools)}; behind them {stands(project.settings, project.folder)}"
    except PreceptorError as fault:
        yield Finding("tools", "there", "wrong", str(fault), "See [tools] in preceptor.toml.")
        return
    nothing = isinstance(environment, NoTools)
    advice = "Say in [tools] of preceptor.toml what stands behind them, or nobody can be taught to use them."
    yield Finding("tools", "there", "note" if nothing else "fine", found, advice if nothing else "")
    if project.settings.tools.kind == "http":
        yield Finding("tools", "answer", "note", "not asked", "Try one: preceptor tools call NAME '{…}'")


async def _model(role: str, section: Endpoint | Simulated, model: Sampled, project: Project) -> AsyncIterator[Finding]:
    plain = await _ask(model, Request((Message("user", "Say hello in one short sentence."),), _SAMPLING))
    yield Finding(role, "answers", "fine", model.name)
    if plain.thinking:
        yield Finding(role, "thinks aloud", "note", "what it thinks is never shown to customers, but it is paid for")
    yield await _structured(role, model)
    if isinstance(section, Simulated):
        return
    equipped = bool(project.domain().tools) or project.settings.tools.kind in ("python", "http", "mcp", "sandbox")
    yield await _tools(role, model, needed=equipped and role in ("student", "teacher"))
    yield await _streams(role, model.model)
    yield await _context(role, section)
    if lacks := getattr(model.model, "lacks", None):
        yield Finding(role, "goes without", "note", f"{', '.join(sorted(lacks))}: refused, and worked around")


async def _structured(role: str, model: Model) -> Finding:
    request = Request((Message("user", "Are you ready? Answer in JSON."),), _SAMPLING, schema=_SCHEMA)
    advice = "Replies that do not fit their form are asked for again; many of them cost time. A larger model helps."
    try:
        ready = orjson.loads((await _ask(model, request)).text)["ready"]
    except BadReply as fault:
        return Finding(role, "answers in a form", "note", str(fault), advice)
    except (orjson.JSONDecodeError, LookupError, TypeError):
        return Finding(role, "answers in a form", "note", "its answer did not fit the schema", advice)
    return Finding(role, "answers in a form", "fine", "json_schema" if isinstance(ready, bool) else "JSON, loosely")


async def _tools(role: str, model: Model, needed: bool) -> Finding:
    request = Request((Message("user", "Look up customer number 12."),), _SAMPLING, tools=(_TOOL,))
    state: State = "wrong" if needed else "note"
    advice = (
        "The domain has tools. Use a model that calls them, or start its server with tool calls enabled."
        if needed
        else ""
    )
    try:
        calls = (await _ask(model, request)).message.tool_calls
    except ProviderError as fault:
        return Finding(role, "calls tools", state, str(fault), advice)
    if not calls:
        return Finding(role, "calls tools", state, "it made no tool call when one was called for", advice)
    return Finding(role, "calls tools", "fine", f"{calls[0].name}({calls[0].arguments})")


async def _streams(role: str, model: Model) -> Finding:
    if not isinstance(model, OpenAIModel):
        return Finding(role, "streams", "note", "not in process")
    request = Request((Message("user", "Count from one to five."),), _SAMPLING)
    try:
        pieces = [piece async for piece in model.stream(request)]
    except ProviderError as fault:
        return Finding(role, "streams", "note", str(fault))
    return Finding(role, "streams", "fine" if len(pieces) > 1 else "note", f"{len(pieces)} pieces")


async def _context(role: str, section: Endpoint) -> Finding:
    if section.context_length is not None:
        return Finding(role, "context length", "fine", f"{section.context_length:,} tokens, from the settings")
    told = await _told_length(section)
    if told is None:
        return Finding(role, "context length", "note", "not told; learned from a refusal when one comes")
    advice = f"Set models.{role}.context_length = {told} to trim long conversations before they are refused."
    return Finding(role, "context length", "fine", f"{told:,} tokens, says the server", advice)


async def _told_length(section: Endpoint) -> int | None:
    """What the list of models says; vLLM, TGI and OpenRouter each have a name for it."""
    headers = {"Authorization": f"Bearer {key(section.key_env)}"} if section.key_env else {}
    try:
        async with httpx2.AsyncClient(timeout=section.timeout) as client:
            response = await client.get(f"{section.base_url.rstrip('/')}/models", headers=headers)
            cards = {card["id"]: card for card in response.json()["data"]}
    except (httpx2.HTTPError, ValueError, LookupError, TypeError):
        return None
    card = cards.get(section.model, {})
    meta = card.get("meta") or {}
    lengths = (card.get("max_model_len"), card.get("context_length"), meta.get("n_ctx"), meta.get("n_ctx_train"))
    return next((length for length in lengths if isinstance(length, int)), None)


async def _ask(model: Model, request: Request) -> Reply:
    """Ask, and ask again without what the model lacks. Nothing else is retried: doctor says how things are."""
    while True:
        try:
            return await model.ask(request)
        except Adjusted:
            continue
