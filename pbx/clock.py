"""Timers by the thousand: a queue of our own, for which the reactor keeps one timer.

A call sets about a dozen timers and cancels most of them. Twisted's own cost four times as much time and memory each
(docs/performance), and these are what a stack in Python spends its time on.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any, Protocol

_FEW = 1000  # cancelled timers that may wait in the queue for their time


class QueuedTimer:
    """One call that will be made.

    :ivar time: when, by the clock's seconds.
    """

    __slots__ = ("_arguments", "_function", "_queue", "time")

    def __init__(
        self, queue: TimerQueue, time: float, function: Callable[..., Any], arguments: tuple[Any, ...]
    ) -> None:
        self.time = time
        self._queue = queue
        self._function: Callable[..., Any] | None = function
        self._arguments = arguments

    @property
    def active(self) -> bool:
        """Whether it has neither been made nor cancelled."""
        return self._function is not None

    def cancel(self) -> None:
        """Do not make the call.

        :raises RuntimeError: when it has been made or cancelled: whoever keeps such a timer has lost count.
        """
        if self._function is None:
            raise RuntimeError("a timer is cancelled that has fired or was cancelled before")
        self._function = None
        self._arguments = ()
        self._queue.cancelled()

    def fire(self) -> None:
        """Make the call."""
        function, self._function = self._function, None
        if function is not None:
            function(*self._arguments)

    def __repr__(self) -> str:
        name = getattr(self._function, "__qualname__", self._function)
        return f"<timer at {self.time:.3f} s: {name}>"


class TimerQueue:
    """Timers in the order of their times; those of one time in the order in which they were set."""

    __slots__ = ("_cancelled", "_heap", "_made")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, QueuedTimer]] = []
        self._made = 0
        self._cancelled = 0

    def __len__(self) -> int:
        """How many timers there are that will fire."""
        return len(self._heap) - self._cancelled

    def add(self, time: float, function: Callable[..., Any], arguments: tuple[Any, ...]) -> QueuedTimer:
        """Set a timer."""
        self._made += 1
        timer = QueuedTimer(self, time, function, arguments)
        heapq.heappush(self._heap, (time, self._made, timer))
        return timer

    def next_time(self) -> float | None:
        """When the next timer fires; None without any."""
        heap = self._heap
        while heap and not heap[0][2].active:
            heapq.heappop(heap)
            self._cancelled -= 1
        return heap[0][0] if heap else None

    def pop(self) -> QueuedTimer:
        """Take the timer that `next_time` told of."""
        return heapq.heappop(self._heap)[2]

    def cancelled(self) -> None:
        """A timer was cancelled. It stays until its time, unless most of them are such."""
        self._cancelled += 1
        if self._cancelled > _FEW and 2 * self._cancelled > len(self._heap):
            self._heap = [entry for entry in self._heap if entry[2].active]
            heapq.heapify(self._heap)
            self._cancelled = 0

    def pending(self) -> list[QueuedTimer]:
        """The timers that will fire, the next first."""
        return [entry[2] for entry in sorted(self._heap, key=lambda entry: entry[:2]) if entry[2].active]


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
        self._reactor = reactor
        self._queue = TimerQueue()
        self._wake: ReactorTimer | None = None
        self._wake_at = 0.0

    def __len__(self) -> int:
        """How many timers there are."""
        return len(self._queue)

    def callLater(self, delay: float, callable: Callable[..., Any], *args: Any) -> QueuedTimer:
        """Make a call in so many seconds."""
        now = self.seconds()
        time = now + delay
        timer = self._queue.add(time, callable, args)
        if self._wake is None or time < self._wake_at:
            self._wake_in(time, now)
        return timer

    def _fire(self) -> None:
        self._wake = None
        queue = self._queue
        now = self.seconds()
        try:
            time = queue.next_time()
            while time is not None and time <= now:
                queue.pop().fire()
                time = queue.next_time()
        finally:
            # Also when a timer's function raised: the reactor logs that, and the others must not wait for ever.
            time = queue.next_time()
            if time is not None:
                self._wake_in(time, self.seconds())

    def _wake_in(self, time: float, now: float) -> None:
        delay = max(0.0, time - now)
        self._wake_at = time
        if self._wake is None:
            self._wake = self._reactor.callLater(delay, self._fire)
        else:
            self._wake.reset(delay)
