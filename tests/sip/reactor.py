"""Twisted's reactor on real sockets, in time that a test makes: it passes only where no socket has anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from twisted.internet.epollreactor import EPollReactor
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure

_TURNS = 20_000


class Reactor(EPollReactor):
    """:ivar now: the time, seconds since 1970."""

    def __init__(self) -> None:
        self.now = 1_773_133_200.0
        self._moved = False
        super().__init__()

    def seconds(self) -> float:
        return self.now

    def _doReadOrWrite(self, *args: object) -> None:
        self._moved = True
        super()._doReadOrWrite(*args)

    def until(self, condition: Callable[[], object]) -> None:
        """Run until something holds; time passes only while nothing else happens."""
        for _ in range(_TURNS):
            if condition():
                return
            self._moved = False
            self.iterate(0)
            waiting = self.timeout()
            if not self._moved and waiting and not condition():
                self.now += waiting
        raise AssertionError("nothing happens any more")

    def settle(self) -> None:
        """Run until no socket has anything more, and no time passes."""
        quiet = 0
        while quiet < 3:
            self._moved = False
            self.iterate(0)
            quiet = 0 if self._moved else quiet + 1


@contextmanager
def reactor() -> Iterator[Reactor]:
    """A reactor whose sockets are closed at the end."""
    one = Reactor()
    try:
        yield one
    finally:
        one.settle()
        for selectable in [*one.removeAll(), *one._internalReaders]:
            selectable.connectionLost(Failure(ConnectionDone()))
        one._poller.close()


class Peer:
    """What a connection tells (Twisted's protocol).

    :ivar transport: the connection; None before.
    :ivar received: all that came.
    :ivar lost: why it was lost; None while it was not.
    """

    def __init__(self) -> None:
        self.transport: Any = None
        self.received = b""
        self.lost: Exception | None = None

    def makeConnection(self, transport: Any) -> None:
        self.transport = transport

    def dataReceived(self, data: bytes) -> None:
        self.received += data

    def connectionLost(self, reason: Failure) -> None:
        assert self.lost is None
        self.lost = reason.value
