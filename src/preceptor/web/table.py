"""Every route with the lowest role that may use it. Routing and rights both come from here; a test walks it by role."""

from preceptor.web.pages import accounts, playground, queue, releases, runs, scenarios, signing, strategy, trail
from preceptor.web.routing import Page

PAGES: tuple[Page, ...] = (
    *signing.PAGES,
    *queue.PAGES,
    *strategy.PAGES,
    *releases.PAGES,
    *scenarios.PAGES,
    *runs.PAGES,
    *playground.PAGES,
    *trail.PAGES,
    *accounts.PAGES,
)
