"""How things are said to a reader who runs customer service, not models."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from preceptor.library.disguise import visible as visible
from preceptor.library.model import Effect
from preceptor.library.rows import Reach
from preceptor.library.trail import Entry

MINUS = "−"
BY_WINS = "win rate - loss rate"
FLAGS: Mapping[str, tuple[str, str]] = {
    "too long": ("Long", "More than one instruction in one. The student follows long ones less reliably."),
    "not an instruction": (
        "Not an instruction",
        "It reads like something said to a customer or by one, or like nothing.",
    ),
    "personal data": ("Personal data", "An e-mail address or a long number stands in it, perhaps a customer's."),
    "link": ("Link", "It names a web address. Is it yours, and will it still be there in a year?"),
    "code": ("Code", "Signs that belong in programs stand in it. They have no place in an instruction."),
    "role marker": (
        "Disguised",
        "It imitates the marks that tell a model who is speaking, or has a head like an announcement.",
    ),
    "hidden characters": ("Hidden characters", "It holds characters that cannot be seen, or that look like others."),
    "appeal to the model": (
        "Speaks to the model",
        "It speaks as one speaks to a model: of prompts, filters, orders to forget or to reveal. Reject it unless you "
        "know why it says so.",
    ),
    "promise of money": (
        "Promise of money",
        "It names an amount or promises a refund, credit or discount. Is that policy?",
    ),
    "stale": (
        "Measured before it was edited",
        "What was measured is another wording. Measure again before relying on it.",
    ),
    "much like": ("Much like another", "Another strategy says nearly the same. One of them will do."),
    "uncorroborated": ("One customer's words", "A single customer speaks for it. Would others be served well by it?"),
    "contradicts": ("Contradicts another", "Another strategy forbids what this one asks for, or the other way round."),
}
"""By what `library.lint` says: a heading, and what to think about."""
MEASURED = {
    "accepted": "helped",
    "refused": "did not help",
    "proposed": "not tried yet",
    "dropped": "helped, then taken out",
}
STATES = {"undecided": "undecided", "deferred": "deferred", "approved": "approved", "rejected": "rejected"}
TONES = {"undecided": "plain", "deferred": "warn", "approved": "good", "rejected": "bad"}
KINDS = {
    "origin": "where it came from",
    "retry": "tried while it was written",
    "acceptance": "on conversations it was not written from",
    "loss": "judged worse with it",
    "no_harm": "on conversations of other situations",
    "general": "as advice for every situation",
    "consolidation": "when the library was tidied up",
    "edit": "after an edit",
}
FOREVER = "9999-12-31"


@dataclass(frozen=True)
class Flag:
    """Something to look at twice."""

    name: str
    """As the filter has it."""
    title: str
    about: str


def flags(found: Sequence[str]) -> Iterator[Flag]:
    """Flags for a reader, each once."""
    names = dict.fromkeys(next((name for name in FLAGS if flag.startswith(name)), flag) for flag in found)
    for name in names:
        title, about = FLAGS.get(name, (name.capitalize(), "Something about it should be looked at twice."))
        yield Flag(name, title, about)


def plural(count: int, one: str, many: str = "") -> str:
    """``1 strategy``, ``1,200 strategies``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def signed(value: float, digits: int = 2) -> str:
    """``+0.31``, ``−0.05``, ``0.00``."""
    text = f"{value:+.{digits}f}"
    return text[1:] if float(text) == 0 else text.replace("-", MINUS)


def amount(value: float, unit: str) -> str:
    """A measured value in the reader's unit: of wins and losses, per 100 conversations."""
    return signed(100 * value, 0) if unit == BY_WINS else signed(value)


def effect(one: Effect) -> str:
    """``+31 in 100 (+21 to +41), n = 40``."""
    per = " in 100" if one.unit == BY_WINS else ""
    low, high = amount(one.low, one.unit), amount(one.high, one.unit)
    return f"{amount(one.mean, one.unit)}{per} ({low} to {high}), n = {one.n:,}"


def sentence(one: Effect) -> str:
    """What an effect means, and how sure it is."""
    if one.unit != BY_WINS:
        return f"A change of {amount(one.mean, one.unit)} ({one.unit}), {_sure(one)}"
    more = "more often better than worse" if one.mean >= 0 else "more often worse than better"
    size = f"{abs(100 * one.mean):.0f} in 100"
    if round(100 * one.mean) == 0:
        return f"Replies came out better as often as worse, {_sure(one)}"
    return f"With it, replies were {more}, by {size}, {_sure(one)}"


def _sure(one: Effect) -> str:
    low, high = amount(one.low, one.unit), amount(one.high, one.unit)
    certain = one.low > 0 or one.high < 0
    ends = "so the direction is certain enough" if certain else "so it may as well be none"
    return f"measured on {plural(one.n, 'conversation')}; the truth lies between {low} and {high} (95 %), {ends}."


def deed(entry: Entry) -> str:
    """What a line of the trail says somebody did."""
    match entry.what, entry.after:
        case "decide", "approved":
            return "approved"
        case "decide", "rejected":
            return "rejected"
        case "decide", _:
            return "put back to undecided"
        case "edit", _:
            return "reworded"
        case "defer", day:
            return "deferred" if day == FOREVER else f"deferred until {day}"
        case "comment", _:
            return "commented"
        case "release", _:
            return "published a release"
        case "rollback", _:
            return "went back to a release"
        case "assemble", _:
            return "put a release together"
        case "import", _:
            return "imported"
        case "store", _:
            return "learned"
        case "forget", _:
            return "took a source out of use"
        case "chain", _:
            return "began the chain of the trail"
        case what, _:
            return what


def share(reach: Reach) -> str:
    """How often a strategy would be used."""
    if not reach.turns:
        return "how often it would be used is not known"
    percent = 100 * reach.share
    if percent < 1:
        return "used in less than 1 % of turns"
    return f"used in {'' if reach.run else 'about '}{percent:.0f} % of turns"
