"""What phones have turned over: written behind into the table `switches`, and tried again as long as the database
cannot be written. It is in force meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa
from twisted.internet.interfaces import IReactorTime

from pbx.exchange.switch import Switch
from pbx.store.latest import Latest
from pbx.store.schema import switches
from pbx.store.store import Worker

Batch = dict[str, Switch]
"""Switches by name."""


class SwitchTable:
    """Keeps switches.

    :param database: the store's, which disposes of it.
    :param worker: the store's.
    :param kept: is told of each that is in the database now.
    """

    def __init__(
        self, database: sa.Engine, clock: IReactorTime, worker: Worker, kept: Callable[[Switch], object]
    ) -> None:
        self._latest: Latest[str, Switch] = Latest(
            database, clock, worker, write_switches, "switches", "they are in force", lambda name, switch: kept(switch)
        )

    def keep_switch(self, switch: Switch) -> None:
        """Write one within half a second."""
        self._latest.put(switch.name, switch)

    async def close(self) -> None:
        """Write what waits, once."""
        await self._latest.close()


def write_switches(database: sa.Engine, batch: Batch) -> None:
    """Write in one transaction which of them are on; to be called where blocking is allowed."""
    with database.begin() as connection:
        for switch in batch.values():
            connection.execute(switches.update().where(switches.c.name == switch.name).values(is_on=switch.is_on))
