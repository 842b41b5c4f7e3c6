"""Several processes at one run: whose a call is, the run's purse, errands, and turns at endpoints."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("calls", sa.Column("owner", sa.String))
    sent = sa.text("state = 'sent'")
    op.create_index("ix_calls_sent", "calls", ["run", "owner"], sqlite_where=sent, postgresql_where=sent)
    op.create_table(
        "purses",
        sa.Column("run", sa.String, primary_key=True),
        sa.Column("open", sa.Boolean, nullable=False),
        sa.Column("crew", sa.Text, nullable=False),
        sa.Column("calls", sa.BigInteger),
        sa.Column("tokens", sa.BigInteger),
        sa.Column("nano", sa.BigInteger),
    )
    op.create_table(
        "charges",
        sa.Column("run", sa.String, primary_key=True),
        sa.Column("role", sa.String, primary_key=True),
        sa.Column("answered", sa.BigInteger, nullable=False),
        sa.Column("attempts", sa.BigInteger, nullable=False),
        sa.Column("prompt_tokens", sa.BigInteger, nullable=False),
        sa.Column("completion_tokens", sa.BigInteger, nullable=False),
        sa.Column("nano", sa.BigInteger, nullable=False),
        sa.Column("resent", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "errands",
        sa.Column("run", sa.String, primary_key=True),
        sa.Column("key", sa.String, primary_key=True),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text),
        sa.Column("ended", sa.BigInteger),
    )
    op.create_index("ix_errands_ended", "errands", ["run", "ended"])
    op.create_table(
        "papers",
        sa.Column("run", sa.String, primary_key=True),
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_table(
        "paces",
        sa.Column("place", sa.String, primary_key=True),
        sa.Column("next", sa.Float, nullable=False),
    )
