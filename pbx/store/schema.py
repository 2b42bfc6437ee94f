"""The tables: the migrations make them so, `pbx db check` compares the two, docs/operating lists every column."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

# The migration that this version of the program was written for.
REVISION = "0012"

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


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.String, nullable=False, server_default="")


def _switch(name: str, default: sa.True_ | sa.False_) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean, nullable=False, server_default=default)


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.String, nullable=False) for name in names]


def _sound(party: str) -> list[sa.Column[Any]]:
    return [
        sa.Column(f"{party}_packets", sa.BigInteger, nullable=False),
        sa.Column(f"{party}_lost", sa.BigInteger, nullable=False),
        sa.Column(f"{party}_jitter", sa.Double, nullable=False),
        sa.Column(f"{party}_mos", sa.Double),
        sa.Column(f"{party}_signalled", sa.String, nullable=False),
        sa.Column(f"{party}_media", sa.String, nullable=False),
        sa.Column(f"{party}_latched_at", sa.DateTime),
    ]


def _extension(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.ForeignKey("extensions.number", ondelete="CASCADE", onupdate="CASCADE"), primary_key=True)


# Administrators' tables: the `pbx` command or plain SQL writes them, the server only reads them.
extensions = sa.Table(
    "extensions",
    metadata,
    sa.Column("number", sa.String, primary_key=True),
    _text("name"),
    _text("ha1_md5"),
    _text("ha1_sha256"),
    _text("realm"),
    _switch("enabled", sa.true()),
    _text("class_of_service"),
    _text("caller_id"),
    sa.Column("max_contacts", sa.Integer),
    sa.Column("max_calls", sa.Integer),
    _switch("tls_only", sa.false()),
    _switch("do_not_disturb", sa.false()),
    _switch("voicemail", sa.true()),
    _text("forward_always"),
    _text("forward_busy"),
    _text("forward_no_answer"),
    sa.Column("forward_no_answer_after", sa.Integer, nullable=False, server_default="20"),
    _text("forward_unreachable"),
    _switch("call_waiting", sa.true()),
    _text("pickup_group"),
)

aliases = sa.Table(
    "aliases",
    metadata,
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("number", sa.ForeignKey("extensions.number", ondelete="CASCADE", onupdate="CASCADE"), nullable=False),
)

permissions = sa.Table("permissions", metadata, _extension("number"), _extension("may_register"))

switches = sa.Table(
    "switches",
    metadata,
    sa.Column("name", sa.String, primary_key=True),
    _switch("is_on", sa.false()),
    _text("code"),
    _text("allow"),
)

holidays = sa.Table(
    "holidays",
    metadata,
    sa.Column("calendar", sa.String, primary_key=True),
    sa.Column("day", sa.Date, primary_key=True),
    _text("name"),
)

mailboxes = sa.Table(
    "mailboxes",
    metadata,
    sa.Column("name", sa.String, primary_key=True),
    _text("extension"),
    _text("pin"),
    _text("email"),
    sa.Column("max_messages", sa.Integer),
    sa.Column("max_seconds", sa.Integer),
)

# The server's own table: the fields of `pbx.features.voicemail.mailbox.Message`, by their names.
messages = sa.Table(
    "messages",
    metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("mailbox", sa.String, nullable=False),
    sa.Column("caller", sa.String, nullable=False),
    sa.Column("caller_name", sa.String, nullable=False),
    sa.Column("left_at", sa.Double, nullable=False),
    sa.Column("seconds", sa.Double, nullable=False),
    sa.Column("folder", sa.String, nullable=False),
    sa.Column("urgent", sa.Boolean, nullable=False),
    sa.Column("forwarded_by", sa.String, nullable=False),
    sa.Column("email", sa.String, nullable=False),
)

trunks = sa.Table(
    "trunks",
    metadata,
    sa.Column("name", sa.String, primary_key=True),
    _text("host"),
    _text("transport"),
    _text("proxy"),
    _switch("register", sa.false()),
    _text("username"),
    _text("secret"),
    _text("addresses"),
    _text("dids"),
    sa.Column("caller_id", sa.String, nullable=False, server_default="from"),
    _text("number"),
    sa.Column("max_calls", sa.Integer),
    _text("prefixes"),
    sa.Column("qualify", sa.Integer, nullable=False, server_default="30"),
    _switch("enabled", sa.true()),
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
    _text("aor"),
    _text("path"),
    sa.Column("instance", sa.String, primary_key=True, server_default=""),
    sa.Column("reg_id", sa.Integer, primary_key=True, server_default="0", autoincrement=False),
)

# The server's own table, too: made once, and kept so that what they protect outlives the process.
secrets = sa.Table(
    "secrets", metadata, sa.Column("name", sa.String, primary_key=True), sa.Column("value", sa.String, nullable=False)
)

# The server's own table: the fields of `pbx.exchange.bans.Ban`, by their names.
bans = sa.Table(
    "bans",
    metadata,
    sa.Column("address", sa.String, primary_key=True),
    sa.Column("reason", sa.String, nullable=False),
    sa.Column("since", sa.Double, nullable=False),
    sa.Column("until", sa.Double, nullable=False),
    sa.Column("times", sa.Integer, nullable=False),
)

# The server's own table: the fields of `pbx.exchange.text.KeptText` and of what it keeps.
texts = sa.Table(
    "texts",
    metadata,
    sa.Column("n", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("number", sa.String, nullable=False),
    sa.Column("sender", sa.String, nullable=False),
    sa.Column("sender_name", sa.String, nullable=False),
    sa.Column("is_private", sa.Boolean, nullable=False),
    sa.Column("fields", sa.String, nullable=False),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("kept_at", sa.Double, nullable=False),
    sa.Column("expires_at", sa.Double, nullable=False),
)

# The server's own tables: `pbx.exchange.record.CallRecord` and its attempts. Moments are in UTC.
calls = sa.Table(
    "calls",
    metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("began_at", sa.DateTime, nullable=False, index=True),
    sa.Column("rang_at", sa.DateTime),
    sa.Column("answered_at", sa.DateTime),
    sa.Column("ended_at", sa.DateTime, nullable=False),
    *_texts("source", "caller", "caller_name", "address", "dialled"),
    *_texts("reached", "trunk_in", "trunk_out", "place", "codec"),
    sa.Column("code", sa.Integer, nullable=False),
    *_texts("cause", "sentence", "ended_by"),
    sa.Column("post_dial_delay", sa.Double),
    *_sound("caller"),
    *_sound("callee"),
    sa.Column("transferred", sa.String, nullable=False, server_default=""),
    *[sa.Column(f"{party}_held", sa.Double, nullable=False, server_default="0") for party in ("caller", "callee")],
)

attempts = sa.Table(
    "attempts",
    metadata,
    sa.Column("call", sa.ForeignKey("calls.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("place", sa.Integer, primary_key=True, autoincrement=False),
    *_texts("target", "number", "trunk", "address"),
    sa.Column("began_at", sa.DateTime, nullable=False),
    *[sa.Column(name, sa.DateTime) for name in ("rang_at", "answered_at", "ended_at")],
    sa.Column("code", sa.Integer, nullable=False),
    *_texts("text"),
    sa.Column("post_dial_delay", sa.Double),
)

# One row for each administrators' table; triggers raise `n` at every change, and the server reads it twice a second.
revision = sa.Table(
    "revision", metadata, sa.Column("table", sa.String, primary_key=True), sa.Column("n", sa.BigInteger, nullable=False)
)
