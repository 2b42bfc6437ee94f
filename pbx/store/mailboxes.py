"""The table `mailboxes` as administrators use it, and what there is in each mailbox."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from pbx.faults import Fault
from pbx.features.voicemail.mailbox import Message, can_be_name
from pbx.store.schema import extensions, mailboxes, messages

# One address of the kind that people have: without quotes, comments and control characters.
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")

Row = dict[str, Any]

SHOWN = ("name", "extension", "has_pin", "email", "max_messages", "max_seconds")


def add(connection: sa.Connection, name: str, settings: Mapping[str, str]) -> None:
    """Add a mailbox.

    :param settings: texts by column; `pin` is a hash already.
    :raises Fault: the name or a setting cannot be used, or there is such a mailbox.
    """
    if not can_be_name(name):
        remedy = "use up to 64 letters, digits, dots, hyphens and underscores"
        raise Fault("", 0, f"{name!r} cannot be the name of a mailbox", remedy)
    if listed(connection, name):
        raise Fault("", 0, f"mailbox {name} exists already", f"change it with `pbx mailbox set {name}`")
    connection.execute(mailboxes.insert().values(name=name, **_read(connection, settings)))


def change(connection: sa.Connection, name: str, settings: Mapping[str, str]) -> None:
    """Change a mailbox; that of an extension, which needs no row, gets one by that.

    :param settings: as for `add`; what is not named stays, "" brings back the default.
    :raises Fault: there is no such mailbox, or a setting cannot be used.
    """
    values = _read(connection, settings)
    if not listed(connection, name):
        if not _has_extension(connection, name):
            raise _unknown(name)
        add(connection, name, settings)
    elif values:
        connection.execute(mailboxes.update().where(mailboxes.c.name == name).values(values))


def remove(connection: sa.Connection, name: str) -> None:
    """Remove a mailbox.

    :raises Fault: there is no such mailbox, or there are messages in it.
    """
    count = connection.scalar(sa.select(sa.func.count()).where(messages.c.mailbox == name))
    if count and not _has_extension(connection, name):
        what = f"there are {count} messages in mailbox {name}"
        raise Fault("", 0, what, f"remove them with `pbx voicemail remove --all {name}`")
    if not connection.execute(mailboxes.delete().where(mailboxes.c.name == name)).rowcount:
        raise _unknown(name)


def listed(connection: sa.Connection, name: str | None = None) -> list[Row]:
    """Return all mailboxes that the table names, in the order of their names, or the one that is asked for."""
    query = sa.select(mailboxes).order_by(mailboxes.c.name)
    if name is not None:
        query = query.where(mailboxes.c.name == name)
    rows = [dict(row._mapping) for row in connection.execute(query)]
    return [{column: bool(row["pin"]) if column == "has_pin" else row[column] for column in SHOWN} for row in rows]


def messages_in(connection: sa.Connection, name: str | None = None) -> list[Message]:
    """Return all messages, or those of one mailbox, in the order of their time."""
    query = sa.select(messages).order_by(messages.c.mailbox, messages.c.left_at)
    if name is not None:
        query = query.where(messages.c.mailbox == name)
    return [Message(**row._mapping) for row in connection.execute(query)]


def message(connection: sa.Connection, id: str) -> Message:
    """Return one message, by its id or the beginning of it.

    :raises Fault: there is none, or there are several.
    """
    # Not with LIKE: what somebody types may have % in it.
    query = sa.select(messages).where(sa.func.substr(messages.c.id, 1, len(id)) == id)
    found = [Message(**row._mapping) for row in connection.execute(query)]
    if len(found) == 1 and id:
        return found[0]
    what = f"the ids of {len(found)} messages begin with {id!r}" if found else f"there is no message {id}"
    raise Fault("", 0, what, "`pbx voicemail list` shows all")


def _read(connection: sa.Connection, settings: Mapping[str, str]) -> Row:
    values: Row = {}
    for column, text in settings.items():
        match column:
            case "extension":
                if text and not _has_extension(connection, text):
                    raise Fault("", 0, f"there is no extension {text}", "`pbx extension list` shows all")
                values[column] = text
            case "email":
                if text and not _ADDRESS.fullmatch(text):
                    raise Fault("", 0, f"{text!r} is no e-mail address", "write such as bob@example.com")
                values[column] = text
            case "max_messages" | "max_seconds":
                values[column] = _whole(column, text, 10_000 if column == "max_messages" else 3600)
            case _:
                values[column] = text
    return values


def _whole(column: str, text: str, highest: int) -> int | None:
    digits = text.strip()
    if not digits:
        return None
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 6 and 1 <= int(digits) <= highest):
        raise Fault("", 0, f"{column} is {text!r}", f"write a whole number from 1 to {highest}, or nothing")
    return int(digits)


def _has_extension(connection: sa.Connection, number: str) -> bool:
    return bool(connection.scalar(sa.select(sa.exists().where(extensions.c.number == number))))


def _unknown(name: str) -> Fault:
    return Fault("", 0, f"there is no mailbox {name}", f"add it with `pbx mailbox add {name}`")
