"""The playground: a talk with the student alone, the student with the library, and the teacher, side by side."""

from dataclasses import dataclass
from functools import partial
from typing import Any, cast, get_args

import anyio.to_thread
from starlette.responses import Response

from preceptor.dialogue.conversation import Context, Turn
from preceptor.library.cases import Cases
from preceptor.settings.stage import Name, Stage, Talk, Which
from preceptor.web import streams
from preceptor.web.pasted import turns_of
from preceptor.web.refusals import Refused
from preceptor.web.routing import Page
from preceptor.web.visits import Visit, bit

EVERY = 0.15
"""Seconds between two looks at answers that are being written."""
TITLES: dict[Name, str] = {
    "alone": "The student alone",
    "library": "The student with the library",
    "teacher": "The teacher",
}


def start(visit: Visit) -> Response:
    """Where a talk is begun: from nothing, from a turn of a conversation that is kept, or of one that is pasted."""
    _stage(visit)
    key = visit.asked("context")
    turns = visit.house.desk.library.context(key).turns if key else ()
    return visit.page("playground.html", context=key, turns=turns, pasted="", cases=_cases(visit).list())


async def begin(visit: Visit) -> Response:
    stage = _stage(visit)
    talk = await anyio.to_thread.run_sync(partial(_begun, visit, stage))
    if talk.asked is not None and talk.sides["library"].turns[-1].party == "customer":
        stage.again(talk)
    return visit.to(_at(visit, talk))


def _begun(visit: Visit, stage: Stage) -> Talk:
    form, key = visit.form, visit.form.text("context")
    turns = visit.house.desk.library.context(key).turns if key else turns_of(form.text("pasted"))
    until = form.number("until") if form.text("until") else len(turns)
    which = form.text("library")
    chosen = cast(Which, which) if which in get_args(Which) else None
    return stage.begin(visit.name, turns[:until], chosen, teacher=bool(form.text("teacher")))


def show(visit: Visit) -> Response:
    talk = _talk(visit)
    return visit.page("rehearsal.html", **_board(talk))


async def live(visit: Visit) -> Response:
    """The answers as they are written."""
    talk = _talk(visit)

    async def look() -> tuple[str, bool]:
        going = talk.busy
        return visit.draw("part_talk.html", **_board(talk)), going

    return streams.follow(visit, look, EVERY)


async def say(visit: Visit) -> Response:
    talk = _talk(visit)
    _stage(visit).say(talk, visit.form.text("text"))
    return visit.to(_at(visit, talk))


async def again(visit: Visit) -> Response:
    """Answer again, with only the strategies that are ticked, and those that were not on offer."""
    talk = _talk(visit)
    off = None
    if visit.form.text("chosen"):
        offered, on = visit.form.all("offered"), visit.form.all("on")
        off = (talk.off - set(offered)) | (set(offered) - set(on))
    _stage(visit).again(talk, frozenset(off) if off is not None else None)
    return visit.to(_at(visit, talk))


def keep(visit: Visit) -> Response:
    """Keep a context with an answer that is good enough: what the student says there from now on is held against it."""
    talk = _talk(visit)
    side = talk.sides.get(cast(Name, visit.form.text("side")))
    last = side.turns[-1] if side and side.turns else None
    if side is None or talk.asked is None or last is None or last.party != "agent" or last.tool_calls or side.busy:
        raise Refused(400, "There is no answer yet that could be kept.")
    case = _cases(visit).keep(Context(side.turns[:-1]), side.turns[-1].text, visit.form.text("note"), visit.name)
    return visit.to(
        _at(visit, talk), say=f"Kept as case {case.id}. `preceptor cases run` holds the student against it."
    )


def remove(visit: Visit) -> Response:
    _cases(visit).remove(visit.given("id"))
    return visit.to(visit.at("/playground"), say="The case is removed.")


def _stage(visit: Visit) -> Stage:
    if visit.house.stage is None:
        raise Refused(404, "There are no models here to talk to.")
    return visit.house.stage


def _talk(visit: Visit) -> Talk:
    talk = _stage(visit).talk(visit.given("id"))
    if talk.who != visit.name:
        raise Refused(404, "This talk is somebody else's.")
    return talk


def _cases(visit: Visit) -> Cases:
    library = visit.house.desk.library
    return Cases(library.db, library.name)


def _at(visit: Visit, talk: Talk) -> str:
    return visit.at(f"/playground/{bit(talk.id)}")


def _board(talk: Talk) -> dict[str, Any]:
    scenarios = {scenario.id: scenario.description for scenario in talk.guidance.scenarios}
    found = talk.found
    return {
        "talk": talk,
        "titles": TITLES,
        "rounds": _rounds(talk),
        "matches": [(scenarios.get(id_, id_), share) for id_, share in found.matches[:5]] if found else [],
        "scenarios": scenarios,
    }


@dataclass
class Round:
    """What the customer said, and what every side made of it."""

    said: Turn | None
    """None: it was said before the talk began."""
    answers: dict[Name, list[Turn]]


def _rounds(talk: Talk) -> list[Round]:
    """The talk since it began."""
    said = [turn for turn in talk.sides["library"].turns[talk.begun :] if turn.party == "customer"]
    rounds = [Round(turn, {name: [] for name in talk.sides}) for turn in (None, *said)]
    for name, side in talk.sides.items():
        at = 0
        for turn in side.turns[talk.begun :]:
            if turn.party == "customer":
                at += 1
            else:
                rounds[at].answers[name].append(turn)
    before = talk.sides["library"].turns[: talk.begun]
    return rounds if before and before[-1].party == "customer" else rounds[1:]


PAGES = (
    Page("GET", "/playground", "editor", start),
    Page("POST", "/playground", "editor", begin),
    Page("GET", "/playground/{id}", "editor", show),
    Page("GET", "/playground/{id}/live", "editor", live),
    Page("POST", "/playground/{id}/say", "editor", say),
    Page("POST", "/playground/{id}/again", "editor", again),
    Page("POST", "/playground/{id}/keep", "editor", keep),
    Page("POST", "/cases/{id}/remove", "editor", remove),
)
