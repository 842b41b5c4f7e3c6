"""The audit: decisions locked to what was seen, a trail that shows tampering, lists that say what the library holds."""

import random
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import date
from pathlib import Path
from time import sleep
from typing import Any

import pytest
import sqlalchemy as sa

import audit_data
import tampering
from preceptor.dialogue.conversation import Context, Turn
from preceptor.errors import Conflict, Forbidden, NotFound, UserError
from preceptor.library import tables, trail
from preceptor.library.decisions import Seen
from preceptor.library.desk import LINES, Desk
from preceptor.library.model import Effect, Evidence, Scenario, Strategy
from preceptor.library.queue import Filter, Order
from preceptor.library.rows import Reach, Use
from preceptor.library.store import Batch, Library, writing
from preceptor.library.trail import Wanted
from preceptor.storage import migrations
from preceptor.storage.database import Database


def context(text: str) -> Context:
    return Context((Turn("customer", "Hello"), Turn("agent", "How can I help?"), Turn("customer", text)))


def scenario(description: str, *texts: str) -> Scenario:
    examples = tuple(context(text) for text in texts or (description,))
    return Scenario(Scenario.new_id(description, examples[0]), description, examples)


def strategy(text: str, home: Scenario | None = None, value: float = 0.1) -> Strategy:
    where = home.id if home else None
    return Strategy(Strategy.new_id(text, where), text, "It helps.", where, value, "accepted")


FAULT = scenario("The customer calls again about the same fault.", "Third time!", "It broke again.", "And again.")
BILL = scenario("The customer does not understand a bill.")
APOLOGISE = strategy("Apologise once, then say what happens next.", FAULT, 0.3)
REFUND = strategy("Promise a full refund.", FAULT, 0.4)
CALL = strategy("Call the customer back within one working day.", BILL, 0.2)
NEVER = strategy("Never call the customer back within one working day.", BILL, 0.2)
GREET = strategy("Greet by the time of day.")
ALL = (APOLOGISE, REFUND, CALL, NEVER, GREET)
ORIGIN = Evidence("origin", "", FAULT.examples[0], "No.", "", "So sorry.", "It did not apologise.")
PROOF = Evidence("acceptance", "", FAULT.examples[1], "No.", "Sorry.", "", "won", Effect(0.3, 0.1, 0.5, 40))
LOSS = Evidence("loss", "", FAULT.examples[2], "At once.", "Sorry, sorry.")
HARM = Evidence("no_harm", "", reason="Elsewhere it harms.", effect=Effect(-0.2, -0.4, -0.1, 12))
WIDE = Evidence("acceptance", "", reason="won", effect=Effect(0.2, -0.5, 0.9, 8))


@pytest.fixture
def library(db: Database) -> Library:
    filled = Library(db)
    evidence = {APOLOGISE.id: [ORIGIN, PROOF, LOSS, HARM], CALL.id: [WIDE]}
    reach = {FAULT.id: Reach(30, 100)}
    filled.store(Batch((FAULT, BILL), ALL, evidence, use=Use("Broadband"), reach=reach), "20260101-1", "1")
    return filled


@pytest.fixture
def desk(library: Library) -> Iterator[Desk]:
    """Whatever is done at it leaves a trail that holds."""
    made = Desk(library)
    yield made
    assert made.verify().problems == ()


def seen(desk: Desk, one: Strategy) -> Seen:
    return desk.view(one.id).seen


def ids(*some: Strategy) -> list[str]:
    return [one.id for one in some]


# Decisions


def test_a_decision_says_who_what_and_on_what(desk: Desk) -> None:
    desk.decide(APOLOGISE.id, "approved", "ann", "good", seen=seen(desk, APOLOGISE))
    (entry,) = desk.trail(limit=1)
    assert (entry.who, entry.what, entry.subject) == ("ann", "decide", f"{APOLOGISE.id}@1")
    assert (entry.before, entry.after, entry.note) == ("pending", "approved", "good")
    assert entry.seen is not None
    for shown in ('"version":1', '"mean":0.3', '"n":40', '"screen":"page"'):
        assert shown in entry.seen
    assert entry.seen.count('"', entry.seen.index("evidence") + 10) >= 8  # four keys


