"""The trunks: ways to the telephone network."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add an administrators' table, and the triggers that count its changes."""
    op.create_table(
        "trunks",
        sa.Column("name", sa.String, nullable=False),
        *(_text(name) for name in ("host", "transport", "proxy")),
        sa.Column("register", sa.Boolean, nullable=False, server_default=sa.false()),
        *(_text(name) for name in ("username", "secret", "addresses", "dids")),
        sa.Column("caller_id", sa.String, nullable=False, server_default="from"),
        _text("number"),
        sa.Column("max_calls", sa.Integer),
        _text("prefixes"),
        sa.Column("qualify", sa.Integer, nullable=False, server_default="30"),
        sa.Column("enabled", sa.Boolean, nullable=False, server_default=sa.true()),
        sa.PrimaryKeyConstraint("name", name="pk_trunks"),
    )
    op.execute("INSERT INTO revision (\"table\", n) VALUES ('trunks', 0)")
    if op.get_bind().dialect.name == "sqlite":
        for event in ("insert", "update", "delete"):
            op.execute(
                f"CREATE TRIGGER trunks_{event} AFTER {event.upper()} ON trunks BEGIN "
                "UPDATE revision SET n = n + 1 WHERE \"table\" = 'trunks'; END"
            )
    else:
        op.execute(
            "CREATE TRIGGER trunks_revision AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON trunks "
            "FOR EACH STATEMENT EXECUTE FUNCTION count_revision()"
        )


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.String, nullable=False, server_default="")
