"""Conversations of a source in the order of its file, without sorting them."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_log_entries_order", "log_entries", ["source", "n", "key"])
