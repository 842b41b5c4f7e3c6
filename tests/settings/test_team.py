"""From settings to models: secrets, sampling, what roles share."""

import json
import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa

from preceptor.errors import Denied, NotFound, SettingsError, Unavailable
from preceptor.llm.client import OpenAIModel
from preceptor.llm.messages import Message, Reply, Request, Sampling
from preceptor.llm.prices import Amount
from preceptor.llm.retrying import Patience
from preceptor.llm.scripted import ScriptedModel
from preceptor.llm.stopping import Stop
from preceptor.settings import templates
from preceptor.settings.models import Providers, Sampled, key, patience
from preceptor.settings.project import Project
from preceptor.settings.schema import Endpoint, Simulated
from preceptor.simulated.faults import Faults
from preceptor.simulated.model import SimulatedModel
from preceptor.simulated.server import create_app
from preceptor.simulated.world import World
from witness import watching

pytestmark = pytest.mark.anyio
HELLO = Request((Message("user", "My line is down."),))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    templates.write(tmp_path, "broadband")
    return tmp_path


def endpoint(**more: object) -> Endpoint:
    return Endpoint.model_validate({"kind": "openai", "base_url": "http://127.0.0.1:9/v1", "model": "small"} | more)


def test_a_key_comes_from_the_environment() -> None:
    assert key("DESK_KEY", {"DESK_KEY": "sk-1"}) == "sk-1"
    assert key(None, {"DESK_KEY": "sk-1"}) == ""
    with pytest.raises(SettingsError, match="'DESK_KEY'"):
        key("DESK_KEY", {"DESK_KEY": ""})


async def test_the_key_is_nowhere_to_be_seen(tmp_path: Path) -> None:
    providers = Providers(tmp_path, {"DESK_KEY": "sk-secret"})
    model = providers.model(endpoint(key_env="DESK_KEY"))
    assert "sk-secret" not in f"{model!r} {model.name}"
    await providers.aclose()


async def test_the_same_model_in_two_roles_is_one_client(tmp_path: Path) -> None:
    providers = Providers(tmp_path, {})
    first = providers.model(endpoint(temperature=0.1))
    assert isinstance(first, OpenAIModel)
    assert providers.model(endpoint(temperature=0.9)) is first
    assert providers.model(endpoint(model="other")) is not first
    await providers.aclose()


def test_worlds_by_name_and_by_path(tmp_path: Path) -> None:
    providers = Providers(tmp_path, {})
    shipped = Simulated(kind="simulated", world="broadband", model="teacher")
    assert isinstance(providers.model(shipped), SimulatedModel)
    with pytest.raises(NotFound, match=r"own\.yaml"):
        providers.model(Simulated(kind="simulated", world="own.yaml", model="teacher"))
    with pytest.raises(NotFound, match="'techer'"):
        providers.model(Simulated(kind="simulated", world="broadband", model="techer"))


async def test_settings_overrule_the_role_s_sampling_but_never_its_seed() -> None:
    scripted = ScriptedModel("m", ["yes", "yes"])
    asked = Request((Message("user", "?"),), Sampling(0.7, None, 400, seed=5))
    await Sampled(scripted, endpoint(temperature=0.0, max_tokens=50)).ask(asked)
    await Sampled(scripted, endpoint()).ask(asked)
    assert [request.sampling for request in scripted.requests] == [Sampling(0.0, None, 50, 5), asked.sampling]


async def test_roles_behind_one_endpoint_share_the_strictest_limit(folder: Path) -> None:
    project = Project.load(folder, ["models.teacher.concurrency=4", "models.judge.concurrency=9"])
    with project.database(create=True) as db:
        async with project.team(db, "run", Stop()) as team:
            limiters = {id(stacked.limiter) for stacked in team.stacks.values()}
            assert len(limiters) == 1
            assert team.stacks["judge"].limiter.traffic.limit == 4


