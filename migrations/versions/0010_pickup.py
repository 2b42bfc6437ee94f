"""Whose calls an extension may pick up, and whether a second one reaches it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add two columns to an administrators' table."""
    op.add_column("extensions", sa.Column("call_waiting", sa.Boolean, nullable=False, server_default=sa.true()))
    op.add_column("extensions", sa.Column("pickup_group", sa.String, nullable=False, server_default=""))
