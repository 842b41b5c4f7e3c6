"""What the gateway costs beside a bare pass-through and, where installed, LiteLLM's proxy.

An instant upstream, a bare pass-through (raw ASGI, aiohttp's client, the body read and changed), `preceptor serve` with
a key, limits, metrics, retrieval over 1,000 scenarios and the slot, and LiteLLM's proxy, each a process; a client in
another asks them in turn. Processor time a request, from /proc, is the sturdy column: times tell of the machine's other
work, too.

`growing`: conversations of four customer turns, each request one turn more, 1.6 kB on average, so that strategies have
to be found for a turn nobody has said before in every request; `again`: the same few conversations again and again,
which is what everything but finding costs. Streams, of both kinds: 64 events, 10 ms apart, 64 connections that all
begin at once, beside the upstream asked directly. Servers are asked in turn, and in the other order in every other
round, so that neither is always the one that follows: what else the machine does falls on both. Answers are counted
per processor second, too: on a busy machine answers per second tell who else was at work.
`lexical` is ours with `retrieval.embedder = "lexical"`. LiteLLM's proxy (`make clients`) is asked for the same, with
fewer requests.
`bad` counts answers that were no success or not what the upstream sent, byte for byte; `failed`, the former alone,
because LiteLLM writes answers anew. Start and memory are those of a small library.

QUICK=1 runs a smaller form. Prints a table and, as its last line, a JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from desk import quick
from peers import Spec, text
from preceptor.cli.main import run as preceptor
from preceptor.dialogue.conversation import Context, Turn
from preceptor.library.model import Scenario, Strategy
from preceptor.library.rows import Use
from preceptor.library.store import Batch, Library
from preceptor.serving.keys import Key, Keys
from preceptor.storage.database import Database

PEERS = Path(__file__).with_name("peers.py")
TICK = os.sysconf("SC_CLK_TCK")
SMALL = 20
"""Scenarios of the small library."""
EXAMPLES = 3
LEXICAL = 'retrieval.embedder="lexical"'
"""Words alone, without word vectors."""
QUIET = {"LITELLM_MODE": "PRODUCTION", "LITELLM_LOG": "ERROR", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
"""LiteLLM's settings for production, and that it asks no network for its list of prices when it starts."""
ENCODED = 100
"""Scenarios where an encoder reads them: fitting a thousand would take it a minute."""
Figures = dict[str, float]


