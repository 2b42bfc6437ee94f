"""The database as the running server has it: read now and then, written behind, never waited for by a call.

All of it happens in one thread beside the reactor's; what is not written yet is the backlog, which a database that
fails keeps waiting but cannot lose. State is touched in the reactor's thread only; the other gets batches of its own.
"""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from threading import Thread
from typing import ParamSpec, Protocol, TypeVar

import sqlalchemy as sa
from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.internet.interfaces import IDelayedCall, IReactorFromThreads, IReactorTime
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.threadpool import ThreadPool

from pbx.exchange.accounts import Accounts
from pbx.exchange.binding import Binding
from pbx.exchange.extension import Extension
from pbx.store.database import asking, in_sql, reading, reason
from pbx.store.schema import aliases, bindings, extensions, permissions, revision
from pbx.store.trunks import read_trunks
from pbx.store.vault import Vault

P = ParamSpec("P")
T = TypeVar("T")

# Seconds. Together with the commit itself a batch is in the file half a second after its oldest change.
BATCH = 0.25
POLL = 0.5
RETRY = 1.0
MOST = 500  # extensions in one batch: after an outage, others get their turn between two of them
SILENCE = 5.0  # after which the database is said not to answer; what was asked waits on

# What is wrong with one row; everything else is wrong with the database, and then the whole batch waits.
_ROW_FAULTS = (sa.exc.IntegrityError, sa.exc.DataError, ValueError, OverflowError)
_DATABASE_FAULTS = (sa.exc.SQLAlchemyError, sqlite3.Error, OSError)

# What is to stand in the table, by extension. However long it waits, it is not more than the extensions have phones.
Batch = dict[str, Sequence[Binding]]


class Worker(Protocol):
    """Where blocking work is done: outside of the reactor's thread, one piece after the other."""

    def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        """Do the work there and give its result here."""


class StoreThread:
    """The one thread that talks to the database. It dies with the process, whatever the database makes it wait for."""

    def __init__(self, reactor: IReactorFromThreads) -> None:
        self._reactor = reactor
        self._pool = ThreadPool(1, 1, "store")
        self._pool.threadFactory = partial(Thread, daemon=True)  # type: ignore[assignment]

    def start(self) -> None:
        """Start it: after the last fork of the process."""
        self._pool.start()

    def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        """Do the work in the thread and give its result in the reactor's."""
        return deferToThreadPool(self._reactor, self._pool, work, *args, **kwargs)

    def stop(self) -> None:
        """End it and wait for that: only after `Store.close`, when it has nothing to do."""
        self._pool.stop()


class Store:
    """What the exchange reads from the database and keeps in it.

    :param database: from `open_database`; the store disposes of it.
    :param vault: opens the passwords of trunks; None where they are not needed.
    """

    def __init__(self, database: sa.Engine, clock: IReactorTime, worker: Worker, vault: Vault | None = None) -> None:
        self._log = Logger()
        self._vault = vault
        self._database = database
        self._clock = clock
        self._worker = worker
        self._waiting: Batch = {}
        self._writing: Batch = {}
        self._timer: IDelayedCall | None = None
        self._flushing: Deferred[None] | None = None
        self._poll: IDelayedCall | None = None
        self._seen: dict[str, int] = {}
        self._failing: dict[str, str] = {}
        self._closed = False

    @property
    def backlog(self) -> int:
        """How many extensions have bindings that are not in the database yet, or not as they are."""
        return len(self._waiting.keys() | self._writing.keys())

    @property
    def trouble(self) -> str:
        """Why the database cannot be read or written at this time; "" when it can."""
        return next(iter(self._failing.values()), "")

    def accounts(self) -> Deferred[Accounts]:
        """Read all accounts, the disabled ones too."""
        return self._worker.run(read_accounts, self._database, self._vault)

    def bindings(self) -> Deferred[list[Binding]]:
        """Read the bindings that have not expired."""
        return self._worker.run(read_bindings, self._database, self._clock.seconds())

    def keep(self, number: str, bindings: Sequence[Binding]) -> None:
        """Write an extension's bindings, in the place of those that it had, within half a second."""
        self._waiting[number] = bindings
        if self._timer is None and (self._flushing is None or self._flushing.called):
            self._timer = self._clock.callLater(BATCH, self._flush)

    def _flush(self) -> None:
        self._timer = None
        self._flushing = Deferred.fromCoroutine(self._write_waiting())

    async def _write_waiting(self) -> None:
        self._writing = dict(islice(self._waiting.items(), MOST))
        for number in self._writing:
            del self._waiting[number]
        pause = 0 if len(self._writing) == MOST else BATCH
        try:
            refused = await self._run("written", _write, self._writing)
        except CancelledError:
            raise  # `close` is given up: not to be tried again
        except Exception as error:
            # What has changed since is newer.
            self._waiting = {**self._writing, **self._waiting}
            self._failed("written", error)
            pause = RETRY
        else:
            for sentence in refused:
                self._log.warn("a binding cannot be stored, a restart will lose it: {sentence}", sentence=sentence)
            self._worked("written")
        self._writing = {}
        if self._waiting and not self._closed:
            self._timer = self._clock.callLater(pause, self._flush)

    def watch(self, changed: Callable[[], object]) -> None:
        """Call `changed` once soon, and whenever an administrators' table has changed.

        :param changed: may return a Deferred; when that fails, it is called again half a second later.
        """
        self._poll = self._clock.callLater(POLL, lambda: Deferred.fromCoroutine(self._look(changed)))

    async def _look(self, changed: Callable[[], object]) -> None:
        try:
            found = await self._run("read", read_revisions)
            if found != self._seen and not self._closed:
                await maybeDeferred(changed)
                self._seen = found
        except Exception as error:
            self._failed("read", error)
        else:
            self._worked("read")
        if not self._closed:
            self.watch(changed)

    async def _run(self, done: str, work: Callable[..., T], *args: object) -> T:
        silence = self._clock.callLater(SILENCE, self._failed, done, TimeoutError("it does not answer"))
        try:
            return await self._worker.run(work, self._database, *args)
        finally:
            if silence.active():
                silence.cancel()

    def _failed(self, done: str, error: Exception) -> None:
        known = done in self._failing
        self._failing[done] = reason(error)
        if known:
            return
        if not isinstance(error, _DATABASE_FAULTS):
            self._log.failure("a bug in what is done when the database is {done}", done=done)
            return
        self._log.warn(
            "the database cannot be {done} ({reason}): {backlog} changes wait, and calls go on",
            done=done,
            reason=self._failing[done],
            backlog=self.backlog,
        )

    def _worked(self, done: str) -> None:
        if done in self._failing:
            del self._failing[done]
            self._log.info("the database can be {done} again", done=done)

    async def close(self) -> None:
        """Write what waits, once, and let go of the database; what cannot be written is lost, and the log says so.

        Whoever cannot wait for that may cancel it.
        """
        self._closed = True
        for call in (self._timer, self._poll):
            if call is not None and call.active():
                call.cancel()
        if self._flushing is not None:
            await self._flushing
        while self._waiting:
            before = len(self._waiting)
            await self._write_waiting()
            if len(self._waiting) == before:
                break
        if self._waiting:
            self._log.warn("lost, since the database cannot be written: {backlog} changes", backlog=self.backlog)
        await self._worker.run(self._database.dispose)


