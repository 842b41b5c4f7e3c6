"""The library's tables. Versions are rows that stay; only where one stands ever changes: `latest`, `decision`,
`deferred` and `touched`.

`entry` of a row is the number of the trail's line that tells of it; that line holds a digest over all its rows.
"""

import sqlalchemy as sa

from preceptor.storage.database import metadata

libraries = sa.Table(
    "libraries",
    metadata,
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("domain", sa.String, nullable=False),
    sa.Column("placement", sa.String, nullable=False),
    sa.Column("false_injections", sa.Float, nullable=False),
    sa.Column("foreign_share", sa.Float, nullable=False),
    sa.Column("live", sa.String),
    sa.Column("indexed", sa.Integer, nullable=False, server_default="0"),
)
"""`live` is the hash of the release in force. `indexed`: the form in which the derived tables are; 0: not made yet."""

contexts = sa.Table(
    "contexts",
    metadata,
    sa.Column("key", sa.String, primary_key=True),
    sa.Column("turns", sa.Text, nullable=False),
)
"""Named by content, so shared by all libraries."""


def _library() -> sa.Column[str]:
    return sa.Column("library", sa.String, sa.ForeignKey(libraries.c.name), primary_key=True)


def _entry() -> sa.Column[int]:
    return sa.Column("entry", sa.Integer, nullable=False, server_default="0")


scenarios = sa.Table(
    "scenarios",
    metadata,
    _library(),
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("latest", sa.Boolean, nullable=False),
    sa.Column("retired", sa.Boolean, nullable=False),
    sa.Column("description", sa.Text, nullable=False),
    sa.Column("examples", sa.Text, nullable=False),
    sa.Column("tags", sa.Text, nullable=False),
    sa.Column("author", sa.String, nullable=False),
    sa.Column("at", sa.String, nullable=False),
    _entry(),
    sa.Index(None, "library", "latest", "id"),
)
"""`examples`: JSON list of context keys. `author`: the run, or the person."""

