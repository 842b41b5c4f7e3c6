"""What the gate lets through: our own names, our own forms; and what every answer forbids the browser."""

import pytest

from preceptor.web.app import app
from preceptor.web.guard import HEADERS, POLICY
from preceptor.web.house import House

from .conftest import Visitor, alone

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8801", "localhost:1", "[::1]:8801", "LOCALHOST"])
async def test_it_answers_to_names_of_this_machine(visitor: Visitor, host: str) -> None:
    assert (await visitor.get("/queue", {"host": host})).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "localhost@evil.example", "evil.example:8801", "", "[", "0.0.0.0"],
)
async def test_and_to_no_other_so_names_cannot_be_rebound(visitor: Visitor, host: str) -> None:
    for path in ("/queue", "/static/app.css", "/nothing"):
        answer = await visitor.get(path, {"host": host})
        assert answer.status_code == 421
        assert "review.hosts" in answer.text


async def test_a_name_in_the_settings_is_ours(house: House) -> None:
    async with Visitor(app(house, alone(), ["review.example"])) as visitor:
        assert (await visitor.get("/queue", {"host": "review.example"})).status_code == 200
        assert (await visitor.get("/queue", {"host": "127.0.0.1"})).status_code == 421


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9999"},
        {"origin": ""},
        {"origin": "http://127.0.0.1", "sec-fetch-site": "cross-site"},
        {"origin": "http://127.0.0.1", "sec-fetch-site": "same-site"},
    ],
)
async def test_a_form_of_another_site_does_nothing(visitor: Visitor, headers: dict[str, str]) -> None:
    await visitor.get("/queue")
    answer = await visitor.post("/sign-out", headers=headers)
    assert answer.status_code == 403
    assert "another site" in answer.text


async def test_a_form_without_the_seal_of_this_browser_does_nothing(house: House) -> None:
    async with Visitor(app(house, alone())) as one, Visitor(app(house, alone())) as other:
        await other.get("/strategies/st-sorry")
        await one.get("/strategies/st-sorry")
        for seal in ("", "0" * 64, other.hidden["seal"]):
            answer = await one.post("/strategies/st-sorry/approve", {"seal": seal})
            assert answer.status_code == 403
        assert house.desk.counts().decided == 0


async def test_what_is_no_form_is_refused(visitor: Visitor) -> None:
    await visitor.get("/queue")
    origin = {"origin": "http://127.0.0.1"}
    assert (await visitor.http.post("/sign-out", json={}, headers=origin)).status_code == 415
    assert (await visitor.post("/sign-out", {"x": "a" * (1 << 20)})).status_code == 413
    kind = {"content-type": "application/x-www-form-urlencoded"}
    for body in (b"seal=%ff", b"seal=\xff", b"a=%ed%a0%80"):
        assert (await visitor.http.post("/sign-out", content=body, headers=origin | kind)).status_code == 400


async def test_every_answer_forbids_what_no_page_needs(visitor: Visitor) -> None:
    assert "unsafe" not in POLICY
    assert "*" not in POLICY
    for path in ("/queue", "/nothing", "/sign-in", "/static/app.css"):
        answer = await visitor.get(path)
        assert {name: answer.headers[name] for name in HEADERS if name != "cache-control"} == {
            name: value for name, value in HEADERS.items() if name != "cache-control"
        }
        assert "access-control-allow-origin" not in answer.headers
        assert answer.headers["cache-control"] == "no-store" or path.startswith("/static/")


async def test_the_cookie_is_for_this_site_and_not_for_scripts(visitor: Visitor) -> None:
    answer = await visitor.get("/queue")
    given = answer.headers["set-cookie"]
    assert "HttpOnly" in given
    assert "SameSite=strict" in given
    assert "Secure" not in given
    assert "set-cookie" not in (await visitor.get("/queue")).headers


async def test_behind_https_it_is_for_that_alone(house: House) -> None:
    async with Visitor(app(house, alone(), https=True)) as visitor:
        assert "Secure" in (await visitor.get("/queue")).headers["set-cookie"]
