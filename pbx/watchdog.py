"""The watchdog: names the line of the dialplan that holds up the reactor, and with it every other call.

A thread of its own looks a few times a second at what the reactor's thread is doing. Plan code is on that thread's
stack only while it runs, never while it waits. Since when it has run, a call's own code says (`pbx.dialplan.stint`), so
that few looks are enough: each costs the reactor a change of threads. Other code of the plan, of asyncio for instance,
has run since the first look that found it. While the reactor sleeps, as it does nearly always, there is nothing to see.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from functools import lru_cache
from types import FrameType

from twisted.logger import Logger

from pbx.dialplan.stint import Stint

LONG = 0.05  # seconds for which plan code may hold the reactor, and between two looks
ALARMING = 2.0  # seconds after which it is an alarm
QUIET = 60.0  # seconds between two warnings

log = Logger()


class Watchdog:
    """One thread that watches another.

    :param is_plan: whether a file is the dialplan's.
    :param tell: calls a function in the reactor's thread.
    :param stint: since when a call's code has run.
    :param asleep: whether the reactor waits for something to do; False where that is not known. Any thread may ask.
    """

    def __init__(
        self,
        is_plan: Callable[[str], bool],
        tell: Callable[..., object],
        stint: Stint,
        asleep: Callable[[], bool] = lambda: False,
    ) -> None:
        self._is_plan = lru_cache(maxsize=4096)(is_plan)  # a look asks for each frame of the stack
        self._tell = tell
        self._stint = stint
        self._asleep = asleep
        self._watched = 0
        self._ended = threading.Lock()  # free when it is to watch no more
        self._ended.acquire()
        self._held: float | None = None  # what tells the present hold from others: its beginning, or its frame
        self._since = 0.0
        self._warned_at = -QUIET
        self._alarmed = False

    def start(self) -> None:
        """Watch the thread that calls, from now on."""
        self._watched = threading.get_ident()
        threading.Thread(target=self._run, name="watchdog", daemon=True).start()

    def stop(self) -> None:
        """Watch no more. Once only."""
        self._ended.release()

    def look(self, frame: FrameType | None, now: float) -> float:
        """Look at what the reactor's thread does.

        :param frame: its innermost frame.
        :param now: seconds, of the clock of stints.
        :returns: the seconds after which it is worth another look.
        """
        frame = self._plan_frame(frame)
        began = self._stint.since
        held = None if frame is None else began or id(frame)
        if held != self._held:
            self._held = held
            self._since = began or now
            self._alarmed = False
        if frame is None:
            return LONG
        seconds = now - self._since
        if seconds < LONG:
            return LONG - seconds
        place = f"{frame.f_code.co_filename}:{frame.f_lineno}"
        if seconds >= ALARMING and not self._alarmed:
            self._alarmed = True
            self._tell(log.critical, "{place} has held up all calls for {seconds:.1f} s", place=place, seconds=seconds)
        elif now - self._warned_at >= QUIET:
            self._warned_at = now
            remedy = "put what takes long into `await call.run(...)`"
            self._tell(log.warn, "{place} holds up all calls; {remedy}", place=place, remedy=remedy)
        return LONG

    def _plan_frame(self, frame: FrameType | None) -> FrameType | None:
        """The innermost frame of the dialplan."""
        while frame is not None and not self._is_plan(frame.f_code.co_filename):
            frame = frame.f_back
        return frame

    def _run(self) -> None:
        pause = LONG
        while not self._ended.acquire(timeout=pause):
            frame = None if self._asleep() else sys._current_frames().get(self._watched)
            pause = self.look(frame, time.monotonic())
