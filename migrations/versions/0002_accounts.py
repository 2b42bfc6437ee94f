"""What an extension may do and wants done with its calls; other names for it; who may register it beside its owner."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# In SQL and not by batches: those would make the table anew, and with the old one its triggers and bindings would go.
# Every condition also refuses text, which SQLite would put into a column of numbers.
_WHOLE = "INTEGER CONSTRAINT ck_extensions_{0} CHECK ({0} BETWEEN {1} AND {2})"
_COLUMNS = {
    "class_of_service": "VARCHAR DEFAULT '' NOT NULL",
    "caller_id": "VARCHAR DEFAULT '' NOT NULL",
    "max_contacts": _WHOLE.format("max_contacts", 1, 1000),
    "max_calls": _WHOLE.format("max_calls", 1, 1000),
    "tls_only": "BOOLEAN DEFAULT {false} NOT NULL",
    "do_not_disturb": "BOOLEAN DEFAULT {false} NOT NULL",
    "voicemail": "BOOLEAN DEFAULT {true} NOT NULL",
    "forward_always": "VARCHAR DEFAULT '' NOT NULL",
    "forward_busy": "VARCHAR DEFAULT '' NOT NULL",
    "forward_no_answer": "VARCHAR DEFAULT '' NOT NULL",
    "forward_no_answer_after": _WHOLE.format("forward_no_answer_after", 1, 600) + " DEFAULT 20 NOT NULL",
    "forward_unreachable": "VARCHAR DEFAULT '' NOT NULL",
}


def upgrade() -> None:
    """Add the columns and the two tables, and the triggers that count their changes."""
    sqlite = op.get_bind().dialect.name == "sqlite"
    false, true = ("0", "1") if sqlite else ("false", "true")
    for name, kind in _COLUMNS.items():
        op.execute(f"ALTER TABLE extensions ADD COLUMN {name} {kind.format(false=false, true=true)}")
    op.create_table(
        "aliases",
        sa.Column("name", sa.String, nullable=False),
        sa.Column("number", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_aliases"),
        _extension("aliases", "number"),
    )
    op.create_table(
        "permissions",
        sa.Column("number", sa.String, nullable=False),
        sa.Column("may_register", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("number", "may_register", name="pk_permissions"),
        _extension("permissions", "number"),
        _extension("permissions", "may_register"),
    )
    op.execute("INSERT INTO revision (\"table\", n) VALUES ('aliases', 0), ('permissions', 0)")
    if sqlite:
        _sqlite_triggers()
    else:
        _postgresql_triggers()


def _extension(table: str, column: str) -> sa.ForeignKeyConstraint:
    name = f"fk_{table}_{column}_extensions"
    return sa.ForeignKeyConstraint([column], ["extensions.number"], name=name, ondelete="CASCADE", onupdate="CASCADE")


def _sqlite_triggers() -> None:
    # The sqlite3 shell leaves foreign keys off: triggers do what those would.
    columns = {"aliases": ("number",), "permissions": ("number", "may_register")}
    removals, renamings = "", ""
    for table, names in columns.items():
        for event in ("insert", "update", "delete"):
            op.execute(
                f"CREATE TRIGGER {table}_{event} AFTER {event.upper()} ON {table} BEGIN "
                f"UPDATE revision SET n = n + 1 WHERE \"table\" = '{table}'; END"
            )
        unknown = " OR ".join(f"NEW.{name} NOT IN (SELECT number FROM extensions)" for name in names)
        for event in ("insert", "update"):
            op.execute(
                f"CREATE TRIGGER {table}_{event}_known BEFORE {event.upper()} ON {table} WHEN {unknown} BEGIN "
                "SELECT RAISE(ABORT, 'there is no such extension'); END"
            )
        for name in names:
            removals += f"DELETE FROM {table} WHERE {name} = OLD.number; "
            renamings += f"UPDATE {table} SET {name} = NEW.number WHERE {name} = OLD.number; "
    op.execute(f"CREATE TRIGGER extensions_removed AFTER DELETE ON extensions BEGIN {removals}END")
    op.execute(
        "CREATE TRIGGER extensions_renamed AFTER UPDATE OF number ON extensions WHEN OLD.number <> NEW.number "
        f"BEGIN {renamings}END"
    )


def _postgresql_triggers() -> None:
    for table in ("aliases", "permissions"):
        op.execute(
            f"CREATE TRIGGER {table}_revision AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION count_revision()"
        )
    # A renamed extension's phones have to register anew, as on SQLite; their bindings would forbid the renaming.
    op.execute(
        "CREATE FUNCTION remove_bindings() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "DELETE FROM bindings WHERE number = OLD.number; RETURN NEW; END $$"
    )
    op.execute(
        "CREATE TRIGGER extensions_renamed BEFORE UPDATE OF number ON extensions FOR EACH ROW "
        "WHEN (OLD.number <> NEW.number) EXECUTE FUNCTION remove_bindings()"
    )
