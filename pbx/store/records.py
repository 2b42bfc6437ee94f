"""The tables `calls` and `attempts`: written behind, in batches, in the store's own thread; read by the `pbx` command.

What cannot be written waits, up to a bound; beyond it the oldest is dropped, and counted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Protocol

import sqlalchemy as sa
from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from pbx.exchange.record import AttemptRecord, CallRecord, Sound
from pbx.faults import Fault
from pbx.store.behind import Behind
from pbx.store.database import in_places, reason
from pbx.store.schema import attempts, calls
from pbx.store.store import Worker

MOST_WAITING = 10_000  # records
PAUSE = 0.4375  # seconds until they are written; a transaction costs as much as some twenty records
MOST_AT_ONCE = 500  # in one batch: others get their turn between two of them

_INSERT_CALL = calls.insert()
_INSERT_ATTEMPT = attempts.insert()
_EPOCH = datetime(1970, 1, 1)  # in UTC, as all moments in the tables

_ROW_FAULTS = (sa.exc.IntegrityError, sa.exc.DataError, ValueError, OverflowError)
_log = Logger()


class Told(Protocol):
    """A call that is over (`pbx.exchange.history.History`)."""

    id: str

    def record(self) -> CallRecord:
        """Its record, which need not have been made before."""


class RecordTable:
    """Keeps records (`pbx.exchange.histories.RecordStore`).

    :param database: the store's, which disposes of it.
    :param worker: the store's.
    :param most: records that wait at most.
    :ivar dropped: how many were dropped since the start, as too many waited or as the database refused them.
    """

    def __init__(self, database: sa.Engine, clock: IReactorTime, worker: Worker, most: int = MOST_WAITING) -> None:
        self.dropped = 0
        self._database = database
        self._worker = worker
        self._most = most
        self._waiting: deque[Told] = deque()
        self._writing: list[Told] = []
        self._behind = Behind(clock, self._write, lambda: bool(self._waiting), PAUSE)
        self._fails = False

    @property
    def backlog(self) -> int:
        """How many records are not in the database yet."""
        return len(self._waiting) + len(self._writing)

    @property
    def waiting(self) -> list[Told]:
        """The calls that they are of, the oldest first."""
        return [*self._writing, *self._waiting]

    def keep(self, call: Told) -> None:
        """Write a call's record within half a second."""
        if not self._waiting:  # else that is known
            self._behind.changed()
        self._waiting.append(call)
        if len(self._waiting) > self._most:
            self._trim()

    async def close(self) -> None:
        """Write what waits, as long as that is possible."""
        await self._behind.close()
        while self._waiting and not self._fails:
            await self._write()

    async def _write(self) -> bool:
        records = self._take()
        try:
            refused = await self._worker.run(write_records, self._database, records)
        except CancelledError:
            raise  # the store is given up
        except (sa.exc.SQLAlchemyError, OSError) as error:
            self._waiting.extendleft(reversed(self._writing))
            self._trim()
            if not self._fails:
                _log.warn("records of calls cannot be written ({reason}): they wait", reason=reason(error))
            self._fails = True
        else:
            self.dropped += len(refused)
            for sentence in refused:
                _log.warn("a record of a call cannot be stored: {sentence}", sentence=sentence)
            if self._fails:
                _log.info("records of calls can be written again; {dropped} were dropped", dropped=self.dropped)
            self._fails = False
        self._writing = []
        return not self._fails

    def _take(self) -> list[CallRecord]:
        """Make the next records that are to be written: all at once, so that what makes them is at hand for each."""
        records: list[CallRecord] = []
        while self._waiting and len(records) < MOST_AT_ONCE:
            call = self._waiting.popleft()
            try:
                records.append(call.record())
            except Exception:
                self.dropped += 1
                _log.failure("a bug: the record of call {id} cannot be made", id=call.id)
            else:
                self._writing.append(call)
        return records

    def _trim(self) -> None:
        while len(self._waiting) > self._most:
            self._waiting.popleft()
            self.dropped += 1


def write_records(database: sa.Engine, batch: Sequence[CallRecord]) -> list[str]:
    """Write records in one transaction; if one spoils it, without that, and say which ones were refused."""
    try:
        with database.begin() as connection:
            _insert(connection, batch)
    except _ROW_FAULTS:
        return _write_singly(database, batch)
    return []


def _write_singly(database: sa.Engine, batch: Sequence[CallRecord]) -> list[str]:
    refused = []
    with database.begin() as connection:
        for record in batch:
            try:
                with connection.begin_nested():
                    _insert(connection, [record])
            except _ROW_FAULTS as error:
                refused.append(f"{record.id}: {reason(error)}")
    return refused


def _insert(connection: sa.Connection, batch: Sequence[CallRecord]) -> None:
    if batch:
        connection.exec_driver_sql(in_places(_INSERT_CALL, connection.dialect), [_row(record) for record in batch])
    tried = [_attempt_row(attempt) for record in batch for attempt in record.attempts]
    if tried:
        connection.exec_driver_sql(in_places(_INSERT_ATTEMPT, connection.dialect), tried)


