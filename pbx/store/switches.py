"""The table `switches`: administrators add, turn and remove rows."""

from __future__ import annotations

import sqlalchemy as sa

from pbx.exchange.switch import Switch
from pbx.faults import Fault
from pbx.store import columns
from pbx.store.database import reading
from pbx.store.schema import switches


def read_switches(database: sa.Engine) -> list[Switch]:
    """Read all; to be called where blocking is allowed."""
    with reading(database) as connection:
        return listed(connection)


def listed(connection: sa.Connection) -> list[Switch]:
    """Return all in the order of their names."""
    names = switches.c
    rows = connection.execute(sa.select(names.name, names.is_on, names.code, names.allow).order_by(names.name))
    return [Switch(*row) for row in rows]


def add(connection: sa.Connection, switch: Switch) -> None:
    """Add a switch.

    :raises Fault: it has no name or a code that cannot be dialled, or there is one of that name or code.
    """
    columns.name_to_dial("a switch", switch.name)
    if switch.code:
        columns.name_to_dial("a code", switch.code)
    for other in listed(connection):
        if other.name == switch.name:
            raise Fault("", 0, f"there is a switch {switch.name} already", "`pbx switch list` shows all")
        if switch.code and other.code == switch.code:
            raise Fault("", 0, f"{switch.code} is the code of the switch {other.name}", "choose another code")
    row = {"name": switch.name, "is_on": switch.is_on, "code": switch.code, "allow": switch.allow}
    connection.execute(switches.insert().values(row))


def turn(connection: sa.Connection, name: str, is_on: bool) -> None:
    """Turn a switch on or off.

    :raises Fault: there is none of that name.
    """
    if not connection.execute(switches.update().where(switches.c.name == name).values(is_on=is_on)).rowcount:
        raise _unknown(name)


def remove(connection: sa.Connection, name: str) -> None:
    """Remove a switch: for plans it is off then.

    :raises Fault: there is none of that name.
    """
    if not connection.execute(switches.delete().where(switches.c.name == name)).rowcount:
        raise _unknown(name)


def _unknown(name: str) -> Fault:
    return Fault("", 0, f"there is no switch {name}", "`pbx switch list` shows all")
