"""The queue: what needs a decision, found, sorted and counted; and deciding on all of it at once."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from starlette.responses import Response

from preceptor.library.model import Decision
from preceptor.library.queue import Counts, Filter, Line
from preceptor.web import listing, wording
from preceptor.web.listing import Listing
from preceptor.web.paging import Paging
from preceptor.web.routing import Page
from preceptor.web.visits import Visit

SIZE = 50


@dataclass(frozen=True)
class Chip:
    """A filter that no field of the form shows."""

    name: str
    text: str


def show(visit: Visit) -> Response:
    asked, desk = Listing.of(visit), visit.house.desk
    counts = desk.counts(asked.wanted, many=False)
    first = desk.first(asked.wanted, asked.order, reverse=asked.reverse) if _open(asked) else None
    paging = Paging.of(visit, _total(asked.wanted, counts), SIZE)
    if first and asked.wanted.state is None and not visit.asked("page"):
        # Where there are decided ones before it, the list still opens at the first undecided.
        place = desk.around(first, asked.wanted, asked.order, reverse=asked.reverse).place or 1
        paging = replace(paging, page=(place - 1) // SIZE + 1)
    shown = desk.page(asked.wanted, asked.order, reverse=asked.reverse, offset=paging.offset, limit=SIZE).lines
    response = visit.page(
        "queue.html",
        listing=asked,
        counts=counts,
        first=first,
        lines=shown,
        paging=paging,
        chips=list(_chips(visit, asked, shown)),
        words_of=listing,
    )
    if visit.part:
        response.headers["hx-push-url"] = visit.at("/queue", asked.query)
    return response


def _open(asked: Listing) -> bool:
    """Whether undecided ones can be among them."""
    return asked.wanted.state in (None, "undecided")


def _total(wanted: Filter, counts: Counts) -> int:
    """How many match: known from the counts, which leave out nothing but the state."""
    if wanted.state is None:
        return counts.of
    return counts.decided if wanted.state == "decided" else counts.states[wanted.state]


def _chips(visit: Visit, asked: Listing, shown: tuple[Line, ...]) -> Iterator[Chip]:
    wanted = asked.wanted
    if wanted.scenario is not None:
        found = shown or visit.house.desk.page(asked.everything, limit=1).lines
        yield Chip("scenario", found[0].scenario_text or "Every situation" if found else "One situation")
    if wanted.flag:
        yield Chip("flag", next(wording.flags([wanted.flag])).title)
    if wanted.stale is not None:
        yield Chip("stale", "Measured before it was edited" if wanted.stale else "Measured as it stands")
    if wanted.edited is not None:
        yield Chip("edited", "Edited by a person" if wanted.edited else "As it was learned")
    if asked.reverse:
        yield Chip("reverse", "In reverse order")


def all_of_them(visit: Visit) -> Response:
    """The page on which to decide on everything that matches."""
    return _bulk(visit, Listing.of(visit))


def approve_all(visit: Visit) -> Response:
    return _decide_all(visit, "approved")


def reject_all(visit: Visit) -> Response:
    return _decide_all(visit, "rejected")


def _decide_all(visit: Visit, decision: Decision) -> Response:
    asked, form = Listing.of(visit), visit.form
    count = form.number("count")
    done = visit.house.desk.decide_all(
        asked.wanted, decision, visit.name, form.text("note"), expected=count, token=form.text("token")
    )
    return visit.to(visit.at("/queue", asked.query), f"{wording.plural(done, 'strategy', 'strategies')} {decision}.")


def _bulk(visit: Visit, asked: Listing, status: int = 200) -> Response:
    desk = visit.house.desk
    sample = desk.page(asked.wanted, asked.order, reverse=asked.reverse, limit=5)
    approve, reject = (desk.bulk(asked.wanted, decision, visit.name) for decision in ("approved", "rejected"))
    return visit.page("bulk.html", status, listing=asked, sample=sample, approve=approve, reject=reject)


PAGES = (
    Page("GET", "/queue", "viewer", show),
    Page("GET", "/queue/all", "approver", all_of_them),
    Page("POST", "/queue/all/approve", "approver", approve_all),
    Page("POST", "/queue/all/reject", "approver", reject_all),
)
