"""Tables with one turn a row: which column is what, by a mapping file or by the usual names.

A mapping file is TOML or YAML::

    conversation = "ticket"
    speaker = "from"
    text = "body"
    customer = ["Customer", "Web user"]
    agent = ["Support"]
"""

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import pydantic

from preceptor.dialogue.conversation import Party, Turn
from preceptor.errors import NotFound, SettingsError
from preceptor.logs.rows import Unreadable
from preceptor.logs.talk import Record, Talk, checked, id_of, names_of, party, tags_of
from preceptor.storage.plain import from_yaml

_USUAL: Mapping[str, tuple[str, ...]] = {
    "conversation": (
        *("conversation_id", "conversation", "conv_id", "dialogue_id", "dialog_id", "chat_id", "thread_id"),
        *("session_id", "ticket_id", "case_id", "ticket"),
    ),
    "speaker": ("speaker", "role", "sender", "author_role", "author_type", "party", "from", "author"),
    "text": ("text", "message", "utterance", "content", "body", "comment"),
    "time": ("time", "timestamp", "created_at", "sent_at", "date", "datetime"),
}
"""Column names, most telling first; capitals, blanks and hyphens do not matter."""


Column = Annotated[str, pydantic.Field(min_length=1)]


class Columns(pydantic.BaseModel):
    """Which column of a table is what."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    conversation: Column
    """Which conversation a row belongs to. Its rows need not stand together."""
    speaker: Column
    """Who says it."""
    text: Column
    """What is said."""
    time: Column | None = None
    """When: ISO 8601 or seconds since 1970. Turns are put in its order; without it, in the file's."""
    turn: Column | None = None
    """A turn's number, where a turn takes several rows, such as a sentence each."""
    outcome: Column | None = None
    """How the conversation ended; kept as a tag. The last row that says it counts."""
    resolved: tuple[str, ...] = ("resolved", "solved")
    """Values of `outcome` that mean the customer got what they came for."""
    rating: Column | None = None
    """What somebody thought of it; kept as a tag."""
    tags: tuple[Column, ...] = ()
    """Columns kept as tags."""
    names: tuple[Column, ...] = ()
    """Columns that hold people's names; these are taken out of what is said."""
    customer: tuple[str, ...] = ()
    """Values of `speaker` that mean the customer, beside the usual words."""
    agent: tuple[str, ...] = ()
    """Values of `speaker` that mean the agent, beside the usual words."""
    tool: tuple[str, ...] = ()
    """Values of `speaker` that mean a tool."""
    ignore: tuple[str, ...] = ()
    """Values of `speaker` whose rows are no turns, such as those of the system."""
    sheet: str | None = None
    """Of a workbook; the first when not given."""
    delimiter: str | None = pydantic.Field(None, min_length=1, max_length=1)
    """Of CSV; found out when not given."""
    encoding: str | None = None
    """Of CSV or JSON that is not UTF-8, such as cp1252: what Excel often saves on Windows."""

    @pydantic.field_validator("resolved", "customer", "agent", "tool", "ignore", mode="before")
    @classmethod
    def _words(cls, value: Any) -> Any:
        """YAML and TOML read 0 and true as what they are; in a table they are words."""
        values = value if isinstance(value, list | tuple) else [value]
        return tuple(str(one).casefold() if isinstance(one, bool) else str(one) for one in values)

    def party(self, word: object) -> Party | None:
        """None: a row that is no turn. Raises: Unreadable: nobody we know"""
        said = str(word).strip()
        for values, who in ((self.customer, "customer"), (self.agent, "agent"), (self.tool, "tool")):
            if said in values:
                return who  # type: ignore[return-value]
        if said in self.ignore:
            return None
        found = party(said)
        if found is None:
            raise Unreadable(
                f"Said by {said!r}; say in a mapping file whether that is `customer`, `agent` or `ignore`."
            )
        return found


PERSUASION = Columns.model_validate(
    {"conversation": "B2", "speaker": "B4", "text": "Unit", "turn": "Turn", "customer": "1", "agent": "0"}
)
"""PersuasionForGood (Wang et al. 2019, arXiv 1906.06725): a sentence a row; 0 is the persuader, 1 the persuaded."""


