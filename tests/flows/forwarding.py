"""Calls that are sent on: what an extension has set, and what a phone is told of it."""

from __future__ import annotations

from typing import Any

from pbx.sip.headers import Row
from pbx.testing.exchange import SimulatedExchange
from pbx.testing.phone import Phone
from tests.flows.openings import call_of


def sets(sim: SimulatedExchange, number: str, **settings: Any) -> None:
    """Set what an extension may set itself."""
    for column, value in settings.items():
        sim.exchange.directory.change(number, column, value)


def field(phone: Phone, row: Row[Any]) -> str | None:
    """What a header field says in the INVITE that a phone was sent last."""
    invite = call_of(phone).invite
    assert invite is not None
    return invite.first(row.key)
