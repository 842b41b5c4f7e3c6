"""The library's tables. Versions are rows that stay; only `latest` and `decision` of a row ever change."""

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
)
"""`live` is the hash of the release in force."""

contexts = sa.Table(
    "contexts",
    metadata,
    sa.Column("key", sa.String, primary_key=True),
    sa.Column("turns", sa.Text, nullable=False),
)
"""Named by content, so shared by all libraries."""


def _library() -> sa.Column[str]:
    return sa.Column("library", sa.String, sa.ForeignKey(libraries.c.name), primary_key=True)


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
    sa.Index(None, "library", "latest"),
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
    sa.Index(None, "library", "latest"),
)
"""`edited`: the text is a person's, which no run may replace."""

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
)
"""`key`: hash of the content without the run. `n` counts within a strategy."""

steps = sa.Table(
    "steps",
    metadata,
    _library(),
    sa.Column("run", sa.String, primary_key=True),
    sa.Column("step", sa.String, primary_key=True),
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
)
"""Append-only: decisions, edits, imports, releases and every move of `live`."""
