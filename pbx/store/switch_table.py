"""What phones have turned over: written behind into the table `switches`, and tried again as long as the database
cannot be written. It is in force meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa
from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from pbx.exchange.switch import Switch
from pbx.store.behind import Behind
from pbx.store.database import reason
from pbx.store.schema import switches
from pbx.store.store import Worker

Batch = dict[str, Switch]
"""Switches by name."""

_log = Logger()


class SwitchTable:
    """Keeps switches.

    :param database: the store's, which disposes of it.
    :param worker: the store's.
    :param kept: is told of each that is in the database now.
    """

    def __init__(
        self, database: sa.Engine, clock: IReactorTime, worker: Worker, kept: Callable[[Switch], object]
    ) -> None:
        self._database = database
        self._worker = worker
        self._kept = kept
        self._waiting: Batch = {}
        self._behind = Behind(clock, self._write, lambda: bool(self._waiting))
        self._fails = False

    def keep_switch(self, switch: Switch) -> None:
        """Write one within half a second."""
        self._waiting[switch.name] = switch
        self._behind.changed()

    async def close(self) -> None:
        """Write what waits, once."""
        await self._behind.close()

    async def _write(self) -> bool:
        batch, self._waiting = self._waiting, {}
        try:
            await self._worker.run(write_switches, self._database, batch)
        except CancelledError:
            raise  # the store is given up
        except (sa.exc.SQLAlchemyError, OSError) as error:
            self._waiting = {**batch, **self._waiting}  # what has changed since is newer
            if not self._fails:
                _log.warn("switches cannot be written ({reason}): they are in force", reason=reason(error))
            self._fails = True
        else:
            self._fails = False
            for switch in batch.values():
                self._kept(switch)
        return not self._fails


def write_switches(database: sa.Engine, batch: Batch) -> None:
    """Write in one transaction which of them are on; to be called where blocking is allowed."""
    with database.begin() as connection:
        for switch in batch.values():
            connection.execute(switches.update().where(switches.c.name == switch.name).values(is_on=switch.is_on))
