"""Releases: what is live, what would change, and the ways forward and back."""

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.responses import Response

from preceptor.library.diff import Difference, summary
from preceptor.library.model import Guidance, Strategy
from preceptor.settings.releases import held_against
from preceptor.web.paging import Paging
from preceptor.web.refusals import Refused
from preceptor.web.routing import Page
from preceptor.web.visits import Visit, bit

SHOWN = 100
"""Differences of a kind, and strategies, that a page lists."""
CHOICE = 400
"""Approved strategies up to which a release can be put together one by one."""
SHORT = 12


@dataclass(frozen=True)
class Changes:
    """Differences of one kind."""

    title: str
    found: Sequence[Difference]

    @property
    def shown(self) -> Sequence[Difference]:
        return self.found[:SHOWN]


def listed(visit: Visit) -> Response:
    desk = visit.house.desk
    candidate, every = desk.candidate(), desk.library.releases()
    paging = Paging.of(visit, len(every), 25)
    return visit.page(
        "releases.html",
        live=next((release for release in every if release.hash == candidate.live), None),
        live_hash=candidate.live or "",
        candidate=candidate,
        summary=summary(candidate.differences),
        changes=_changes(candidate.differences),
        releases=every[paging.offset : paging.last],
        paging=paging,
        short=SHORT,
        earlier=len(every) > 1 and candidate.live is not None,
        choice=len(candidate.guidance.strategies) <= CHOICE,
    )


def choose(visit: Visit) -> Response:
    """Put a release together from approved strategies, one by one."""
    candidate = visit.house.desk.candidate()
    if len(candidate.guidance.strategies) > CHOICE:
        raise Refused(400, "They are too many to choose from one by one. Defer or reject what is not to be released.")
    return visit.page("choosing.html", shelves=_shelves(candidate.guidance), count=len(candidate.guidance.strategies))


def assemble(visit: Visit) -> Response:
    form, desk = visit.form, visit.house.desk
    ids = form.all("id") if form.text("chosen") else None
    if ids is not None and not ids:
        raise Refused(400, "Nothing was chosen. Tick at least one strategy.")
    made = desk.assemble(visit.name, form.text("note"), ids=ids, expected=form.text("expected") or None)
    say = "The release is put together. It is not live yet: look at it, and publish it."
    return visit.to(visit.at(f"/releases/{bit(made.hash)}"), say=say)


def show(visit: Visit) -> Response:
    desk, hash_ = visit.house.desk, visit.given("hash")
    release, live = desk.library.get_release(hash_), desk.library.live()
    found = desk.differences(live.hash if live else None, release.hash)
    verdicts = held_against(desk.library.db, release.guidance, live.guidance) if live else iter(())
    return visit.page(
        "release.html",
        release=release,
        is_live=live is not None and live.hash == release.hash,
        live_hash=live.hash if live else "",
        summary=summary(found),
        changes=_changes(found),
        verdict=next(verdicts, ""),
        shelves=_shelves(release.guidance, SHOWN),
        more=max(0, len(release.guidance.strategies) - SHOWN),
        short=SHORT,
        can_evaluate=visit.house.office is not None,
    )


def publish(visit: Visit) -> Response:
    live = visit.form.text("live") or None
    visit.house.desk.publish(visit.given("hash"), visit.name, visit.form.text("note"), live=live)
    return visit.to(visit.at("/releases"), say="The release is live. Gateways have it within a second.")


def roll_back(visit: Visit) -> Response:
    form = visit.form
    to, live = form.text("to") or None, form.text("live") or None
    back = visit.house.desk.rollback(visit.name, form.text("note"), live=live, to=to)
    return visit.to(visit.at("/releases"), say=f"Back to release {back.hash[:SHORT]}, which is live now.")


def evaluate(visit: Visit) -> Response:
    """Let a release and the one that is live serve the same customers."""
    office = visit.house.office
    if office is None:
        raise Refused(404, "There are no models here to evaluate with.")
    run = office.evaluate(visit.house.desk.library.get_release(visit.given("hash")).hash)
    return visit.to(visit.at(f"/runs/{bit(run.id)}"), say="The evaluation has begun.")


def _changes(found: Sequence[Difference]) -> list[Changes]:
    titles = {"added": "Added", "removed": "Taken out", "changed": "Changed"}
    things = {"strategy": "strategies", "scenario": "scenarios", "setting": "settings"}
    groups = [
        Changes(f"{title}: {many}", [one for one in found if (one.kind, one.what) == (kind, what)])
        for what, many in things.items()
        for kind, title in titles.items()
    ]
    return [group for group in groups if group.found]


def _shelves(guidance: Guidance, most: int | None = None) -> list[tuple[str, list[Strategy]]]:
    """Strategies by scenario, in words."""
    names = {scenario.id: scenario.description for scenario in guidance.scenarios}
    shelves: dict[str, list[Strategy]] = {}
    order = sorted(guidance.strategies, key=lambda s: (s.scenario or "", -s.value, s.id))
    for strategy in order[:most]:
        title = names.get(strategy.scenario, "") if strategy.scenario else "In every conversation"
        shelves.setdefault(title, []).append(strategy)
    return sorted(shelves.items())


PAGES = (
    Page("GET", "/releases", "viewer", listed),
    Page("GET", "/releases/new", "approver", choose),
    Page("POST", "/releases/new", "approver", assemble),
    Page("POST", "/releases/rollback", "approver", roll_back),
    Page("GET", "/releases/{hash}", "viewer", show),
    Page("POST", "/releases/{hash}/publish", "approver", publish),
    Page("POST", "/releases/{hash}/evaluate", "approver", evaluate),
)
