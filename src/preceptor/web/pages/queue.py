"""The queue: what needs a decision."""

from starlette.responses import Response

from preceptor.web.paging import Paging
from preceptor.web.routing import Page
from preceptor.web.visits import Visit


def show(visit: Visit) -> Response:
    everything = visit.house.library.strategies(measured="accepted")
    paging = Paging.of(visit, len(everything))
    shown = everything[paging.offset : paging.last]
    decided = sum(strategy.decision != "pending" for strategy in everything)
    return visit.page("queue.html", strategies=shown, decided=decided, paging=paging)


PAGES = (Page("GET", "/queue", "viewer", show),)
