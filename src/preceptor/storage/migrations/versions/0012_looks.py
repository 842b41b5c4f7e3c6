"""Which conversations were held against a library's scenarios, and how far they were."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "log_looks",
        sa.Column("n", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("library", sa.String, nullable=False),
        sa.Column("key", sa.String, nullable=False),
        sa.Column("against", sa.String, nullable=False),
        sa.Column("contexts", sa.Integer, nullable=False),
        sa.Column("far", sa.Integer, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("batch", sa.String),
    )
    op.create_index("ix_log_looks_key", "log_looks", ["library", "key"], unique=True)