strategies = sa.Table(
    "strategies",
    metadata,
    _library(),
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("latest", sa.Boolean, nullable=False),
    sa.Column("edited", sa.Boolean, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("scenario", sa.String),
    sa.Column("value", sa.Float, nullable=False),
    sa.Column("measured", sa.String, nullable=False),
    sa.Column("decision", sa.String, nullable=False),
    sa.Column("flags", sa.Text, nullable=False),
    sa.Column("author", sa.String, nullable=False),
    sa.Column("at", sa.String, nullable=False),
    _entry(),
    sa.Column("touched", sa.Integer, nullable=False, server_default="0"),
    sa.Column("deferred", sa.String),
    sa.Index(None, "library", "latest", "id"),
)
"""`edited`: the text is a person's, which no run may replace. `touched`: the trail's last line that changed where it
stands. `deferred`: out of the way until this day (ISO 8601)."""

evidence = sa.Table(
    "evidence",
    metadata,
    _library(),
    sa.Column("strategy", sa.String, primary_key=True),
    sa.Column("key", sa.String, primary_key=True),
    sa.Column("n", sa.Integer, nullable=False),
    sa.Column("run", sa.String, nullable=False),
    sa.Column("context", sa.String, sa.ForeignKey(contexts.c.key)),
    sa.Column("body", sa.Text, nullable=False),
    _entry(),
)
"""`key`: hash of the content without the run. `n` counts within a strategy."""

voices = sa.Table(
    "voices",
    metadata,
    _library(),
    sa.Column("context", sa.String, primary_key=True),
    sa.Column("customer", sa.String, primary_key=True),
    sa.Column("source", sa.String, primary_key=True),
    sa.Column("run", sa.String, primary_key=True),
)
"""Whose words a context holds, and which run met it: what rests on a customer, a log or a run can be found."""

steps = sa.Table(
    "steps",
    metadata,
    _library(),
    sa.Column("run", sa.String, primary_key=True),
    sa.Column("step", sa.String, primary_key=True),
    _entry(),
)
"""What of a run has been stored, so that a resumed run stores nothing twice."""

releases = sa.Table(
    "releases",
    metadata,
    _library(),
    sa.Column("hash", sa.String, primary_key=True),
    sa.Column("created", sa.String, nullable=False),
    sa.Column("author", sa.String, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("parent", sa.String),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("evidence", sa.Text, nullable=False),
    sa.Column("digest", sa.String, nullable=False),
    _entry(),
)
"""`body`: the guidance. `evidence`: keys of the evidence rows by strategy. `digest`: hash of both."""

trail = sa.Table(
    "trail",
    metadata,
    _library(),
    sa.Column("n", sa.Integer, primary_key=True),
    sa.Column("at", sa.String, nullable=False),
    sa.Column("who", sa.String, nullable=False),
    sa.Column("what", sa.String, nullable=False),
    sa.Column("subject", sa.String, nullable=False),
    sa.Column("before", sa.Text),
    sa.Column("after", sa.Text),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("seen", sa.Text),
    sa.Column("facts", sa.Text, nullable=False, server_default="{}"),
    sa.Column("hash", sa.String, nullable=False, server_default="-"),
    sa.Index(None, "library", "subject"),
)
"""Append-only: what runs stored, decisions, edits, comments, imports, releases, every move of `live`. `seen`: what was
on the screen. `facts`: digests of the rows written with it. `hash`: of the line before and this one."""

heads = sa.Table(
    "heads",
    metadata,
    _library(),
    sa.Column("n", sa.Integer, nullable=False),
    sa.Column("hash", sa.String, nullable=False),
)
"""The trail's last line, kept apart so that cutting lines off is found."""

queue = sa.Table(
    "queue",
    metadata,
    _library(),
    sa.Column("strategy", sa.String, primary_key=True),
    sa.Column("scenario", sa.String, nullable=False),
    sa.Column("measured", sa.String, nullable=False),
    sa.Column("decision", sa.String, nullable=False),
    sa.Column("deferred", sa.String),
    sa.Column("stale", sa.Boolean, nullable=False),
    sa.Column("edited", sa.Boolean, nullable=False),
    sa.Column("risk", sa.Integer, nullable=False),
    sa.Column("run", sa.String, nullable=False),
    sa.Column("mean", sa.Float),
    sa.Column("low", sa.Float),
    sa.Column("high", sa.Float),
    sa.Column("n", sa.Integer),
    sa.Column("unit", sa.String),
    sa.Column("place", sa.Integer, nullable=False),
    sa.Column("share", sa.Float, nullable=False),
)
"""Derived: the newest version of each strategy as lists need it. `scenario` is empty for a general one; `risk` counts
flags; `run` is the newest that had to do with it; `place` and `share` are its scenario's, as in `homes`. Narrow,
because a page reads all of it."""

phrases = sa.Table(
    "phrases",
    metadata,
    _library(),
    sa.Column("strategy", sa.String, primary_key=True),
    sa.Column("gist", sa.Text, nullable=False),
    sa.Column("words", sa.Text, nullable=False),
)
"""Derived, beside `queue`: `gist` is what likeness goes by, `words` what is searched."""

marks = sa.Table(
    "marks",
    metadata,
    _library(),
    sa.Column("strategy", sa.String, primary_key=True),
    sa.Column("flag", sa.String, primary_key=True),
    sa.Column("other", sa.String, primary_key=True),
    sa.Column("standing", sa.Boolean, nullable=False),
    sa.Index(None, "flag", "library"),
    sa.Index(None, "other", "library"),
)
"""Derived: flags, one a row. `other`: the neighbour it is about, else empty. Not `standing`: that neighbour was refused
or rejected, so nothing is to be looked at."""

homes = sa.Table(
    "homes",
    metadata,
    _library(),
    sa.Column("scenario", sa.String, primary_key=True),
    sa.Column("description", sa.Text, nullable=False),
    sa.Column("hits", sa.Integer, nullable=False),
    sa.Column("turns", sa.Integer, nullable=False),
    sa.Column("run", sa.String),
    sa.Column("place", sa.Integer, nullable=False),
    sa.Column("share", sa.Float, nullable=False),
)
"""Derived but for the figures of a `run`: scenarios, and in how many of so many turns retrieval gave them (`share`).
Without a run: estimated from the examples. `place` is among the scenarios by description."""

held = sa.Table(
    "held",
    metadata,
    _library(),
    sa.Column("strategy", sa.String, primary_key=True),
    sa.Column("release", sa.String, primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
)
"""Derived: which release holds which version of a strategy."""
