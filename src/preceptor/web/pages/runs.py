"""Runs: what is being done, what was done, and how to stop it or have it go on."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import anyio.to_thread
from starlette.responses import HTMLResponse, Response

from preceptor.evaluation.rendering import page as reports
from preceptor.settings.evaluation import KIND as EVALUATION
from preceptor.settings.measuring import KIND as MEASURING
from preceptor.settings.office import Office, Sight
from preceptor.settings.words import KINDS, came_of
from preceptor.storage.runs import Run
from preceptor.web import streams
from preceptor.web.curve import Curve
from preceptor.web.guard import HEADERS
from preceptor.web.paging import Paging
from preceptor.web.refusals import Refused
from preceptor.web.routing import Page
from preceptor.web.visits import Visit, bit

EVERY = 1.0
"""Seconds between two looks at a run that is going on."""
SIZE = 25


@dataclass(frozen=True)
class Line:
    """A run in the list."""

    sight: Sight
    kind: str
    came: str


def listed(visit: Visit) -> Response:
    office = _office(visit)
    paging = Paging.of(visit, office.runs.count(), SIZE)
    runs = office.runs.list(SIZE, paging.offset)
    lines = [Line(office.see(run), _kind(run), came_of(run)) for run in runs]
    return visit.page("runs.html", lines=lines, paging=paging)


def show(visit: Visit) -> Response:
    office = _office(visit)
    return visit.page("run.html", **_board(office, _run(visit, office)))


async def live(visit: Visit) -> Response:
    """The moving part of a run's page, each time it has changed, until the run is over or its reader has gone."""
    office = _office(visit)
    run = await anyio.to_thread.run_sync(partial(_run, visit, office))

    async def look() -> tuple[str, bool]:
        return await anyio.to_thread.run_sync(partial(_drawn, visit, office, run.id))

    return streams.follow(visit, look, EVERY)


def pause(visit: Visit) -> Response:
    return _steered(visit, _office(visit).stop(visit.given("id"), "pause", visit.name))


def cancel(visit: Visit) -> Response:
    return _steered(visit, _office(visit).stop(visit.given("id"), "cancel", visit.name))


def resume(visit: Visit) -> Response:
    office = _office(visit)
    office.resume(_run(visit, office))
    return _steered(visit, "It goes on.")


def report(visit: Visit) -> Response:
    """An evaluation's report, in a frame of this page."""
    office = _office(visit)
    run = _run(visit, office)
    office.report(run.id)  # so that what cannot be shown is told here, and not in the frame
    return visit.page("report.html", run=run)


def sheet(visit: Visit) -> Response:
    """The report itself, or one of its pages of transcripts."""
    site = _office(visit).report(visit.given("id"))
    name = visit.given("name")
    text = (
        site.report if name == "report.html" else site.sheets.get(name.removeprefix(f"{reports.folder_of('report')}/"))
    )
    if text is None:
        raise Refused(404, "The report has no such page.")
    framed = {
        "content-security-policy": f"{reports.policy()}; frame-ancestors 'self'; base-uri 'none'; form-action 'none'"
    }
    return HTMLResponse(text, headers=HEADERS | framed | {"x-frame-options": "SAMEORIGIN"})


def measure(visit: Visit) -> Response:
    """Measure a strategy as it stands."""
    run = _office(visit).measure(visit.given("id"))
    return visit.to(visit.at(f"/runs/{bit(run.id)}"), say="It is being measured.")


def try_out(visit: Visit) -> Response:
    """Try a wording that is not saved."""
    run = _office(visit).measure(visit.given("id"), visit.form.text("text"))
    return visit.to(visit.at(f"/runs/{bit(run.id)}"), say="It is being tried. Nothing is saved by that.")


def _office(visit: Visit) -> Office:
    if visit.house.office is None:
        raise Refused(404, "The runs of this project are not shown here.")
    return visit.house.office


def _run(visit: Visit, office: Office) -> Run:
    return office.runs.get(visit.given("id"))


def _kind(run: Run) -> str:
    return KINDS.get(run.kind, run.kind)


def _board(office: Office, run: Run) -> dict[str, Any]:
    """What there is to know of a run now."""
    scores = office.scores(run)
    result = run.result if isinstance(run.result, dict) else {}
    return {
        "run": run,
        "sight": office.see(run),
        "kind": _kind(run),
        "came": came_of(run),
        "tally": office.runs.tally(run.id),
        "latest": office.latest(run),
        "scores": scores,
        "curve": Curve.of([(f"{score.iteration}", score.mean, score.low, score.high) for score in scores]),
        "tried": _tried(run),
        "compared": office.compared(run),
        "verdicts": result.get("verdicts", []),
        "reports": run.kind == EVALUATION and run.status == "done",
        "currency": office.currency,
    }


def _tried(run: Run) -> dict[str, Any] | None:
    """The strategy that a run measures, or a wording of it."""
    if run.kind != MEASURING:
        return None
    strategy = run.settings["strategy"]
    return {"id": strategy["id"], "text": strategy["text"], "trying": run.settings["trying"]}


def _drawn(visit: Visit, office: Office, run: str) -> tuple[str, bool]:
    """The moving part, and whether it still moves."""
    board = _board(office, office.runs.get(run))
    return visit.draw("part_run.html", **board), board["sight"].going


def _steered(visit: Visit, say: str) -> Response:
    return visit.to(visit.at(f"/runs/{bit(visit.given('id'))}"), say=say)


PAGES = (
    Page("GET", "/runs", "viewer", listed),
    Page("GET", "/runs/{id}", "viewer", show),
    Page("GET", "/runs/{id}/live", "viewer", live),
    Page("GET", "/runs/{id}/report", "viewer", report),
    Page("GET", "/runs/{id}/report/{name:path}", "viewer", sheet),
    Page("POST", "/runs/{id}/pause", "approver", pause),
    Page("POST", "/runs/{id}/cancel", "approver", cancel),
    Page("POST", "/runs/{id}/resume", "approver", resume),
    Page("POST", "/strategies/{id}/measure", "editor", measure),
    Page("POST", "/strategies/{id}/try", "editor", try_out),
)
