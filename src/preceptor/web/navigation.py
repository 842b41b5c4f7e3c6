"""What stands at the head of every page, in this order, for those who may go there."""

from dataclasses import dataclass

from preceptor.web.people import Role


@dataclass(frozen=True)
class Entry:
    label: str
    path: str
    """Also of the pages below it, which mark it as where one is."""
    role: Role = "viewer"


NAVIGATION = (
    Entry("Queue", "/queue"),
    Entry("Releases", "/releases"),
    Entry("Map", "/map"),
    Entry("Runs", "/runs"),
    Entry("Playground", "/playground", "editor"),
    Entry("Audit trail", "/trail"),
    Entry("Accounts", "/accounts", "admin"),
)
