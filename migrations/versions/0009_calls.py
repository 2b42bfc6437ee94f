"""Records of calls, and of the attempts to reach somebody for them."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the two tables."""
    op.create_table(
        "calls",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("began_at", sa.DateTime, nullable=False),
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
        sa.PrimaryKeyConstraint("id", name="pk_calls"),
    )
    op.create_index(op.f("ix_calls_began_at"), "calls", ["began_at"])
    op.create_table(
        "attempts",
        sa.Column("call", sa.String, nullable=False),
        sa.Column("place", sa.Integer, nullable=False),
        *_texts("target", "number", "trunk", "address"),
        sa.Column("began_at", sa.DateTime, nullable=False),
        *[sa.Column(name, sa.DateTime) for name in ("rang_at", "answered_at", "ended_at")],
        sa.Column("code", sa.Integer, nullable=False),
        sa.Column("text", sa.String, nullable=False),
        sa.Column("post_dial_delay", sa.Double),
        sa.PrimaryKeyConstraint("call", "place", name="pk_attempts"),
        sa.ForeignKeyConstraint(["call"], ["calls.id"], name="fk_attempts_call_calls", ondelete="CASCADE"),
    )


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
    ]
