"""A clock that stands still until it is told to go on. It does what is due in order, each at its own time."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any


class VirtualTimer:
    """One call that the clock will make.

    :ivar time: when, by the clock's seconds.
    """

    __slots__ = ("_arguments", "_function", "_order", "time")

    def __init__(self, time: float, order: int, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        self.time = time
        self._order = order
        self._function: Callable[..., Any] | None = function
        self._arguments = arguments

    def __lt__(self, other: VirtualTimer) -> bool:
        return (self.time, self._order) < (other.time, other._order)

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

    def fire(self) -> None:
        """Make the call."""
        function, self._function = self._function, None
        if function is not None:
            function(*self._arguments)

    def __repr__(self) -> str:
        name = getattr(self._function, "__qualname__", self._function)
        return f"<timer at {self.time:.3f} s: {name}>"


class VirtualClock:
    """The time of a simulation (`pbx.sip.timers.Clock`).

    Advance it by binary fractions (0.125): sums of others do not meet the timers' own times exactly.

    :param now: the first second.
    """

    def __init__(self, now: float = 1_773_133_200.0) -> None:
        self._now = now
        self._timers: list[VirtualTimer] = []
        self._made = 0

    def seconds(self) -> float:
        """Seconds since 1970."""
        return self._now

    def callLater(self, delay: float, callable: Callable[..., Any], *args: Any) -> VirtualTimer:
        """Make a call in so many seconds."""
        if delay < 0:
            raise ValueError(f"a timer in the past: {delay} s")
        self._made += 1
        timer = VirtualTimer(self._now + delay, self._made, callable, args)
        heapq.heappush(self._timers, timer)
        return timer

    @property
    def pending(self) -> list[VirtualTimer]:
        """The calls still to be made, the next first."""
        return sorted(timer for timer in self._timers if timer.active)

    def advance(self, seconds: float) -> None:
        """Go on by so many seconds."""
        end = self._now + seconds
        while self._timers and self._timers[0].time <= end:
            timer = heapq.heappop(self._timers)
            self._now = max(self._now, timer.time)
            timer.fire()
        self._now = end
