"""A stint: the time for which plan code holds the reactor, until it waits or is over. The watchdog reads it.

It is real time, in a simulation, too: it is the machine that stands still.
"""

from __future__ import annotations

from time import monotonic


class Stint:
    """The stint of the call whose code runs at present.

    :ivar since: when it began, in seconds of a clock that only goes forward; 0 while none runs. Any thread may read it.
    """

    __slots__ = ("since",)

    def __init__(self) -> None:
        self.since = 0.0

    def begin(self) -> None:
        """Plan code is about to run."""
        self.since = monotonic()

    def end(self) -> None:
        """It waits, or is over. Where that of another call made it run, that one goes on unnoticed."""
        self.since = 0.0
