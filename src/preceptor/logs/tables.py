"""The tables of conversations that were imported, and where they came from."""

import sqlalchemy as sa

from preceptor.storage.database import metadata

log_sources = sa.Table(
    "log_sources",
    metadata,
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("path", sa.Text, nullable=False),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("redacted", sa.Boolean, nullable=False),
    sa.Column("at", sa.String, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
)
"""`state`: importing, done, or removed (then only this row is left). `body`: counts, forms, what was redacted."""

log_conversations = sa.Table(
    "log_conversations",
    metadata,
    sa.Column("key", sa.String, primary_key=True),
    sa.Column("turns", sa.Integer, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
)
"""`key`: hash of its turns and its id; `body`: JSON."""

log_entries = sa.Table(
    "log_entries",
    metadata,
    sa.Column("source", sa.String, sa.ForeignKey("log_sources.name"), primary_key=True),
    sa.Column("key", sa.String, sa.ForeignKey("log_conversations.key"), primary_key=True),
    sa.Column("n", sa.Integer, nullable=False),
    sa.Index("ix_log_entries_key", "key"),
    sa.Index("ix_log_entries_order", "source", "n", "key"),
)
"""Which sources a conversation is in: two exports may overlap. `n`: its line there."""

log_looks = sa.Table(
    "log_looks",
    metadata,
    sa.Column("n", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("library", sa.String, nullable=False),
    sa.Column("key", sa.String, nullable=False),
    sa.Column("against", sa.String, nullable=False),
    sa.Column("contexts", sa.Integer, nullable=False),
    sa.Column("far", sa.Integer, nullable=False),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("batch", sa.String),
    sa.Index("ix_log_looks_key", "library", "key", unique=True),
)
"""Conversations that were held against a library's scenarios, in this order. `against`: hash of the library's guidance;
`far`: of how many `contexts` no scenario was near; `state`: near, waiting (to be taught from) or taken, in `batch`. A
row outlives its conversation."""
