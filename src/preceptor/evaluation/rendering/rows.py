"""The report as CSV: a row for each arm and customer, for spreadsheets and for those who compute on."""

import csv
import io

from preceptor.evaluation.rendering import talks
from preceptor.evaluation.rendering.figures import Figures

HEAD = ("arm", "number", "customer", "topic", "persona", "seed", "scenario", "ending", "agent_turns", "verdicts")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def render(figures: Figures, *, redact: bool = False) -> str:
    """Comma-separated, with a heading line; a measure that is not known is empty. With `redact`, no reasons."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*HEAD, *(measure.name for measure in figures.measures), *([] if redact else ["reason"])])
    for arm in figures.report.arms:
        for place, served in enumerate(arm.served):
            customer = served.customer
            writer.writerow(
                [
                    _plain(arm.name),
                    place + 1,
                    customer.key,
                    _plain(customer.topic.id),
                    _plain(customer.persona.id),
                    customer.seed,
                    figures.report.scenario(place),
                    served.conversation.ending,
                    served.agent_turns,
                    len(served.ratings),
                    *(measure(served) for measure in figures.measures),
                    *([] if redact else [_plain(talks.reason(served))]),
                ]
            )
    return out.getvalue()


def _plain(text: str) -> str:
    """A spreadsheet takes a text that begins so for a formula, whoever wrote it (OWASP: CSV injection)."""
    return f"'{text}" if text.startswith(_FORMULA) else text
