"""Extensions, their bindings, and the counters by which the server sees that an administrator changed something."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the first three tables and the triggers."""
    op.create_table(
        "extensions",
        sa.Column("number", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False, server_default=""),
        sa.Column("ha1_md5", sa.String, nullable=False, server_default=""),
        sa.Column("ha1_sha256", sa.String, nullable=False, server_default=""),
        sa.Column("realm", sa.String, nullable=False, server_default=""),
        sa.Column("enabled", sa.Boolean, nullable=False, server_default=sa.true()),
        sa.PrimaryKeyConstraint("number", name="pk_extensions"),
    )
    op.create_table(
        "bindings",
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
        sa.PrimaryKeyConstraint("number", "contact", name="pk_bindings"),
        sa.ForeignKeyConstraint(
            ["number"], ["extensions.number"], name="fk_bindings_number_extensions", ondelete="CASCADE"
        ),
    )
    counters = op.create_table(
        "revision",
        sa.Column("table", sa.String, nullable=False),
        sa.Column("n", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("table", name="pk_revision"),
    )
    op.bulk_insert(counters, [{"table": "extensions", "n": 0}])
    if op.get_bind().dialect.name == "sqlite":
        _sqlite_triggers()
    else:
        _postgresql_triggers()


def _sqlite_triggers() -> None:
    # The sqlite3 shell leaves foreign keys off: triggers remove the bindings of what is removed or renamed there.
    removal = "DELETE FROM bindings WHERE number = OLD.number"
    ends = {"insert": "", "update": f"{removal} AND number <> NEW.number;", "delete": f"{removal};"}
    for event, end in ends.items():
        op.execute(
            f"CREATE TRIGGER extensions_{event} AFTER {event.upper()} ON extensions BEGIN "
            f"UPDATE revision SET n = n + 1 WHERE \"table\" = 'extensions'; {end} END"
        )


def _postgresql_triggers() -> None:
    op.execute(
        "CREATE FUNCTION count_revision() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        'UPDATE revision SET n = n + 1 WHERE "table" = TG_TABLE_NAME; '
        "PERFORM pg_notify('pbx_revision', TG_TABLE_NAME); RETURN NULL; END $$"
    )
    op.execute(
        "CREATE TRIGGER extensions_revision AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON extensions "
        "FOR EACH STATEMENT EXECUTE FUNCTION count_revision()"
    )