@pytest.mark.parametrize("first", ["decide", "edit", "defer", "evidence", "run", "back and forth"])
def test_nobody_decides_on_what_has_changed_since(desk: Desk, first: str) -> None:
    before = seen(desk, APOLOGISE)
    changes: dict[str, Callable[[], object]] = {
        "decide": lambda: desk.decide(APOLOGISE.id, "rejected", "bob", "no", seen=before),
        "edit": lambda: desk.edit(APOLOGISE.id, "Apologise twice.", "bob", seen=before),
        "defer": lambda: desk.defer(APOLOGISE.id, "bob", seen=before),
        "evidence": lambda: desk.library.store(
            Batch(evidence={APOLOGISE.id: [replace(LOSS, after="Oh no.")]}), "run-2", "1"
        ),
        "run": lambda: desk.library.put_strategy(replace(APOLOGISE, value=0.1), "run-2"),
        "back and forth": lambda: [
            desk.decide(APOLOGISE.id, "approved", "bob", seen=before),
            desk.decide(APOLOGISE.id, "pending", "bob", seen=seen(desk, APOLOGISE)),
        ],
    }
    changes[first]()
    told = "evidence" if first == "evidence" else "run-2.*measured" if first == "run" else "'bob'.*now version"
    lines = len(desk.trail())
    acts: list[Callable[[], object]] = [
        lambda: desk.decide(APOLOGISE.id, "approved", "ann", seen=before),
        lambda: desk.edit(APOLOGISE.id, "Say sorry.", "ann", seen=before, approve=True),
        lambda: desk.defer(APOLOGISE.id, "ann", seen=before),
    ]
    for act in acts:
        with pytest.raises(Conflict, match=told):
            act()
    assert len(desk.trail()) == lines


def test_what_was_seen_survives_a_form() -> None:
    shown = Seen(3, 17, "abc")
    assert Seen.read(shown.token) == shown
    for token in ("", "1.2", "a.b.c", "1.2.3.4", "-1.2.c"):
        with pytest.raises(UserError, match="Open the strategy again"):
            Seen.read(token)


def test_an_edit_can_be_approved_in_the_same_breath(desk: Desk) -> None:
    done = desk.edit(GREET.id, "Greet warmly.", "ann", "kinder", seen=seen(desk, GREET), approve=True)
    assert (done.version, done.decision, done.flags) == (2, "approved", ("stale",))
    assert [entry.what for entry in desk.trail(limit=2)] == ["decide", "edit"]
    (line,) = desk.page(Filter(stale=True)).lines
    assert (line.id, line.state, line.edited, line.run) == (GREET.id, "approved", True, "20260101-1")


def test_a_rejection_and_a_comment_need_words(desk: Desk) -> None:
    with pytest.raises(UserError, match="reason"):
        desk.decide(GREET.id, "rejected", "ann", " ", seen=seen(desk, GREET))
    with pytest.raises(UserError, match="text"):
        desk.comment(GREET.id, "ann", "")
    before = seen(desk, GREET)
    desk.comment(GREET.id, "ann", "Nice?")
    desk.comment(GREET.id, "bob", "Very.")
    shown = desk.view(GREET.id)
    assert [(one.who, one.note) for one in shown.comments] == [("ann", "Nice?"), ("bob", "Very.")]
    assert (shown.seen, shown.state) == (before, "undecided")


