"""Reports are complete, escaped, redacted when asked, and say no more than was measured. All figures are invented."""

import csv
import io
import json
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest

import invented
from preceptor.dialogue.conversation import Conversation, Turn
from preceptor.dialogue.customers import Customer
from preceptor.dialogue.domain import Persona, Topic
from preceptor.errors import NotFound, UserError
from preceptor.evaluation.measures import MONEY, POLICY_KEPT, SATISFACTION, TOKENS
from preceptor.evaluation.rendering import charts, document, figures, junit, markdown, page, rows, sentences, wording
from preceptor.evaluation.rendering.bounds import Bound, check
from preceptor.evaluation.rendering.figures import Figures
from preceptor.evaluation.rendering.provenance import Provenance
from preceptor.evaluation.report import ArmResult, Report
from preceptor.evaluation.results import Cost, Served
from preceptor.evaluation.statistics import Interval
from preceptor.judging.verdicts import Rating, Unscored

HOSTILE = "<script>alert('x')</script> | *b* \"&"
DOCS = Path(__file__).parents[2] / "docs" / "reference" / "report.md"
TEXTS: Sequence[Callable[..., str]] = (
    lambda f, redact=False: page.render(f, redact=redact).report,
    lambda f, redact=False: markdown.render(f, redact=redact),
    lambda f, redact=False: document.render(f, redact=redact),
    lambda f, redact=False: rows.render(f, redact=redact),
)


@pytest.fixture(scope="module")
def shown() -> Figures:
    """Four arms on ten customers."""
    return figures.compute(invented.report(40), invented.provenance(), invented.attribution())


@pytest.fixture(scope="module")
def large() -> Figures:
    """Too many conversations for one file."""
    return figures.compute(invented.report(240, invented.ARMS[:2]), invented.provenance())


def arm(
    name: str, scores: Sequence[float | None], said: str = "Hello.", reason: str = "So.", nano: int = 0
) -> ArmResult:
    """An arm with these satisfactions; None: unscored."""

    def served(place: int, score: float | None) -> Served:
        customer = Customer(Topic(id="billing", description="…"), Persona(id="calm", description="…"), place)
        rating = Unscored(reason) if score is None else Rating(score, score > 3, True, reason)
        talk = Conversation((Turn("customer", said), Turn("agent", "Yes.")), "resolved", customer.key)
        return Served(name, customer, talk, (rating,), cost=Cost(1, 10, 1, nano, 0.0))

    return ArmResult(name, tuple(served(place, score) for place, score in enumerate(scores)))


def compute(*arms: ArmResult) -> Figures:
    return figures.compute(Report(arms), Provenance("Desk", "run-1", "2026-01-01T00:00:00+00:00", "0.1", True))


WORSE, BETTER = [1.0, 2.0, 1.5, 2.0, 1.0, 2.5, 1.0, 2.0], [4.0, 4.5, 4.0, 5.0, 4.0, 4.5, 4.0, 5.0]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (WORSE, BETTER, "“new” serves customers better than “old”: satisfaction is 2.75 higher"),
        (BETTER, WORSE, "“new” serves customers worse than “old”: satisfaction is 2.75 lower"),
        (WORSE, WORSE[::-1], "Not decided whether “new” serves customers better than “old”"),
        (WORSE, [None] * 8, "Nothing can be said of “new”"),
    ],
)
def test_the_verdict_is_a_sentence(old: list[float], new: list[float], said: str) -> None:
    assert sentences.headline(compute(arm("old", old), arm("new", new))).startswith(said)


def test_one_arm_alone_is_compared_with_nothing() -> None:
    alone = compute(arm("only", BETTER))
    assert sentences.headline(alone).endswith("There is no other arm to hold it against.")
    assert "Customers lost" not in page.render(alone).report


def test_the_report_has_its_parts_in_order(shown: Figures) -> None:
    html = page.render(shown).report
    parts = ["<h1>", 'id="arms"', 'id="measures"', 'id="frontier"', 'id="where"', 'id="strategies"', 'id="losses"',
             'id="transcripts"', 'id="run"', 'id="unscored"']  # fmt: skip
    places = [html.index(part) for part in parts]
    assert places == sorted(places)
    assert html.count("Simulated") >= 2
    assert "b61f" * 16 in html


