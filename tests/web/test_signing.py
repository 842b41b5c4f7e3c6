"""Signing in and out, by password and by proxy."""

from datetime import timedelta

import pytest

from preceptor.errors import Conflict, NotFound, UserError
from preceptor.web.accounts import Accounts
from preceptor.web.admission import SignedIn, Vouched, networks
from preceptor.web.app import app
from preceptor.web.attempts import FREE, Attempts
from preceptor.web.house import House
from preceptor.web.refusals import Refused

from .conftest import Visitor

pytestmark = pytest.mark.anyio
GOOD = {"name": "ann", "password": "correct horse battery"}


async def test_one_signs_in_where_one_wanted_to_go_and_out_again(house: House, accounts: Accounts) -> None:
    accounts.add("ann", "approver", GOOD["password"])
    async with Visitor(app(house, SignedIn(accounts))) as visitor:
        asked = await visitor.get("/queue?q=refund")
        assert asked.url.path == "/sign-in"
        planted = visitor.http.cookies["preceptor"]
        page = await visitor.post("/sign-in", GOOD | {"to": "/queue?q=refund"})
        assert str(page.url).endswith("/queue?q=refund")
        assert visitor.http.cookies["preceptor"] != planted
        assert ">ann<" in page.text
        kept = visitor.http.cookies["preceptor"]
        assert (await visitor.post("/sign-out")).url.path == "/sign-in"
        assert accounts.person(kept) is None


@pytest.mark.parametrize(
    "to", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", ""]
)
async def test_nobody_is_sent_elsewhere_after_signing_in(house: House, accounts: Accounts, to: str) -> None:
    accounts.add("ann", "viewer", GOOD["password"])
    async with Visitor(app(house, SignedIn(accounts))) as visitor:
        await visitor.get("/sign-in")
        assert (await visitor.post("/sign-in", GOOD | {"to": to})).url.path == "/queue"


async def test_a_wrong_password_says_no_more_than_that(house: House, accounts: Accounts) -> None:
    accounts.add("ann", "viewer", GOOD["password"])
    accounts.add("bob", "viewer", None)
    async with Visitor(app(house, SignedIn(accounts))) as visitor:
        await visitor.get("/sign-in")
        for name in ("ann", "bob", "nobody"):
            answer = await visitor.post("/sign-in", {"name": name, "password": "wrong"})
            assert answer.status_code == 403
            assert "do not fit together" in answer.text


def test_guessing_is_slowed_down_and_a_right_password_ends_it() -> None:
    now = [0.0]
    attempts = Attempts(lambda: now[0])
    for _ in range(FREE):
        attempts.wait("ann")
        attempts.note("ann", good=False)
    with pytest.raises(Refused, match="Try again in 1 seconds"):
        attempts.wait("ann")
    attempts.wait("bob")
    now[0] = 2.0
    attempts.wait("ann")
    attempts.note("ann", good=True)
    attempts.note("ann", good=False)
    attempts.wait("ann")


def test_what_changes_counts_at_once(accounts: Accounts) -> None:
    accounts.add("ann", "viewer", GOOD["password"])
    session = accounts.begin("ann", timedelta(hours=1))
    accounts.set_role("ann", "admin")
    found = accounts.person(session)
    assert found is not None
    assert found.role == "admin"
    accounts.set_password("ann", "another good password")
    assert accounts.person(session) is None
    session = accounts.begin("ann", timedelta(hours=1))
    assert accounts.person(accounts.begin("ann", timedelta(0))) is None
    assert accounts.person(session) is not None
    accounts.remove("ann")
    assert accounts.person(session) is None


def test_what_will_not_do_is_refused(accounts: Accounts) -> None:
    for name, password in (
        ("", "long enough it is"),
        ("a\nb", "long enough it is"),
        ("ann", "short"),
        ("ann", "x" * 2000),
    ):
        with pytest.raises(UserError):
            accounts.add(name, "viewer", password)
    accounts.add("ann", "viewer", GOOD["password"])
    with pytest.raises(Conflict):
        accounts.add("ann", "viewer", None)
    with pytest.raises(NotFound):
        accounts.set_role("bob", "admin")


async def test_a_proxy_vouches_from_its_own_address_only(house: House, accounts: Accounts) -> None:
    accounts.add("ann", "approver", None)
    admission = Vouched("x-user", networks(["10.0.0.0/8"]), accounts)
    async with Visitor(app(house, admission), "10.1.2.3") as near, Visitor(app(house, admission), "192.0.2.1") as far:
        assert ">ann<" in (await near.get("/queue", {"x-user": "ann"})).text
        for visitor, headers in ((near, {"x-user": "bob"}), (near, {}), (far, {"x-user": "ann"})):
            answer = await visitor.get("/queue", headers)
            assert answer.status_code == 403
            assert "proxy" in answer.text


async def test_people_without_an_account_get_the_role_that_settings_give(house: House, accounts: Accounts) -> None:
    admission = Vouched("x-user", networks(["10.0.0.1"]), accounts, "viewer")
    async with Visitor(app(house, admission), "10.0.0.1") as visitor:
        assert "Your role: viewer" in (await visitor.get("/queue", {"x-user": "bob"})).text


async def test_an_admin_looks_after_accounts_but_not_their_own(house: House, accounts: Accounts) -> None:
    accounts.add("ann", "admin", GOOD["password"])
    async with Visitor(app(house, SignedIn(accounts))) as visitor:
        await visitor.get("/sign-in")
        await visitor.post("/sign-in", GOOD)
        await visitor.get("/accounts")
        bob = {"name": "bob/../x", "password": "another good password", "role": "editor"}
        assert "may now come in as editor" in (await visitor.post("/accounts", bob)).text
        assert (await visitor.post("/accounts", bob)).status_code == 400
        assert (await visitor.post("/accounts", bob | {"name": "eve", "role": "king"})).status_code == 400
        await visitor.post("/accounts/bob%252F..%252Fx/role", {"role": "approver"})
        assert {account.name: account.role for account in accounts.all()} == {"ann": "admin", "bob/../x": "approver"}
        for path in ("role", "remove"):
            assert (await visitor.post(f"/accounts/ann/{path}", {"role": "viewer"})).status_code == 400
        await visitor.post("/accounts/bob%252F..%252Fx/remove")
        assert [account.name for account in accounts.all()] == ["ann"]
