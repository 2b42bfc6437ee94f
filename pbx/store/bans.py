"""The table `bans`: written behind, as bindings are, so that who was banned before a restart is banned after it.

What cannot be written is tried again and bounded; a ban that is lost costs an attacker's next ten failures.
"""

from __future__ import annotations

import dataclasses

import sqlalchemy as sa
from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from pbx.exchange.ban import BANS, MEMORY, Ban
from pbx.store.behind import Behind
from pbx.store.database import reason
from pbx.store.schema import bans
from pbx.store.store import Worker

_COLUMNS = [bans.c[field.name] for field in dataclasses.fields(Ban)]
_REMOVE = bans.delete().where(bans.c.address == sa.bindparam("_address"))

Batch = dict[str, Ban | None]

_log = Logger()


class BanTable:
    """Keeps bans (`pbx.exchange.bans.BanStore`).

    :param database: the store's, which disposes of it.
    :param worker: the store's.
    """

    def __init__(self, database: sa.Engine, clock: IReactorTime, worker: Worker) -> None:
        self._database = database
        self._worker = worker
        self._waiting: Batch = {}
        self._behind = Behind(clock, self._write, lambda: bool(self._waiting))
        self._fails = False

    def keep_ban(self, ban: Ban) -> None:
        """Write a ban within half a second."""
        self._change(ban.address, ban)

    def forget_ban(self, address: str) -> None:
        """Remove one within half a second."""
        self._change(address, None)

    async def close(self) -> None:
        """Write what waits, once."""
        await self._behind.close()

    def _change(self, address: str, ban: Ban | None) -> None:
        self._waiting.pop(address, None)
        self._waiting[address] = ban
        if len(self._waiting) > 2 * BANS:
            del self._waiting[next(iter(self._waiting))]
        self._behind.changed()

    async def _write(self) -> bool:
        batch, self._waiting = self._waiting, {}
        try:
            await self._worker.run(write_bans, self._database, batch)
        except CancelledError:
            raise  # the store is given up
        except (sa.exc.SQLAlchemyError, OSError) as error:
            self._waiting = {**batch, **self._waiting}  # what has changed since is newer
            if not self._fails:
                _log.warn("bans cannot be written ({reason}): they are in force", reason=reason(error))
            self._fails = True
        else:
            self._fails = False
        return not self._fails


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