def test_what_is_deferred_is_out_of_the_way_until_its_day(desk: Desk) -> None:
    desk.defer(GREET.id, "ann", "after the fair", seen=seen(desk, GREET))
    assert GREET.id not in [line.id for line in desk.page(Filter(state="undecided")).lines]
    assert desk.view(GREET.id).deferred == "9999-12-31"
    desk.defer(GREET.id, "ann", seen=seen(desk, GREET), until=date(2200, 1, 1))
    assert desk.page(Filter(state="deferred")).lines[0].deferred == "2200-01-01"
    assert desk.library.strategy(GREET.id).decision == "pending"
    with pytest.raises(UserError, match="later day"):
        desk.defer(GREET.id, "ann", seen=seen(desk, GREET), until=date(2020, 1, 1))
    desk.decide(GREET.id, "pending", "ann", seen=seen(desk, GREET))
    assert desk.view(GREET.id).state == "undecided"
    desk.decide(GREET.id, "approved", "ann", seen=seen(desk, GREET))
    with pytest.raises(Conflict, match="approved"):
        desk.defer(GREET.id, "ann", seen=seen(desk, GREET))


def test_with_four_eyes_nobody_approves_their_own_words(library: Library) -> None:
    desk = Desk(library, four_eyes=True)
    with pytest.raises(Forbidden, match="four eyes"):
        desk.edit(GREET.id, "Greet warmly.", "ann", seen=seen(desk, GREET), approve=True)
    assert desk.view(GREET.id).strategy == replace(GREET)
    desk.edit(GREET.id, "Greet warmly.", "Ann", seen=seen(desk, GREET))
    library.put_strategy(replace(GREET, text="Greet warmly.", value=0.5), "run-2")  # measured again: still her words
    with pytest.raises(Forbidden, match="'ann' wrote or edited"):
        desk.decide(GREET.id, "approved", "ann", seen=seen(desk, GREET))
    assert desk.bulk(Filter(search="warmly"), "approved", "ann").own == 1
    assert desk.decide(GREET.id, "approved", "bob", seen=seen(desk, GREET)).decision == "approved"
    assert desk.decide(APOLOGISE.id, "approved", "ann", seen=seen(desk, APOLOGISE)).decision == "approved"


def test_flagged_ones_are_approved_by_a_person_one_at_a_time(desk: Desk) -> None:
    preview = desk.bulk(Filter(), "approved", "ann")
    assert (preview.count, preview.flagged, preview.settled) == (2, 3, 0)
    with pytest.raises(Conflict, match="2 strategies would be approved, not 5"):
        desk.decide_all(Filter(), "approved", "ann", expected=5)
    assert desk.decide_all(Filter(), "approved", "ann", expected=2, token=preview.token) == 2
    assert [line.id for line in desk.page(Filter(state="approved")).lines] == sorted(ids(APOLOGISE, GREET))
    assert desk.decide(REFUND.id, "approved", "ann", seen=seen(desk, REFUND)).decision == "approved"


def test_what_is_decided_on_in_bulk_is_what_was_counted(desk: Desk) -> None:
    preview = desk.bulk(Filter(flagged=False), "approved", "ann")
    desk.edit(APOLOGISE.id, "Say sorry once.", "bob", seen=seen(desk, APOLOGISE))
    desk.library.put_strategy(strategy("Offer a cup of tea."), "run-2")
    assert desk.bulk(Filter(flagged=False), "approved", "ann").count == preview.count
    with pytest.raises(Conflict, match="changed since"):
        desk.decide_all(Filter(flagged=False), "approved", "ann", expected=preview.count, token=preview.token)
    with pytest.raises(UserError, match="reason"):
        desk.decide_all(Filter(), "rejected", "ann", expected=6)
    assert desk.decide_all(Filter(), "rejected", "ann", "all wrong", expected=6) == 6
    assert desk.decide_all(Filter(), "pending", "ann", expected=6) == 6
    assert desk.counts().decided == 0


# Lists


def asking(wanted: Filter, name: str, value: object) -> Filter:
    more: dict[str, Any] = {name: value}
    return replace(wanted, **more)


