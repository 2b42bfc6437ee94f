"""When the sound of a call was first taken from where it came."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column for each party of a call."""
    for party in ("caller", "callee"):
        op.add_column("calls", sa.Column(f"{party}_latched_at", sa.DateTime))
