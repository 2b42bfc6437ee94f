"""The tables `mailboxes` and `messages`: read at start, written behind, in the store's own thread.

A message is safe before its row is: its files say all that the row says (`pbx.store.message_files`). What cannot be
written is tried again, for as long as it takes.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import sqlalchemy as sa
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from pbx.features.voicemail.mailbox import Mailbox, Message, can_be_name
from pbx.store.behind import Behind
from pbx.store.database import reading, reason
from pbx.store.message_files import MessageFiles
from pbx.store.schema import mailboxes, messages
from pbx.store.store import Worker

_COLUMNS = [messages.c[field.name] for field in dataclasses.fields(Message)]
_BOX_COLUMNS = [mailboxes.c[field.name] for field in dataclasses.fields(Mailbox)]
_REMOVE = messages.delete().where(messages.c.id == sa.bindparam("_id"))

_log = Logger()


class Change(NamedTuple):
    """What is to become of a message.

    :param kept: whether its row is to be as the message is; else it is to be removed.
    """

    message: Message
    kept: bool


class Batch(NamedTuple):
    """What waits to be written.

    :param messages: by id.
    :param pins: the hash of the new PIN of each mailbox that has one.
    """

    messages: dict[str, Change]
    pins: dict[str, str]

    def __bool__(self) -> bool:
        return bool(self.messages or self.pins)


class MessageTable:
    """Keeps messages (`pbx.features.voicemail.boxes.MessageStore`).

    :param database: the store's, which disposes of it.
    :param files: the sound.
    :param worker: the store's.
    """

    def __init__(self, database: sa.Engine, files: MessageFiles, clock: IReactorTime, worker: Worker) -> None:
        self.files = files
        self._database = database
        self._worker = worker
        self._waiting = Batch({}, {})
        self._behind = Behind(clock, self._write, lambda: bool(self._waiting))
        self._fails = False

    @property
    def backlog(self) -> int:
        """How many changes are not in the database yet."""
        return len(self._waiting.messages) + len(self._waiting.pins)

    def mailboxes(self) -> Deferred[list[Mailbox]]:
        """Read all mailboxes that the table names."""
        return self._worker.run(read_mailboxes, self._database)

    def keep(self, message: Message) -> None:
        """Write a new message, or one that has changed, within half a second."""
        self._change(message, True)

    def remove(self, message: Message) -> None:
        """Remove a message and its sound within half a second."""
        self._change(message, False)

    def change_pin(self, mailbox: str, pin: str) -> None:
        """Write the hash of a mailbox's new PIN within half a second."""
        self._waiting.pins[mailbox] = pin
        self._behind.changed()

    async def close(self) -> None:
        """Write what waits, once; what cannot be written is found again at the next start."""
        await self._behind.close()

    def _change(self, message: Message, kept: bool) -> None:
        self._waiting.messages[message.id] = Change(message, kept)
        self._behind.changed()

    async def _write(self) -> bool:
        batch, self._waiting = self._waiting, Batch({}, {})
        try:
            unfinished, why = await self._worker.run(write_messages, self._database, self.files, batch)
        except CancelledError:
            raise  # the store is given up
        except (sa.exc.SQLAlchemyError, OSError) as error:
            self._put_back(batch, reason(error))
        else:
            if unfinished:
                self._put_back(Batch(unfinished, {}), why)
            elif self._fails:
                self._fails = False
                _log.info("messages can be written again")
        return not self._fails

    def _put_back(self, batch: Batch, why: str) -> None:
        newer = self._waiting
        self._waiting = Batch({**batch.messages, **newer.messages}, {**batch.pins, **newer.pins})
        if not self._fails:
            _log.warn(
                "messages cannot be written ({reason}): {count} wait, with their sound in {folder}",
                reason=why,
                count=self.backlog,
                folder=str(self.files.folder),
            )
        self._fails = True


def write_messages(database: sa.Engine, files: MessageFiles, batch: Batch) -> tuple[dict[str, Change], str]:
    """Write changes: first the sound of new messages, then all rows, then what is needed no more is removed.

    :returns: the changes of messages whose sound could not be finished, and why not.
    """
    kept: list[Message] = []
    unfinished: dict[str, Change] = {}
    why = ""
    removed = [change.message for change in batch.messages.values() if not change.kept]
    for id, change in batch.messages.items():
        if change.kept:
            try:
                files.finish(change.message)
            except OSError as error:
                unfinished[id], why = change, reason(error)
            else:
                kept.append(change.message)
    for message in removed:
        files.settle(message)  # else it would come back: a file with an envelope has yet to come into the table
    with database.begin() as connection:
        if kept or removed:
            connection.execute(_REMOVE, [{"_id": id} for id in batch.messages if id not in unfinished])
        if kept:
            connection.execute(messages.insert(), [_row(message) for message in kept])
        for name, pin in batch.pins.items():
            set_pin(connection, name, pin)
    for message in kept:
        files.settle(message)
    for message in removed:
        files.remove(message)
    return unfinished, why


def remove_messages(connection: sa.Connection, found: list[Message]) -> None:
    """Remove the rows of messages; their sound is to be removed afterwards."""
    if found:
        connection.execute(_REMOVE, [{"_id": message.id} for message in found])


def set_pin(connection: sa.Connection, name: str, pin: str) -> None:
    """Give a mailbox a PIN; one that an extension has without a row gets its row by that."""
    if not connection.execute(mailboxes.update().where(mailboxes.c.name == name).values(pin=pin)).rowcount:
        connection.execute(mailboxes.insert().values(name=name, pin=pin))


def read_mailboxes(database: sa.Engine) -> list[Mailbox]:
    """Read all mailboxes that the table names; to be called where blocking is allowed."""
    with reading(database) as connection:
        found = [Mailbox(*row) for row in connection.execute(sa.select(*_BOX_COLUMNS).order_by(mailboxes.c.name))]
    return [mailbox for mailbox in found if can_be_name(mailbox.name)]


def read_messages(database: sa.Engine, files: MessageFiles) -> list[Message]:
    """Read all messages, and bring files and rows together where the last run has left them apart.

    :raises OSError: the folder cannot be read or written.
    """
    with database.begin() as connection:
        found = [Message(*row) for row in connection.execute(sa.select(*_COLUMNS).order_by(messages.c.left_at))]
    left = files.left({message.id for message in found})
    if left:
        write_messages(database, files, Batch({message.id: Change(message, True) for message in left}, {}))
        _log.info("{count} messages of the last run were written into the database", count=len(left))
    if missing := files.missing(found):
        _log.warn("{count} messages have no sound in {folder}", count=missing, folder=str(files.folder))
    return [*found, *left]


def _row(message: Message) -> dict[str, object]:
    row = dataclasses.asdict(message)
    return {name: _text(value) if isinstance(value, str) else value for name, value in row.items()}


def _text(text: str) -> str:
    """Return what SQL can hold: bytes of a phone's message that were not UTF-8 become visible escapes."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace").replace("\0", "\\x00")
