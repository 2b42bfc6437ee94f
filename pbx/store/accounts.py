"""The table `extensions` as administrators use it: rows are added, changed and removed here, and by plain SQL.

A password comes in and only its hashes are stored. They are made with the realm, which is therefore kept beside them.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from pbx.faults import Fault
from pbx.sip.digest import ha1
from pbx.store import columns
from pbx.store.schema import aliases, extensions

_LEGIBLE = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"

# What is shown of a row. The hashes are not: whoever has them can register.
SHOWN = tuple(column.name for column in extensions.columns if column.name not in columns.HASHES)

Row = dict[str, Any]


def hashes(number: str, realm: str, password: str) -> dict[str, str]:
    """Return the columns that a password becomes: H(number:realm:password), RFC 7616 3.4.2 and RFC 8760."""
    return {
        "ha1_md5": ha1("MD5", number, realm, password),
        "ha1_sha256": ha1("SHA-256", number, realm, password),
        "realm": realm,
    }


def generated_password() -> str:
    """Return 16 letters and digits (93 bits), none of which is mistaken for another when read out."""
    return "".join(secrets.choice(_LEGIBLE) for _ in range(16))


def add(connection: sa.Connection, number: str, realm: str, password: str, settings: Mapping[str, str]) -> None:
    """Add an extension.

    :param settings: what else is not as by default: texts by column, see `columns.SETTINGS`.
    :raises Fault: the number, the password or a setting cannot be used, or the number is taken.
    """
    columns.number(number)
    if listed(connection, number):
        raise Fault("", 0, f"extension {number} exists already", f"change it with `pbx extension set {number}`")
    require_no_alias(connection, number)
    row = {"number": number, **hashes(number, realm, columns.password(password)), **_read(settings)}
    connection.execute(extensions.insert().values(row))


def change(
    connection: sa.Connection, number: str, realm: str, password: str | None, settings: Mapping[str, str]
) -> None:
    """Change an extension.

    :param password: None leaves it as it is.
    :param settings: texts by column; what is not named stays as it is, "" brings back the default.
    :raises Fault: there is no such extension, or the password or a setting cannot be used.
    """
    values = _read(settings)
    if password is not None:
        values |= hashes(number, realm, columns.password(password))
    if not connection.execute(extensions.update().where(extensions.c.number == number).values(values)).rowcount:
        raise unknown(number)


def remove(connection: sa.Connection, number: str) -> None:
    """Remove an extension; its bindings, aliases and permissions go with it.

    :raises Fault: there is no such extension.
    """
    if not connection.execute(extensions.delete().where(extensions.c.number == number)).rowcount:
        raise unknown(number)


def listed(connection: sa.Connection, number: str | None = None, also: tuple[str, ...] = ()) -> list[Row]:
    """Return all extensions in the order of their numbers, or the one that is asked for, if there is.

    :param also: columns beside those of `SHOWN`.
    """
    query = sa.select(*(extensions.c[name] for name in (*SHOWN, *also))).order_by(extensions.c.number)
    if number is not None:
        query = query.where(extensions.c.number == number)
    return [dict(row._mapping) for row in connection.execute(query)]


def shown(connection: sa.Connection, number: str) -> Row:
    """Return one extension.

    :raises Fault: there is no such extension.
    """
    for row in listed(connection, number):
        return row
    raise unknown(number)


def require_no_alias(connection: sa.Connection, number: str) -> None:
    """Check that a number is not another extension's alias.

    :raises Fault: it is.
    """
    other = connection.scalar(sa.select(aliases.c.number).where(aliases.c.name == number))
    if other is not None:
        raise Fault("", 0, f"{number} is an alias of extension {other}", f"remove it with `pbx alias remove {number}`")


def require_realm(connection: sa.Connection, realm: str) -> None:
    """Check that all hashes were made for this realm; rows whose realm is "", made by SQL, are taken on trust.

    :raises Fault: some were not: their passwords are worth nothing here.
    """
    query = sa.select(extensions.c.number).where(extensions.c.realm.not_in(["", realm])).order_by(extensions.c.number)
    if numbers := list(connection.scalars(query)):
        shown_ones = ", ".join(numbers[:20]) + (f" and {len(numbers) - 20} more" if len(numbers) > 20 else "")
        what = f'the realm is "{realm}", and the passwords of {shown_ones} were set for another'
        raise Fault("", 0, what, "set them anew with `pbx extension set NUMBER --password -`, or restore the realm")


def unknown(number: str) -> Fault:
    """Return the fault of a number that is no extension's."""
    return Fault("", 0, f"there is no extension {number}", "`pbx extension list` shows all")


def _read(settings: Mapping[str, str]) -> Row:
    return {name: columns.read(name, text) for name, text in settings.items()}
