"""The library: versions, decisions, releases; through its public methods and two processes."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import count

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from preceptor.dialogue.conversation import Context, Turn
from preceptor.errors import Conflict, NotFound, UserError
from preceptor.library import tables
from preceptor.library.model import Effect, Evidence, Guidance, Scenario, Strategy
from preceptor.library.rows import Use
from preceptor.library.store import Batch, Library
from preceptor.storage.database import Database

pytestmark = pytest.mark.anyio


def context(text: str) -> Context:
    return Context((Turn("customer", "Hello"), Turn("agent", "How can I help?"), Turn("customer", text)))


def scenario(description: str, *texts: str) -> Scenario:
    examples = tuple(context(text) for text in texts or (description,))
    return Scenario(Scenario.new_id(description, examples[0]), description, examples, ("line",))


def strategy(text: str, home: Scenario | None = None, value: float = 0.1) -> Strategy:
    where = home.id if home else None
    return Strategy(Strategy.new_id(text, where), text, "It helps.", where, value, "accepted")


FAULT = scenario("The customer calls again about the same fault.", "Third time!", "It broke again.")
BILL = scenario("The customer does not understand a bill.")
APOLOGISE = strategy("Apologise once, then say what happens next.", FAULT, 0.3)
EXPLAIN = strategy("Explain each item of the bill in a short sentence.", BILL, 0.2)
GREET = strategy("Greet by the time of day.")
PROOF = Evidence("acceptance", "", FAULT.examples[0], "No.", "Sorry.", "So sorry.", "won", Effect(0.3, 0.1, 0.5, 40))
ALL = (APOLOGISE, EXPLAIN, GREET)


@pytest.fixture
def library(db: Database) -> Library:
    """Two scenarios, three accepted strategies, one with evidence."""
    filled = Library(db)
    filled.store(Batch((FAULT, BILL), ALL, {APOLOGISE.id: [PROOF]}, use=Use("Broadband")), "run-1", "1")
    return filled


def texts(guidance: Guidance) -> set[str]:
    return {strategy.text for strategy in guidance.strategies}


def test_what_is_put_in_comes_out(library: Library) -> None:
    assert set(library.scenarios()) == {FAULT, BILL}
    assert set(library.strategies()) == set(ALL)
    assert library.strategies(scenario=BILL.id) == (EXPLAIN,)
    assert library.strategies(level="general", measured="accepted", decision="pending") == (GREET,)
    assert library.strategies(decision="approved") == ()
    assert library.evidence(APOLOGISE.id) == (replace(PROOF, run="run-1"),)


def test_the_accepted_guidance_is_what_teaching_had(library: Library) -> None:
    taught = Guidance("Broadband", (BILL, FAULT), ALL)
    assert library.guidance("accepted").hash == taught.hash
    assert library.guidance("approved").strategies == ()


def test_putting_the_same_again_changes_nothing(library: Library) -> None:
    library.put_strategy(replace(GREET, decision="approved", version=7), "run-2")
    library.put_scenario(FAULT, "run-2")
    library.store(Batch(evidence={APOLOGISE.id: [replace(PROOF, run="run-2")]}), "run-2", "1")
    assert [version.strategy.version for version in library.history(GREET.id)] == [1]
    assert library.strategy(GREET.id).decision == "pending"
    assert len(library.evidence(APOLOGISE.id)) == 1


def test_a_change_is_a_version_and_old_ones_stay(library: Library) -> None:
    library.put_strategy(replace(GREET, value=0.5), "run-2")
    library.put_strategy(replace(GREET, value=0.5, measured="dropped"), "run-3")
    history = library.history(GREET.id)
    assert [(v.strategy.version, v.strategy.value, v.author) for v in history] == [
        (1, 0.1, "run-1"),
        (2, 0.5, "run-2"),
        (3, 0.5, "run-3"),
    ]
    assert library.strategy(GREET.id).measured == "dropped"
    assert GREET.text not in texts(library.guidance("accepted"))


def test_a_step_is_stored_once_whatever_came_after_it(library: Library) -> None:
    first = Batch(strategies=[replace(GREET, measured="proposed")])
    second = Batch(strategies=[GREET])
    assert library.store(first, "run-2", "1")
    assert library.store(second, "run-2", "2")
    assert not library.store(first, "run-2", "1")
    assert library.strategy(GREET.id).measured == "accepted"
    assert library.store(first, "run-3", "1")


async def test_steps_saved_together_are_all_there(library: Library) -> None:
    batches = [Batch(strategies=[strategy(f"Do thing {n}.")]) for n in range(20)]
    assert all(await asyncio.gather(*(library.save(batch, "run-2", str(n)) for n, batch in enumerate(batches))))
    assert len(library.strategies()) == 23


def test_a_step_that_cannot_be_stored_leaves_nothing(library: Library) -> None:
    with pytest.raises(UserError, match="NUL"):
        library.store(Batch((), (strategy("Fine."), strategy("Not\x00fine."))), "run-2", "1")
    assert len(library.strategies()) == 3
    assert library.store(Batch(), "run-2", "1")


def test_a_retired_scenario_and_its_strategies_are_in_no_guidance(library: Library) -> None:
    library.store(Batch(retired=[BILL.id]), "run-2", "1")
    assert library.scenarios() == (FAULT,)
    assert texts(library.guidance("accepted")) == {APOLOGISE.text, GREET.text}
    library.put_scenario(BILL, "run-3")
    assert set(library.scenarios()) == {FAULT, BILL}


def test_libraries_in_one_database_do_not_mix(db: Database, library: Library) -> None:
    other = Library(db, "other")
    assert other.strategies() == ()
    other.put_strategy(GREET, "run-1")
    other.decide(GREET.id, "rejected", "ann")
    assert library.strategy(GREET.id).decision == "pending"


def test_strategies_are_found_by_the_beginning_of_their_id(library: Library) -> None:
    assert library.strategy(GREET.id[:9]) == GREET
    with pytest.raises(Conflict, match="could be"):
        library.strategy("st-")
    with pytest.raises(NotFound, match=GREET.id):
        library.strategy(GREET.id[:-1] + "z")
    with pytest.raises(NotFound):
        library.strategy("st_%")


def test_an_empty_library_says_what_to_do(db: Database) -> None:
    with pytest.raises(NotFound, match="preceptor teach"):
        Library(db).strategy("st-1")
    with pytest.raises(UserError, match="library approve"):
        Library(db).release("ann")
    assert Library(db).live() is None
    assert Library(db).trail() == ()


def test_decisions_are_kept_and_logged(library: Library) -> None:
    assert library.decide(GREET.id, "approved", "ann", "good").decision == "approved"
    library.decide(EXPLAIN.id, "rejected", "bob", "too vague")
    assert texts(library.guidance("approved")) == {GREET.text}
    assert texts(library.guidance("accepted")) == {GREET.text, APOLOGISE.text}
    library.decide(GREET.id, "approved", "ann")
    told = [(e.n, e.who, e.what, e.subject, e.before, e.after, e.note) for e in library.trail()]
    assert told == [
        (1, "run-1", "store", "step 1", None, None, "2 scenarios, 3 strategies, 1 evidence"),
        (2, "ann", "decide", f"{GREET.id}@1", "pending", "approved", "good"),
        (3, "bob", "decide", f"{EXPLAIN.id}@1", "pending", "rejected", "too vague"),
    ]


def test_a_decision_given_again_is_one_decision(library: Library) -> None:
    """Whoever was cut off before being told may say it again; another reason, or another person, is another line."""
    for who, note in (("ann", "good"), ("ann", "good"), ("bob", "good"), ("bob", "better"), ("bob", "better")):
        library.decide(GREET.id, "approved", who, note)
    told = [(entry.who, entry.note) for entry in library.trail() if entry.what == "decide"]
    assert told == [("ann", "good"), ("bob", "good"), ("bob", "better")]


def test_a_decision_on_what_has_changed_since_is_refused(library: Library) -> None:
    library.edit(GREET.id, "Greet warmly.", "bob")
    with pytest.raises(Conflict, match="bob"):
        library.decide(GREET.id, "approved", "ann", version=1)
    assert library.decide(GREET.id, "approved", "ann", version=2).decision == "approved"


def test_an_approval_outlives_a_new_value_but_not_a_new_meaning(library: Library) -> None:
    library.decide(GREET.id, "approved", "ann")
    library.put_strategy(replace(GREET, value=0.9), "run-2")
    assert library.strategy(GREET.id).decision == "approved"
    library.put_strategy(replace(GREET, value=0.9, flags=("link",)), "run-2")
    assert library.strategy(GREET.id).decision == "pending"
    library.decide(GREET.id, "approved", "ann")
    library.put_strategy(replace(GREET, measured="refused"), "run-2")
    assert library.strategy(GREET.id).decision == "pending"


def test_an_edit_is_undecided_stale_and_safe_from_runs(library: Library) -> None:
    library.decide(GREET.id, "approved", "ann")
    edited = library.edit(GREET.id, "Greet warmly, see www.example.com.", "bob", "kinder")
    assert (edited.version, edited.decision, edited.flags) == (2, "pending", ("link", "stale"))
    assert GREET.text not in texts(library.guidance("accepted"))
    assert edited.text not in texts(library.guidance("accepted"))
    library.put_strategy(replace(GREET, value=0.7), "run-2")
    assert library.strategy(GREET.id) == edited
    library.put_strategy(replace(edited, value=0.4, flags=()), "run-2")
    assert library.strategy(GREET.id).flags == ("link",)
    assert edited.text in texts(library.guidance("accepted"))
    library.put_strategy(GREET, "run-3")
    assert library.strategy(GREET.id).text == edited.text
    entry = next(entry for entry in library.trail() if entry.what == "edit")
    assert (entry.what, entry.before, entry.after, entry.note) == ("edit", GREET.text, edited.text, "kinder")
    assert library.edit(GREET.id, edited.text, "bob").version == 3
    with pytest.raises(UserError, match="reject"):
        library.edit(GREET.id, "  ", "bob")


def test_the_rule_approves_only_what_is_accepted_undecided_and_unflagged(library: Library) -> None:
    library.put_strategy(replace(APOLOGISE, flags=("code",)), "run-2")
    library.decide(EXPLAIN.id, "rejected", "ann")
    library.put_strategy(replace(strategy("New."), measured="proposed"), "run-2")
    library.put_strategy(replace(strategy("Worse."), measured="refused"), "run-2")
    library.put_strategy(strategy("Promise a full refund."), "run-2")
    library.put_strategy(strategy("Call the customer back within a day."), "run-2")
    library.put_strategy(strategy("Never call the customer back within a day."), "run-2")
    assert [s.id for s in library.approve_accepted("owner", "library.approve_by_rule")] == [GREET.id]
    assert library.trail()[-1].note == "by rule: library.approve_by_rule"
    assert library.approve_accepted("owner", "library.approve_by_rule") == ()


def test_what_a_run_puts_in_is_linted(library: Library) -> None:
    careless = replace(strategy("Promise a full refund."), flags=("uncorroborated",))
    library.put_strategy(careless, "run-2")
    library.put_strategy(careless, "run-2")
    assert library.strategy(careless.id).flags == ("uncorroborated", "promise of money")
    assert library.strategy(careless.id).version == 1


def release(library: Library, *approved: Strategy) -> str:
    for one in approved:
        library.decide(one.id, "approved", "ann")
    return library.release("ann", "a note").hash


def test_a_release_is_frozen_and_named_by_its_content(library: Library) -> None:
    name = release(library, GREET, APOLOGISE)
    live = library.live(evidence=True)
    assert live is not None
    assert live.hash == name == Guidance("Broadband", (FAULT, BILL), (GREET, APOLOGISE)).hash
    assert (live.author, live.note, live.parent) == ("ann", "a note", None)
    assert live.evidence == {APOLOGISE.id: (replace(PROOF, run="run-1"),)}
    library.edit(GREET.id, "Shout.", "bob")
    retry = {APOLOGISE.id: [replace(PROOF, kind="retry")]}
    library.store(Batch(evidence=retry, retired=[FAULT.id], use=Use("Other", "prefix")), "run-9", "1")
    again = library.get_release(name[:8], evidence=True)
    assert again.guidance == live.guidance
    assert again.evidence == live.evidence


def test_releasing_the_same_again_changes_nothing(library: Library) -> None:
    name = release(library, GREET)
    before = library.trail()
    assert library.release("bob").hash == name
    assert library.trail() == before
    assert len(library.releases()) == 1


def test_going_back_and_forward_needs_no_second_approval(library: Library) -> None:
    one = release(library, GREET)
    two = release(library, APOLOGISE)
    three = release(library, EXPLAIN)
    assert library.rollback("ann").hash == two
    assert library.rollback("ann").hash == one
    with pytest.raises(Conflict, match="no earlier release"):
        library.rollback("ann")
    assert library.rollback("ann", to=three[:10], note="forward").hash == three
    assert library.rollback("ann").hash == one
    moves = [(e.what, e.before, e.after) for e in library.trail() if e.subject == "live"]
    assert moves == [
        ("release", None, one),
        ("release", one, two),
        ("release", two, three),
        ("rollback", three, two),
        ("rollback", two, one),
        ("rollback", one, three),
        ("rollback", three, one),
    ]
    assert {r.hash for r in library.releases()} == {one, two, three}
    with pytest.raises(NotFound, match=one[:12]):
        library.rollback("ann", to="nothing")


@pytest.mark.parametrize("column", ["body", "evidence", "digest"])
def test_a_release_that_was_tampered_with_is_not_given_out(db: Database, library: Library, column: str) -> None:
    name = release(library, GREET)
    with db.begin() as connection:
        old = connection.scalar(sa.select(tables.releases.c[column]))
        new = str(old).replace("It helps.", "It hurts.") if column == "body" else f"{old} "
        assert new != old
        connection.execute(tables.releases.update().values({column: new}))
    with pytest.raises(Conflict, match="altered"):
        library.get_release(name)
    with pytest.raises(Conflict, match="altered"):
        library.live()


CHILD = """
import sys
from preceptor.library.model import Strategy
from preceptor.library.store import Library
from preceptor.storage.database import Database
path, who = sys.argv[1:]
with Database.open(path) as db:
    library = Library(db)
    for n in range(8):
        library.put_strategy(Strategy("st-shared", f"{who} says {n}", "", None), who)
        library.put_strategy(Strategy(f"st-{who}-{n}", f"{who} {n}", "", None, measured="accepted"), who)
        library.decide(f"st-{who}-{n}", "approved", who)
        library.release(who)
