"""What a server asks of its database before it starts: it looks first, and changes it when all else is well."""

from __future__ import annotations

from datetime import date
from hashlib import sha256
from secrets import token_hex
from typing import NamedTuple

import sqlalchemy as sa

from pbx.exchange.accounts import Accounts
from pbx.exchange.ban import Ban
from pbx.exchange.binding import Binding
from pbx.exchange.switch import Switch
from pbx.exchange.text import KeptText
from pbx.faults import Fault
from pbx.features.voicemail.mailbox import Mailbox, Message
from pbx.store import accounts, migration
from pbx.store.bans import read_bans
from pbx.store.database import explained, file_of, open_database, reading, require_current, revision_of
from pbx.store.holidays import read_holidays
from pbx.store.message_files import MessageFiles
from pbx.store.messages import read_mailboxes, read_messages
from pbx.store.schema import aliases, extensions, mailboxes, secrets, trunks
from pbx.store.store import read_accounts, read_bindings
from pbx.store.switches import read_switches
from pbx.store.texts import read_texts
from pbx.store.vault import Vault


class Names(NamedTuple):
    """What a dialplan may name.

    :ivar extensions: numbers and aliases.
    :ivar trunks: their names.
    """

    extensions: frozenset[str] = frozenset()
    trunks: frozenset[str] = frozenset()


def numbers(url: str) -> frozenset[str]:
    """Return the numbers and aliases of all extensions.

    :raises Fault: as in `names`.
    """
    return names(url).extensions


def names(url: str) -> Names:
    """Return what a dialplan may name; nothing without an SQLite database, which `contents` will make.

    :raises Fault: the database cannot be read, or is PostgreSQL's and has another version's schema.
    """
    path = file_of(url)
    if path is not None and not path.exists():
        return Names()
    database = open_database(url)
    try:
        with explained(url), reading(database) as connection:
            if path is None:
                require_current(connection)
            elif not revision_of(connection):
                return Names()
            found = set(connection.scalars(sa.select(extensions.c.number)))
            ways: set[str] = set()
            tables = set(sa.inspect(connection).get_table_names())  # those of the first version's schema were fewer
            if aliases.name in tables:
                found.update(connection.scalars(sa.select(aliases.c.name)))
            if trunks.name in tables:
                ways.update(connection.scalars(sa.select(trunks.c.name)))
            return Names(frozenset(found), frozenset(ways))
    finally:
        database.dispose()


def mailbox_names(url: str) -> frozenset[str]:
    """Return all names that mean a mailbox; of a database that is yet to be made or upgraded, those of extensions.

    :raises Fault: the database cannot be read.
    """
    path = file_of(url)
    if path is not None and not path.exists():
        return frozenset()
    database = open_database(url)
    try:
        with explained(url), reading(database) as connection:
            tables = sa.inspect(connection)
            found: set[str] = set()
            if tables.has_table(aliases.name):  # with it the column `voicemail` came
                having = sa.select(extensions.c.number).where(extensions.c.voicemail)
                found.update(connection.scalars(having))
                found.update(connection.scalars(sa.select(aliases.c.name).where(aliases.c.number.in_(having))))
            if tables.has_table(mailboxes.name):
                found.update(connection.scalars(sa.select(mailboxes.c.name)))
            return frozenset(found)
    finally:
        database.dispose()


def messages(url: str, files: MessageFiles) -> tuple[list[Mailbox], list[Message]]:
    """Return all mailboxes and messages, of a database that `contents` has found good; what the last run has left
    unfinished is finished.

    :raises Fault: it cannot be opened any more, or the messages' folder cannot be used.
    """
    database = open_database(url)
    try:
        with explained(url):
            try:
                return read_mailboxes(database), read_messages(database, files)
            except OSError as error:
                what = f"the messages in {files.folder} cannot be read and written: {error.strerror or error}"
                raise Fault("", 0, what, "give this user the right to, or name another folder") from error
    finally:
        database.dispose()


def secret(url: str, name: str) -> bytes:
    """Return one of the server's own secrets, 32 random bytes, which are made when they are asked for first.

    :raises Fault: the database cannot be read or written.
    """
    database = open_database(url)
    try:
        with explained(url), database.begin() as connection:
            value = connection.scalar(sa.select(secrets.c.value).where(secrets.c.name == name))
            if value is None:
                value = token_hex(32)
                connection.execute(secrets.insert().values(name=name, value=value))
        return sha256(value.encode()).digest()
    finally:
        database.dispose()


def contents(url: str, realm: str, now: float, vault: Vault | None = None) -> tuple[Accounts, list[Binding]]:
    """Return all accounts, and the bindings that last beyond `now`; an SQLite database is made or upgraded first.

    :param now: seconds since 1970.
    :param vault: opens the passwords of trunks.
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
            return read_accounts(database, vault), read_bindings(database, now)
    finally:
        database.dispose()


def bans(url: str, now: float) -> list[Ban]:
    """Return the bans that the last run has left, of a database that `contents` has found good.

    :param now: seconds since 1970.
    :raises Fault: it cannot be opened any more.
    """
    database = open_database(url)
    try:
        with explained(url):
            return read_bans(database, now)
    finally:
        database.dispose()


def texts(url: str, now: float) -> list[KeptText]:
    """Return the texts that the last run has left, of a database that `contents` has found good.

    :param now: seconds since 1970.
    :raises Fault: it cannot be opened any more.
    """
    database = open_database(url)
    try:
        with explained(url):
            return read_texts(database, now)
    finally:
        database.dispose()


def calendar(url: str) -> tuple[list[Switch], dict[str, list[date]]]:
    """Return the switches, and the holidays of each calendar, of a database that `contents` has found good.

    :raises Fault: it cannot be opened any more.
    """
    database = open_database(url)
    try:
        with explained(url):
            return read_switches(database), read_holidays(database)
    finally:
        database.dispose()
