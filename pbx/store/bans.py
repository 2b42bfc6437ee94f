"""The table `bans`: written behind, as bindings are, so that who was banned before a restart is banned after it.

What cannot be written is tried again and bounded; a ban that is lost costs an attacker's next ten failures.
"""

from __future__ import annotations

import dataclasses

import sqlalchemy as sa
from twisted.internet.interfaces import IReactorTime

from pbx.exchange.ban import BANS, MEMORY, Ban
from pbx.store.latest import Latest
from pbx.store.schema import bans
from pbx.store.store import Worker

_COLUMNS = [bans.c[field.name] for field in dataclasses.fields(Ban)]
_REMOVE = bans.delete().where(bans.c.address == sa.bindparam("_address"))

Batch = dict[str, Ban | None]


class BanTable:
    """Keeps bans (`pbx.exchange.bans.BanStore`).

    :param database: the store's, which disposes of it.
    :param worker: the store's.
    """

    def __init__(self, database: sa.Engine, clock: IReactorTime, worker: Worker) -> None:
        self._latest = Latest(database, clock, worker, write_bans, "bans", "they are in force")

    def keep_ban(self, ban: Ban) -> None:
        """Write a ban within half a second."""
        self._latest.put(ban.address, ban, 2 * BANS)

    def forget_ban(self, address: str) -> None:
        """Remove one within half a second."""
        self._latest.put(address, None, 2 * BANS)

    async def close(self) -> None:
        """Write what waits, once."""
        await self._latest.close()


def write_bans(database: sa.Engine, batch: Batch) -> None:
    """Write new bans and remove old ones; to be called where blocking is allowed."""
    rows = [dataclasses.asdict(ban) for ban in batch.values() if ban is not None]
    with database.begin() as connection:
        connection.execute(_REMOVE, [{"_address": address} for address in batch])
        if rows:
            connection.execute(bans.insert(), rows)


def read_bans(database: sa.Engine, now: float) -> list[Ban]:
    """Read the bans that count at `now`, seconds since 1970, and remove the others from the table."""
    with database.begin() as connection:
        over = sa.or_(bans.c.until + MEMORY <= now, sa.and_(bans.c.times == 0, bans.c.until <= now))
        connection.execute(bans.delete().where(over))
        return [Ban(*row) for row in connection.execute(sa.select(*_COLUMNS).order_by(bans.c.until))]
