"""Conversations that people rated, read from files. Three forms are known and told apart row by row:

- our own, a JSON object a line: a conversation as in any log (``messages``, or STAR's ``turns``) with ``ratings``, by
  question (``satisfaction``, ``goal_reached``, ``policy_kept``): a number or true/false, a list of them (the first is
  the same person in every row, and so on), or an object by rater. Satisfaction is on a scale from 1 to 5 unless a row
  says ``"scale": [0, 10]``, which then holds for the file; the others are yes or no.
- STC-3 (NTCIR-14), a JSON list: ``turns`` with ``sender`` and ``utterances``; ``quality`` (or ``annotations``, as
  published) with the scores of its annotators, -2 to 2. ``S``, customer satisfaction, and ``A``, task accomplishment.
- STAR (Mosig et al. 2020, arXiv 2010.11853), a JSON object a line: what customers answered when asked whether the
  assistant did what they came for. Whether it stayed calm, which is asked as well, is another question and left out.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from preceptor.dialogue.conversation import Conversation, Turn
from preceptor.errors import NotFound, SettingsError
from preceptor.judging.ratings import Question, Rated
from preceptor.logs.readers import Skipped, Unreadable, conversation_of, parse
from preceptor.storage.canonical import content_hash

SATISFACTION = Question("satisfaction", "customer satisfaction", "satisfaction", 1, 5)
OWN = (
    SATISFACTION,
    Question("goal_reached", "goal reached", "goal_reached", 0, 1),
    Question("policy_kept", "policy kept", "policy_kept", 0, 1),
)
STC = (
    Question("S", "customer satisfaction", "satisfaction", -2, 2),
    Question("A", "task accomplishment", "goal_reached", -2, 2),
)
STAR = (Question("done", "was it done", "goal_reached", 0, 1),)
_PARTIES: Mapping[str, Any] = {"customer": "customer", "helpdesk": "agent"}
_CONDUCT = "calm"
"""In STAR's question after conduct, however it is worded."""
_KEPT = 100


@dataclass(frozen=True)
class Ratings:
    """A file of rated conversations, in memory."""

    name: str
    """The file's, without its folder and suffix."""
    questions: tuple[Question, ...]
    """Those that somebody answered."""
    rated: tuple[Rated, ...]
    skipped: tuple[Skipped, ...]
    """The first hundred rows that could not be read."""
    skipped_rows: int
    foreign: bool
    """A public data set, whose conversations are of other trades than the project's."""
    hash: str
    """Of the file's content."""


def read(path: Path) -> Ratings:
    """Read a file of rated conversations.

    Raises:
        NotFound, SettingsError: there is no such file, it cannot be opened, or nothing in it was rated.
    """
    content, rated, skipped = _content(path), list[Rated](), list[Skipped]()
    rows = list(_rows(content, path))
    reader = _Reader(path.stem, _first_scale(row for _, row in rows))
    for line, row in rows:
        try:
            rated.append(reader.rated(parse(row), line))
        except Unreadable as fault:
            skipped.append(Skipped(line, str(fault)))
    if not rated:
        why = f" Row {skipped[0].line}: {skipped[0].reason}" if skipped else ""
        raise SettingsError(f"{path}: holds no conversation that people rated.{why} docs/judges.md shows the forms.")
    answered = {name for one in rated for name in one.ratings}
    questions = tuple(question for question in reader.questions if question.name in answered)
    foreign = not any(question.name == own.name for question in questions for own in OWN)
    return Ratings(
        path.stem, questions, tuple(rated), tuple(skipped[:_KEPT]), len(skipped), foreign, content_hash(content.hex())
    )


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise NotFound(f"There is no file {str(path)!r}.") from None
    except OSError as fault:
        raise SettingsError(f"{path}: cannot be read: {fault.strerror}.") from None


def _rows(content: bytes, path: Path) -> Iterator[tuple[int, bytes]]:
    """(number from 1, row): of a JSON list its elements, else the lines."""
    if not content.lstrip().startswith(b"["):
        yield from ((line, row) for line, row in enumerate(content.splitlines(), 1) if row.strip())
        return
    try:
        rows = orjson.loads(content)
    except orjson.JSONDecodeError as fault:
        raise SettingsError(f"{path}: not valid JSON: {fault}.") from None
    yield from ((number, orjson.dumps(row)) for number, row in enumerate(rows, 1))


def _first_scale(rows: Iterable[bytes]) -> tuple[float, float]:
    """Of satisfaction in a file of our own form: the first that a row states, wherever it stands."""
    for row in rows:
        if b'"scale"' in row:
            with suppress(Unreadable, KeyError):  # it may stand in what was said
                return _scale(parse(row)["scale"])
    return SATISFACTION.low, SATISFACTION.high


