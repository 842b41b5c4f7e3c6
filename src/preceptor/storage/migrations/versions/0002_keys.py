"""The gateway's keys, and what was spent on them."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "access_keys",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("hash", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("created", sa.String, nullable=False),
        sa.Column("revoked", sa.String),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_table(
        "spends",
        sa.Column("key", sa.String, primary_key=True),
        sa.Column("period", sa.String, primary_key=True),
        sa.Column("calls", sa.BigInteger, nullable=False),
        sa.Column("prompt_tokens", sa.BigInteger, nullable=False),
        sa.Column("completion_tokens", sa.BigInteger, nullable=False),
        sa.Column("nano", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "journals",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("read", sa.BigInteger, nullable=False),
    )
