"""The report as JUnit XML: each arm against the first as test cases, for the pages of CI systems.

A failure is what a build should stop at: the arm in question (the second) is worse in quality, or a bound of
`--fail-under` does not hold. Not decided is skipped, with its reason. A null arm that is worse, and better advice that
takes more tokens, are as they should be: told, and passed.
"""

import re
from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from preceptor.evaluation.comparison import Verdict
from preceptor.evaluation.measures import Unit
from preceptor.evaluation.rendering.bounds import Held
from preceptor.evaluation.rendering.figures import Figures

_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
COSTS: tuple[Unit, ...] = ("tokens", "money", "s")


def render(figures: Figures, held: Sequence[Held] = ()) -> str:
    """XML as the JUnit task of Ant writes it, which is what CI systems read. It quotes no conversation."""
    p = figures.provenance
    root = Element("testsuites", name=_clean(f"preceptor: {p.title}{' (simulated)' if p.simulated else ''}"))
    for line in figures.compared:
        suite = _suite(root, _clean(f"{line.name} against {figures.first.name}"), p.created)
        for verdict in line.verdicts.values():
            _compared(suite, verdict, fails=line is figures.asked and verdict.measure.unit not in COSTS)
        _count(suite)
    if held:
        suite = _suite(root, "--fail-under", p.created)
        for one in held:
            case = SubElement(suite, "testcase", classname=_clean(one.arm), name=_clean(one.bound.text), time="0")
            if not one.ok:
                SubElement(case, "failure", message=_clean(one.sentence), type="under")
        _count(suite)
    for key in ("tests", "failures", "skipped"):
        root.set(key, str(sum(int(suite.get(key, "0")) for suite in root)))
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _suite(root: Element, name: str, created: str) -> Element:
    return SubElement(root, "testsuite", name=name, timestamp=created[:19], time="0", errors="0")


def _compared(suite: Element, verdict: Verdict, *, fails: bool) -> None:
    case = SubElement(suite, "testcase", classname=_clean(verdict.new), name=verdict.measure.name, time="0")
    if verdict.word == "worse" and fails:
        SubElement(case, "failure", message=_clean(str(verdict)), type="worse")
    elif verdict.word == "not decided":
        SubElement(case, "skipped", message=_clean(str(verdict)))
    else:
        SubElement(case, "system-out").text = _clean(str(verdict))


def _count(suite: Element) -> None:
    suite.set("tests", str(len(suite)))
    for key, tag in (("failures", "failure"), ("skipped", "skipped")):
        suite.set(key, str(len(suite.findall(f"testcase/{tag}"))))


def _clean(text: str) -> str:
    """Without control characters, which XML cannot hold however they are escaped."""
    return _NO_XML.sub("\N{REPLACEMENT CHARACTER}", text)
