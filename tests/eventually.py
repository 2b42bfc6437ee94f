"""The one place that waits for real time, and only for programs that we did not write."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(condition: Callable[[], T], within: float) -> T:
    """Ask again and again until `condition` gives something true, and return that.

    :param condition: asked every 20 ms; what it raises comes through at once.
    :param within: seconds after which the test fails.
    :raises AssertionError: it was not true in time; the message shows the last answer.
    """
    deadline = time.monotonic() + within
    while True:
        # Read the clock before asking: the last question is asked after the deadline, not before it.
        late = time.monotonic() > deadline
        if answer := condition():
            return answer
        if late:
            name = getattr(condition, "__qualname__", repr(condition))
            raise AssertionError(f"not within {within:g} s: {name} still gives {answer!r}")
        time.sleep(0.02)
