"""A clock that stands still until it is told to go on. It does what is due in order, each at its own time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pbx.clock import QueuedTimer, TimerQueue


class VirtualClock:
    """The time of a simulation (`pbx.sip.timers.Clock`).

    Advance it by binary fractions (0.125): sums of others do not meet the timers' own times exactly.

    :param now: the first second.
    """

    def __init__(self, now: float = 1_773_133_200.0) -> None:
        self._now = now
        self._queue = TimerQueue()

    def seconds(self) -> float:
        """Seconds since 1970."""
        return self._now

    def callLater(self, delay: float, callable: Callable[..., Any], *args: Any) -> QueuedTimer:
        """Make a call in so many seconds."""
        if delay < 0:
            raise ValueError(f"a timer in the past: {delay} s")
        return self._queue.add(self._now + delay, callable, args)

    @property
    def pending(self) -> list[QueuedTimer]:
        """The calls still to be made, the next first."""
        return self._queue.pending()

    def advance(self, seconds: float) -> None:
        """Go on by so many seconds."""
        end = self._now + seconds
        time = self._queue.next_time()
        while time is not None and time <= end:
            self._now = max(self._now, time)
            self._queue.pop().fire()
            time = self._queue.next_time()
        self._now = end
