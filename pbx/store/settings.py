"""What users have set for their extensions by phone: written behind into the table `extensions`, and tried again as
long as the database cannot be written. It is in force meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa
from twisted.internet.interfaces import IReactorTime

from pbx.store.latest import Latest
from pbx.store.schema import extensions
from pbx.store.store import Worker

Batch = dict[tuple[str, str], object]
"""Values by number and column."""


class SettingsTable:
    """Keeps settings (`pbx.exchange.directory.SettingsStore`).

    :param database: the store's, which disposes of it.
    :param worker: the store's.
    :ivar kept: is told of each that is in the database now: number, column and value.
    """

    def __init__(self, database: sa.Engine, clock: IReactorTime, worker: Worker) -> None:
        self._latest = Latest(
            database, clock, worker, write_settings, "what users have set", "it is in force", self._written
        )
        self.kept: Callable[[str, str, object], object] = lambda number, column, value: None

    def keep_setting(self, number: str, column: str, value: object) -> None:
        """Write one within half a second."""
        self._latest.put((number, column), value)

    def _written(self, place: tuple[str, str], value: object) -> None:
        self.kept(*place, value)

    async def close(self) -> None:
        """Write what waits, once."""
        await self._latest.close()


def write_settings(database: sa.Engine, batch: Batch) -> None:
    """Write them in one transaction; to be called where blocking is allowed."""
    with database.begin() as connection:
        for (number, column), value in batch.items():
            connection.execute(extensions.update().where(extensions.c.number == number).values({column: value}))