def _scale(said: object) -> tuple[float, float]:
    match said:
        case [int() | float() as low, int() | float() as high] if low < high:
            return float(low), float(high)
        case other:
            raise Unreadable(f"`scale` must be two numbers, the lower first, not {other!r}.")


class _Reader:
    """Reads the rows of one file."""

    def __init__(self, log: str, scale: tuple[float, float]) -> None:
        self._log, self._scale = log, scale
        self.questions = (replace(SATISFACTION, low=scale[0], high=scale[1]), *OWN[1:], *STC, *STAR)

    def rated(self, row: Mapping[str, Any], line: int) -> Rated:
        """Raises: Unreadable"""
        if "ratings" in row:
            if "scale" in row and _scale(row["scale"]) != self._scale:
                raise Unreadable(f"`scale` is {row['scale']!r}, and another in an earlier row.")
            conversation, ratings = conversation_of(row, self._log, line), _own(row["ratings"])
        elif "quality" in row or "annotations" in row:
            conversation, ratings = _helpdesk(row, self._log, line), _quality(row)
        elif "user_questionnaire" in row:
            conversation, ratings = conversation_of(row, self._log, line), _questionnaire(row["user_questionnaire"])
        else:
            raise Unreadable("None of `ratings`, `quality` and `user_questionnaire` is there.")
        if not any(turn.party == "agent" for turn in conversation.turns):
            raise Unreadable("The agent says nothing.")
        ends = {question.name: (question.low, question.high) for question in self.questions}
        for name, by_rater in ratings.items():
            low, high = ends[name]
            if wrong := [value for value in by_rater.values() if not low <= value <= high]:
                raise Unreadable(f"{name!r} is rated {wrong[0]:g}, on a scale from {low:g} to {high:g}.")
        return Rated(conversation, ratings)


def _own(ratings: object) -> dict[str, dict[str, float]]:
    if not isinstance(ratings, dict):
        raise Unreadable("`ratings` must be an object, by question.")
    known = [question.name for question in OWN]
    if (unknown := next((name for name in ratings if name not in known), None)) is not None:
        raise Unreadable(f"There is no question {unknown!r}; there are: {', '.join(known)}.")
    return _answered({name: _by_rater(name, said) for name, said in ratings.items()})


def _by_rater(name: str, said: object) -> dict[str, float]:
    by_rater = said if isinstance(said, dict) else dict(enumerate(said if isinstance(said, list) else [said], 1))
    if wrong := [one for one in by_rater.values() if not isinstance(one, bool | int | float | None)]:
        raise Unreadable(f"{name!r} must be rated by numbers, or true and false, not {wrong[0]!r}.")
    return {str(rater): float(value) for rater, value in by_rater.items() if value is not None}


def _answered(ratings: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    found = {name: by_rater for name, by_rater in ratings.items() if by_rater}
    if not found:
        raise Unreadable("Nobody rated it.")
    return found


def _helpdesk(row: Mapping[str, Any], log: str, line: int) -> Conversation:
    try:
        said = [(_PARTIES[turn["sender"]], turn["utterances"]) for turn in row["turns"]]
        turns = tuple(Turn(party, "\n".join(text for text in texts if text.strip())) for party, texts in said)
    except (LookupError, TypeError, AttributeError):
        raise Unreadable("`turns` is not of STC-3's form.") from None
    return Conversation(turns, "open", f"{log}:{row.get('id', line)}", log)


def _quality(row: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    names = [question.name for question in STC]
    try:
        if "quality" in row:
            scores = {name: list(row["quality"][name]) for name in names}
        else:
            scores = {name: [one["quality"][name] for one in row["annotations"]] for name in names}
    except (LookupError, TypeError):
        raise Unreadable("`quality` is not of STC-3's form.") from None
    return _answered({name: _by_rater(name, said) for name, said in scores.items()})


def _questionnaire(asked: object) -> dict[str, dict[str, float]]:
    """Did the assistant do it? Where that was asked in several questions, all must be answered yes."""
    try:
        done = [bool(one["Answer"]) for one in asked if _CONDUCT not in one["Question"].lower()]  # type: ignore[attr-defined]
    except (LookupError, TypeError, AttributeError):
        raise Unreadable("`user_questionnaire` is not of STAR's form.") from None
    if not done:
        raise Unreadable("The customer was not asked whether it was done.")
    return {"done": {"customer": float(all(done))}}
