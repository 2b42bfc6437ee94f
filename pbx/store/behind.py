"""Writing behind: what has changed is written a moment later, all at once, and again when that has failed."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from pbx.store.store import BATCH, RETRY


class Behind:
    """When to write; what to write is its owner's.

    :param write: writes all that waits, and returns whether it could; what it could not write waits again.
    :param waits: whether anything waits.
    :param pause: seconds until it is written.
    """

    __slots__ = ("_clock", "_closed", "_pause", "_timer", "_waits", "_write", "_writing")

    def __init__(
        self,
        clock: IReactorTime,
        write: Callable[[], Coroutine[Any, Any, bool]],
        waits: Callable[[], bool],
        pause: float = BATCH,
    ) -> None:
        self._clock = clock
        self._pause = pause
        self._write = write
        self._waits = waits
        self._timer: IDelayedCall | None = None
        self._writing: Deferred[None] | None = None
        self._closed = False

    def changed(self) -> None:
        """Something waits: write within half a second."""
        if self._timer is None:
            self._write_in(self._pause)

    async def close(self) -> None:
        """Write what waits, once."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._writing is not None:
            await self._writing
        if self._waits():
            await self._write()

    def _write_in(self, seconds: float) -> None:
        if self._timer is None and self._writing is None and not self._closed:
            self._timer = self._clock.callLater(seconds, self._begin)

    def _begin(self) -> None:
        self._timer = None
        writing = self._writing = Deferred()
        Deferred.fromCoroutine(self._write()).addCallback(self._written).chainDeferred(writing)

    def _written(self, good: bool) -> None:
        self._writing = None
        if self._waits():
            self._write_in(self._pause if good else RETRY)