"""


def test_two_processes_lose_nothing_of_each_other(place: str) -> None:
    with Database.open(place) as db:
        command = [sys.executable, "-c", CHILD, place]
        children = [subprocess.Popen([*command, who], stderr=subprocess.PIPE, text=True) for who in ("ann", "bob")]
        for child in children:
            _, errors = child.communicate()
            assert (child.returncode, errors) == (0, "")
        library = Library(db)
        assert [v.strategy.version for v in library.history("st-shared")] == list(range(1, 17))
        assert len(library.guidance("approved").strategies) == 16
        trail = library.trail()
        assert [entry.n for entry in trail] == list(range(1, len(trail) + 1))
        assert len([entry for entry in trail if entry.what == "decide"]) == 16
        moves = [entry for entry in trail if entry.subject == "live"]
        assert [move.after for move in moves[:-1]] == [move.before for move in moves[1:]]
        assert library.live() is not None


Op = tuple[str, int, int]
State = tuple[str, int, str, bool]
"""Of a strategy: text, value, decision, whether a person wrote it."""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with Database.open(tmp_path_factory.mktemp("shared") / "p.db") as database:
        yield database


names = map(str, count())
ops = st.tuples(
    st.sampled_from(["put", "edit", "approved", "rejected", "release"]), st.integers(0, 1), st.integers(0, 3)
)


@settings(max_examples=25, deadline=None)
@given(st.lists(ops, max_size=12))
def test_any_history_keeps_the_rules(shared: Database, history: list[Op]) -> None:
    """Against a model: versions only grow, putting is idempotent, a release holds exactly what was approved."""
    library = Library(shared, next(names))
    model: dict[int, State] = {}
    versions = {0: 0, 1: 0}
    for op, which, n in history:
        old = model.get(which)
        if new := _told(op, n, old):
            model[which] = new
            versions[which] += old is None or old[:2] != new[:2]
        _tell(library, op, f"st-{which}", n, old is not None)
        if op == "release" and library.guidance("approved").strategies:
            approved = {text for text, _, decision, _ in model.values() if decision == "approved"}
            assert texts(library.release("ann").guidance) == approved
    found = {int(s.id[3:]): (s.text, int(s.value), s.decision) for s in library.strategies()}
    assert found == {which: state[:3] for which, state in model.items()}
    assert {which: len(library.history(f"st-{which}")) for which in model} == {w: versions[w] for w in model}


def _tell(library: Library, op: str, id_: str, n: int, there: bool) -> None:
    if op == "put":
        library.put_strategy(Strategy(id_, f"Do {n % 2}.", "", None, float(n), "accepted"), "run")
    elif op == "edit" and there:
        library.edit(id_, f"Edit {n}.", "ann")
    elif op in ("approved", "rejected") and there:
        library.decide(id_, "approved" if op == "approved" else "rejected", "ann")


def _told(op: str, n: int, old: State | None) -> State | None:
    """What a strategy is after an operation; None if nothing happens to it."""
    if op == "put":
        text = f"Do {n % 2}."
        if old is None:
            return (text, n, "pending", False)
        if old[3] and old[0] != text:
            return None
        return (text, n, old[2] if old[0] == text else "pending", old[3])
    if old is None or op == "release":
        return None
    if op == "edit":
        return None if old[0] == f"Edit {n}." else (f"Edit {n}.", old[1], "pending", True)
    return (old[0], old[1], op, old[3])
