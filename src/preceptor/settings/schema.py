"""What `preceptor.toml` may say: the sections, their keys, defaults, and what each key means.

The line under a key is its documentation everywhere: in docs/reference/settings.md and in the file `preceptor init`
writes. A key without one fails a test.
"""

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlsplit

import pydantic

from preceptor.teaching.settings import Teaching

Role = Literal["teacher", "student", "customer", "judge"]
ROLES: tuple[Role, ...] = ("teacher", "student", "customer", "judge")

Text = Annotated[str, pydantic.Field(min_length=1)]
Count = Annotated[int, pydantic.Field(ge=1)]
Price = Annotated[Decimal, pydantic.Field(ge=0)]


def _without_credentials(url: str) -> str:
    if "@" in urlsplit(url).netloc:
        raise ValueError(
            "a user or password must not stand in the address; name the variable that holds the key in key_env"
        )
    return url


Address = Annotated[str, pydantic.Field(pattern=r"^https?://"), pydantic.AfterValidator(_without_credentials)]
"""Of a server. Addresses are kept with runs and calls, where no secret may be."""


class Section(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, protected_namespaces=()
    )


class ProjectSection(Section):
    """Where things are. Paths are relative to the folder of preceptor.toml."""

    domain: Path = Path("domain.yaml")
    """The file that says who the agent works for: role, goal, policy, topics, personas, tools."""
    database: Text = "preceptor.db"
    """A file for SQLite, or the URL of a PostgreSQL database, without a password (PostgreSQL takes it from PGPASSWORD
    or ~/.pgpass). Libraries, releases, runs and every call live there."""
    library: Text = "default"
    """Which library of the database to use; one database can hold several."""
    currency: Text = "USD"
    """The currency of prices and of budget.money; only shown, never converted."""

    @pydantic.field_validator("database")
    @classmethod
    def _without_password(cls, database: str) -> str:
        if "://" in database and urlsplit(database).password:
            raise ValueError("a password must not stand in the file; PostgreSQL takes it from PGPASSWORD or ~/.pgpass")
        return database


class AnyModel(Section):
    """ROLE is teacher, student, customer or judge. These keys every model has, wherever it runs."""

    temperature: Annotated[float, pydantic.Field(ge=0)] | None = None
    """Sampling temperature; the role's own when not given. Dropped, with a note, where the model refuses it."""
    top_p: Annotated[float, pydantic.Field(gt=0, le=1)] | None = None
    """Nucleus sampling; the provider's default when not given."""
    max_tokens: Count | None = None
    """The longest reply, in tokens; the role's own bound when not given. One is always sent: a reply without a bound
    cannot be reserved for in a budget."""
    price_input: Price = Decimal(0)
    """Price of a million prompt tokens, in project.currency. 0: costs nothing, and is not counted as money."""
    price_output: Price = Decimal(0)
    """Price of a million completion tokens, in project.currency."""
    concurrency: Count = 32
    """Most calls at a time. While the server says 429, a pace is learned that it takes."""
    requests_per_minute: Annotated[float, pydantic.Field(gt=0)] | None = None
    """Most calls a minute; no such limit when not given."""
    attempts: Count = 12
    """Tries of one call that fails while others are answered (rate limited, no answer in time, a failing server), or
    whose reply is broken. Between them it waits as long as the server says, or from one second to a minute, doubling;
    twelve take some seven minutes."""
    outage: Annotated[float, pydantic.Field(ge=0)] = 1800.0
    """Seconds to wait for a server that has answered in this run and answers nobody now; then the run ends, and can be
    resumed. So it does at once when the server asks for a longer wait than that. One that never answered is given up
    after a few tries."""