def test_each_filter_and_each_count_says_the_same(desk: Desk) -> None:
    desk.decide(APOLOGISE.id, "approved", "ann", seen=seen(desk, APOLOGISE))
    desk.edit(GREET.id, "Greet warmly.", "bob", seen=seen(desk, GREET))
    desk.defer(CALL.id, "ann", seen=seen(desk, CALL))
    for wanted in (
        Filter(),
        Filter(state="decided"),
        Filter(search="call"),
        Filter(flagged=True),
        Filter(flag="stale"),
    ):
        counts = desk.counts(wanted)
        for name, tally in (
            ("state", counts.states),
            ("measured", counts.measured),
            ("level", counts.levels),
            ("scenario", counts.scenarios),
            ("run", counts.runs),
        ):
            for value, number in tally.items():
                assert desk.page(asking(wanted, name, value)).total == number, (name, value)
        for flag, number in counts.flags.items():
            assert desk.page(replace(wanted, flag=flag, flagged=None)).total == number
        for name in ("stale", "edited"):
            assert desk.page(asking(wanted, name, True)).total == getattr(counts, name)
        assert desk.page(replace(wanted, flag=None, flagged=True)).total == counts.flagged
        assert counts.of == desk.page(replace(wanted, state=None)).total
    assert (desk.counts().decided, desk.counts().of) == (1, 5)


@pytest.mark.parametrize(
    ("order", "first"),
    [("effect", APOLOGISE), ("uncertainty", CALL), ("scenario", GREET), ("reach", GREET), ("risk", None)],
)
def test_orders_and_neighbours_agree(desk: Desk, order: Order, first: Strategy | None) -> None:
    for reverse in (False, True):
        listed = [line.id for line in desk.page(order=order, reverse=reverse).lines]
        assert sorted(listed) == sorted(ids(*ALL))
        if first is not None and not reverse:
            assert listed[0] == first.id
        paged = [desk.page(order=order, reverse=reverse, offset=n, limit=1).lines[0].id for n in range(len(ALL))]
        assert paged == listed
        for n, id_ in enumerate(listed):
            about = desk.around(id_, order=order, reverse=reverse)
            assert (about.place, about.of) == (n + 1, len(ALL))
            assert about.previous == (listed[n - 1] if n else None)
            assert about.next == (listed[n + 1] if n + 1 < len(listed) else None)


def test_a_reader_is_led_on_to_what_is_undecided(desk: Desk) -> None:
    wanted = Filter(state="undecided")
    order = [line.id for line in desk.page(wanted).lines]
    assert desk.first(wanted) == order[0]
    desk.decide(order[1], "approved", "ann", seen=desk.view(order[1]).seen)
    about = desk.around(order[1], wanted)
    assert (about.place, about.of) == (None, 4)
    assert (about.previous, about.next, about.undecided) == (order[0], order[2], order[2])
    assert desk.around(order[-1], wanted).undecided == order[0]
    for id_ in (order[0], *order[2:]):
        desk.decide(id_, "rejected", "ann", "no", seen=desk.view(id_).seen)
    assert desk.first(wanted) is None
    assert desk.around(order[0], wanted).undecided is None
    with pytest.raises(NotFound):
        desk.around("st-none")


def test_words_are_found_wherever_they_stand_and_none_is_a_pattern(desk: Desk) -> None:
    def found(words: str) -> list[str]:
        return [line.id for line in desk.page(Filter(search=words)).lines]

    assert found("APOLOG next") == ids(APOLOGISE)
    assert found("same fault") == sorted(ids(APOLOGISE, REFUND))  # in the scenario's description
    assert found(GREET.id) == ids(GREET)
    for words in ("%", "_", "' OR 1=1 --", "apolog%next", "é"):
        assert found(words) == []
    desk.library.put_scenario(replace(FAULT, description="A fault comes back."), "run-2")
    assert found("comes back") == sorted(ids(APOLOGISE, REFUND))