def test_nothing_is_fetched(shown: Figures) -> None:
    html = page.render(shown).report
    assert re.findall(r"https?://(?!www\.w3\.org)[^\s\"<]*", html) == []
    assert "<script" not in html
    assert "@import" not in html
    assert "url(" not in html


@pytest.mark.parametrize("text", TEXTS[:2])
def test_what_models_and_customers_say_makes_no_markup(text: Callable[..., str]) -> None:
    hostile = compute(arm("old", BETTER, HOSTILE, HOSTILE), arm(HOSTILE, WORSE, HOSTILE, HOSTILE))
    assert "alert" in text(hostile)
    assert not re.search(r"(?<!\\)<script", text(hostile))
    assert " | *b*" not in markdown.render(hostile)


def test_a_spreadsheet_runs_no_customers_formula() -> None:
    made = rows.render(compute(arm("=1+1", BETTER, reason="@SUM(A1)")))
    (first, *_) = csv.DictReader(io.StringIO(made))
    assert first["arm"] == "'=1+1"
    assert first["reason"] == "'@SUM(A1)"


@pytest.mark.parametrize("text", TEXTS)
def test_a_redacted_report_holds_no_words_of_a_conversation(text: Callable[..., str]) -> None:
    private = compute(
        arm("old", [*BETTER, None], "My number is 70-4412.", "They said 70-4412."),
        arm("new", [*WORSE, None], "My number is 70-4412.", "They said 70-4412."),
    )
    assert "70-4412" in text(private)
    assert "70-4412" not in text(private, redact=True)
    assert "70-4412" not in junit.render(private)
    assert page.render(private, redact=True).sheets == {}


class Links(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.hrefs, self.ids = list[str](), list[str]()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "a":
            self.hrefs.append(found["href"] or "")
        if found.get("id"):
            self.ids.append(found["id"] or "")


def test_every_link_leads_somewhere(large: Figures, tmp_path: Path) -> None:
    target = tmp_path / "a report.html"
    folder = tmp_path / "a report-transcripts"
    folder.mkdir()
    (folder / "0099.html").write_text("of an earlier report")
    page.render(large, stem=target.stem).write(target)
    assert sorted(path.name for path in folder.iterdir()) == ["0001.html", "0002.html", "0003.html"]
    for file in (target, *folder.iterdir()):
        found = Links(file.read_text("utf-8"))
        assert len(found.ids) == len(set(found.ids))
        for href in found.hrefs:
            name, _, anchor = unquote(href).partition("#")
            other = (file.parent / name).resolve() if name else file
            assert other.exists(), href
            assert not anchor or anchor in Links(other.read_text("utf-8")).ids, href


def test_every_conversation_is_somewhere(large: Figures, shown: Figures) -> None:
    assert page.render(shown).report.count('<li class="turn customer">') == _said(shown)
    sheets = page.render(large).sheets.values()
    assert sum(sheet.count('<li class="turn customer">') for sheet in sheets) == _said(large)
    alone = page.render(large, pages=False)
    assert not alone.sheets
    assert "-transcripts/" not in alone.report


def _said(shown: Figures) -> int:
    talks = [talk for arm in shown.report.arms for talk in arm.conversations]
    return sum(turn.party == "customer" for talk in talks for turn in talk.turns)


def test_transcripts_show_the_strategies_in_force(shown: Figures) -> None:
    html = page.render(shown).report
    assert html.count("In the prompt") == sum(
        bool(moment.strategies) for arm in shown.report.arms for served in arm.served for moment in served.guided
    )


def test_unscored_is_counted_with_its_reason() -> None:
    html = page.render(compute(arm("old", [*BETTER, None, None], reason="It answered in verse."))).report
    assert "2 conversations of 10 have none at all" in html
    assert '<td class="n">2</td><td class="reason">It answered in verse.</td>' in html


def test_the_frontier_holds_what_nothing_beats_in_both() -> None:
    found = compute(
        arm("dear", [5.0] * 8, nano=90),
        arm("cheap", [3.0] * 8, nano=10),
        arm("beaten", [2.0] * 8, nano=20),
        arm("middle", [4.0] * 8, nano=50),
    )
    assert [line.name for line in found.frontier] == ["cheap", "middle", "dear"]
    drawn = charts.scatter(found)
    assert drawn is not None
    assert [point.line.name for point in drawn.path] == ["cheap", "middle", "dear"]
    assert [point.x for point in drawn.path] == sorted(point.x for point in drawn.path)


def test_costs_far_apart_stand_on_a_logarithmic_scale_and_nothing_left_of_it() -> None:
    axis = charts.Axis.over([0, 100, 400_000])
    assert axis.at(0) < axis.at(100) < axis.at(400_000) <= 100
    assert charts.Axis.over([100, 200]).log is None


def test_labels_of_a_drawing_keep_apart() -> None:
    drawn = charts.scatter(compute(*(arm(f"arm number {n}", [3.0 + n / 50] * 8, nano=100 + n) for n in range(6))))
    assert drawn is not None
    places = [(point.left, point.y + point.label) for point in drawn.points]
    for left in (False, True):
        heights = sorted(y for side, y in places if side == left)
        assert all(b - a > 11 for a, b in pairwise(heights)), places


@pytest.mark.parametrize("values", [(3.1, 3.2), (0.0, 1e-7), (-2.0, 5.0), (4.0, 4.0), (1000.0, 90000.0)])
def test_a_scale_holds_what_it_is_for(values: tuple[float, float]) -> None:
    scale = charts.Scale.over(values)
    assert scale.low <= min(values) <= max(values) <= scale.high
    assert 2 <= len(scale.ticks) <= 12
    assert 0 <= scale.at(min(values)) <= scale.at(max(values)) <= 100


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (wording.number(SATISFACTION, -0.5), "−0.50"),
        (wording.number(POLICY_KEPT, 0.874), "87\N{NO-BREAK SPACE}%"),
        (wording.signed(POLICY_KEPT, -0.031), "−3\N{NO-BREAK SPACE}pts"),
        (wording.number(TOKENS, 1204.4), "1,204"),
        (wording.number(MONEY, 0.000254), "0.25"),
        (wording.number(MONEY, 0.0000021), "0.0021"),
        (wording.spread(POLICY_KEPT, Interval(0.5, 0.4, 0.6, 9)), "40 to 60\N{NO-BREAK SPACE}%"),
        (wording.spread(SATISFACTION, Interval(3, float("-inf"), float("inf"), 1)), "no interval"),
    ],
)
def test_numbers_have_the_digits_they_deserve(said: str, words: str) -> None:
    assert said == words


