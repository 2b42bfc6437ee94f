"""The reactor of `twistd pbx`: Twisted's own on epoll, but for the way that a datagram takes to whoever reads it.

Twisted looks at each event as if anything might be read, by anybody, and in a context of its own for the log. A call
wakes this process four times or more, and code that runs once between two sleeps costs many times what it does in a
loop.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from select import EPOLLIN
from time import monotonic, time

from twisted.internet.epollreactor import EPollReactor
from twisted.internet.main import installReactor
from twisted.logger import Logger
from twisted.python.log import callWithLogger

from pbx.sip.transport import UDPTransport

LONGEST = 3600.0  # seconds that it sleeps; epoll_wait(2) takes 24 days at most

log = Logger()


def steady() -> Callable[[], float]:
    """Seconds since 1970 by the machine's clock as it is now, and from now on whatever becomes of that clock."""
    began_at = time() - monotonic()
    return lambda: began_at + monotonic()


class Reactor(EPollReactor):
    """What differs from Twisted's: `UDPTransport.doRead`, which neither raises nor lets go, is called without more;
    nothing is looked through after each round, where nothing has to be done; and its time goes on evenly when somebody,
    or NTP, sets the machine's clock: no timer fires early or late for that.

    :ivar asleep: whether it waits for something to do; any thread may read it.
    """

    asleep = False
    seconds = staticmethod(steady())

    def mainLoop(self) -> None:
        """Run until it is stopped; an error that nobody else has handled is logged."""
        while self._started:
            try:
                while self._started:
                    timeout: float | None = 0
                    timed = self._pendingTimedCalls
                    pressing = self.threadCallQueue or self._newTimedCalls or self._justStopped
                    if timed and self.running and not pressing:
                        timeout = min(max(0.0, timed[0].time - self.seconds()), LONGEST)
                    if not timeout:  # there may be something to run: that takes a closer look
                        self.runUntilCurrent()
                        timeout = self.timeout() if self.running else 0
                    self.doPoll(timeout)
            except BaseException:
                log.failure("Unexpected error in main loop")

    def doPoll(self, timeout: float | None) -> None:
        """Wait until something can be read or written, and have that done.

        :param timeout: seconds; None for ever.
        """
        self.asleep = True
        ready = self._poller.poll(timeout, len(self._selectables))
        self.asleep = False
        for descriptor, event in ready:
            selectable = self._selectables.get(descriptor)
            if event == EPOLLIN and isinstance(selectable, UDPTransport):
                selectable.doRead()
            elif selectable is not None:  # else one before it has closed it
                callWithLogger(selectable, self._doReadOrWrite, selectable, descriptor, event)  # type: ignore[no-untyped-call]

    doIteration = doPoll


def install() -> None:
    """Make it the reactor of this process, unless there is one: `twistd --reactor` comes first."""
    if "twisted.internet.reactor" not in sys.modules:
        installReactor(Reactor())  # type: ignore[no-untyped-call]
