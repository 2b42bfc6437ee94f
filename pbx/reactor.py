from __future__ import annotations
import errno
from select import EPOLLIN
from typing import Any
from twisted.internet.epollreactor import EPollReactor
from twisted.python import log
from pbx.sip.transport import UDPTransport

class Reactor(EPollReactor):
    def doPoll(self, timeout: float | None) -> None:
        try:
            ready = self._poller.poll(-1 if timeout is None else timeout, len(self._selectables))
        except InterruptedError:
            return
        for fd, event in ready:
            selectable = self._selectables.get(fd)
            if selectable is None:
                continue
            if event == EPOLLIN and type(selectable) is UDPTransport:
                selectable.doRead()
            else:
                log.callWithLogger(selectable, self._doReadOrWrite, selectable, fd, event)

    doIteration = doPoll

    def mainLoop(self) -> None:
        while self._started:
            try:
                while self._started:
                    self.runUntilCurrent()
                    self.doPoll(self.running and self.timeout())
            except BaseException:
                log.err()

def install() -> None:
    from twisted.internet.main import installReactor
    installReactor(Reactor())
