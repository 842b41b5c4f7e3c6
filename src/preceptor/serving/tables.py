"""The gateway's tables: keys and what was spent on them, trials and what became of the conversations in them."""

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

trials = sa.Table(
    "trials",
    metadata,
    sa.Column("conversation", sa.String, primary_key=True),
    sa.Column("arm", sa.String, primary_key=True),
    sa.Column("library", sa.String, nullable=False),
    sa.Column("tenant", sa.String, nullable=False),
    sa.Column("release", sa.String, nullable=False),
    sa.Column("chance", sa.Float, nullable=False),
    sa.Column("found", sa.Boolean, nullable=False),
    sa.Column("at", sa.String, nullable=False),
)
"""`chance`: of this arm, when the conversation was seen first. `found`: there was something to teach, whether or not it
was. `conversation`: a hash; the application's name for it may say who the customer is."""

answers = sa.Table(
    "answers",
    metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("conversation", sa.String, primary_key=True),
)
"""Which conversation an answer belongs to, by the hash of tenant and the answer's id."""

feedback = sa.Table(
    "feedback",
    metadata,
    sa.Column("conversation", sa.String, primary_key=True),
    sa.Column("measure", sa.String, primary_key=True),
    sa.Column("value", sa.Float, nullable=False),
    sa.Column("at", sa.String, nullable=False),
)
"""The first of its kind stays: an interval that may be watched must not find its past changed."""
