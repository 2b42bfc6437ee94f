"""The beat: one timer for everything that speaks. Every 20 ms each of them has its turn.

It does not drift: the n-th beat is due n times 20 ms after the first. When the process was held up, the beats that are
overdue come at once, but only a few of them: what would arrive much too late is left out, and everybody is told.
"""

from __future__ import annotations

from typing import Protocol

from twisted.logger import Logger

from pbx.media.clip import FRAME_TIME
from pbx.sip.timers import Clock, Timer

CATCH_UP = 5  # beats that are made up for: as much as a phone's jitter buffer takes
_EARLY = 0.002  # seconds: a timer that fires so much too soon still counts


class Beating(Protocol):
    """Somebody who has a turn at each beat."""

    def beat(self, skipped: int) -> None:
        """It is time for the next 20 ms.

        :param skipped: how many beats were left out just before.
        """


class Beat:
    """The beat of one exchange. It rests while nobody is there."""

    __slots__ = ("_beaten", "_beating", "_clock", "_origin", "_timer")

    log = Logger()

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._beating: dict[Beating, None] = {}
        self._timer: Timer | None = None
        self._origin = 0.0
        self._beaten = 0

    def __len__(self) -> int:
        """How many have a turn."""
        return len(self._beating)

    def join(self, one: Beating) -> None:
        """Give somebody a turn at each beat from the next one on, after all who are there already."""
        self._beating[one] = None
        if self._timer is None:
            self._origin, self._beaten = self._clock.seconds(), 0
            self._wait()

    def leave(self, one: Beating) -> None:
        """It has no turn any more. No harm if it has none."""
        self._beating.pop(one, None)
        if not self._beating and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self) -> None:
        due = self._origin + (self._beaten + 1) * FRAME_TIME
        self._timer = self._clock.callLater(max(0.0, due - self._clock.seconds()), self._due)

    def _due(self) -> None:
        self._timer = None
        due = int((self._clock.seconds() - self._origin + _EARLY) / FRAME_TIME) - self._beaten
        skipped = max(0, due - CATCH_UP)
        if due < 0 or skipped > 3600 / FRAME_TIME:
            # The machine's clock was set.
            self._origin, self._beaten = self._clock.seconds() - FRAME_TIME, 0
            due, skipped = 1, 0
        self._beaten += due
        for _ in range(due - skipped):
            for one in tuple(self._beating):
                if one in self._beating:
                    self._turn(one, skipped)
            skipped = 0
        if self._beating and self._timer is None:
            self._wait()

    def _turn(self, one: Beating, skipped: int) -> None:
        try:
            one.beat(skipped)
        except Exception:
            # A bug in one must not silence all.
            self.log.failure("{one} failed and is silent from now on", one=one)
            self.leave(one)
