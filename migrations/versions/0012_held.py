"""Who was transferred into a call, and for how long its ends had each other on hold."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add three columns to the calls that are over."""
    op.add_column("calls", sa.Column("transferred", sa.String, nullable=False, server_default=""))
    for party in ("caller", "callee"):
        op.add_column("calls", sa.Column(f"{party}_held", sa.Double, nullable=False, server_default="0"))
