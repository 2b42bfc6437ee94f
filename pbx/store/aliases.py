"""The table `aliases` as administrators use it: other names that mean an extension."""

from __future__ import annotations

import sqlalchemy as sa

from pbx.faults import Fault
from pbx.store import accounts, columns
from pbx.store.schema import aliases


def add(connection: sa.Connection, name: str, number: str) -> None:
    """Let a name mean an extension.

    :raises Fault: the name cannot be dialled or is taken, or there is no such extension.
    """
    columns.name_to_dial("an alias", name)
    if accounts.listed(connection, name):
        raise Fault("", 0, f"{name} is the number of an extension", "choose another name")
    accounts.shown(connection, number)
    accounts.require_no_alias(connection, name)
    connection.execute(aliases.insert().values(name=name, number=number))


def remove(connection: sa.Connection, name: str) -> str:
    """Let a name mean nothing any more, and return the number that it meant.

    :raises Fault: there is no such alias.
    """
    number: str | None = connection.scalar(sa.select(aliases.c.number).where(aliases.c.name == name))
    if number is not None:
        connection.execute(aliases.delete().where(aliases.c.name == name))
        return number
    raise Fault("", 0, f"there is no alias {name}", "`pbx alias list` shows all")


def listed(connection: sa.Connection, number: str | None = None) -> list[dict[str, str]]:
    """Return all aliases in the order of their names, or those of one extension."""
    query = sa.select(aliases.c.name, aliases.c.number).order_by(aliases.c.name)
    if number is not None:
        query = query.where(aliases.c.number == number)
    return [{"name": name, "number": number} for name, number in connection.execute(query)]
