"""Areas: the scenarios as a whole, each with what the student was taught there and what that is worth."""

from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa

from preceptor.library import tables
from preceptor.library.rows import Reach

Kind = Literal["taught", "waiting", "weak"]
"""Something is approved; something helps, and nobody has decided; the student falls short, and nothing that helps is
known."""


@dataclass(frozen=True)
class Area:
    """A scenario, seen from far away. Strategies are counted by their newest version."""

    scenario: str
    """Its id."""
    description: str
    reach: Reach
    approved: int
    waiting: int
    """Helped, and nobody has decided."""
    failed: int
    """Tried, and did not help."""
    gain: float | None
    """Mean effect (win rate minus loss rate) of those that helped and were not rejected; None: there are none."""

    @property
    def kind(self) -> Kind:
        return "taught" if self.approved else "waiting" if self.waiting else "weak"


def areas(connection: sa.Connection, library: str) -> tuple[Area, ...]:
    """Of a library, the most often met first."""
    queue, homes, scenarios = tables.queue.c, tables.homes, tables.scenarios.c
    helped = sa.and_(queue.measured == "accepted", queue.decision != "rejected")
    counted = (
        sa.select(
            queue.scenario,
            _sum(queue.decision == "approved").label("approved"),
            _sum(sa.and_(helped, queue.decision == "pending")).label("waiting"),
            _sum(queue.measured == "refused").label("failed"),
            sa.func.avg(sa.case((helped, queue.mean))).label("gain"),
        )
        .where(queue.library == library)
        .group_by(queue.scenario)
        .subquery()
    )
    kept = sa.select(scenarios.id).where(scenarios.library == library, scenarios.latest, ~scenarios.retired)
    wanted = (
        sa.select(homes, counted.c.approved, counted.c.waiting, counted.c.failed, counted.c.gain)
        .outerjoin(counted, counted.c.scenario == homes.c.scenario)
        .where(homes.c.library == library, homes.c.scenario.in_(kept))
    )
    found = [
        Area(
            row.scenario,
            row.description,
            Reach(row.hits, row.turns, row.run),
            int(row.approved or 0),
            int(row.waiting or 0),
            int(row.failed or 0),
            row.gain,
        )
        for row in connection.execute(wanted)
    ]
    return tuple(sorted(found, key=lambda area: (-area.reach.share, area.description, area.scenario)))


def _sum(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    return sa.func.sum(sa.case((condition, 1), else_=0))
