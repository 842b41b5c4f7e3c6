"""Whose words a context holds."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "voices",
        sa.Column("library", sa.String, sa.ForeignKey("libraries.name"), primary_key=True),
        sa.Column("context", sa.String, primary_key=True),
        sa.Column("customer", sa.String, primary_key=True),
        sa.Column("source", sa.String, primary_key=True),
        sa.Column("run", sa.String, primary_key=True),
    )
