"""Comparing text the same way in every database."""

from typing import Any

import sqlalchemy as sa


def begins(column: sa.ColumnElement[Any], prefix: str) -> sa.ColumnElement[bool]:
    """Whether a text begins so. Not by LIKE, which takes a for A in SQLite and not in PostgreSQL."""
    return sa.func.substr(column, 1, len(prefix)) == prefix
