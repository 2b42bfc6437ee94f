"""The watchdog: names the line of the dialplan that holds up the reactor, and with it every other call.

A thread of its own looks a few times a second at what the reactor's thread is doing. Plan code is on that thread's
stack only while it runs, never while it waits: one and the same frame in several looks is one that holds. Calls pay
nothing.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from types import FrameType

from twisted.logger import Logger

EVERY = 0.02  # seconds between two looks
LONG = 0.05  # seconds for which plan code may hold the reactor
ALARMING = 2.0  # seconds after which it is an alarm
QUIET = 60.0  # seconds between two warnings

log = Logger()


class Watchdog:
    """One thread that watches another.

    :param is_plan: whether a file is the dialplan's.
    :param tell: calls a function in the reactor's thread.
    """

    def __init__(self, is_plan: Callable[[str], bool], tell: Callable[..., object]) -> None:
        self._is_plan = is_plan
        self._tell = tell
        self._watched = 0
        self._stop = threading.Event()
        self._frame = 0  # the frame that was there at the last look, by its identity
        self._since = 0.0
        self._warned_at = -QUIET
        self._alarmed = False

    def start(self) -> None:
        """Watch the thread that calls, from now on."""
        self._watched = threading.get_ident()
        threading.Thread(target=self._run, name="watchdog", daemon=True).start()

    def stop(self) -> None:
        """Watch no more."""
        self._stop.set()

    def look(self, frame: FrameType | None, now: float) -> None:
        """Look at what the reactor's thread does.

        :param frame: its innermost frame.
        :param now: seconds, of a clock that only goes forward.
        """
        held = self._plan_frame(frame)
        if held is None or id(held) != self._frame:
            self._frame = 0 if held is None else id(held)
            self._since = now
            self._alarmed = False
            return
        seconds = now - self._since
        place = f"{held.f_code.co_filename}:{held.f_lineno}"
        if seconds >= ALARMING and not self._alarmed:
            self._alarmed = True
            self._tell(log.critical, "{place} has held up all calls for {seconds:.1f} s", place=place, seconds=seconds)
        elif seconds >= LONG and now - self._warned_at >= QUIET:
            self._warned_at = now
            remedy = "put what takes long into `await call.run(...)`"
            self._tell(log.warn, "{place} holds up all calls; {remedy}", place=place, remedy=remedy)

    def _plan_frame(self, frame: FrameType | None) -> FrameType | None:
        """The innermost frame of the dialplan."""
        while frame is not None and not self._is_plan(frame.f_code.co_filename):
            frame = frame.f_back
        return frame

    def _run(self) -> None:
        while not self._stop.wait(EVERY):
            self.look(sys._current_frames().get(self._watched), time.monotonic())
