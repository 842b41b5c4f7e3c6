"""Signing in and out."""

from datetime import timedelta

from starlette.responses import Response

from preceptor.web import seal
from preceptor.web.routing import Page
from preceptor.web.visits import Visit

LASTING = timedelta(hours=12)
"""A working day; then one signs in again."""


def start(visit: Visit) -> Response:
    return visit.to(visit.at("/queue"))


def ask(visit: Visit) -> Response:
    """The sign-in page."""
    if visit.admission.accounts is None or visit.person is not None:
        return visit.to(visit.at("/"))
    return visit.page("sign_in.html", to=visit.asked("to"), name="", wrong=False)


def sign_in(visit: Visit) -> Response:
    accounts = visit.admission.accounts
    if accounts is None:
        return visit.to(visit.at("/"))
    name, to = visit.form.text("name").strip(), visit.form.text("to")
    visit.attempts.wait(name)
    account = accounts.check(name, visit.form.text("password"))
    visit.attempts.note(name, good=account is not None)
    if account is None:
        return visit.page("sign_in.html", 403, to=to, name=name, wrong=True)
    # Another value than before: whoever planted the old one must not be signed in with it.
    value = accounts.begin(account.name, LASTING)
    response = visit.to(_inside(visit, to))
    seal.put(response, value, visit.request)
    return response


def sign_out(visit: Visit) -> Response:
    if visit.admission.accounts is not None:
        visit.admission.accounts.end(visit.cookie)
    response = visit.to(visit.at("/"))
    seal.put(response, seal.fresh(), visit.request)
    return response


def _inside(visit: Visit, to: str) -> str:
    """An address of ours; nobody is sent elsewhere by what stands in a form."""
    inside = to.startswith("/") and not to.startswith(("//", "/\\")) and to.isprintable()
    path, _, query = to.partition("?")
    return visit.at(path, query) if inside else visit.at("/")


PAGES = (
    Page("GET", "/", None, start),
    Page("GET", "/sign-in", None, ask),
    Page("POST", "/sign-in", None, sign_in),
    Page("POST", "/sign-out", "viewer", sign_out),
)
