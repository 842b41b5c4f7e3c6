"""The review of a project, put together: for `preceptor review`, and for the gateway that carries it."""

from collections.abc import Iterator
from contextlib import contextmanager
from getpass import getuser
from typing import TYPE_CHECKING

from preceptor.cli.listening import near

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from preceptor.settings.office import Office
    from preceptor.settings.project import Project
    from preceptor.settings.stage import Stage
    from preceptor.storage.database import Database
    from preceptor.web.admission import Admission
    from preceptor.web.house import House

ANY = ("0.0.0.0", "::")  # noqa: S104 - named so that it can be refused


@contextmanager
def review(project: "Project", host: str, name: str | None = None) -> "Iterator[ASGIApp]":
    """The review as an application, with the project's database open.

    Args:
        host: the address it will be listened for on.
        name: who is alone at this machine, and does not sign in.

    Raises:
        NotFound: there is no database yet.
        UserError: others could get there, and nothing says who they are.
    """
    from preceptor.settings.office import Office
    from preceptor.settings.stage import Stage
    from preceptor.web.app import app

    with project.database() as db, Office(project, db) as office, Stage(project, db) as stage:
        who, hosts = admission(project, db, host, name), _hosts(project, host)
        yield app(house(project, db, office, stage), who, hosts, https=project.settings.review.https)


def house(project: "Project", db: "Database", office: "Office | None" = None, stage: "Stage | None" = None) -> "House":
    """What the pages draw on."""
    from preceptor.library.desk import Desk
    from preceptor.web.house import House

    desk = Desk(project.library(db), project.settings.library.four_eyes)
    return House(desk, office, stage, project.simulated)


def admission(project: "Project", db: "Database", host: str, name: str | None = None) -> "Admission":
    """Who visitors are.

    Raises:
        UserError: others could get there, and nothing says who they are.
    """
    from preceptor.errors import UserError
    from preceptor.web.accounts import Accounts
    from preceptor.web.admission import Alone, SignedIn, Vouched, networks
    from preceptor.web.people import Person

    section, accounts = project.settings.review, Accounts(db)
    if name is not None and not near(host):
        raise UserError(f"--as goes without signing in, so only on this machine, and {host!r} lets others in.")
    if section.proxy_header and name is None:
        if not section.proxies:
            raise UserError("review.proxy_header counts from review.proxies only, and there are none. Add the proxy's.")
        return Vouched(section.proxy_header, networks(section.proxies), accounts, section.others)
    if accounts.all() and name is None:
        return SignedIn(accounts)
    if not near(host):
        raise UserError(
            f"Listening on {host!r} would let others in, and there are no accounts to tell who they are. "
            "Make one with `preceptor accounts add NAME --role admin`, or listen on 127.0.0.1."
        )
    return Alone(Person(name or getuser(), "admin"))


def _hosts(project: "Project", host: str) -> frozenset[str]:
    """Raises: UserError: it cannot be told which names are ours."""
    from preceptor.errors import UserError
    from preceptor.web.guard import LOCAL

    named = project.settings.review.hosts
    if host in ANY and not named:
        raise UserError(
            f'On {host!r} the review cannot tell under which name it is asked. Say so: review.hosts = ["NAME"].'
        )
    return LOCAL | {*named} | ({host} - {*ANY})
