"""Who a visitor is: alone on this machine, signed in here, or vouched for by a proxy in front.

`Admission` is the seam: from a request to a `Person`, or to nobody. Nothing else decides who somebody is.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from starlette.requests import HTTPConnection

from preceptor.errors import UserError
from preceptor.web.accounts import Accounts
from preceptor.web.people import Person, Role
from preceptor.web.seal import value_of

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Admission(Protocol):
    """Says who is asking. Called in a worker thread, once for each request."""

    @property
    def accounts(self) -> Accounts | None:
        """Whose sign-in page to show to nobody; None: there is none."""
        ...

    def who(self, request: HTTPConnection) -> Person | None: ...


@dataclass(frozen=True)
class Alone:
    """One person at their own machine: nobody signs in, and the trail has their name."""

    person: Person
    accounts: None = None

    def who(self, request: HTTPConnection) -> Person | None:
        return self.person


@dataclass(frozen=True)
class SignedIn:
    """Accounts and sessions kept here."""

    accounts: Accounts

    def who(self, request: HTTPConnection) -> Person | None:
        value = value_of(request)
        return None if value is None else self.accounts.person(value)


@dataclass(frozen=True)
class Vouched:
    """A proxy in front knows who it is (OIDC, SAML…) and says so in a header, which counts from its address only."""

    header: str
    proxies: tuple[Network, ...]
    known: Accounts
    """Whose roles are looked up by name."""
    others: Role | None = None
    """The role of people without an account; None: they are not let in."""
    accounts: None = None

    def who(self, request: HTTPConnection) -> Person | None:
        given = request.headers.getlist(self.header)
        # Given twice, one of them is the visitor's own.
        if len(given) != 1 or not given[0].strip() or not self._trusted(request):
            return None
        try:
            name = given[0].strip().encode("latin-1").decode()
        except UnicodeError:
            return None
        account = self.known.get(name)
        role = self.others if account is None else account.role
        return Person(name, role) if role and name.isprintable() else None

    def _trusted(self, request: HTTPConnection) -> bool:
        try:
            address = ipaddress.ip_address(request.client.host if request.client else "")
        except ValueError:
            return False
        return any(address in network for network in self.proxies)


def networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """Addresses and networks (``10.0.0.0/8``) as they stand in settings.

    Raises:
        UserError: one of them is none.
    """
    try:
        return tuple(ipaddress.ip_network(text) for text in texts)
    except ValueError as fault:
        raise UserError(f"review.proxies: {fault}. Give addresses such as 10.0.0.7 or 10.0.0.0/8.") from None