def test_neighbours_that_are_turned_down_flag_nobody(desk: Desk) -> None:
    assert desk.page(Filter(flag="contradicts")).total == 2
    assert desk.view(CALL.id).contradicting[0].id == NEVER.id
    desk.decide(NEVER.id, "rejected", "ann", "no", seen=seen(desk, NEVER))
    assert desk.view(CALL.id).contradicting == ()
    assert desk.page(Filter(flag="contradicts")).lines[0].id == NEVER.id
    desk.edit(NEVER.id, "Write to them within the hour.", "ann", seen=seen(desk, NEVER))
    assert desk.page(Filter(flag="contradicts")).total == 0


def test_how_often_it_would_fire_says_whether_it_was_measured(desk: Desk) -> None:
    measured, estimated = desk.view(APOLOGISE.id).reach, desk.view(CALL.id).reach
    assert (measured, measured.share) == (Reach(30, 100, "20260101-1"), 0.3)
    assert (estimated, estimated.share) == (Reach(1, 4, None), 0.25)
    assert desk.view(GREET.id).reach.share == 1.0


def test_one_page_has_all_that_speaks_for_and_against(desk: Desk) -> None:
    shown = desk.view(APOLOGISE.id)
    assert shown.strategy == APOLOGISE
    assert shown.scenario is not None
    assert shown.scenario.examples == FAULT.examples
    assert shown.source is not None
    assert (shown.source.teacher, shown.source.reason, shown.source.trigger) == ("So sorry.", ORIGIN.reason, 2)
    assert [(one.before, one.after) for one in shown.cases] == [("No.", "Sorry.")]
    assert [one.effect for one in shown.effects] == [PROOF.effect]
    assert [one.after for one in shown.losses] == ["Sorry, sorry."]
    assert [one.effect.mean for one in shown.harms] == [-0.2]
    assert [one.author for one in shown.history] == ["20260101-1"]
    assert desk.view(REFUND.id).flags == ("promise of money",)


# Releases


def test_a_release_is_assembled_looked_at_published_and_taken_back(desk: Desk) -> None:
    for one in (APOLOGISE, GREET):
        desk.decide(one.id, "approved", "ann", seen=seen(desk, one))
    small = desk.candidate([GREET.id])
    assert ([one.id for one in small.guidance.strategies], ids(*small.left)) == (ids(GREET), ids(APOLOGISE))
    assert any("Now told always" in one.text for one in small.differences)
    with pytest.raises(Conflict, match="Not approved"):
        desk.candidate([CALL.id])
    first = desk.assemble("ann", "one", ids=[GREET.id], expected=small.hash)
    assert desk.library.live() is None
    desk.publish(first.hash, "bob", live=None)
    second = desk.assemble("ann", "two")
    with pytest.raises(Conflict, match="bob"):
        desk.publish(second.hash, "ann", live=None)
    desk.publish(second.hash, "ann", live=first.hash)
    assert [(one.release, one.live) for one in desk.view(GREET.id).releases] == [
        (second.hash, True),
        (first.hash, False),
    ]
    assert desk.rollback("ann", "worse", live=second.hash).hash == first.hash
    assert [(one.what, one.after) for one in reversed(desk.trail(Wanted(subject="live")))] == [
        ("release", first.hash),
        ("release", second.hash),
        ("rollback", first.hash),
    ]
    assert desk.differences(first.hash, second.hash)[-1].kind == "added"


def test_what_is_no_longer_approved_is_not_published(desk: Desk) -> None:
    desk.decide(GREET.id, "approved", "ann", seen=seen(desk, GREET))
    candidate = desk.candidate()
    made = desk.assemble("ann")
    desk.edit(GREET.id, "Greet warmly.", "bob", seen=seen(desk, GREET))
    with pytest.raises(Conflict, match="not approved as it stands"):
        desk.publish(made.hash, "ann", live=None)
    with pytest.raises(Conflict, match="changed since"):
        desk.assemble("ann", expected=candidate.hash)