def load(path: Path) -> Columns:
    """A mapping file.

    Raises:
        NotFound, SettingsError: there is no such file, or it cannot be used.
    """
    try:
        text = path.read_text("utf-8")
        data = tomllib.loads(text) if path.suffix.lower() == ".toml" else from_yaml(text)
        return Columns.model_validate(data)
    except FileNotFoundError:
        raise NotFound(f"There is no mapping file {str(path)!r}.") from None
    except OSError as fault:
        raise SettingsError(f"{path}: cannot be read: {fault.strerror}.") from None
    except pydantic.ValidationError as fault:
        first = fault.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        known = ", ".join(Columns.model_fields)
        raise SettingsError(f"{path}: {where}: {first['msg']}. A mapping may say: {known}.") from None
    except (ValueError, RecursionError) as fault:
        raise SettingsError(f"{path}: is neither TOML nor YAML we can read: {' '.join(str(fault).split())}.") from None


def usual(headings: Sequence[str]) -> Columns | None:
    """By the headings alone; None: they do not tell."""
    if {"B2", "B4", "Turn", "Unit"} <= set(headings):
        return PERSUASION
    plain = {re.sub(r"[\s-]+", "_", heading.strip().casefold()): heading for heading in headings}
    found = {what: next((plain[name] for name in names if name in plain), None) for what, names in _USUAL.items()}
    if not (found["conversation"] and found["speaker"] and found["text"]):
        return None
    return Columns.model_validate(found)


def check(columns: Columns, headings: Sequence[str], path: Path) -> None:
    """Raises: SettingsError: a column is not there"""
    for name in _columns(columns):
        if name not in headings:
            raise SettingsError(f"{path}: has no column {name!r}; there are: {', '.join(map(repr, headings))}.")


def _columns(columns: Columns) -> list[str]:
    one = (columns.conversation, columns.speaker, columns.text, columns.time, columns.turn)
    return [name for name in (*one, columns.outcome, columns.rating, *columns.tags, *columns.names) if name]


def part_of(row: Record, columns: Columns) -> tuple[str, dict[str, Any]] | None:
    """(its conversation, what of the row is needed); None: it is no turn. Raises: Unreadable"""
    key, said = row.get(columns.conversation), row.get(columns.text)
    if key in (None, ""):
        raise Unreadable(f"The column `{columns.conversation}` is empty.")
    if not isinstance(said, str | int | float | None):
        raise Unreadable(f"The column `{columns.text}` is no text.")
    who = columns.party(row.get(columns.speaker, ""))
    if who is None:
        return None
    part = {name: row.get(name) for name in _columns(columns)}
    return str(key), part | {columns.text: "" if said is None else str(said), columns.speaker: who}


def talk_of(key: str, rows: Sequence[Record], columns: Columns) -> Talk:
    """A conversation of its rows, as `part_of` gave them. Raises: Unreadable"""
    ordered = _ordered(rows, columns.time)
    turns: list[Turn] = []
    last: object = None
    for row in ordered:
        who, text, turn = row[columns.speaker], row[columns.text].strip(), row.get(columns.turn or "")
        if columns.turn and turns and turns[-1].party == who and turn == last:
            turns[-1] = Turn(who, f"{turns[-1].text} {text}".strip())
        else:
            turns.append(Turn(who, text))
        last = turn
    known = {name: _last(ordered, name) for name in (columns.outcome, columns.rating, *columns.tags) if name}
    outcome = str(known.get(columns.outcome or "", ""))
    named = {"outcome": outcome, "rating": known.get(columns.rating or "")} | {t: known[t] for t in columns.tags}
    names = names_of(*(row.get(name) for row in rows for name in columns.names))
    ending = "resolved" if outcome.casefold() in {word.casefold() for word in columns.resolved} else "open"
    return checked(Talk(tuple(turns), id_of(key), ending, tags_of(**named), names), columns.text)  # type: ignore[arg-type]


def _last(rows: Sequence[Record], name: str) -> object:
    return next((row[name] for row in reversed(rows) if row[name] not in (None, "")), None)


def _ordered(rows: Sequence[Record], time: str | None) -> Sequence[Record]:
    """By time, where every row says one."""
    if time is None:
        return rows
    try:
        times = [_seconds(row[time]) for row in rows]
    except (ValueError, TypeError, OverflowError):
        return rows
    return [rows[n] for n in sorted(range(len(rows)), key=times.__getitem__)]


def _seconds(said: object) -> float:
    """Raises: ValueError"""
    try:
        return float(said)  # type: ignore[arg-type]
    except ValueError:
        at = datetime.fromisoformat(str(said).strip())
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def unknown(headings: Iterable[str], path: Path) -> SettingsError:
    return SettingsError(
        f"{path}: which column is the conversation, the speaker and the text, its headings do not tell: "
        f"{', '.join(map(repr, headings)) or 'there are none'}. Say so in a file (conversation = …, speaker = …, "
        "text = …; docs/logs.md has an example), and give it as --mapping."
    )
