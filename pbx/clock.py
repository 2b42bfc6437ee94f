"""Timers by the thousand: a queue of our own, for which the reactor keeps one timer.

A call sets six timers and cancels them, and four transactions of it linger. Twisted's own cost twice as much time and
memory each (docs/performance), and these are what a stack in Python spends its time on.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from math import ceil
from operator import attrgetter
from time import time
from typing import Any, Protocol

from pbx.sip.timers import Lingering

_BUCKETS = 128  # per second
LONG = 5.0  # seconds; such timers end what is over, and none of them is in a hurry:
SLACK = 0.25  # seconds by which they may be late, so that one wake-up of the process serves many

_time = attrgetter("time")


class QueuedTimer:
    """One call that will be made.

    :param queue: where it waits, from now on.
    :ivar time: when, by the clock's seconds.
    """

    __slots__ = ("_arguments", "_bucket", "_function", "time")

    def __init__(
        self, queue: TimerQueue, time: float, function: Callable[..., Any], arguments: tuple[Any, ...]
    ) -> None:
        number = int(time * _BUCKETS)
        bucket = queue.buckets.get(number)
        if bucket is None:
            bucket = queue.buckets[number] = {}
            heapq.heappush(queue.order, number)
        bucket[self] = None
        self.time = time
        self._bucket = bucket
        self._function = function
        self._arguments = arguments

    def cancel(self) -> None:
        """Do not make the call.

        :raises RuntimeError: when it has been made or cancelled: whoever keeps such a timer has lost count.
        """
        if self._bucket.pop(self, self) is self:
            raise RuntimeError("a timer is cancelled that has fired or was cancelled before")
        self._function, self._arguments = _nothing, ()  # whoever set it may still keep it, and it him

    def fire(self) -> None:
        """Make the call, unless it was cancelled."""
        if self._bucket.pop(self, self) is None:
            function, arguments = self._function, self._arguments
            self._function, self._arguments = _nothing, ()
            function(*arguments)

    def __repr__(self) -> str:
        name = getattr(self._function, "__qualname__", self._function)
        return f"<timer at {self.time:.3f} s: {name}>"


class TimerQueue:
    """Timers in the order of their times; those of one time in the order in which they were set.

    They lie in buckets of 1/128 s, from which one that is cancelled is taken at once: a heap of timers would keep the
    cancelled ones, which are most, until their time.

    :ivar buckets: by their numbers, from 1970.
    :ivar order: a heap of the same numbers.
    """

    __slots__ = ("buckets", "order")

    def __init__(self) -> None:
        self.buckets: dict[int, dict[QueuedTimer, None]] = {}
        self.order: list[int] = []

    def __len__(self) -> int:
        """How many timers there are."""
        return sum(map(len, self.buckets.values()))

    def next(self) -> QueuedTimer | None:
        """The timer that fires next, still in the queue until it does; None without any."""
        while self.order:
            bucket = self.buckets[self.order[0]]
            if bucket:
                return min(bucket, key=_time)
            del self.buckets[heapq.heappop(self.order)]
        return None

    def due(self, now: float) -> list[QueuedTimer]:
        """The first timers whose time has come, those of one bucket, still in the queue until they fire."""
        while self.order and self.order[0] <= now * _BUCKETS:
            bucket = self.buckets[self.order[0]]
            if bucket:
                return sorted([timer for timer in bucket if timer.time <= now], key=_time)
            del self.buckets[heapq.heappop(self.order)]
        return []

    def pending(self) -> list[QueuedTimer]:
        """All timers, the next first."""
        return sorted((timer for bucket in self.buckets.values() for timer in bucket), key=_time)


class Lapse:
    """The moment at which many expire: their timer (see `pbx.sip.timers.Clock.linger`).

    :ivar time: when, by the clock's seconds.
    :ivar those: who expires then.
    """

    __slots__ = ("those", "time")

    def __init__(self, time: float) -> None:
        self.time = time
        self.those: list[Lingering] = []

    def cancel(self) -> None:
        """Others wait for it, too: it comes all the same."""


def _nothing() -> None:
    """What timers do that have fired or were cancelled."""


class ReactorTimer(Protocol):
    """One timer of the reactor (Twisted's IDelayedCall)."""

    def reset(self, secondsFromNow: float) -> None: ...


class Reactor(Protocol):
    """What the clock needs of a reactor (Twisted's IReactorTime)."""

    def seconds(self) -> float: ...
    def callLater(self, delay: float, callable: Callable[..., Any], *args: Any) -> Any: ...


class ReactorClock:
    """The time of the running exchange (`pbx.sip.timers.Clock`), on a reactor."""

    def __init__(self, reactor: Reactor) -> None:
        self.seconds = reactor.seconds
        self.wall = time
        self._reactor = reactor
        self._queue = TimerQueue()
        self._wake: ReactorTimer | None = None
        self._wake_at = 0.0
        self._lapses: dict[float, Lapse] = {}  # by their times

    def __len__(self) -> int:
        """How many timers there are; who lingers counts as if he had one of his own."""
        return len(self._queue) + sum(len(lapse.those) - 1 for lapse in self._lapses.values())

    def callLater(self, delay: float, callable: Callable[..., Any], *args: Any) -> QueuedTimer:
        """Make a call in so many seconds; after `LONG` ones up to `SLACK` later."""
        now = self.seconds()
        time = now + delay
        if delay >= LONG:
            time = ceil(time / SLACK) * SLACK
        timer = QueuedTimer(self._queue, time, callable, args)
        if self._wake is None or time < self._wake_at:
            self._wake_in(time, now)
        return timer

    def linger(self, delay: float, one: Lingering) -> Lapse:
        """Let it expire in so many seconds, 5 at least, or up to `SLACK` later, with all others of that time."""
        now = self.seconds()
        time = ceil((now + delay) / SLACK) * SLACK
        lapse = self._lapses.get(time)
        if lapse is None:
            lapse = self._lapses[time] = Lapse(time)
            QueuedTimer(self._queue, time, self._lapse, (lapse,))  # `callLater` would round again, to the next quarter
            if self._wake is None or time < self._wake_at:
                self._wake_in(time, now)
        lapse.those.append(one)
        return lapse

    def _lapse(self, lapse: Lapse) -> None:
        self._lapses.pop(lapse.time, None)
        try:
            while lapse.those:
                lapse.those.pop().expired()
        finally:
            if lapse.those:  # one has raised, which the reactor logs
                self.callLater(0.0, self._lapse, lapse)

    def _fire(self) -> None:
        self._wake = None
        now = self.seconds()
        try:
            while due := self._queue.due(now):
                for timer in due:
                    timer.fire()  # unless one before it has cancelled it
        finally:
            # Also when a timer's function raised: the reactor logs that, and the others must not wait for ever.
            if (following := self._queue.next()) is not None:
                self._wake_in(following.time, self.seconds())

    def _wake_in(self, time: float, now: float) -> None:
        delay = max(0.0, time - now)
        self._wake_at = time
        if self._wake is None:
            self._wake = self._reactor.callLater(delay, self._fire)
        else:
            self._wake.reset(delay)
