"""Who is before the screen, and what their role lets them do."""

from dataclasses import dataclass
from typing import Literal, get_args

Role = Literal["viewer", "editor", "approver", "admin"]
"""Each may do what those before it may: look; reword, comment and defer; approve, reject and release; look after
accounts."""
ROLES: tuple[Role, ...] = get_args(Role)


@dataclass(frozen=True)
class Person:
    """A person who may be here."""

    name: str
    """As the trail has it."""
    role: Role
    leaves: bool = False
    """There is something to sign out of."""

    def may(self, role: Role) -> bool:
        """Whether this person's role is that one, or above it."""
        return ROLES.index(self.role) >= ROLES.index(role)