# The trail


def test_lines_can_be_chosen_and_exported(desk: Desk) -> None:
    desk.comment(GREET.id, "=cmd", "@SUM(1)\nand more")
    desk.comment(APOLOGISE.id, "ann", "-1")
    assert [one.subject for one in desk.trail(Wanted(who="ann"))] == [f"{APOLOGISE.id}@1"]
    assert [one.who for one in desk.trail(Wanted(subject=GREET.id))] == ["=cmd"]
    assert desk.trail(Wanted(since="2200-01-01")) == () == desk.trail(Wanted(until="2000-01-01"))
    assert [one.n for one in desk.trail(before=3, limit=1)] == [2]
    text = "".join(trail.to_csv(desk.lines()))
    assert "'=cmd" in text
    assert '"\'@SUM(1)\nand more"' in text
    assert "'-1" in text
    last = list(trail.to_jsonl(desk.lines()))[-1]
    assert desk.verify().head in last


def test_lines_come_in_pieces_and_whoever_reads_slowly_holds_up_no_writer(tmp_path: Path) -> None:
    with Database.open(tmp_path / "p.db") as db:
        desk = Desk(made(db))
        with db.begin() as connection, writing(connection, desk.library.name) as shelf:
            for number in range(2 * LINES):
                shelf.log("eve", "comment", "st-1@1", None, None, f"{number}")
        lines = desk.lines()
        first = next(lines)
        with closing(sqlite3.connect(tmp_path / "p.db", timeout=0)) as other, other:
            other.execute("CREATE TABLE written (meanwhile)")
        assert (first, *lines) == desk.library.trail()
        assert len(list(desk.lines(Wanted(who="eve")))) == 2 * LINES


def made(db: Database) -> Library:
    """A small library people have worked on."""
    library = Library(db)
    desk = Desk(library)
    audit_data.fill(library, 24, 72, 5, 5)
    audit_data.work(desk, 10, 5)
    desk.publish(desk.assemble("ann", "one").hash, "ann", live=None)
    audit_data.work(desk, 6, 6)
    library.release("bob")
    desk.rollback("ann", "back", live=library.live_hash())
    return library


def test_tampering_is_found(tmp_path: Path) -> None:
    with Database.open(tmp_path / "p.db") as db:
        made(db)
        tampering.sound(db)
        missed = [one for one in tampering.alterations(db, 150, 11) if not one.found]
        assert missed == []
        tampering.sound(db)


def test_whoever_rewrites_all_of_it_needs_the_head_that_was_noted(db: Database) -> None:
    desk = Desk(made(db))
    noted = desk.verify().head
    desk.comment(desk.page().lines[0].id, "ann", "Later.")
    assert desk.verify(noted[:16]).sound
    tampering.rewrite(db, "default", 3)
    assert desk.verify().sound
    assert [one.subject for one in desk.verify(noted).problems] == ["head"]


# Together, and cut short


