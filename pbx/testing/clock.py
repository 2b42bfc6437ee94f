"""A clock that stands still until it is told to go on. It does what is due in order, each at its own time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pbx.clock import QueuedTimer, TimerQueue
from pbx.sip.timers import Lingering


class VirtualClock:
    """The time of a simulation (`pbx.sip.timers.Clock`).

    Advance it by binary fractions (0.125): sums of others do not meet the timers' own times exactly.

    :param now: the first second.
    :ivar ahead: seconds by which somebody has set the machine's clock forward, or with - back.
    """

    def __init__(self, now: float = 1_773_133_200.0) -> None:
        self._now = now
        self.ahead = 0.0
        self._queue = TimerQueue()

    def seconds(self) -> float:
        """Seconds since 1970."""
        return self._now

    def begin(self, now: float) -> None:
        """Let it be another time, an earlier one perhaps, as long as nothing waits for the time to go on."""
        assert not self._queue, "something waits for the time to go on"
        self._now = now

    def wall(self) -> float:
        """Seconds since 1970 by the machine's clock."""
        return self._now + self.ahead

    def callLater(self, delay: float, callable: Callable[..., Any], *args: Any) -> QueuedTimer:
        """Make a call in so many seconds."""
        if delay < 0:
            raise ValueError(f"a timer in the past: {delay} s")
        return QueuedTimer(self._queue, self._now + delay, callable, args)

    def linger(self, delay: float, one: Lingering) -> QueuedTimer:
        """Let it expire in so many seconds."""
        return self.callLater(delay, one.expired)

    @property
    def pending(self) -> list[QueuedTimer]:
        """The calls still to be made, the next first."""
        return self._queue.pending()

    def advance(self, seconds: float) -> None:
        """Go on by so many seconds."""
        end = self._now + seconds
        while self._step(end):
            pass
        self._now = end

    def advance_until(self, condition: Callable[[], object], within: float) -> bool:
        """Go on until something holds, and not a moment longer; return whether it does.

        :param condition: is asked after each call that was due.
        :param within: the seconds after which it is given up.
        """
        end = self._now + within
        while not condition():
            if not self._step(end):
                self._now = end
                return bool(condition())
        return True

    def _step(self, end: float) -> bool:
        """Make the next call, if it is due by then."""
        timer = self._queue.next()
        if timer is None or timer.time > end:
            return False
        self._now = max(self._now, timer.time)
        timer.fire()
        return True
