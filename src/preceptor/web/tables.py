"""The review's tables: who may sign in, and who is signed in."""

import sqlalchemy as sa

from preceptor.storage.database import metadata

accounts = sa.Table(
    "accounts",
    metadata,
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("role", sa.String, nullable=False),
    sa.Column("password", sa.String),
    sa.Column("created", sa.String, nullable=False),
)
"""`password`: its argon2 hash; None: signs in through a proxy only."""

sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("hash", sa.String, primary_key=True),
    sa.Column("account", sa.String, sa.ForeignKey(accounts.c.name), nullable=False, index=True),
    sa.Column("expires", sa.String, nullable=False),
)
"""`hash`: SHA-256 of the cookie's value; the value itself is with its owner only."""
