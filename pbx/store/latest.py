"""The latest value of each key, written behind: what cannot be written waits, and gives way to what is newer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

import sqlalchemy as sa
from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from pbx.store.behind import Behind
from pbx.store.database import reason
from pbx.store.store import Worker

Key = TypeVar("Key")
Value = TypeVar("Value")

_log = Logger()


class Latest(Generic[Key, Value]):
    """Values that wait.

    :param database: the store's, which disposes of it.
    :param worker: the store's.
    :param write: writes a batch in one transaction, in the worker.
    :param what: what they are, for the log.
    :param meanwhile: what that means while they cannot be written.
    :param kept: is told of each that is in the database now.
    """

    def __init__(
        self,
        database: sa.Engine,
        clock: IReactorTime,
        worker: Worker,
        write: Callable[[sa.Engine, dict[Key, Value]], None],
        what: str,
        meanwhile: str,
        kept: Callable[[Key, Value], object] = lambda key, value: None,
    ) -> None:
        self._database = database
        self._worker = worker
        self._write_batch = write
        self._what = what
        self._meanwhile = meanwhile
        self._kept = kept
        self._waiting: dict[Key, Value] = {}
        self._behind = Behind(clock, self._write, lambda: bool(self._waiting))
        self._fails = False

    def put(self, key: Key, value: Value, most: int = 0) -> None:
        """Write one within half a second.

        :param most: values that wait at most, beyond which the one that has waited longest is given up; 0 for all.
        """
        self._waiting.pop(key, None)
        self._waiting[key] = value
        if most and len(self._waiting) > most:
            del self._waiting[next(iter(self._waiting))]
        self._behind.changed()

    async def close(self) -> None:
        """Write what waits, once."""
        await self._behind.close()

    async def _write(self) -> bool:
        batch, self._waiting = self._waiting, {}
        try:
            await self._worker.run(self._write_batch, self._database, batch)
        except CancelledError:
            raise  # the store is given up
        except (sa.exc.SQLAlchemyError, OSError) as error:
            self._waiting = {**batch, **self._waiting}  # what has changed since is newer
            if not self._fails:
                words = {"what": self._what, "reason": reason(error), "meanwhile": self._meanwhile}
                _log.warn("{what} cannot be written ({reason}): {meanwhile}", **words)
            self._fails = True
        else:
            self._fails = False
            for key, value in batch.items():
                self._kept(key, value)
        return not self._fails
