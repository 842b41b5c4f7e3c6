"""Conversations in a trial, their answers, and what became of them."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "trials",
        sa.Column("conversation", sa.String, primary_key=True),
        sa.Column("arm", sa.String, primary_key=True),
        sa.Column("library", sa.String, nullable=False),
        sa.Column("tenant", sa.String, nullable=False),
        sa.Column("release", sa.String, nullable=False),
        sa.Column("chance", sa.Float, nullable=False),
        sa.Column("found", sa.Boolean, nullable=False),
        sa.Column("at", sa.String, nullable=False),
    )
    op.create_table(
        "answers",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("conversation", sa.String, primary_key=True),
    )
    op.create_table(
        "feedback",
        sa.Column("conversation", sa.String, primary_key=True),
        sa.Column("measure", sa.String, primary_key=True),
        sa.Column("value", sa.Float, nullable=False),
        sa.Column("at", sa.String, nullable=False),
    )
