"""Mailboxes, and the messages in them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the two tables, and the triggers that count changes of the administrators' one."""
    op.create_table(
        "mailboxes",
        sa.Column("name", sa.String, nullable=False),
        sa.Column("extension", sa.String, nullable=False, server_default=""),
        sa.Column("pin", sa.String, nullable=False, server_default=""),
        sa.Column("email", sa.String, nullable=False, server_default=""),
        sa.Column("max_messages", sa.Integer),
        sa.Column("max_seconds", sa.Integer),
        sa.PrimaryKeyConstraint("name", name="pk_mailboxes"),
        # Each also refuses text, which SQLite would put into a column of numbers.
        sa.CheckConstraint("max_messages BETWEEN 1 AND 10000", name=op.f("ck_mailboxes_max_messages")),
        sa.CheckConstraint("max_seconds BETWEEN 1 AND 3600", name=op.f("ck_mailboxes_max_seconds")),
    )
    op.create_table(
        "messages",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("mailbox", sa.String, nullable=False),
        sa.Column("caller", sa.String, nullable=False),
        sa.Column("caller_name", sa.String, nullable=False),
        sa.Column("left_at", sa.Double, nullable=False),
        sa.Column("seconds", sa.Double, nullable=False),
        sa.Column("folder", sa.String, nullable=False),
        sa.Column("urgent", sa.Boolean, nullable=False),
        sa.Column("forwarded_by", sa.String, nullable=False),
        sa.Column("email", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_messages"),
    )
    op.execute("INSERT INTO revision (\"table\", n) VALUES ('mailboxes', 0)")
    if op.get_bind().dialect.name == "sqlite":
        for event in ("insert", "update", "delete"):
            op.execute(
                f"CREATE TRIGGER mailboxes_{event} AFTER {event.upper()} ON mailboxes BEGIN "
                "UPDATE revision SET n = n + 1 WHERE \"table\" = 'mailboxes'; END"
            )
    else:
        op.execute(
            "CREATE TRIGGER mailboxes_revision AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON mailboxes "
            "FOR EACH STATEMENT EXECUTE FUNCTION count_revision()"
        )
