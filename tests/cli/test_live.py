"""`preceptor evaluate --live`."""

from pathlib import Path

import orjson
import sqlalchemy as sa

from preceptor.serving.tables import feedback, trials
from preceptor.settings.project import Project

from .conftest import Command


def tell(project: Path, name: str, arm: str, resolved: bool, at: str, *, found: bool = True) -> None:
    about = {"library": "default", "tenant": "t", "release": "ab12", "chance": 0.5, "found": found, "at": at}
    with Project.load(project).database(create=True) as db, db.begin() as connection:
        connection.execute(sa.insert(trials), {"conversation": name, "arm": arm, **about})
        told = {"conversation": name, "measure": "resolved", "value": float(resolved), "at": at}
        if not connection.scalar(sa.select(feedback.c.at).where(feedback.c.conversation == name)):
            connection.execute(sa.insert(feedback), told)


def test_without_a_trial_it_says_how_to_begin_one(taught: Path, preceptor: Command) -> None:
    code, out, _ = preceptor("evaluate", "--live", "--project", taught)
    assert code == 0
    assert "serving.holdout" in out


def test_the_effect_is_read_of_those_there_was_something_to_teach(project: Path, preceptor: Command) -> None:
    for n in range(12):
        tell(project, f"cv-{n}", "live" if n % 2 else "untaught", bool(n % 2), f"2026-11-{10 + n}")
    tell(project, "cv-a", "live", False, "2026-11-25", found=False)
    for arm in ("live", "untaught"):
        tell(project, "cv-moved", arm, False, "2026-11-26")
    code, out, _ = preceptor("evaluate", "--live", "--project", project, "--json")
    assert code == 0
    (finding,) = orjson.loads(out)["findings"]
    assert (finding["effect"]["means"], finding["effect"]["counts"]) == ([1, 0], [6, 6])
    assert "live against untaught" in preceptor("evaluate", "--live", "--project", project)[1]
    _, since, _ = preceptor("evaluate", "--live", "--since", "2026-11-16", "--project", project, "--json")
    assert orjson.loads(since)["findings"][0]["effect"]["counts"] == [3, 3]
