"""The gateway's tables: keys, and what was spent on them."""

import sqlalchemy as sa

from preceptor.storage.database import metadata

access_keys = sa.Table(
    "access_keys",
    metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("hash", sa.String, nullable=False),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("created", sa.String, nullable=False),
    sa.Column("revoked", sa.String),
    sa.Column("body", sa.Text, nullable=False),
)
"""`hash`: SHA-256 of the key; the key itself is nowhere. `body`: what it allows."""

spends = sa.Table(
    "spends",
    metadata,
    sa.Column("key", sa.String, primary_key=True),
    sa.Column("period", sa.String, primary_key=True),
    sa.Column("calls", sa.BigInteger, nullable=False),
    sa.Column("prompt_tokens", sa.BigInteger, nullable=False),
    sa.Column("completion_tokens", sa.BigInteger, nullable=False),
    sa.Column("nano", sa.BigInteger, nullable=False),
)
"""`period`: a day (2026-11-21), a month (2026-11), or empty for all time; UTC."""

journals = sa.Table(
    "journals",
    metadata,
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("read", sa.BigInteger, nullable=False),
)
"""How many bytes of a gateway's journal of spending are in `spends` already."""
