"""The table `extensions` as administrators use it: rows are added, changed and removed here, and by plain SQL.

A password comes in and only its hashes are stored. They are made with the realm, which is therefore kept beside them.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass

import sqlalchemy as sa

from pbx.faults import Fault
from pbx.sip.digest import ha1
from pbx.store.schema import extensions

# What can stand in the user part of a URI, in a file name and on a keypad, unescaped.
_NUMBER = re.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_LEGIBLE = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"


@dataclass(frozen=True, slots=True)
class Account:
    """What is shown of a row. The hashes are not: whoever has them can register."""

    number: str
    name: str
    realm: str
    enabled: bool


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


def add(connection: sa.Connection, number: str, name: str, realm: str, password: str) -> None:
    """Add an extension.

    :raises Fault: the number, the name or the password cannot be used, or the extension exists.
    """
    if not _NUMBER.fullmatch(number):
        what = f"{number!r} cannot be an extension number"
        raise Fault("", 0, what, "use up to 64 letters, digits, dots, hyphens and underscores")
    if listed(connection, number):
        raise Fault("", 0, f"extension {number} exists already", f"change it with `pbx extension set {number}`")
    _check(name, password)
    row = {"number": number, "name": name, "enabled": True, **hashes(number, realm, password)}
    connection.execute(extensions.insert().values(row))


def change(
    connection: sa.Connection, number: str, realm: str, name: str | None, password: str | None, enabled: bool | None
) -> None:
    """Change an extension; None leaves a thing as it is.

    :raises Fault: there is no such extension, or the name or the password cannot be used.
    """
    _check(name, password)
    values: dict[str, object] = {} if password is None else dict(hashes(number, realm, password))
    values |= {key: value for key, value in (("name", name), ("enabled", enabled)) if value is not None}
    if not connection.execute(extensions.update().where(extensions.c.number == number).values(values)).rowcount:
        raise _unknown(number)


def remove(connection: sa.Connection, number: str) -> None:
    """Remove an extension; its bindings go with it.

    :raises Fault: there is no such extension.
    """
    if not connection.execute(extensions.delete().where(extensions.c.number == number)).rowcount:
        raise _unknown(number)


def listed(connection: sa.Connection, number: str | None = None) -> list[Account]:
    """Return all extensions in the order of their numbers, or the one that is asked for, if there is."""
    columns = extensions.c
    query = sa.select(columns.number, columns.name, columns.realm, columns.enabled).order_by(columns.number)
    if number is not None:
        query = query.where(columns.number == number)
    return [Account(*row) for row in connection.execute(query)]


def shown(connection: sa.Connection, number: str) -> Account:
    """Return one extension.

    :raises Fault: there is no such extension.
    """
    for account in listed(connection, number):
        return account
    raise _unknown(number)


def require_realm(connection: sa.Connection, realm: str) -> None:
    """Check that all hashes were made for this realm; rows whose realm is "", made by SQL, are taken on trust.

    :raises Fault: some were not: their passwords are worth nothing here.
    """
    query = sa.select(extensions.c.number).where(extensions.c.realm.not_in(["", realm])).order_by(extensions.c.number)
    if numbers := list(connection.scalars(query)):
        shown_ones = ", ".join(numbers[:20]) + (f" and {len(numbers) - 20} more" if len(numbers) > 20 else "")
        what = f'the realm is "{realm}", and the passwords of {shown_ones} were set for another'
        raise Fault("", 0, what, "set them anew with `pbx extension set NUMBER --password -`, or restore the realm")


def _unknown(number: str) -> Fault:
    return Fault("", 0, f"there is no extension {number}", "`pbx extension list` shows all")


def _check(name: str | None, password: str | None) -> None:
    if name is not None and not (name.isprintable() and len(name) <= 128):
        raise Fault("", 0, "the name has control characters or more than 128 letters", "give a shorter, plain one")
    if password is not None and not (password and password.isprintable()):
        raise Fault("", 0, "the password is empty or has control characters", "give another")