@dataclass(frozen=True)
class Server:
    name: str
    pid: int
    port: int
    key: str = "k"

    @property
    def cpu(self) -> float:
        """Processor seconds so far, of all its threads."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    @property
    def resident(self) -> float:
        """MB."""
        line = next(line for line in Path(f"/proc/{self.pid}/status").read_text().splitlines() if "VmRSS" in line)
        return int(line.split()[1]) / 1000


@contextmanager
def process(*command: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    around = {**os.environ, **environment}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=around) as started:
        try:
            yield started
        finally:
            started.terminate()


@contextmanager
def peer(name: str, *arguments: str) -> Iterator[Server]:
    with process(sys.executable, str(PEERS), name, *arguments) as started:
        assert started.stdout is not None
        yield Server(name, started.pid, int(started.stdout.readline()))


def project(folder: Path, scenarios: int, upstream: Server, *, english: bool = False) -> str:
    """A project with a released library of so many scenarios; a key of it."""
    if preceptor(["init", str(folder)]):
        raise SystemExit("no project could be made")
    with Database.open(folder / "preceptor.db") as db:
        library = Library(db, "default")
        rng = random.Random(7)
        made = []
        for n in range(scenarios):
            examples = tuple(Context((Turn("customer", text(rng, n, 20, english=english)),)) for _ in range(EXAMPLES))
            made.append(Scenario(Scenario.new_id(str(n), examples[0]), f"Case {n}.", examples))
        said = "Ask for the number of the order first, then say what happens next and when, in case {n}."
        strategies = [
            Strategy(Strategy.new_id(said.format(n=n), one.id), said.format(n=n), "It helps.", one.id, 0.3, "accepted")
            for n, one in enumerate(made)
        ]
        library.store(Batch(made, strategies, use=Use("Shop")), "bench", "1")
        for strategy in strategies:
            library.decide(strategy.id, "approved", "bench")
        library.release("bench")
        return Keys(db).add(Key("", "bench", "bench", "default", per_minute=10**8, tokens=10**12))[0]


@contextmanager
def ours(
    folder: Path, scenarios: int, upstream: Server, *settings: str, english: bool = False
) -> Iterator[tuple[Server, float, float]]:
    """The gateway; with the seconds and the processor seconds it took to be ready. `settings`: more of them."""
    key = project(folder, scenarios, upstream, english=english)
    there = f'serving.upstreams.up={{base_url="http://127.0.0.1:{upstream.port}/v1"}}'
    program = "import sys; from preceptor.cli import main; main()"
    began = time.perf_counter()
    sets = [part for one in (there, *settings) for part in ("--set", one)]
    arguments = ["serve", "--project", str(folder), "--port", "0", *sets]
    with process(sys.executable, "-c", program, *arguments) as started:
        assert started.stdout is not None
        port = int(started.stdout.readline().split("/v1")[0].rsplit(":", 1)[1])
        ready(f"http://127.0.0.1:{port}/readyz")
        server = Server("ours", started.pid, port, key)
        yield server, time.perf_counter() - began, server.cpu


@contextmanager
def litellm(folder: Path, upstream: Server) -> Iterator[tuple[Server, float, float]]:
    """LiteLLM's proxy, as `ours` is; it must be installed. One worker, set up as its documentation says for production,
    with its master key, and without what costs it most: no database, no callbacks, no retries."""
    key = f"sk-{secrets.token_hex(32)}"
    port = upstream.port + 1 if upstream.port < 65000 else upstream.port - 1
    config = folder / "litellm.json"
    there = {"model": "openai/m", "api_base": f"http://127.0.0.1:{upstream.port}/v1", "api_key": "k"}
    lean = {"set_verbose": False, "request_timeout": 600, "num_retries": 0, "callbacks": []}
    models = [{"model_name": "m", "litellm_params": there}]
    config.write_text(json.dumps({"model_list": models, "litellm_settings": lean}))
    command = ["litellm", "--config", str(config), "--port", str(port), "--host", "127.0.0.1", "--num_workers", "1"]
    began = time.perf_counter()
    with process(*command, **QUIET, LITELLM_MASTER_KEY=key) as started:
        ready(f"http://127.0.0.1:{port}/health/liveliness")
        server = Server("litellm", started.pid, port, key)
        yield server, time.perf_counter() - began, server.cpu


def ready(url: str, patience: float = 120.0) -> None:
    end = time.perf_counter() + patience
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                if answer.status == 200:
                    return
        except OSError:
            if time.perf_counter() > end:
                raise
        time.sleep(0.02)


def load(server: Server, spec: Spec) -> Figures:
    """Ask a server; what it took. `cpu` in milliseconds a request."""
    asked = replace(spec, port=server.port, key=server.key)
    before = server.cpu
    command = [sys.executable, str(PEERS), "load", json.dumps(asdict(asked))]
    told: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    cpu = 1000 * (server.cpu - before) / spec.requests
    whole, first = told["whole"], told["first"]
    return {
        "cpu_ms": cpu,
        "per_cpu_second": 1000 / cpu if cpu else float("inf"),
        "per_second": spec.requests / told["seconds"],
        "p50_ms": 1000 * whole[len(whole) // 2],
        "p99_ms": 1000 * whole[int(len(whole) * 0.99)],
        "first_p50_ms": 1000 * first[len(first) // 2] if first else float("nan"),
        "first_p99_ms": 1000 * first[int(len(first) * 0.99)] if first else float("nan"),
        "bad": told["bad"],
        "failed": told["failed"],
        "taught": told["taught"].get("on", 0) / spec.requests,
        "late": told["late"] / spec.requests,
        "bytes": told["bytes"],
    }


def in_turn(servers: list[Server], spec: Spec, rounds: int) -> dict[str, Figures]:
    """Medians over rounds in which each server is asked the same, one after the other."""
    found: dict[str, list[Figures]] = {server.name: [] for server in servers}
    for number in range(rounds):
        for server in servers[:: -1 if number % 2 else 1]:
            asked = spec if spec.again else replace(spec, seed=spec.seed + number)
            found[server.name].append(load(server, asked))
    return {
        name: {
            key: median(one[key] for one in runs) if key not in ("bad", "failed") else sum(one[key] for one in runs)
            for key in runs[0]
        }
        for name, runs in found.items()
    }


def show(title: str, found: dict[str, Figures]) -> None:
    print(f"\n{title}")
    keys = list(next(iter(found.values())))
    print(" " * 10 + "".join(f"{key:>16}" for key in keys))
    for name, figures in found.items():
        print(f"{name:10}" + "".join(f"{figures[key]:>16,.3f}" for key in keys), flush=True)


def measure(args: argparse.Namespace, folder: Path) -> dict[str, Figures]:
    figures: dict[str, Figures] = {}
    with ExitStack() as stack:
        up = stack.enter_context(peer("upstream"))
        for name, settings in (("", ()), (" lexical", (LEXICAL,))):
            with ours(folder / f"small{name}", SMALL, up, *settings) as (small, seconds, cpu):
                load(small, Spec(0, 200))
                figures[f"start{name}"] = {"ready_s": seconds, "ready_cpu_s": cpu, "resident_mb": small.resident}
        bare = stack.enter_context(peer("bare", f"http://127.0.0.1:{up.port}/v1"))
        mine, *_ = stack.enter_context(ours(folder / "large", args.scenarios, up))
        servers = [bare, mine]
        spec = Spec(0, args.requests, args.connections, scenarios=args.scenarios, seed=args.seed)
        words, *_ = stack.enter_context(ours(folder / "lexical", args.scenarios, up, LEXICAL))
        both = [*servers, replace(words, name="lexical")]
        for name, one, asked in (("growing", spec, both), ("again", replace(spec, again=True), servers)):
            in_turn(asked, replace(one, requests=args.connections * 8), 1)
            table = in_turn(asked, one, args.rounds)
            show(name, table)
            figures |= {f"{name} {server}": told for server, told in table.items()}
        # Known ones: what the prompt's length costs, and not what finding strategies does.
        long = replace(spec, again=True, requests=args.requests // 10, connections=1, padding=128 << 10)
        table = in_turn([up, *servers], long, args.rounds)
        show("128 kB prompts", table)
        figures |= {f"long {server}": told for server, told in table.items()}
        streams = replace(spec, requests=args.connections * 4, stream=True)
        for name, one in (("streams", streams), ("streams again", replace(streams, again=True))):
            table = in_turn([up, *servers], one, args.rounds)
            show(name, table)
            figures |= {f"{name} {server}": told for server, told in table.items()}
        figures["open streams"] = {"resident_mb": open_streams(mine, spec)}
        if shutil.which("litellm"):
            figures |= compared(folder, up, spec, streams)
    if args.encoder:
        with peer("upstream") as up:
            figures |= encoder(args, folder, up)
    else:
        print("\nNothing is measured with a dense embedder: --encoder FOLDER was not given (see encoder.py).")
    return figures


def compared(folder: Path, upstream: Server, spec: Spec, streams: Spec) -> dict[str, Figures]:
    """What LiteLLM's proxy takes for the same, after as many requests to warm up; fewer, because it takes so long."""
    few = replace(spec, requests=max(200, spec.requests // 20))
    with litellm(folder, upstream) as (proxy, seconds, cpu):
        load(proxy, replace(few, seed=spec.seed + 1))
        start = {"ready_s": seconds, "ready_cpu_s": cpu, "resident_mb": proxy.resident}
        tables = {"growing": in_turn([proxy], few, 1), "streams": in_turn([proxy], streams, 1)}
    for name, table in tables.items():
        show(f"{name}, LiteLLM's proxy", table)
    return {"start litellm": start, **{f"{name} litellm": table["litellm"] for name, table in tables.items()}}


def version() -> str:
    """LiteLLM's, where it is installed."""
    if not shutil.which("litellm"):
        return ""
    said = subprocess.run(["litellm", "--version"], capture_output=True, check=True, text=True, env=os.environ | QUIET)
    found = re.search(r"\d+\.\d+\.\d+\S*", said.stdout)
    return found[0] if found else ""


def encoder(args: argparse.Namespace, folder: Path, up: Server) -> dict[str, Figures]:
    """The gateway with a dense embedder beside the upstream asked directly: conversations of twelve turns of 50 words,
    each answered by a paced stream, half a second of thought between."""
    settings = ('retrieval.embedder="onnx"', f'retrieval.folder="{Path(args.encoder).resolve()}"')
    with ours(folder / "dense", ENCODED, up, *settings, english=True) as (mine, *_):
        asked = Spec(0, args.requests // 10, 16, scenarios=ENCODED, turns=12, stream=True, seed=args.seed)
        spec = replace(asked, english=True, words=50, pause=0.5)
        # Until every example was embedded, word vectors decide.
        while load(mine, replace(spec, requests=48, seed=spec.seed + 1000))["late"] > 0.5:
            time.sleep(1)
        table = in_turn([up, mine], spec, args.rounds)
        show("with a dense embedder", table)
        return {f"dense {server}": told for server, told in table.items()} | {"dense": {"resident_mb": mine.resident}}


def open_streams(server: Server, spec: Spec) -> float:
    """Memory that 500 open streams add, at most, in MB."""
    before = most = server.resident
    asked = replace(spec, requests=500, connections=500, stream=True, port=server.port, key=server.key)
    with process(sys.executable, str(PEERS), "load", json.dumps(asdict(asked))) as asking:
        while asking.poll() is None:
            most = max(most, server.resident)
            time.sleep(0.02)
    return most - before


def targets(figures: dict[str, Figures]) -> dict[str, dict[str, Any]]:
    def at_most(measured: float, limit: float) -> dict[str, Any]:
        return {"target": f"at most {limit:g}", "measured": measured, "ok": measured <= limit}

    def at_least(measured: float, limit: float) -> dict[str, Any]:
        return {"target": f"at least {limit:g}", "measured": measured, "ok": measured >= limit}

    def streamed(title: str, kind: str) -> dict[str, dict[str, Any]]:
        ours, direct = figures[f"{kind} ours"], figures[f"{kind} upstream"]
        return {
            f"streams, {title}, p50 beside direct": at_most(ours["p50_ms"] / direct["p50_ms"], 1.03),
            f"streams, {title}, ms more to the first event": at_most(ours["first_p50_ms"] - direct["first_p50_ms"], 20),
        }

    again, growing, words = figures["again ours"], figures["growing ours"], figures["growing lexical"]
    found = {
        "cpu, known conversations, beside bare": at_most(again["cpu_ms"] / figures["again bare"]["cpu_ms"], 2),
        "cpu, growing conversations, beside bare": at_most(growing["cpu_ms"] / figures["growing bare"]["cpu_ms"], 2),
        "cpu, growing, words alone, beside bare": at_most(words["cpu_ms"] / figures["growing bare"]["cpu_ms"], 2),
        "requests a processor second": at_least(growing["per_cpu_second"], 2500),
        "requests a processor second, words alone": at_least(words["per_cpu_second"], 2500),
        "taught": at_least(growing["taught"], 0.5),
        "128 kB prompt, cpu ms beside bare": at_most(
            figures["long ours"]["cpu_ms"] - figures["long bare"]["cpu_ms"], 1
        ),
        **streamed("new turns", "streams"),
        **streamed("known", "streams again"),
        "500 open streams, MB": at_most(figures["open streams"]["resident_mb"], 200),
        "answers lost or changed": at_most(
            sum(told.get("bad", 0) for name, told in figures.items() if "litellm" not in name), 0
        ),
        "start, processor seconds": at_most(figures["start"]["ready_cpu_s"], 1),
        "start, MB": at_most(figures["start"]["resident_mb"], 80),
        "start, words alone, MB": at_most(figures["start lexical"]["resident_mb"], 80),
    }
    if "dense" in figures:
        dense, alone = figures["dense ours"], figures["dense upstream"]
        found |= {
            f"dense, ms to the first event, {name}": at_most(
                dense[f"first_{name}_ms"] - alone[f"first_{name}_ms"], most
            )
            for name, most in (("p50", 15), ("p99", 40))
        }
        found["dense, MB"] = at_most(figures["dense"]["resident_mb"], 300)
        found["dense, word vectors stood in"] = at_most(dense["late"], 0.05)
    if "growing litellm" in figures:
        found["cpu, LiteLLM beside ours"] = at_least(figures["growing litellm"]["cpu_ms"] / growing["cpu_ms"], 30)
    return found


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    few = quick()
    parser.add_argument("--requests", type=int, default=2000 if few else 8000)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--scenarios", type=int, default=200 if few else 1000)
    parser.add_argument("--rounds", type=int, default=1 if few else 3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--encoder", help="a model folder for the onnx embedder, to measure it too")
    return parser.parse_args()


def main() -> None:
    args = arguments()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(args, Path(folder))
    show("start, small library", {"ours": figures["start"], "lexical": figures["start lexical"]})
    print()
    told = targets(figures)
    for name, one in told.items():
        print(f"{'ok  ' if one['ok'] else 'MISS'} {name} {one['measured']:.2f} ({one['target']})")
    ok = all(one["ok"] for one in told.values())
    whole = {"bench": "gateway", "ok": ok, "quick": quick(), "figures": figures, "targets": told, "litellm": version()}
    print(json.dumps(whole))


if __name__ == "__main__":
    main()
