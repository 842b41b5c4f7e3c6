"""Conversations imported from logs, and their sources."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "log_sources",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("redacted", sa.Boolean, nullable=False),
        sa.Column("at", sa.String, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_table(
        "log_conversations",
        sa.Column("key", sa.String, primary_key=True),
        sa.Column("turns", sa.Integer, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_table(
        "log_entries",
        sa.Column("source", sa.String, sa.ForeignKey("log_sources.name"), primary_key=True),
        sa.Column("key", sa.String, sa.ForeignKey("log_conversations.key"), primary_key=True),
        sa.Column("n", sa.Integer, nullable=False),
    )
    op.create_index("ix_log_entries_key", "log_entries", ["key"])
