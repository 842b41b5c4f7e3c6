"""A reader at work in a real browser: by keyboard alone, and with scripts off; and pages full of what breaks pages."""

import re

from playwright.sync_api import Page, expect

from preceptor.dialogue.conversation import Context, Turn
from preceptor.library.disguise import visible
from preceptor.library.model import Evidence, Scenario, Strategy
from preceptor.library.store import Batch
from preceptor.web.house import House

from .conftest import OpenPage
from .naughty import STRINGS, shown


def said(page: Page, text: str) -> None:
    expect(page.locator("#said")).to_contain_text(text)
    page.wait_for_load_state()


def at(page: Page, address: str) -> None:
    """There, and its script has run: before that a page hears no key."""
    expect(page).to_have_url(re.compile(address))
    page.wait_for_load_state()


def test_by_keyboard_alone(open_page: OpenPage, house: House) -> None:
    reader = open_page("/queue?sort=effect")
    page, keys = reader.page, reader.page.keyboard
    keys.press("j")
    keys.press("j")
    keys.press("Enter")
    at(page, "st-line")
    keys.press("k")
    at(page, "st-sorry")
    keys.press("a")
    said(page, "Approved: Apologise")
    at(page, "st-line")
    keys.press("r")
    keys.type("Not for chat; a j or k does not lead away, nor does ?")
    keys.press("Control+Enter")
    said(page, "Rejected: Explain")
    at(page, "st-window")
    keys.press("e")
    keys.press("Control+End")
    keys.type(" Or the day.")
    keys.press("Control+Enter")
    said(page, "The new wording is kept")
    keys.press("d")
    said(page, "Deferred: Give a time window for the repair. Or the day.")
    at(page, "st-refund")
    keys.press("c")
    keys.type("Ask finance.")
    keys.press("Control+Enter")
    said(page, "Your comment is kept.")
    keys.press("/")
    expect(page.locator("#q")).to_be_focused()
    keys.type("repeated")
    keys.press("Escape")
    assert house.desk.counts().decided == 2
    assert house.desk.view("st-line").decisions[-1].note.endswith("nor does ?")
    assert reader.faults == []


def test_keys_are_listed_and_can_be_switched_off(open_page: OpenPage, house: House) -> None:
    reader = open_page("/strategies/st-sorry")
    page, keys = reader.page, reader.page.keyboard
    keys.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("Approve")
    keys.press("a")
    page.get_by_label("Keys are on").uncheck()
    keys.press("Escape")
    keys.press("a")
    keys.press("j")
    expect(page.locator("button kbd").first).to_be_hidden()
    page.reload()
    keys.press("a")
    expect(page).to_have_url(re.compile("st-sorry"))
    assert house.desk.counts().decided == 0


def test_every_stop_of_the_tab_key_can_be_seen(open_page: OpenPage) -> None:
    reader = open_page("/strategies/st-sorry")
    stops = 0
    for _ in range(60):
        reader.page.keyboard.press("Tab")
        here = reader.page.evaluate(
            "() => { const e = document.activeElement; if (e === document.body) return null;"
            " const s = getComputedStyle(e), b = e.getBoundingClientRect();"
            " return [e.outerHTML.slice(0, 80), s.outlineStyle !== 'none' && b.width > 0 && b.right > 0]; }"
        )
        if here is None:
            break
        stops += 1
        assert here[1], here[0]
    assert stops > 10


def test_search_shows_what_matches_as_one_types_and_the_address_follows(open_page: OpenPage) -> None:
    reader = open_page("/queue")
    page = reader.page
    expect(page.locator(".line")).to_have_count(5)
    page.keyboard.press("/")
    page.keyboard.type("refund")
    expect(page.locator(".line")).to_have_count(1)
    expect(page).to_have_url(re.compile(r"/queue\?q=refund$"))
    page.get_by_label("Flags").select_option("no")
    expect(page.get_by_role("heading", name="Nothing fits")).to_be_visible()
    page.evaluate("history.back()")
    expect(page).to_have_url(re.compile(r"/queue\?q=refund$"))
    expect(page.locator(".line")).to_have_count(1)
    page.evaluate("history.back()")
    expect(page.locator(".line")).to_have_count(5)
    assert reader.faults == []


