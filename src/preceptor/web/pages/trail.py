"""The audit trail: who did what, when, from what to what."""

from starlette.responses import Response

from preceptor.web.paging import Paging
from preceptor.web.routing import Page
from preceptor.web.visits import Visit


def show(visit: Visit) -> Response:
    entries = visit.house.desk.library.trail()[::-1]
    paging = Paging.of(visit, len(entries))
    return visit.page("trail.html", entries=entries[paging.offset : paging.last], paging=paging)


PAGES = (Page("GET", "/trail", "viewer", show),)
