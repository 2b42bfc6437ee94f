"""What people turn on and off for everybody, and the days on which nobody works."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the two tables, and the triggers that count their changes."""
    sqlite = op.get_bind().dialect.name == "sqlite"
    op.create_table(
        "switches",
        sa.Column("name", sa.String, nullable=False),
        sa.Column("is_on", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("code", sa.String, nullable=False, server_default=""),
        sa.Column("allow", sa.String, nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("name", name="pk_switches"),
    )
    op.create_table(
        "holidays",
        sa.Column("calendar", sa.String, nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("name", sa.String, nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("calendar", "day", name="pk_holidays"),
    )
    for table in ("switches", "holidays"):
        op.execute(f"INSERT INTO revision (\"table\", n) VALUES ('{table}', 0)")
        if not sqlite:
            op.execute(
                f"CREATE TRIGGER {table}_revision AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON {table} "
                "FOR EACH STATEMENT EXECUTE FUNCTION count_revision()"
            )
            continue
        for event in ("insert", "update", "delete"):
            op.execute(
                f"CREATE TRIGGER {table}_{event} AFTER {event.upper()} ON {table} BEGIN "
                f"UPDATE revision SET n = n + 1 WHERE \"table\" = '{table}'; END"
            )
