"""A stint: the time for which plan code holds the reactor, until it waits or is over. The watchdog reads it."""

from __future__ import annotations


class Stint:
    """The stint of the call whose code runs at present.

    :ivar since: when it began, in seconds of a clock that only goes forward; 0 while none runs. It is real time, in a
        simulation, too: it is the machine that stands still. Where one call's code makes that of another run, it goes
        on unnoticed after that. Any thread may read it.
    """

    __slots__ = ("since",)

    def __init__(self) -> None:
        self.since = 0.0
