"""How phones are reached: the proxies on the way, their flows; and the secrets that outlive the process."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_BEFORE = (
    "number, contact, q, call_id, cseq, expires_at, transport, local_host, local_port, remote_host, remote_port, "
    "user_agent, registered_at"
)


def upgrade() -> None:
    """Give `bindings` its columns and its new key, and keep what is in it; make the other table."""
    triggers = []
    if op.get_bind().dialect.name == "sqlite":
        # They name `bindings`, and SQLite renames no table while a trigger names one that is not there.
        named = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND sql LIKE '%bindings%'"
        triggers = list(op.get_bind().execute(sa.text(named)))
    for name, _ in triggers:
        op.execute(f'DROP TRIGGER "{name}"')
    op.create_table(
        "new_bindings",
        sa.Column("number", sa.String, nullable=False),
        sa.Column("contact", sa.String, nullable=False),
        sa.Column("q", sa.Double, nullable=False),
        sa.Column("call_id", sa.String, nullable=False),
        sa.Column("cseq", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
        sa.Column("transport", sa.String, nullable=False),
        sa.Column("local_host", sa.String, nullable=False),
        sa.Column("local_port", sa.Integer, nullable=False),
        sa.Column("remote_host", sa.String, nullable=False),
        sa.Column("remote_port", sa.Integer, nullable=False),
        sa.Column("user_agent", sa.String, nullable=False),
        sa.Column("registered_at", sa.Double, nullable=False),
        sa.Column("aor", sa.String, nullable=False, server_default=""),
        sa.Column("path", sa.String, nullable=False, server_default=""),
        sa.Column("instance", sa.String, nullable=False, server_default=""),
        sa.Column("reg_id", sa.Integer, nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("number", "contact", "instance", "reg_id", name="pk_new_bindings"),
        sa.ForeignKeyConstraint(
            ["number"], ["extensions.number"], name="fk_bindings_number_extensions", ondelete="CASCADE"
        ),
    )
    op.execute(f"INSERT INTO new_bindings ({_BEFORE}) SELECT {_BEFORE} FROM bindings")
    op.drop_table("bindings")
    op.rename_table("new_bindings", "bindings")
    if op.get_bind().dialect.name != "sqlite":
        op.execute("ALTER INDEX pk_new_bindings RENAME TO pk_bindings")
    for _, statement in triggers:
        op.execute(sa.text(statement.replace(":", "\\:")))
    op.create_table(
        "secrets",
        sa.Column("name", sa.String, nullable=False),
        sa.Column("value", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_secrets"),
    )
