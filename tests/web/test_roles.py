"""Who may do what: every route for every role, out of one table written down here."""

import re

import pytest

from preceptor.web.accounts import Accounts
from preceptor.web.admission import SignedIn
from preceptor.web.app import app
from preceptor.web.house import House
from preceptor.web.people import ROLES, Role
from preceptor.web.table import PAGES

from .conftest import Visitor, alone

pytestmark = pytest.mark.anyio

EVERYBODY = None
MATRIX: dict[str, Role | None] = {
    "GET /": EVERYBODY,
    "GET /sign-in": EVERYBODY,
    "POST /sign-in": EVERYBODY,
    "POST /sign-out": "viewer",
    "GET /queue": "viewer",
    "GET /queue/all": "approver",
    "POST /queue/all/approve": "approver",
    "POST /queue/all/reject": "approver",
    "GET /strategies/{id}": "viewer",
    "POST /strategies/{id}/approve": "approver",
    "POST /strategies/{id}/reject": "approver",
    "POST /strategies/{id}/reopen": "approver",
    "POST /strategies/{id}/edit-and-approve": "approver",
    "POST /strategies/{id}/edit": "editor",
    "POST /strategies/{id}/defer": "editor",
    "POST /strategies/{id}/comment": "editor",
    "GET /releases": "viewer",
    "GET /releases/new": "approver",
    "POST /releases/new": "approver",
    "POST /releases/rollback": "approver",
    "GET /releases/{hash}": "viewer",
    "POST /releases/{hash}/publish": "approver",
    "POST /releases/{hash}/evaluate": "approver",
    "GET /map": "viewer",
    "GET /playground": "editor",
    "POST /playground": "editor",
    "GET /playground/{id}": "editor",
    "GET /playground/{id}/live": "editor",
    "POST /playground/{id}/say": "editor",
    "POST /playground/{id}/again": "editor",
    "POST /playground/{id}/keep": "editor",
    "POST /cases/{id}/remove": "editor",
    "GET /runs": "viewer",
    "GET /runs/{id}": "viewer",
    "GET /runs/{id}/live": "viewer",
    "GET /runs/{id}/report": "viewer",
    "GET /runs/{id}/report/{name:path}": "viewer",
    "POST /runs/{id}/pause": "approver",
    "POST /runs/{id}/cancel": "approver",
    "POST /runs/{id}/resume": "approver",
    "POST /strategies/{id}/measure": "editor",
    "POST /strategies/{id}/try": "editor",
    "GET /trail": "viewer",
    "GET /accounts": "admin",
    "POST /accounts": "admin",
    "POST /accounts/{name}/role": "admin",
    "POST /accounts/{name}/remove": "admin",
    "GET /trail.csv": "viewer",
    "GET /trail.jsonl": "viewer",
}
"""The lowest role that may."""


def test_the_table_is_the_one_written_down_here() -> None:
    assert {f"{page.method} {page.path}": page.role for page in PAGES} == MATRIX


@pytest.mark.parametrize("role", ROLES)
async def test_each_route_for_each_role(house: House, role: Role) -> None:
    """Whoever may not is told so and nothing happens; whoever may gets past, whatever the page then says."""
    async with Visitor(app(house, alone(role))) as visitor:
        before = house.desk.library.trail()
        for route, lowest in sorted(MATRIX.items(), key=lambda line: line[0]):
            if lowest is None or ROLES.index(role) >= ROLES.index(lowest):
                continue
            await visitor.get("/queue")
            method, path = route.split(" ")
            path = re.sub(r"\{[\w:]+\}", "st-sorry", path)
            answer = await (visitor.get(path) if method == "GET" else visitor.post(path))
            assert answer.status_code == 403, route
            assert f"the role of {lowest}" in answer.text, route
        assert house.desk.library.trail() == before
        for route, lowest in MATRIX.items():
            method, path = route.split(" ")
            if method == "GET" and (lowest is None or ROLES.index(role) >= ROLES.index(lowest)):
                answer = await visitor.get(re.sub(r"\{[\w:]+\}", "st-sorry", path))
                assert answer.status_code in (200, 404), route


async def test_nobody_is_sent_to_sign_in_whatever_they_want(house: House, accounts: Accounts) -> None:
    async with Visitor(app(house, SignedIn(accounts))) as visitor:
        await visitor.get("/sign-in")
        for route, lowest in MATRIX.items():
            method, path = route.split(" ")
            path = re.sub(r"\{[\w:]+\}", "st-sorry", path)
            if lowest is not None:
                answer = await (visitor.get(path) if method == "GET" else visitor.post(path))
                assert answer.url.path == "/sign-in", route