def test_one_customer_gives_a_report_without_intervals() -> None:
    for text in TEXTS:
        assert text(compute(arm("old", [3.0]), arm("new", [4.0])))


def test_json_has_the_keys_that_are_documented(shown: Figures) -> None:
    made = json.loads(document.render(shown))
    for key in made:
        assert f"| `{key}` |" in DOCS.read_text("utf-8"), key
    student, library, *_ = made["arms"]
    assert student["against_first"] == {}
    assert set(library["against_first"]["satisfaction"]) == {"difference", "p", "p_holm", "verdict", "reason"}
    assert set(library["means"]["satisfaction"]) == {"value", "low", "high", "n"}
    assert len(made["losses"]["student + library"]) == library["customers"]["worse"]
    assert made["simulated"] is True


def test_csv_has_a_row_for_each_arm_and_customer(shown: Figures) -> None:
    found = list(csv.DictReader(io.StringIO(rows.render(shown))))
    assert len(found) == 40
    scores = [float(row["satisfaction"]) for row in found if row["arm"] == "few-shot" and row["satisfaction"]]
    assert sum(scores) / len(scores) == pytest.approx(shown.report.satisfaction("few-shot").value)


def test_junit_fails_what_is_worse_and_skips_what_is_not_decided() -> None:
    found = compute(arm("old", BETTER), arm("bad", WORSE), arm("same", BETTER[::-1]))
    root = ElementTree.fromstring(junit.render(found, check(found, [Bound.parse("satisfaction=4")])))
    failed = [case for case in root.iter("testcase") if case.find("failure") is not None]
    names = {(case.get("classname"), case.get("name")) for case in failed}
    assert names == {("bad", "satisfaction"), ("bad", "goal_reached"), ("bad", "satisfaction=4")}
    assert root.get("failures") == "3"
    skipped = [case for case in root.iter("testcase") if case.find("skipped") is not None]
    assert root.get("skipped") == str(len(skipped))
    assert "same" in {case.get("classname") for case in skipped}