def test_with_scripts_off(open_page: OpenPage, house: House) -> None:
    reader = open_page("/queue", scripts=False)
    page = reader.page
    expect(page.locator("kbd").first).to_be_hidden()
    page.get_by_label("Search").fill("outage")
    page.get_by_role("button", name="Show").click()
    expect(page.locator(".line")).to_have_count(3)
    page.get_by_role("link", name="Begin with the first undecided").click()
    page.get_by_label("Reason or comment").fill("Looks right to me.")
    page.get_by_role("button", name="Comment").click()
    said(page, "Your comment is kept.")
    page.get_by_role("button", name="Approve", exact=True).click()
    said(page, "Approved: ")
    page.get_by_role("button", name="Reject").click()
    expect(page.get_by_label("Reason or comment")).to_have_attribute("required", "")
    page.get_by_label("Reason or comment").fill("No.")
    page.get_by_role("button", name="Reject").click()
    said(page, "Rejected: ")
    page.get_by_label("Other words").fill("Name a time between which somebody comes.")
    page.get_by_role("button", name="Save and approve").click()
    said(page, "Edited and approved: ")
    page.get_by_role("link", name="Look at it again").click()
    page.get_by_role("button", name="Put back to undecided").click()
    said(page, "Undecided again.")
    page.get_by_role("button", name="Defer").click()
    said(page, "That was the last one of this list.")
    page.get_by_role("link", name="Audit trail").click()
    page.get_by_role("link", name="Check that nothing was altered").click()
    expect(page.get_by_text("Nothing was altered.")).to_be_visible()
    assert house.desk.counts().decided == 2
    assert reader.faults == []


def test_deciding_on_all_at_once(open_page: OpenPage, house: House) -> None:
    reader = open_page("/queue?flagged=no")
    page = reader.page
    page.get_by_role("link", name="Decide on all 4 at once").click()
    page.get_by_label("To be sure, type how many that are: 4").first.fill("4")
    page.get_by_role("button", name="Approve 4 strategies").click()
    said(page, "4 strategies approved.")
    assert house.desk.counts().states["approved"] == 4
    assert reader.faults == []


def test_what_breaks_pages_breaks_none(open_page: OpenPage, house: House) -> None:
    """All the strings, said by customers and models, on one page and in lists: as themselves, and nothing runs.

    In what is to be decided on, signs that nobody sees are named.
    """
    turns = tuple(Turn("agent" if n % 2 else "customer", text) for n, text in enumerate(STRINGS))
    home = Scenario("sc-bad", "Bad strings", (Context(turns[:1]),))
    everything = " ".join(STRINGS)
    told = Evidence("origin", "run", Context(turns), everything, teacher=everything, reason=everything)
    tried = Evidence("retry", "run", Context(turns), everything, everything[::-1])
    bad = Strategy("st-bad", everything, everything, home.id, measured="accepted")
    others = [Strategy(f"st-bad{n}", text, text, home.id, measured="accepted") for n, text in enumerate(STRINGS[::12])]
    house.desk.library.store(Batch([home], [bad, *others], {bad.id: [told, tried]}), "run", "bad")
    reader = open_page("/strategies/st-bad")
    page = reader.page
    found = page.locator(".turn .text").evaluate_all("all => all.map(one => one.textContent)")
    assert [shown(text) for text in found] == [shown(text) for text in STRINGS]
    assert shown(page.locator("h1").text_content() or "") == shown(visible(everything))
    assert page.locator("main script, main img, main iframe, main style, main object, main [onerror]").count() == 0
    page.goto("/queue?scenario=sc-bad")
    listed = page.locator(".line .text").evaluate_all("all => all.map(one => one.textContent)")
    assert {shown(text) for text in listed} == {shown(visible(text)) for text in (everything, *STRINGS[::12])}
    assert page.evaluate("document.title") == "Queue · preceptor"
    assert reader.faults == []
