"""The list a reader goes through, as the URL tells it: which strategies, in which order. Carried from page to page."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from preceptor.library.queue import Filter, Order
from preceptor.web.visits import Visit

STATES: Mapping[str, str] = {
    "undecided": "Undecided",
    "deferred": "Deferred",
    "approved": "Approved",
    "rejected": "Rejected",
    "decided": "Decided",
    "all": "All",
}
ORDERS: Mapping[Order, str] = {
    "newest": "Newest run first",
    "effect": "Largest effect first",
    "uncertainty": "Least certain first",
    "risk": "Most flags first",
    "scenario": "By situation",
    "reach": "Most often used first",
}
MEASURED: Mapping[str, str] = {
    "accepted": "Helped",
    "refused": "Did not help",
    "proposed": "Not tried yet",
    "dropped": "Helped, then taken out",
    "all": "Any",
}
FLAGGED: Mapping[str, str] = {"": "Flagged or not", "yes": "Flagged", "no": "Without flags"}
_KEPT = ("q", "state", "sort", "reverse", "measured", "scenario", "run", "flag", "flagged", "stale", "edited")
T = TypeVar("T", bound=str)


@dataclass(frozen=True)
class Listing:
    """A filter and an order, and the query that says so."""

    wanted: Filter
    order: Order
    reverse: bool
    query: Mapping[str, str]
    """What differs from the default, as it stands in the URL."""

    @classmethod
    def of(cls, visit: Visit) -> "Listing":
        """What the URL asks for. Values that mean nothing are passed over: an old bookmark still opens."""
        asked = {name: visit.asked(name).strip()[:300] for name in _KEPT}
        state = _one(asked["state"], STATES, "undecided")
        measured = _one(asked["measured"], MEASURED, "accepted")
        order = _one(asked["sort"], ORDERS, "newest")
        asked |= {"state": state, "measured": measured, "sort": order}
        default = {"state": "undecided", "measured": "accepted", "sort": "newest"}
        wanted = Filter(
            state=None if state == "all" else state,  # type: ignore[arg-type]
            measured=None if measured == "all" else measured,  # type: ignore[arg-type]
            run=asked["run"] or None,
            scenario={"": None, "general": ""}.get(asked["scenario"], asked["scenario"]),
            flag=asked["flag"] or None,
            flagged=_switch(asked["flagged"]),
            stale=_switch(asked["stale"]),
            edited=_switch(asked["edited"]),
            search=asked["q"],
        )
        query = {name: value for name, value in asked.items() if value and value != default.get(name)}
        return cls(wanted, order, asked["reverse"] == "yes", query)

    @property
    def everything(self) -> Filter:
        """The same list, whatever state its strategies are in: what one goes through with previous and next."""
        return replace(self.wanted, state=None)

    def but(self, **changes: str) -> dict[str, str]:
        """The query with changes; an empty value takes one out."""
        return {name: value for name, value in {**self.query, **changes}.items() if value}


def _one(text: str, among: Mapping[T, str], default: T) -> T:
    return next((name for name in among if name == text), default)


def _switch(text: str) -> bool | None:
    return {"yes": True, "no": False}.get(text)
