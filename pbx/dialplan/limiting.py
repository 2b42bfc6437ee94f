"""A limit for code that runs at once and may never return: after so many seconds it is interrupted where it is.

The timer is the process's own (SIGALRM), so that even a loop without a call in it ends; in other threads than the main
one, where signals do not come, nothing is limited.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

AGAIN = 0.5  # seconds until code that has caught the interruption is interrupted again


class TooLong(BaseException):
    """The time is over. No `Exception`: code that catches everything goes on with that, and this is not for it."""


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Limit what is done meanwhile.

    :raises TooLong: in it, when the time is over.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    began = time.monotonic()
    former = signal.signal(signal.SIGALRM, _interrupt)
    left, interval = signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former or signal.SIG_DFL)
        if left:  # somebody else's timer goes on
            signal.setitimer(signal.ITIMER_REAL, max(left - time.monotonic() + began, 0.001), interval)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise TooLong
