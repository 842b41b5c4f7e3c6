"""The templates' environment: everything put into a page is escaped, whoever wrote it."""

from datetime import datetime
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from preceptor.web import seal
from preceptor.web.navigation import NAVIGATION
from preceptor.web.people import ROLES
from preceptor.web.statics import asset
from preceptor.web.visits import Visit

MINUS = "−"


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
        plural=plural,
        seal=_seal,
    )
    made.filters.update(bit=lambda text: quote(str(text), safe=""), day=day, moment=moment, signed=signed)
    return made


def _seal(visit: Visit) -> Markup:
    """The hidden field that every form needs."""
    return Markup('<input type="hidden" name="{}" value="{}">').format(seal.FIELD, visit.seal)


def plural(count: int, one: str, many: str = "") -> str:
    """``1 strategy``, ``1,200 strategies``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def signed(value: float, digits: int = 2) -> str:
    """``+0.31``, ``−0.05``, ``0.00``."""
    text = f"{value:+.{digits}f}"
    return text[1:] if float(text) == 0 else text.replace("-", MINUS)


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
