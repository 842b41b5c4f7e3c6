"""The templates' environment: everything put into a page is escaped, whoever wrote it."""

from datetime import datetime

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from preceptor.evaluation.rendering.charts import Scale
from preceptor.llm.progress import duration
from preceptor.web import seal, wording
from preceptor.web.diffing import sides
from preceptor.web.navigation import NAVIGATION
from preceptor.web.people import ROLES
from preceptor.web.statics import asset
from preceptor.web.visits import Visit, bit

WHOLE = Scale(-1.0, 1.0, 0.5)
"""Of wins less losses: from always worse to always better."""


def environment() -> Environment:
    """What all pages share. A page's own words come with its values."""
    made = Environment(
        loader=PackageLoader("preceptor.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals.update(
        asset=asset,
        NAVIGATION=NAVIGATION,
        ROLES=ROLES,
        plural=wording.plural,
        words=wording,
        sides=sides,
        whole=WHOLE,
        seal=_seal,
    )
    made.filters.update(bit=bit, day=day, duration=duration, moment=moment, signed=wording.signed)
    return made


def _seal(visit: Visit) -> Markup:
    """The hidden field that every form needs."""
    return Markup('<input type="hidden" name="{}" value="{}">').format(seal.FIELD, visit.seal)


def day(iso: str) -> str:
    """``21 Nov 2026``."""
    at = _read(iso)
    return f"{at.day} {at:%b %Y}" if at else iso


def moment(iso: str) -> str:
    """``21 Nov 2026, 08:33 UTC``."""
    at = _read(iso)
    return f"{at.day} {at:%b %Y, %H:%M} UTC" if at else iso


def _read(iso: str) -> datetime | None:
    try:
        return datetime.fromisoformat(iso)
    except ValueError:
        return None
