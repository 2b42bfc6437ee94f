"""The tables: the migrations make them so, `pbx db check` compares the two, docs/operating lists every column."""

from __future__ import annotations

import sqlalchemy as sa

# The migration that this version of the program was written for.
REVISION = "0001"

# Without names, SQLite's batch mode could not drop a constraint in a later migration.
metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(column_0_N_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# Administrators' table: the `pbx` command or plain SQL writes it, the server only reads it.
extensions = sa.Table(
    "extensions",
    metadata,
    sa.Column("number", sa.String, primary_key=True),
    sa.Column("name", sa.String, nullable=False, server_default=""),
    sa.Column("ha1_md5", sa.String, nullable=False, server_default=""),
    sa.Column("ha1_sha256", sa.String, nullable=False, server_default=""),
    sa.Column("realm", sa.String, nullable=False, server_default=""),
    sa.Column("enabled", sa.Boolean, nullable=False, server_default=sa.true()),
)

# The server's own table: the fields of `pbx.exchange.binding.Binding`, by their names.
bindings = sa.Table(
    "bindings",
    metadata,
    sa.Column("number", sa.ForeignKey("extensions.number", ondelete="CASCADE"), primary_key=True),
    sa.Column("contact", sa.String, primary_key=True),
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
)

# One row for each administrators' table; triggers raise `n` at every change, and the server reads it twice a second.
revision = sa.Table(
    "revision", metadata, sa.Column("table", sa.String, primary_key=True), sa.Column("n", sa.BigInteger, nullable=False)
)
