"""Accounts: who may sign in, with which role. For admins; the same as `preceptor accounts`."""

from starlette.responses import Response

from preceptor.errors import UserError
from preceptor.web.accounts import Accounts
from preceptor.web.people import ROLES, Role
from preceptor.web.refusals import Refused
from preceptor.web.routing import Page
from preceptor.web.visits import Visit


def show(visit: Visit) -> Response:
    return _page(visit)


def add(visit: Visit) -> Response:
    name, password = visit.form.text("name").strip(), visit.form.text("password")
    try:
        made = _accounts(visit).add(name, _role(visit), password or None)
    except UserError as fault:
        return _page(visit, str(fault))
    return visit.to(visit.at("/accounts"), f"{made.name} may now come in as {made.role}.")


def set_role(visit: Visit) -> Response:
    name, role = visit.given("name"), _role(visit)
    _not_oneself(visit, name)
    _accounts(visit).set_role(name, role)
    return visit.to(visit.at("/accounts"), f"{name} is now {role}.")


def remove(visit: Visit) -> Response:
    name = visit.given("name")
    _not_oneself(visit, name)
    _accounts(visit).remove(name)
    return visit.to(visit.at("/accounts"), f"{name} is removed. What was done under that name stays in the trail.")


def _page(visit: Visit, wrong: str = "") -> Response:
    typed = visit.form.text("name")
    accounts = _accounts(visit).all()
    alone = visit.person is not None and not visit.person.leaves and visit.admission.accounts is None
    return visit.page("accounts.html", 400 if wrong else 200, accounts=accounts, wrong=wrong, typed=typed, alone=alone)


def _accounts(visit: Visit) -> Accounts:
    """Those one signs in with, or, where nobody does, those that are kept."""
    return visit.admission.accounts or Accounts(visit.house.desk.library.db)


def _role(visit: Visit) -> Role:
    """Raises: Refused: there is no such role."""
    text = visit.form.text("role")
    if text not in ROLES:
        raise Refused(400, f"{text[:50]!r} is no role. There are {', '.join(ROLES)}.")
    return text


def _not_oneself(visit: Visit, name: str) -> None:
    """So that there is always an admin left: the one who is here.

    Raises:
        Refused: it is their own account.
    """
    if name == visit.name:
        raise Refused(400, "This is your own account. Another admin can change or remove it.")


PAGES = (
    Page("GET", "/accounts", "admin", show),
    Page("POST", "/accounts", "admin", add),
    Page("POST", "/accounts/{name}/role", "admin", set_role),
    Page("POST", "/accounts/{name}/remove", "admin", remove),
)
