"""The table `permissions` as administrators use it: who may register phones for whom (RFC 3261 10.2)."""

from __future__ import annotations

import sqlalchemy as sa

from pbx.faults import Fault
from pbx.store import accounts
from pbx.store.schema import permissions


def add(connection: sa.Connection, number: str, other: str) -> None:
    """Let one extension register the phones of another.

    :raises Fault: there is no such extension, both are the same, or it is permitted already.
    """
    for one in (number, other):
        accounts.shown(connection, one)
    if number == other:
        raise Fault("", 0, f"extension {number} may always register itself", "name another extension")
    if {"number": number, "may_register": other} in listed(connection, number):
        raise Fault("", 0, f"extension {number} may register {other} already", "`pbx permission list` shows all")
    connection.execute(permissions.insert().values(number=number, may_register=other))


def remove(connection: sa.Connection, number: str, other: str) -> None:
    """Let one extension no longer register the phones of another; what is registered stays until it expires.

    :raises Fault: it was not permitted.
    """
    columns = permissions.c
    rows = permissions.delete().where(columns.number == number, columns.may_register == other)
    if not connection.execute(rows).rowcount:
        what = f"there is no permission of {number} to register {other}"
        raise Fault("", 0, what, "`pbx permission list` shows all")


def listed(connection: sa.Connection, number: str | None = None) -> list[dict[str, str]]:
    """Return all permissions in the order of their numbers, or those of one extension."""
    columns = permissions.c
    query = sa.select(columns.number, columns.may_register).order_by(columns.number, columns.may_register)
    if number is not None:
        query = query.where(columns.number == number)
    return [{"number": one, "may_register": other} for one, other in connection.execute(query)]
