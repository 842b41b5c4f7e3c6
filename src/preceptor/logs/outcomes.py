"""What a log says came of a conversation, and which conversations tried the same."""

from collections.abc import Mapping, Sequence

from preceptor.dialogue.conversation import Conversation, Ending, Turn
from preceptor.dialogue.outcome import Check, Outcome

_PASSED = frozenset(("resolved", "solved", "success", "successful", "passed", "pass", "done", "good", "true", "yes"))
_FAILED = frozenset(("unresolved", "unsolved", "failure", "failed", "fail", "left", "bad", "false", "no"))


def logged(turns: tuple[Turn, ...], ending: Ending, name: str, source: str, tags: tuple[str, ...]) -> Conversation:
    """A conversation of a log. `name`: what the log calls it.

    Conversations with a task and the number of a trial are attempts of one customer at that task.
    """
    known = dict(tag.split(":", 1) for tag in reversed(tags) if ":" in tag)
    task = f"{source}:task {known['task']}" if "task" in known and "trial" in known else ""
    return Conversation(turns, ending, f"{source}:{name}", source, tags, outcome_of(known, ending), task)


def outcome_of(known: Mapping[str, str], ending: Ending) -> Outcome | None:
    """By the reward, or else what outcome, rating or ending say in a word; None: they do not.

    A reward of 1 or more is what was to be reached; any smaller one is not. Ratings in numbers do not tell: nobody
    knows their scale.
    """
    if (reward := _number(known.get("reward"))) is not None:
        return _outcome("reward", reward >= 1, known["reward"])
    words: Sequence[tuple[str, str]] = [
        *((name, known[name].strip().casefold()) for name in ("outcome", "rating") if name in known),
        ("ending", ending),
    ]
    for name, word in words:
        if word in _PASSED or word in _FAILED:
            return _outcome(name, word in _PASSED, word)
    return None


def _outcome(name: str, kept: bool, found: str) -> Outcome:
    return Outcome((Check(name, kept, "" if kept else found),))


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text is not None else None
    except ValueError:
        return None
