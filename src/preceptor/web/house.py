"""What the pages draw on: plain objects, put together by whoever starts the review."""

from dataclasses import dataclass, field

from preceptor.library.desk import Desk
from preceptor.settings.office import Office
from preceptor.settings.stage import Stage
from preceptor.web.atlas import Atlas


@dataclass(frozen=True)
class House:
    """Everything a page may ask. Its parts are safe to use from worker threads."""

    desk: Desk
    """The library, with the owner's rules for deciding."""
    office: Office | None = None
    """Runs seen and steered; None where there is no project to have any."""
    stage: Stage | None = None
    """Models to talk to; None where there are none."""
    simulated: bool = False
    """A model is a simulated one: every page says so."""
    atlas: Atlas = field(default_factory=Atlas)
    """Draws the map."""
