"""What users have set for their extensions by phone: written behind into the table `extensions`, and tried again as
long as the database cannot be written. It is in force meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa
from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from pbx.store.behind import Behind
from pbx.store.database import reason
from pbx.store.schema import extensions
from pbx.store.store import Worker

Batch = dict[tuple[str, str], object]
"""Values by number and column."""

_log = Logger()


class SettingsTable:
    """Keeps settings (`pbx.exchange.directory.SettingsStore`).

    :param database: the store's, which disposes of it.
    :param worker: the store's.
    :ivar kept: is told of each that is in the database now: number, column and value.
    """

    def __init__(self, database: sa.Engine, clock: IReactorTime, worker: Worker) -> None:
        self._database = database
        self._worker = worker
        self._waiting: Batch = {}
        self._behind = Behind(clock, self._write, lambda: bool(self._waiting))
        self._fails = False
        self.kept: Callable[[str, str, object], object] = lambda number, column, value: None

    def keep_setting(self, number: str, column: str, value: object) -> None:
        """Write one within half a second."""
        self._waiting[number, column] = value
        self._behind.changed()

    async def close(self) -> None:
        """Write what waits, once."""
        await self._behind.close()

    async def _write(self) -> bool:
        batch, self._waiting = self._waiting, {}
        try:
            await self._worker.run(write_settings, self._database, batch)
        except CancelledError:
            raise  # the store is given up
        except (sa.exc.SQLAlchemyError, OSError) as error:
            self._waiting = {**batch, **self._waiting}  # what has changed since is newer
            if not self._fails:
                _log.warn("what users have set cannot be written ({reason}): it is in force", reason=reason(error))
            self._fails = True
        else:
            self._fails = False
            for (number, column), value in batch.items():
                self.kept(number, column, value)
        return not self._fails


def write_settings(database: sa.Engine, batch: Batch) -> None:
    """Write them in one transaction; to be called where blocking is allowed."""
    with database.begin() as connection:
        for (number, column), value in batch.items():
            connection.execute(extensions.update().where(extensions.c.number == number).values({column: value}))