def _row(record: CallRecord) -> tuple[Any, ...]:
    """A record as its row, in the order of the columns, as the driver takes it."""
    return (
        record.id,
        _moment(record.began_at),
        _moment(record.rang_at),
        _moment(record.answered_at),
        _moment(record.ended_at),
        record.source,
        _text(record.caller),
        _text(record.caller_name),
        record.address,
        _text(record.dialled),
        _text(record.reached),
        record.trunk_in,
        record.trunk_out,
        record.place,
        record.codec,
        record.code,
        record.cause,
        _text(record.sentence),
        record.ended_by,
        record.post_dial_delay,
        *_sound_row(record.from_caller),
        *_sound_row(record.from_callee),
        _text(record.transferred),
        record.caller_held,
        record.callee_held,
    )


def _sound_row(sound: Sound) -> tuple[Any, ...]:
    return (
        sound.packets,
        sound.lost,
        sound.jitter,
        sound.opinion,
        sound.signalled,
        sound.source,
        _moment(sound.latched_at),
    )


def _attempt_row(attempt: AttemptRecord) -> tuple[Any, ...]:
    return (
        attempt.call,
        attempt.place,
        _text(attempt.target),
        _text(attempt.number),
        attempt.trunk,
        attempt.address,
        _moment(attempt.began_at),
        _moment(attempt.rang_at),
        _moment(attempt.answered_at),
        _moment(attempt.ended_at),
        attempt.code,
        _text(attempt.text),
        None if attempt.rang_at is None else attempt.rang_at - attempt.began_at,
    )


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which records are asked for; None does not matter.

    :param number: who called, was dialled, has answered or was transferred.
    :param caller: who called.
    :param called: who was dialled or has answered.
    :param trunk: by which it came, or whoever answered was reached.
    :param since: in UTC.
    :param until: in UTC.
    :param answered: whether somebody or something has answered.
    :param limit: how many, the last ones.
    """

    number: str | None = None
    caller: str | None = None
    called: str | None = None
    trunk: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    cause: str | None = None
    answered: bool | None = None
    limit: int = 100


def read_records(connection: sa.Connection, wanted: Wanted) -> list[dict[str, Any]]:
    """Read rows of `calls`, the oldest first."""
    conditions: list[sa.ColumnElement[bool]] = []
    if wanted.number is not None:
        conditions.append(
            sa.or_(*[column == wanted.number for column in (calls.c.caller, calls.c.transferred, *_CALLED)])
        )
    if wanted.caller is not None:
        conditions.append(calls.c.caller == wanted.caller)
    if wanted.called is not None:
        conditions.append(sa.or_(*[column == wanted.called for column in _CALLED]))
    if wanted.trunk is not None:
        conditions.append(sa.or_(calls.c.trunk_in == wanted.trunk, calls.c.trunk_out == wanted.trunk))
    if wanted.since is not None:
        conditions.append(calls.c.began_at >= wanted.since)
    if wanted.until is not None:
        conditions.append(calls.c.began_at < wanted.until)
    if wanted.cause is not None:
        conditions.append(calls.c.cause == wanted.cause)
    if wanted.answered is not None:
        conditions.append((calls.c.answered_at.is_not(None)) == wanted.answered)
    found = sa.select(calls).where(*conditions).order_by(calls.c.began_at.desc(), calls.c.id).limit(wanted.limit)
    return [dict(row._mapping) for row in reversed(connection.execute(found).all())]


def read_record(connection: sa.Connection, call: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Read the row of a call and those of its attempts.

    :param call: its id, or how that begins as long as no other one does.
    :raises Fault: there is none, or there are several.
    """
    begins = calls.c.id.startswith(call, autoescape=True)
    found = connection.execute(sa.select(calls).where(begins).limit(2)).all() if call else []
    if len(found) != 1:
        what = f"{call} is the beginning of several calls" if found else f"there is no record of a call {call}"
        raise Fault("", 0, what, "`pbx records` lists those that there are")
    tried = sa.select(attempts).where(attempts.c.call == found[0].id).order_by(attempts.c.place)
    return dict(found[0]._mapping), [dict(row._mapping) for row in connection.execute(tried)]


_CALLED = (calls.c.dialled, calls.c.reached)


@lru_cache(maxsize=16)
def _moment(seconds: float | None) -> str | None:
    """Return a moment as SQLAlchemy writes it into SQLite; PostgreSQL reads it, too.

    Several of one call are the same.
    """
    return None if seconds is None else (_EPOCH + timedelta(0, seconds)).isoformat(" ", "microseconds")


def _text(text: str) -> str:
    """Return what SQL can hold: bytes of a phone's message that were not UTF-8 become visible escapes."""
    if text.isascii() and "\0" not in text:
        return text
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace").replace("\0", "\\x00")
