"""Runs and their records, the ledger of calls, vectors, libraries, releases."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _runs()
    _calls()
    _libraries()
    _versions()
    _records()
    op.create_table(
        "vectors",
        sa.Column("embedder", sa.String, primary_key=True),
        sa.Column("key", sa.String, primary_key=True),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )


def _runs() -> None:
    op.create_table(
        "runs",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("settings", sa.Text, nullable=False),
        sa.Column("seed", sa.BigInteger, nullable=False),
        sa.Column("created", sa.String, nullable=False),
        sa.Column("finished", sa.String),
        sa.Column("result", sa.Text),
    )
    op.create_table(
        "events",
        sa.Column("run", sa.String, sa.ForeignKey("runs.id"), primary_key=True),
        sa.Column("n", sa.Integer, primary_key=True),
        sa.Column("at", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_table(
        "records",
        sa.Column("run", sa.String, primary_key=True),
        sa.Column("kind", sa.String, primary_key=True),
        sa.Column("key", sa.String, primary_key=True),
        sa.Column("n", sa.Integer, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )


def _calls() -> None:
    op.create_table(
        "calls",
        sa.Column("run", sa.String, primary_key=True),
        sa.Column("key", sa.String, primary_key=True),
        sa.Column("role", sa.String, nullable=False),
        sa.Column("model", sa.String, nullable=False),
        sa.Column("request", sa.Text, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("reply", sa.Text),
        sa.Column("error", sa.Text),
        sa.Column("prompt_tokens", sa.Integer, nullable=False),
        sa.Column("completion_tokens", sa.Integer, nullable=False),
        sa.Column("cost_nano", sa.BigInteger, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("resent", sa.Integer, nullable=False),
        sa.Column("sent_at", sa.String, nullable=False),
        sa.Column("finished_at", sa.String),
    )


def _libraries() -> None:
    op.create_table(
        "libraries",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("domain", sa.String, nullable=False),
        sa.Column("placement", sa.String, nullable=False),
        sa.Column("false_injections", sa.Float, nullable=False),
        sa.Column("foreign_share", sa.Float, nullable=False),
        sa.Column("live", sa.String),
    )
    op.create_table(
        "contexts",
        sa.Column("key", sa.String, primary_key=True),
        sa.Column("turns", sa.Text, nullable=False),
    )


def _versions() -> None:
    op.create_table(
        "scenarios",
        sa.Column("library", sa.String, sa.ForeignKey("libraries.name"), primary_key=True),
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("latest", sa.Boolean, nullable=False),
        sa.Column("retired", sa.Boolean, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("examples", sa.Text, nullable=False),
        sa.Column("tags", sa.Text, nullable=False),
        sa.Column("author", sa.String, nullable=False),
        sa.Column("at", sa.String, nullable=False),
    )
    op.create_index("ix_scenarios_library_latest", "scenarios", ["library", "latest"])
    op.create_table(
        "strategies",
        sa.Column("library", sa.String, sa.ForeignKey("libraries.name"), primary_key=True),
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("latest", sa.Boolean, nullable=False),
        sa.Column("edited", sa.Boolean, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("scenario", sa.String),
        sa.Column("value", sa.Float, nullable=False),
        sa.Column("measured", sa.String, nullable=False),
        sa.Column("decision", sa.String, nullable=False),
        sa.Column("flags", sa.Text, nullable=False),
        sa.Column("author", sa.String, nullable=False),
        sa.Column("at", sa.String, nullable=False),
    )
    op.create_index("ix_strategies_library_latest", "strategies", ["library", "latest"])


def _records() -> None:
    op.create_table(
        "evidence",
        sa.Column("library", sa.String, sa.ForeignKey("libraries.name"), primary_key=True),
        sa.Column("strategy", sa.String, primary_key=True),
        sa.Column("key", sa.String, primary_key=True),
        sa.Column("n", sa.Integer, nullable=False),
        sa.Column("run", sa.String, nullable=False),
        sa.Column("context", sa.String, sa.ForeignKey("contexts.key")),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_table(
        "steps",
        sa.Column("library", sa.String, sa.ForeignKey("libraries.name"), primary_key=True),
        sa.Column("run", sa.String, primary_key=True),
        sa.Column("step", sa.String, primary_key=True),
    )
    op.create_table(
        "releases",
        sa.Column("library", sa.String, sa.ForeignKey("libraries.name"), primary_key=True),
        sa.Column("hash", sa.String, primary_key=True),
        sa.Column("created", sa.String, nullable=False),
        sa.Column("author", sa.String, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("parent", sa.String),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("evidence", sa.Text, nullable=False),
        sa.Column("digest", sa.String, nullable=False),
    )
    op.create_table(
        "trail",
        sa.Column("library", sa.String, sa.ForeignKey("libraries.name"), primary_key=True),
        sa.Column("n", sa.Integer, primary_key=True),
        sa.Column("at", sa.String, nullable=False),
        sa.Column("who", sa.String, nullable=False),
        sa.Column("what", sa.String, nullable=False),
        sa.Column("subject", sa.String, nullable=False),
        sa.Column("before", sa.Text),
        sa.Column("after", sa.Text),
        sa.Column("note", sa.Text, nullable=False),
    )
