"""What a server asks of its database before it starts: it looks first, and changes it when all else is well."""

from __future__ import annotations

import sqlalchemy as sa

from pbx.exchange.binding import Binding
from pbx.exchange.extension import Extension
from pbx.store import accounts, migration
from pbx.store.database import explained, file_of, open_database, reading, require_current, revision_of
from pbx.store.schema import extensions
from pbx.store.store import read_bindings, read_extensions


def numbers(url: str) -> frozenset[str]:
    """Return the numbers of all extensions; none when there is no SQLite database yet, which `contents` will make.

    :raises Fault: the database cannot be read, or is PostgreSQL's and has another version's schema.
    """
    path = file_of(url)
    if path is not None and not path.exists():
        return frozenset()
    database = open_database(url)
    try:
        with explained(url), reading(database) as connection:
            if path is None:
                require_current(connection)
            elif not revision_of(connection):
                return frozenset()
            return frozenset(connection.scalars(sa.select(extensions.c.number)))
    finally:
        database.dispose()


def contents(url: str, realm: str, now: float) -> tuple[list[Extension], list[Binding]]:
    """Return all extensions, and the bindings that last beyond `now`; an SQLite database is made or upgraded first.

    :param now: seconds since 1970.
    :raises Fault: it cannot be opened, has another version's schema, or has passwords of another realm.
    """
    if file_of(url) is not None:
        migration.upgrade(url)
    database = open_database(url)
    try:
        with explained(url):
            with reading(database) as connection:
                require_current(connection)
                accounts.require_realm(connection, realm)
            return read_extensions(database), read_bindings(database, now)
    finally:
        database.dispose()