class Endpoint(AnyModel):
    """A model behind any OpenAI-compatible endpoint."""

    kind: Literal["openai"]
    """A model behind an OpenAI-compatible endpoint: vLLM, Ollama, llama.cpp, TGI, Azure, OpenRouter, OpenAI…"""
    base_url: Address
    """The endpoint, up to and including its version, such as http://127.0.0.1:8000/v1."""
    model: Text
    """The model's name there."""
    key_env: Annotated[str, pydantic.Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    """The environment variable that holds the key. The key itself never stands in a file. Not given: no key is sent."""
    timeout: Annotated[float, pydantic.Field(gt=0)] = 120.0
    """Seconds to wait for a reply before the call counts as failed and is tried again."""
    context_length: Count | None = None
    """Tokens of prompt and reply the model can take. Longer conversations lose their oldest turns, with a note.
    Not given: learned from the server's refusal."""


class Simulated(AnyModel):
    """A model of a simulated world: costs nothing, needs no network, and proves nothing about real models."""

    kind: Literal["simulated"]
    """A model of a world file, in process. Everything it shows is marked "simulated"."""
    world: Text = "broadband"
    """A world that comes with the package, or the path of a world file."""
    model: Text
    """The model's id in the world file."""
    latency: Annotated[float, pydantic.Field(ge=0)] = 0.0
    """Seconds each call takes; for trying out how slow models feel."""


ModelSection = Annotated[Endpoint | Simulated, pydantic.Field(discriminator="kind")]


class ModelsSection(Section):
    """The models, by role."""

    teacher: ModelSection
    """The model that knows better. Only called while teaching and evaluating."""
    student: ModelSection
    """The model to be improved; the only one customers ever meet."""
    customer: ModelSection
    """Plays the customers while teaching and evaluating."""
    judge: ModelSection
    """Compares replies and scores conversations. Best a model that is neither teacher nor student."""

    def of(self, role: Role) -> Endpoint | Simulated:
        section: Endpoint | Simulated = getattr(self, role)
        return section


class RetrievalSection(Section):
    """Which strategies apply to a conversation, and when none do."""

    embedder: Literal["static", "lexical", "endpoint", "onnx"] = "static"
    """What tells how alike texts are, beside their words: word vectors that come with the package, nothing (`lexical`:
    the gateway is smaller and faster, but knows no words of the same meaning), an OpenAI-compatible embeddings
    endpoint, or an encoder in a folder (extra `onnx`)."""
    base_url: Address | None = None
    """For `endpoint`: the endpoint, up to and including its version."""
    model: Text | None = None
    """For `endpoint`: the embedding model's name there."""
    key_env: Annotated[str, pydantic.Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    """For `endpoint`: the environment variable that holds the key."""
    folder: Path | None = None
    """For `onnx`: the folder with model.onnx and tokenizer.json."""

    @property
    def dense(self) -> bool:
        """Whether vectors cost a call or much time."""
        return self.embedder in ("endpoint", "onnx")

    @pydantic.model_validator(mode="after")
    def _complete(self) -> "RetrievalSection":
        needs = {"endpoint": ("base_url", "model"), "onnx": ("folder",)}
        needed: tuple[str, ...] = needs.get(self.embedder, ())
        for name in needed:
            if getattr(self, name) is None:
                raise ValueError(f"embedder = {self.embedder!r} needs retrieval.{name}")
        return self


class ToolsSection(Section):
    """What stands behind the domain's tools while conversations are held for teaching and evaluation, in `preceptor
    chat` and in the playground. The gateway has nothing to do with it: there the client runs the tools."""

    kind: Literal["python", "http", "mcp", "sandbox", "none"] | None = None
    """What: functions of a Python file, one HTTP endpoint, an MCP server (extra `mcp`), functions over a database of
    which each conversation has a copy of its own, or nothing, which the agent is told. Not given: the tools of the
    simulated world that plays the customers, if it has some, else nothing."""
    module: Text | None = None
    """For `python`: a file, or the name of a module; its functions have the tools' names. They run with all the rights
    of preceptor itself. For `sandbox`: a file whose functions take the open database first."""
    data: Text | None = None
    """For `sandbox`: the database, JSON (an object of tables) or SQLite. It is read, never written."""
    tasks: Text | None = None
    """For `sandbox`: a file of tasks, our own form or tau2-bench's. Customers then come with these instead of with the
    domain's topics, and each conversation is checked against its task. Not given: nothing is checked."""
    url: Address | None = None
    """For `http`: where each call is posted. For `mcp`: a server that runs already, reached by streamable HTTP."""
    command: tuple[Text, ...] = ()
    """For `mcp`: the program that is the server, and its arguments; it is started and spoken to over its input and
    output."""
    pass_env: tuple[Annotated[str, pydantic.Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")], ...] = ()
    """For `mcp` with a command: environment variables it is given beside PATH, HOME and the like; no other is."""
    key_env: Annotated[str, pydantic.Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    """For a url: the environment variable that holds its key, sent as bearer token. Not given: no key is sent."""
    sessions: Literal["run", "conversation"] = "run"
    """For `mcp`: one session for all conversations of a run, or one for each that calls a tool; with a command, a
    session is a process."""
    state: Literal["outside", "conversation"] = "outside"
    """Where what calls change is kept. `outside` (a booking stays booked): each call and its result are recorded, and a
    run that is resumed makes none twice. `conversation` (everything is new with each conversation, by its id or
    by its session): nothing is recorded, and calls are made again."""
    harmless: tuple[Text, ...] = ()
    """Tools that only look something up. One of them that was under way when a run ended is called again; of any other
    the agent is told that nobody knows whether it was done."""
    timeout: Annotated[float, pydantic.Field(gt=0)] = 30.0
    """Seconds a call may take; then the agent is told that there was no answer."""
    result_tokens: Count = 2_000
    """Of a call's result, about; what is longer is cut, and the agent told."""
    at_once: Count = 8
    """Calls at a time, and with `sessions = "conversation"` sessions; the others wait."""

    @pydantic.model_validator(mode="after")
    def _complete(self) -> "ToolsSection":
        if self.kind == "mcp" and bool(self.url) == bool(self.command):
            raise ValueError("kind = 'mcp' needs tools.command or tools.url, one of them")
        needs = (("python", "module"), ("http", "url"), ("sandbox", "module"), ("sandbox", "data"))
        for kind, name in needs:
            if self.kind == kind and getattr(self, name) is None:
                raise ValueError(f"kind = {kind!r} needs tools.{name}")
        if self.kind != "sandbox" and (self.data or self.tasks):
            raise ValueError("tools.data and tools.tasks go with kind = 'sandbox' only")
        given = [name for name in ("module", "url", "command") if getattr(self, name)]
        if self.kind in (None, "none") and given:
            raise ValueError(f"tools.{given[0]} is given, but no tools.kind it belongs to")
        return self


class BudgetSection(Section):
    """What a run may use, over all roles together. Never overshot; a run that comes to the end of it can be resumed."""

    calls: Annotated[int, pydantic.Field(ge=0)] | None = None
    """Most calls, every retry counted. No bound when not given."""
    tokens: Annotated[int, pydantic.Field(ge=0)] | None = None
    """Most tokens, prompts and replies together."""
    money: Price | None = None
    """Most money, in project.currency, by the prices of the models."""


class LibrarySection(Section):
    """Who decides what may reach customers."""

    four_eyes: bool = False
    """true: in the review, who wrote or edited a strategy's wording may not approve it."""
    approve_by_rule: bool = False
    """true: what passed the measured gate and carries no warning is approved without a person. false: only what a
    person approved can be released."""


class AnyArm(Section):
    """NAME is what tables call the arm; these keys every arm has."""

    tokens: Count | None = None
    """Tokens it may add to the prompt, about; evaluation.slot_tokens when not given."""


class StudentArm(AnyArm):
    """The student alone."""

    kind: Literal["student"]


class TeacherArm(AnyArm):
    """The teacher, answering customers itself."""

    kind: Literal["teacher"]


class LibraryArm(AnyArm):
    """The student with strategies chosen for each context, as it is deployed."""

    kind: Literal["library"]
    release: Text = "newest"
    """Which: "live" (the release in force), "candidate" (what the gate accepted, approved or not), the beginning of a
    release's hash, or "newest": live, and the candidate while nothing was released."""


class WholeLibraryArm(AnyArm):
    """The student with the whole library in every prompt, as much as fits."""

    kind: Literal["whole-library"]
    release: Text = "newest"
    """Which, as for `library`."""


class GeneralArm(AnyArm):
    """The student with the library's general strategies in every prompt, and no other."""

    kind: Literal["general"]
    release: Text = "newest"
    """Which, as for `library`."""


class InstructionArm(AnyArm):
    """The student with one fixed generic instruction."""

    kind: Literal["instruction"]
    text: Text | None = None
    """The instruction; one that comes with the package when not given."""


class ExamplesArm(AnyArm):
    """Few-shot: the student shown the teacher's replies in the nearest contexts of the library's evidence."""

    kind: Literal["examples"]


class ThinkingArm(AnyArm):
    """The student told to think before it answers; customers see the answer only."""

    kind: Literal["chain-of-thought"]


class PassagesArm(AnyArm):
    """Plain retrieval: the student with the nearest passages of the domain's policy, and of `files`."""

    kind: Literal["passages"]
    files: tuple[Path, ...] = ()
    """Texts to find passages in beside the policy."""


class CorrectionArm(AnyArm):
    """The student drafts, criticises its draft, and revises it once."""

    kind: Literal["self-correct"]


class PromptArm(AnyArm):
    """The student with another system message."""

    kind: Literal["prompt"]
    file: Path
    """The message's text; {role}, {goal} and {policy} in it are filled in from the domain."""


class FixedArm(AnyArm):
    """The null arm: the same polite sentence to everybody. What a measure gives for nothing."""

    kind: Literal["fixed"]
    text: Text | None = None
    """The sentence; one that comes with the package when not given."""


ArmSection = Annotated[
    StudentArm
    | TeacherArm
    | LibraryArm
    | WholeLibraryArm
    | GeneralArm
    | InstructionArm
    | ExamplesArm
    | ThinkingArm
    | PassagesArm
    | CorrectionArm
    | PromptArm
    | FixedArm,
    pydantic.Field(discriminator="kind"),
]
KINDS_OF_ARMS: tuple[str, ...] = tuple(
    get_args(section.model_fields["kind"].annotation)[0] for section in get_args(get_args(ArmSection)[0])
)
ArmName = Annotated[str, pydantic.Field(pattern=r"^[^\s,][^,]*$")]


ARMS: dict[str, ArmSection] = {
    "student": StudentArm(kind="student"),
    "library": LibraryArm(kind="library"),
    "teacher": TeacherArm(kind="teacher"),
}


class EvaluationSection(Section):
    """Several arms on the same customers: how many, and how closely they are looked at."""

    seed: int = 0
    """The same seed draws the same customers; none that were met while teaching."""
    customers: Count = 60
    """Customers, each served by every arm."""
    max_turns: Count = 8
    """Agent turns after which a conversation is cut."""
    repeats: Count = 1
    """Verdicts of the judge on each conversation; from 2 on, its noise can be told from the rest."""
    trials: Count = 1
    """Conversations of each customer with each arm, for whether the same goes well every time (pass^k). They are had
    where tools tell what came of a conversation and leave nothing behind; the judge sees the first."""
    duels: Annotated[int, pydantic.Field(ge=0)] = 1
    """Contexts of each of the first arm's conversations, at most, that every other arm answers anew, to be held against
    the first arm's reply."""
    slot_tokens: Count = 250
    """Tokens an arm may add to the prompt, about, so that none wins by talking more."""
    unseen: bool = True
    """For simulated customers: wordings that nobody was taught from, where the world has them."""
    stop_early: bool = False
    """Stop when the second arm is decided to be better or worse than the first, by a test that may be looked at after
    every customer. Its interval is wider than one looked at once."""
    attribution: Annotated[int, pydantic.Field(ge=0)] = 0
    """After the arms: contexts, at most, in which each strategy of the first library arm is left out, to see what it
    does; each scenario's set alike. 30 decides what matters often; 0: not measured."""
    arms: dict[ArmName, ArmSection] = ARMS
    """The arms by name, a line each, in the order of the report; the first is what the others are held against. Not
    given: the student alone, the library, and the teacher."""

    @pydantic.field_validator("arms", mode="before")
    @classmethod
    def _some(cls, arms: Any) -> Any:
        return arms or ARMS


class UpstreamSection(Section):
    """A server of models behind the gateway; NAME is yours. Without any, [models.student] is the only one."""

    base_url: Address
    """The endpoint, up to and including its version, such as http://127.0.0.1:8000/v1."""
    key_env: Annotated[str, pydantic.Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    """The environment variable that holds the key. Clients' keys are never passed on."""
    model: Text | None = None
    """The model to ask for there, whatever the request names; the request's when not given."""
    models: tuple[Text, ...] = ()
    """The models of requests it answers; all when not given."""
    weight: Annotated[float, pydantic.Field(ge=0)] = 1.0
    """Its share of requests, relative to the others'. 0: only asked when the others fail, such as a teacher that helps
    out."""
    timeout: Annotated[float, pydantic.Field(gt=0)] = 120.0
    """Seconds it may say nothing, before its first byte or between two."""
    concurrency: Count = 256
    """Most calls at a time; as many again may wait, and what comes beyond is refused with 503."""
    price_input: Price = Decimal(0)
    """Price of a million prompt tokens, in project.currency; what keys' money is counted by."""
    price_output: Price = Decimal(0)
    """Price of a million completion tokens, in project.currency."""


class ServingSection(Section):
    """The gateway that `preceptor serve` runs."""

    host: Text = "127.0.0.1"
    """Which of this machine's addresses to listen on."""
    port: Annotated[int, pydantic.Field(ge=0, le=65535)] = 8800
    """Where to listen. 0: a free one, told at the start."""
    workers: Count = 1
    """Processes that serve; more than one use more than one processor. Each holds a copy of the library."""
    body_mb: Count = 32
    """Longest request, in MiB; a longer one is refused with 413. Images come inside requests."""
    body_seconds: Annotated[float, pydantic.Field(gt=0)] = 60.0
    """Longest time for a request to come in; a slower one is refused with 408."""
    head_kb: Count = 64
    """Longest line and headers of a request, in KiB; longer ones are refused with 431."""
    head_seconds: Annotated[float, pydantic.Field(gt=0)] = 10.0
    """Longest time for them to come in; slower ones are refused with 408."""
    taking_seconds: Annotated[float, pydantic.Field(gt=0)] = 60.0
    """A client that takes nothing of an answer that waits for it is cut off after so long."""
    patience_ms: Count = 30
    """Milliseconds a dense embedder may take for a new turn; then word vectors decide."""
    limit_ms: Count = 250
    """Milliseconds matching may take, usually one or two; then nothing is taught."""
    holdout: Annotated[float, pydantic.Field(ge=0, lt=1)] = 0.0
    """The share of conversations, drawn at random, that goes untaught, so that `preceptor evaluate --live` can tell
    what teaching does."""
    other_release: Text | None = None
    """The beginning of a release's hash, to be held against the live one in production."""
    other_share: Annotated[float, pydantic.Field(gt=0, lt=1)] = 0.5
    """The share of taught conversations that `other_release` teaches, where it is given."""
    record: Text | None = None
    """A file to write conversations to, for `preceptor teach --logs`; a line for each. None is recorded when not given:
    ask your customers first."""
    record_redacted: bool = True
    """Addresses, numbers, codes and names of customers are replaced in what is recorded, as far as simple patterns find
    them."""
    access_log: Text | None = None
    """Where a line of JSON for each request goes: a file, or - for standard error. No message's text is in it. None is
    written when not given."""
    access_log_messages: bool = False
    """What the customer said last and what was answered stands in it, too, customers' data replaced as far as simple
    patterns find it."""
    review: bool = False
    """true: `preceptor serve` also carries the review, at /review."""
    metrics: Literal["local", "open"] = "local"
    """Who may read /metrics, which tell of all tenants: programs on this machine, or whoever reaches the port. A proxy
    on this machine counts as one of its programs."""
    metrics_key_env: Text | None = None
    """The environment variable with the key that /metrics then asks of everybody, as bearer token."""
    traces: Text | None = None
    """Where OpenTelemetry traces go: the URL of an OTLP receiver over HTTP, such as http://127.0.0.1:4318/v1/traces.
    Needs pip install 'preceptor[otel]'. None are made when not given."""
    traces_ratio: Annotated[float, pydantic.Field(ge=0, le=1)] = 1.0
    """The share of traces begun here that are kept; where a request comes with a trace, who began it has decided."""
    traces_messages: bool = False
    """What was said stands in the traces, too, customers' data replaced as far as simple patterns find it."""
    upstreams: dict[Annotated[str, pydantic.Field(pattern=r"^[^\x00-\x1f\x7f]+$")], UpstreamSection] = {}
    """Servers of models, by a name of yours, which answers tell in a header."""


class ReviewSection(Section):
    """The pages that `preceptor review` shows."""

    host: Text = "127.0.0.1"
    """Which of this machine's addresses to listen on. Beyond 127.0.0.1 everybody signs in."""
    port: Annotated[int, pydantic.Field(ge=0, le=65535)] = 8801
    """Where to listen. 0: a free one, told at the start."""
    hosts: tuple[Text, ...] = ()
    """Names under which browsers ask for it, besides this machine's own, without port. Others are refused."""
    https: bool = False
    """true: a proxy in front speaks https with browsers, so cookies are sent over that alone."""
    proxy_header: Text | None = None
    """The header in which a proxy in front (OIDC, SAML) says who somebody is. Nobody signs in here then."""
    proxies: tuple[Text, ...] = ()
    """Addresses or networks of that proxy; the header counts from these only."""
    others: Literal["viewer", "editor", "approver", "admin"] | None = None
    """The role of people whom the proxy names and who have no account. None is let in when not given."""


class WorkersSection(Section):
    """Other processes, on this machine or others, that take part in teaching runs: `preceptor worker`."""

    jobs: Count | None = None
    """Customers and scenarios a process works on at a time; twice the models' largest concurrency when not given, which
    keeps all connections busy."""
    lead_works: bool = True
    """false: the process that leads a run only leads it, and workers do all the rest."""


class WatchSection(Section):
    """New conversations, held against the library as they come: `preceptor watch`."""

    folder: Path | None = None
    """A folder, or a file, with logs that grow. What `serving.record` writes is always looked at."""
    every: Annotated[float, pydantic.Field(gt=0)] = 60.0
    """Minutes from one look to the next."""
    window: Annotated[int, pydantic.Field(ge=2)] = 200
    """Conversations: the first ones since a release that later ones are held against, and the newest ones, at most."""
    rise: Annotated[float, pydantic.Field(gt=0, lt=1)] = 0.1
    """Rise of the share of moments that are far from every scenario from which on it is told as an alarm, where chance
    is ruled out as well."""
    enough: Count = 30
    """Conversations far from every scenario that must wait before a teaching run learns from them."""
    most: Count = 200
    """Conversations that one such run learns from, at most."""
    customers: Count = 60
    """Simulated customers that take part in it."""
    calls: Annotated[int, pydantic.Field(ge=0)] | None = 20_000
    """Most calls in a day (UTC), every retry counted; what is not done by then goes on the next day. 0: nothing is
    taught."""
    tokens: Annotated[int, pydantic.Field(ge=0)] | None = None
    """Most tokens in a day. No bound when not given."""
    money: Price | None = None
    """Most money in a day, in project.currency. No bound when not given."""


class TransferSection(Section):
    """Other students that a library may be carried to."""

    students: dict[ArmName, ModelSection] = {}
    """Models by name, a line each, with the keys of [models.student]: `preceptor transfer --students NAME,…`."""


class Settings(Section):
    """A whole settings file, resolved: defaults filled in."""

    project: ProjectSection = ProjectSection()
    models: ModelsSection
    teaching: Teaching = Teaching()
    evaluation: EvaluationSection = EvaluationSection()
    transfer: TransferSection = TransferSection()
    retrieval: RetrievalSection = RetrievalSection()
    tools: ToolsSection = ToolsSection()
    budget: BudgetSection = BudgetSection()
    library: LibrarySection = LibrarySection()
    serving: ServingSection = ServingSection()
    review: ReviewSection = ReviewSection()
    workers: WorkersSection = WorkersSection()
    watch: WatchSection = WatchSection()

    @pydantic.model_validator(mode="after")
    def _money_needs_prices(self) -> "Settings":
        models = [self.models.of(role) for role in ROLES]
        if self.budget.money is not None and not any(model.price_input or model.price_output for model in models):
            raise ValueError("budget.money is set, but no model has a price (price_input, price_output)")
        if self.watch.money is not None and not any(model.price_input or model.price_output for model in models):
            raise ValueError("watch.money is set, but no model has a price (price_input, price_output)")
        return self
