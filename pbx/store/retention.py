"""Retention: records of calls are deleted when they are so old, a few at a time, in the store's own thread.

Nothing is remembered of it: after a restart, or while the database fails, what is too old is found again.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import sqlalchemy as sa
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from pbx.store.database import reason
from pbx.store.schema import calls
from pbx.store.store import Worker

BATCH = 200  # records in one transaction: others get their turn between two of them
PAUSE = 1.0  # seconds between two batches
FIRST = 5.0  # seconds after the start, when there is enough else to do
LOOK = 3600.0  # seconds until it is looked again whether there are any
_EPOCH = datetime(1970, 1, 1)  # in UTC, as all moments in the tables

_log = Logger()


class Retention:
    """Keeps the tables `calls` and `attempts` from growing for ever.

    :param database: the store's, which disposes of it.
    :param wall: the machine's clock, by which records say when their calls began, in seconds since 1970.
    :param worker: the store's.
    :param days: for which records are kept, from the beginnings of their calls; 0 for ever.
    """

    def __init__(
        self, database: sa.Engine, clock: IReactorTime, wall: Callable[[], float], worker: Worker, days: int
    ) -> None:
        self._database = database
        self._clock = clock
        self._wall = wall
        self._worker = worker
        self._days = days
        self._timer: IDelayedCall | None = None
        self._fails = self._stopped = False

    def start(self) -> None:
        """Delete what is too old, now and then."""
        if self._days:
            self._look_in(FIRST)

    def stop(self) -> None:
        """Delete no more."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look_in(self, seconds: float) -> None:
        self._timer = self._clock.callLater(seconds, self._begin)

    def _begin(self) -> None:
        self._timer = None
        Deferred.fromCoroutine(self._look())

    async def _look(self) -> None:
        oldest = self._wall() - self._days * 86400
        pause = LOOK
        try:
            deleted = await self._worker.run(delete_records, self._database, oldest)
        except CancelledError:
            return  # the store is given up
        except (sa.exc.SQLAlchemyError, OSError) as error:
            if not self._fails:
                _log.warn("old records of calls cannot be deleted ({reason}): they stay", reason=reason(error))
            self._fails = True
        else:
            self._fails = False
            if deleted == BATCH:
                pause = PAUSE
        if not self._stopped:
            self._look_in(pause)


def delete_records(database: sa.Engine, oldest: float) -> int:
    """Delete the oldest records of calls that began before a moment, with their attempts: `BATCH` at most.

    :param oldest: seconds since 1970.
    :returns: how many there were.
    """
    moment = _EPOCH + timedelta(seconds=oldest)
    found = sa.select(calls.c.id).where(calls.c.began_at < moment).order_by(calls.c.began_at).limit(BATCH)
    with database.begin() as connection:
        return connection.execute(calls.delete().where(calls.c.id.in_(found))).rowcount