async def test_calls_of_every_role_count_against_the_budget(folder: Path) -> None:
    project = Project.load(folder, ["budget.calls=3"])
    with project.database(create=True) as db:
        async with project.team(db, "run", Stop()) as team:
            for role in ("student", "teacher"):
                await team.models[role].ask(Request((Message("user", f"{role}, my line is down"),)))
        async with project.team(db, "run", Stop()) as again:
            assert again.budget.used.calls == 2
            assert {role: total.calls for role, total in again.totals.items()} == {"student": 1, "teacher": 1}


async def test_leaving_waits_until_every_reply_is_on_disk(folder: Path) -> None:
    project = Project.load(folder)
    with project.database(create=True) as db:
        async with project.team(db, "run", Stop()) as team:
            await team.models["student"].ask(HELLO)
        with sqlite3.connect(folder / "preceptor.db") as beside:
            assert beside.execute("SELECT state, reply IS NOT NULL FROM calls").fetchall() == [("done", 1)]
        beside.close()


async def test_leaving_tells_of_a_reply_that_could_not_be_written_down(folder: Path) -> None:
    project = Project.load(folder)
    with project.database(create=True) as db:
        team, gone = project.team(db, "run", Stop()), sa.text("ALTER TABLE calls RENAME TO gone")
        account = team.ledger.account("student", "m")
        await account.sending(HELLO, Amount(1))
        await db.write(lambda connection: connection.execute(gone))
        team.ledger.finish(account.key(HELLO), Reply(Message("assistant", "Hello.")))
        with pytest.raises(sa.exc.OperationalError, match="no such table"):
            async with team:
                pass


async def test_a_fault_that_stops_a_run_is_what_leaving_raises(folder: Path) -> None:
    project = Project.load(folder)
    with project.database(create=True) as db:
        team = project.team(db, "run", Stop())
        team.stop.fail(Denied("wrong key"))
        with pytest.raises(Denied, match="wrong key"):
            async with team:
                await team.models["teacher"].ask(HELLO)


def test_how_long_to_try_is_a_setting_of_each_model() -> None:
    assert patience(endpoint()) == Patience(12, 1800.0)
    assert patience(endpoint(attempts=3, outage=60)) == Patience(3, 60.0)


async def test_a_model_that_gets_one_try_is_given_up_at_once(folder: Path) -> None:
    serve = create_app(World.shipped("broadband"), Faults(server_error=1.0))
    with watching(serve) as served:
        student = f"models.student={{kind='openai', base_url='{served.url}', model='student-a', attempts=1}}"
        project = Project.load(folder, [student])
        with project.database(create=True) as db, pytest.raises(Unavailable, match="500"):
            async with project.team(db, "run", Stop()) as team:
                await team.models["student"].ask(HELLO)
    assert served.tally.calls == 1


def test_an_encoder_s_folder_that_is_not_there(folder: Path) -> None:
    project = Project.load(folder, ["retrieval.embedder=onnx", "retrieval.folder=nowhere"])
    with pytest.raises(NotFound, match="nowhere"):
        project.embedder()


def test_an_embeddings_endpoint_nobody_answers_at(folder: Path) -> None:
    at = ["retrieval.embedder=endpoint", "retrieval.base_url=http://127.0.0.1:9/v1", "retrieval.model=small"]
    with pytest.raises(Unavailable, match="cannot be reached"):
        Project.load(folder, at).embedder()


def test_the_record_of_a_run_holds_no_secret(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESK_KEY", "sk-secret")
    path = folder / "preceptor.toml"
    student = 'kind = "openai"\nbase_url = "http://127.0.0.1:9/v1"\nkey_env = "DESK_KEY"\nmodel = "student-a"'
    path.write_text(path.read_text().replace('kind = "simulated"\nworld = "broadband"\nmodel = "student-a"', student))
    resolved = Project.load(folder).resolved()
    assert "DESK_KEY" in json.dumps(resolved)
    assert "sk-secret" not in json.dumps(resolved)