def read_accounts(database: sa.Engine, vault: Vault | None = None) -> Accounts:
    """Read all accounts; to be called where blocking is allowed.

    :param vault: opens the passwords of trunks; None where they are not needed.
    """
    columns = [extensions.c[field.name] for field in dataclasses.fields(Extension)]
    with reading(database) as connection:
        rows = connection.execute(sa.select(*columns).order_by(extensions.c.number)).all()
        names = connection.execute(sa.select(aliases.c.name, aliases.c.number)).all()
        pairs = connection.execute(sa.select(permissions.c.number, permissions.c.may_register)).all()
        ways = read_trunks(connection, vault)
    # Most extensions have one of a few classes of service.
    classes = {row.class_of_service: frozenset(row.class_of_service.split()) for row in rows}
    found = [
        Extension(
            **{
                **row._mapping,
                "ha1_md5": row.ha1_md5.lower(),
                "ha1_sha256": row.ha1_sha256.lower(),
                "class_of_service": classes[row.class_of_service],
            }
        )
        for row in rows
    ]
    return Accounts(found, dict(map(tuple, names)), frozenset(map(tuple, pairs)), ways)


def read_bindings(database: sa.Engine, now: float) -> list[Binding]:
    """Read the bindings that last beyond `now`, seconds since 1970, and remove the others from the table."""
    with database.begin() as connection:
        orphaned = bindings.c.number.not_in(sa.select(extensions.c.number))
        connection.execute(bindings.delete().where(sa.or_(bindings.c.expires_at <= now, orphaned)))
        rows = connection.execute(sa.select(*_COLUMNS).order_by(bindings.c.number, bindings.c.registered_at)).all()
    return [Binding(*row) for row in rows]


def read_revisions(database: sa.Engine) -> dict[str, int]:
    """Return how often each administrators' table has changed."""
    with asking(database) as cursor:
        return dict(cursor.execute(in_sql(_REVISIONS, database.dialect)).fetchall())


_REVISIONS = sa.select(revision)
_COLUMNS = [bindings.c[name] for name in Binding._fields]

_REMOVE = bindings.delete().where(bindings.c.number == sa.bindparam("_number"))
# From the extension's own row: a binding whose extension was removed meanwhile is no error, and not written either.
_INSERT = bindings.insert().from_select(
    Binding._fields,
    sa.select(*(sa.bindparam(column.name, type_=column.type) for column in _COLUMNS)).where(
        sa.exists().where(extensions.c.number == sa.bindparam("number", type_=sa.String))
    ),
)


def _write(database: sa.Engine, batch: Batch) -> list[str]:
    """Write the batch in one transaction; if a row spoils it, without those rows, and say which ones were refused."""
    rows = [_row(binding) for bindings_of_one in batch.values() for binding in bindings_of_one]
    try:
        with database.begin() as connection:
            _remove(connection, batch)
            if rows:
                connection.exec_driver_sql(in_sql(_INSERT, database.dialect), rows)
    except _ROW_FAULTS:
        return _write_singly(database, batch, rows)
    return []


def _write_singly(database: sa.Engine, batch: Batch, rows: list[dict[str, object]]) -> list[str]:
    refused = []
    with database.begin() as connection:
        _remove(connection, batch)
        for row in rows:
            try:
                with connection.begin_nested():
                    connection.execute(_INSERT, [row])
            except _ROW_FAULTS as error:
                refused.append(f"{row['number']} at {row['contact']!r}: {reason(error)}")
    return refused


def _remove(connection: sa.Connection, batch: Batch) -> None:
    connection.exec_driver_sql(in_sql(_REMOVE, connection.dialect), [{"_number": _text(number)} for number in batch])


def _row(binding: Binding) -> dict[str, object]:
    row = binding._asdict()
    for name, value in row.items():
        if isinstance(value, str) and not value.isascii():
            row[name] = _text(value)
    return row


def _text(text: str) -> str:
    """Return what SQL can hold: bytes of a phone's message that were not UTF-8 become visible escapes."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
