"""Texts for extensions that are away, which outlive a restart."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the server's own table."""
    op.create_table(
        "texts",
        sa.Column("n", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("number", sa.String, nullable=False),
        sa.Column("sender", sa.String, nullable=False),
        sa.Column("sender_name", sa.String, nullable=False),
        sa.Column("is_private", sa.Boolean, nullable=False),
        sa.Column("fields", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("kept_at", sa.Double, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("n", name="pk_texts"),
    )