def test_of_two_who_decide_on_the_same_one_is_told(tmp_path: Path) -> None:
    """Real threads, each with a database of its own, on what both have seen."""
    outcomes: list[tuple[str, str, bool]] = []
    with Database.open(tmp_path / "p.db") as db:
        Library(db).store(Batch((FAULT, BILL), ALL), "run-1", "1")

    def work(who: str, decision: str) -> None:
        with Database.open(tmp_path / "p.db") as mine:
            desk = Desk(Library(mine))
            for one, shown in seen_by_both:
                together.wait()
                try:
                    desk.decide(one, "approved" if decision == "approved" else "rejected", who, "why", seen=shown)
                    outcomes.append((one, who, True))
                except Conflict:
                    outcomes.append((one, who, False))

    with Database.open(tmp_path / "p.db") as db:
        desk = Desk(Library(db))
        seen_by_both = [(one.id, seen(desk, one)) for one in ALL]
        together = threading.Barrier(2)
        threads = [threading.Thread(target=work, args=pair) for pair in (("ann", "approved"), ("bob", "rejected"))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for one in ALL:
            (winner,) = [who for id_, who, won in outcomes if id_ == one.id and won]
            told = desk.trail(Wanted(what="decide", subject=one.id))
            assert [entry.who for entry in told] == [winner]
            assert desk.library.strategy(one.id).decision == ("approved" if winner == "ann" else "rejected")
        assert desk.verify().sound


CHILD = """
import sys
sys.path.insert(0, sys.argv[2])
import audit_data
from preceptor.library.desk import LINES, Desk
from preceptor.library.store import Library
from preceptor.storage import migrations
from preceptor.storage.database import Database

with Database.open(sys.argv[1]) as db:
    desk = Desk(Library(db))
    for round_ in range(1000):
        for line in desk.page().lines:
            desk.edit(line.id, f"Do it {round_} times.", "ann", seen=desk.view(line.id).seen, approve=True)
            print(line.id, flush=True)
"""


def test_a_kill_in_the_middle_leaves_all_or_nothing(tmp_path: Path) -> None:
    """An edit that is approved at once is two lines, two rows and five lists; never one without the others."""
    path, chance = tmp_path / "p.db", random.Random(3)
    with Database.open(path) as db:
        Library(db).store(Batch((FAULT, BILL), ALL), "run-1", "1")
    program = [sys.executable, "-c", CHILD, str(path), str(Path(audit_data.__file__).parent)]
    for _ in range(2):
        child = subprocess.Popen(program, stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        child.stdout.readline()
        sleep(chance.uniform(0, 0.05))
        child.kill()
        child.communicate()
        with Database.open(path) as db:
            desk = Desk(Library(db))
            assert desk.verify().problems == ()
            told = [entry.what for entry in desk.lines(Wanted(who="ann"))]
            assert told
            assert told == ["edit", "decide"] * (len(told) // 2)


def test_a_database_from_before_is_chained_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "p.db"
    with Database.open(path) as db:
        library = made(db)
        expected = [line.id for line in Desk(library).page().lines]
    before(path)
    with Database.open(path) as db:
        desk = Desk(Library(db))
        assert desk.verify().problems == ()
        (last,) = desk.trail(limit=1)
        assert (last.what, last.note) == ("chain", "chained at migration")
        assert sorted(line.id for line in desk.page().lines) == sorted(expected)
        one = desk.page(Filter(state="undecided")).lines[0].id
        desk.decide(one, "approved", "ann", seen=desk.view(one).seen)
        assert desk.verify().problems == ()
        with db.begin() as connection:
            connection.execute(sa.update(tables.trail).where(tables.trail.c.n == 1).values(who="nobody"))
        assert not desk.verify().sound


def before(path: Path) -> None:
    """Take a database back to the schema before the audit."""
    with Database.at(str(path.with_suffix(".then"))) as db, db.filling() as connection:
        migrations.run(connection, None, db.name, "0005")
        then = schema(connection)
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        for name, table in schema(connection).items():
            if name not in then:
                connection.exec_driver_sql(f"DROP TABLE {name}")
                continue
            old = then[name]
            indexes = {str(index.name): index for index in old.indexes}
            for index in table.indexes:
                if index.name not in indexes:
                    connection.exec_driver_sql(f"DROP INDEX {index.name}")
            for column in set(table.columns.keys()) - set(old.columns.keys()):
                connection.exec_driver_sql(f'ALTER TABLE {name} DROP COLUMN "{column}"')
            for missing in indexes.keys() - {str(index.name) for index in table.indexes}:
                indexes[missing].create(connection)
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0005'")
    engine.dispose()


def schema(connection: sa.Connection) -> Mapping[str, sa.Table]:
    found = sa.MetaData()
    found.reflect(connection)
    return found.tables
