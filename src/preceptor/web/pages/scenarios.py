"""The map: what the student was taught, and where it is still weak."""

from starlette.responses import Response

from preceptor.web import atlas
from preceptor.web.paging import Paging
from preceptor.web.routing import Page
from preceptor.web.visits import Visit

SIZE = 100


def show(visit: Visit) -> Response:
    found = visit.house.desk.areas()
    dots = visit.house.atlas.chart(found)
    paging = Paging.of(visit, len(dots), SIZE)
    return visit.page(
        "map.html",
        dots=dots,
        listed=dots[paging.offset : paging.last],
        numbered=len(dots) <= atlas.NUMBERED,
        size=(atlas.WIDTH, atlas.HEIGHT),
        paging=paging,
        covered=sum(area.reach.share for area in found if area.approved),
        met=sum(area.reach.share for area in found),
    )


PAGES = (Page("GET", "/map", "viewer", show),)