def test_junit_says_all_that_xml_can_hold() -> None:
    found = compute(arm("old", BETTER), arm("bad", WORSE))
    titled = replace(found, provenance=replace(found.provenance, title="Desk\x07"))
    root = ElementTree.fromstring(junit.render(titled, check(titled, [Bound.parse("goal_reached=1")])))
    assert root.get("name", "").startswith("preceptor: Desk\N{REPLACEMENT CHARACTER}")
    (failure,) = (case.find("failure") for case in root.iter("testcase") if case.get("name") == "goal_reached=1")
    assert failure is not None
    assert "\N{NO-BREAK SPACE}%" in failure.get("message", "")


@pytest.mark.parametrize(
    ("text", "ok"),
    [
        ("satisfaction=4.3", True),
        ("satisfaction=4.4", False),
        ("satisfaction.low=4.3", False),
        ("gain=2.7", True),
        ("gain.low=2.7", False),
        ("old:satisfaction=2", False),
        ("duel_score=0", False),
    ],
)
def test_bounds_hold_or_do_not(text: str, ok: bool) -> None:
    (held,) = check(compute(arm("old", WORSE), arm("new", BETTER)), [Bound.parse(text)])
    assert held.ok == ok
    assert text in held.sentence


def test_whether_it_goes_well_every_time_can_be_bound() -> None:
    bound = Bound.parse("few-shot:pass_4.low=0.5")
    assert (bound.arm, bound.measure.name, bound.low, bound.value) == ("few-shot", "pass_4", True, 0.5)


@pytest.mark.parametrize("text", ["satisfaction", "nonsense=1", "tokens=5", "satisfaction=high", "=3"])
def test_a_bound_that_says_nothing_is_told(text: str) -> None:
    with pytest.raises(UserError, match=re.escape(repr(text))):
        Bound.parse(text)


def test_a_bound_on_an_arm_that_is_not_there_is_told() -> None:
    with pytest.raises(NotFound, match="'nobody'"):
        check(compute(arm("old", WORSE)), [Bound.parse("nobody:satisfaction=1")])


def test_a_real_run_says_nothing_of_simulation(shown: Figures) -> None:
    real = replace(shown, provenance=invented.provenance(simulated=False))
    assert "Simulated" not in page.render(real).report
    assert "simulated" not in markdown.render(real)


def grouped(old: Sequence[float], new: Sequence[float], size: int) -> Figures:
    """Two arms, a topic for each `size` customers."""

    def topic(place: int, served: Served) -> Served:
        customer = replace(served.customer, topic=Topic(id=f"t-{place // size}", description="…"))
        return replace(served, customer=customer)

    arms = (arm("old", old), arm("new", new))
    return compute(*(replace(a, served=tuple(topic(n, one) for n, one in enumerate(a.served))) for a in arms))


def marks(shown: Figures) -> list[bool]:
    [topics] = [grouping for grouping in shown.groupings if grouping.trait == "topic"]
    return [group.cells[1].decided for group in topics.groups]


def test_a_handful_of_customers_is_never_marked() -> None:
    handful, many = grouped([2.0] * 20, [3.0, 3.1] * 10, 5), grouped([2.0] * 20, [3.0, 3.1] * 10, 20)
    assert marks(handful) == [False] * 4
    assert marks(many) == [True]
    assert "▲" in page.render(many).report.split("By topic")[1].split("</table>")[0]
    assert "▲" not in page.render(handful).report.split("By topic")[1].split("</table>")[0]


def test_where_nothing_differs_hardly_anything_is_marked() -> None:
    dice = random.Random(5)
    old, new = ([dice.gauss(3, 1) for _ in range(800)] for _ in "ab")
    assert sum(marks(grouped(old, new, 10))) <= 1


def test_markdown_names_strategies_that_clearly_hurt_or_help(shown: Figures) -> None:
    text = markdown.render(shown)
    told = [one for one in shown.strategies if one.measured and one.measured.verdict in ("hurts", "helps")]
    assert told
    assert f"{len(told)} strategies that clearly hurt or help" in text
    assert "clearly hurt" not in markdown.render(replace(shown, strategies=()))
