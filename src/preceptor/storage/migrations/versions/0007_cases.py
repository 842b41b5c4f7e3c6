"""Moments kept with an answer that is good enough."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "cases",
        sa.Column("library", sa.String, primary_key=True),
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("turns", sa.Text, nullable=False),
        sa.Column("answer", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("who", sa.String, nullable=False),
        sa.Column("at", sa.String, nullable=False),
    )
