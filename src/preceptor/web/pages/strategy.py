"""One strategy with everything that speaks for and against it, and the forms that decide on it."""

from collections.abc import Callable, Sequence
from datetime import date

from starlette.responses import Response

from preceptor.errors import Conflict, Forbidden, NotFound, UserError
from preceptor.evaluation.rendering.charts import Scale
from preceptor.library.decisions import Seen
from preceptor.library.model import Decision, Effect
from preceptor.library.view import Case, View
from preceptor.web import wording
from preceptor.web.drawing import WHOLE
from preceptor.web.listing import Listing
from preceptor.web.routing import Page
from preceptor.web.visits import Visit, bit

SHOWN = 60
"""Letters of a strategy that a message quotes."""


def show(visit: Visit) -> Response:
    return _page(visit, visit.house.desk.view(visit.given("id")))


def approve(visit: Visit) -> Response:
    return _decided(visit, "approved") or _on(visit, "Approved")


def reject(visit: Visit) -> Response:
    return _decided(visit, "rejected") or _on(visit, "Rejected")


def reopen(visit: Visit) -> Response:
    return _decided(visit, "pending") or _stay(visit, "Undecided again.")


def defer(visit: Visit) -> Response:
    id_, note, until = visit.given("id"), visit.form.text("note"), visit.form.text("until")

    def work(seen: Seen) -> None:
        visit.house.desk.defer(id_, visit.name, note, seen=seen, until=_day(until))

    return _done(visit, work) or _on(visit, "Deferred")


def comment(visit: Visit) -> Response:
    id_, note = visit.given("id"), visit.form.text("note")
    failed = _done(visit, lambda _: visit.house.desk.comment(id_, visit.name, note))
    return failed or _stay(visit, "Your comment is kept.")


def edit(visit: Visit) -> Response:
    return _edited(visit, approve=False) or _stay(
        visit, "The new wording is kept, undecided. Its measurement is stale."
    )


def edit_and_approve(visit: Visit) -> Response:
    return _edited(visit, approve=True) or _on(visit, "Edited and approved")


def _decided(visit: Visit, decision: Decision) -> Response | None:
    id_, note = visit.given("id"), visit.form.text("note")
    return _done(visit, lambda seen: visit.house.desk.decide(id_, decision, visit.name, note, seen=seen))


def _edited(visit: Visit, *, approve: bool) -> Response | None:
    id_, text, note = visit.given("id"), visit.form.text("text"), visit.form.text("note")
    return _done(visit, lambda seen: visit.house.desk.edit(id_, text, visit.name, note, seen=seen, approve=approve))


def _done(visit: Visit, work: Callable[[Seen], object]) -> Response | None:
    """Do it; the page to show instead if it cannot be done. What was typed is never lost."""
    try:
        work(Seen.read(visit.form.text("seen")))
    except NotFound:
        raise
    except Conflict as fault:
        return _overtaken(visit, fault)
    except UserError as fault:
        return _again(visit, fault)
    return None


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise UserError(f"{text[:30]!r} is not a day. Give one such as 2026-12-24, or none.") from None


def _page(visit: Visit, view: View, status: int = 200, wrong: str = "") -> Response:
    asked, desk = Listing.of(visit), visit.house.desk
    everything, id_ = asked.everything, view.strategy.id
    scales = _scales([one.effect for one in (*view.harms, *view.effects)])
    return visit.page(
        "strategy.html",
        status,
        view=view,
        one=view.strategy,
        listing=asked,
        around=desk.around(id_, everything, asked.order, reverse=asked.reverse),
        counts=desk.counts(asked.wanted, many=False),
        scales=scales,
        cases=_cases(view),
        flags=tuple(wording.flags(view.flags)),
        here=f"/strategies/{bit(id_)}",
        wrong=wrong,
        note=visit.form.text("note"),
        text=visit.form.text("text", view.strategy.text),
    )


def _cases(view: View) -> Sequence[Case]:
    """Tries on the very turn it came from before those elsewhere, and the last wording's first."""
    here, there = ([case for case in view.cases if (case.kind == "retry") == same] for same in (True, False))
    return [*reversed(here), *there]


def _scales(effects: Sequence[Effect]) -> dict[str, Scale]:
    """A scale for each unit, so that what is alike can be compared; wins and losses have natural ends."""
    found = {unit: [one for one in effects if one.unit == unit] for unit in dict.fromkeys(one.unit for one in effects)}
    scales = {
        unit: Scale.over([e for one in some for e in (one.low, one.high)], around=[0]) for unit, some in found.items()
    }
    return scales | {wording.BY_WINS: WHOLE}


def _again(visit: Visit, fault: UserError) -> Response:
    """The page once more, with what was typed, and why it did not do."""
    status = 403 if isinstance(fault, Forbidden) else 400
    return _page(visit, visit.house.desk.view(visit.given("id")), status, str(fault))


def _overtaken(visit: Visit, fault: Conflict) -> Response:
    """Somebody changed it first: who and what, with what was typed."""
    typed = visit.form.text("text") or visit.form.text("note")
    here = visit.at(f"/strategies/{bit(visit.given('id'))}", Listing.of(visit).query)
    return visit.page("overtaken.html", 409, text=str(fault), here=here, typed=typed)


def _stay(visit: Visit, say: str) -> Response:
    return visit.to(visit.at(f"/strategies/{bit(visit.given('id'))}", Listing.of(visit).query), say)


def _on(visit: Visit, did: str) -> Response:
    """To the next that is undecided; after the last one, to the list."""
    asked, desk, id_ = Listing.of(visit), visit.house.desk, visit.given("id")
    text = desk.library.strategy(id_).text
    say = f"{did}: {text if len(text) <= SHOWN else text[:SHOWN] + '…'}"
    link = visit.at(f"/strategies/{bit(id_)}", asked.query)
    following = desk.around(id_, asked.everything, asked.order, reverse=asked.reverse).undecided
    if following is None or following == id_:
        return visit.to(visit.at("/queue", asked.query), f"{say} That was the last one of this list.", link=link)
    return visit.to(visit.at(f"/strategies/{bit(following)}", asked.query), say, link=link)


PAGES = (
    Page("GET", "/strategies/{id}", "viewer", show),
    Page("POST", "/strategies/{id}/approve", "approver", approve),
    Page("POST", "/strategies/{id}/reject", "approver", reject),
    Page("POST", "/strategies/{id}/reopen", "approver", reopen),
    Page("POST", "/strategies/{id}/edit-and-approve", "approver", edit_and_approve),
    Page("POST", "/strategies/{id}/edit", "editor", edit),
    Page("POST", "/strategies/{id}/defer", "editor", defer),
    Page("POST", "/strategies/{id}/comment", "editor", comment),
)
