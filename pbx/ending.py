"""How the exchange ends: it drains, it hangs up, it finishes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from twisted.logger import Logger

from pbx.sip.timers import Clock, Timer

HANG_UP = 1.0  # seconds for BYE and its answer
LOOK = 0.0625  # seconds between two looks whether the calls have ended


class Calls(Protocol):
    """What has to end before the process may."""

    @property
    def calls(self) -> int:
        """How many calls there are."""

    @property
    def busy(self) -> int:
        """The same, with all sessions: a call is over before its phones have confirmed that."""

    def refuse_calls(self, seconds: int) -> None:
        """Take no new ones; callers may try again in so many seconds."""

    def hang_up_all(self) -> None:
        """End those that there are."""


class Ending:
    """How the exchange ends: it drains, it hangs up, it finishes; each once, and a signal may skip the first two.

    :param drain: seconds that `terminate` waits for calls to end by themselves.
    :param finish: called at last, once.
    """

    log = Logger()

    def __init__(self, clock: Clock, calls: Calls, drain: float, finish: Callable[[], object]) -> None:
        self._clock = clock
        self._calls = calls
        self._drain = drain
        self._finish = finish
        self._next: Callable[[], None] = self.terminate
        self._timer: Timer | None = None
        self._until = 0.0

    def terminate(self) -> None:
        """SIGTERM: let the calls end by themselves for a while; the second time, as `interrupt`."""
        if self._next != self.terminate:
            self.interrupt()
            return
        words = "SIGTERM: the calls have {seconds:g} s to end; there are {calls}"
        self.log.info(words, seconds=self._drain, calls=self._calls.calls)
        self._calls.refuse_calls(max(1, round(self._drain)))
        self._wait(self._drain, self.interrupt)

    def interrupt(self) -> None:
        """SIGINT: end all calls now; the second time, do not wait for the phones to say that they know."""
        if self._next == self._finished:
            self._finished()
            return
        self._calls.refuse_calls(1)
        self._calls.hang_up_all()
        self._wait(HANG_UP, self._finished)

    def _wait(self, seconds: float, then: Callable[[], None]) -> None:
        """Wait for the last call to end, but not longer than this, before the next step."""
        self._next = then
        self._until = self._clock.seconds() + seconds
        if self._timer is None:
            self._look()

    def _look(self) -> None:
        self._timer = None
        if self._calls.busy and self._clock.seconds() < self._until:
            self._timer = self._clock.callLater(LOOK, self._look)
        else:
            self._next()

    def _finished(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._finish()
