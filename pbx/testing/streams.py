"""Connections in memory, on a virtual clock: what is written arrives whole and in order, until the connection is reset.

What passes is told to `carry`, which decides its fate: a connection may be reset after any message, or within it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost, ConnectionRefusedError
from twisted.python.failure import Failure

from pbx.testing.clock import VirtualClock

Address = tuple[str, int]
Accept = Callable[[Address, str], Any]
Carry = Callable[[Address, Address, bytes], str]
"""Is told of what one end sends to the other, and answers "delivered", "reset" or "torn"."""

FIRST_PORT = 50_000  # of those that make connections
GIVEN_UP = 30.0  # seconds after which a peer is taken to be gone that does not confirm what was sent to it


class SimulatedStream:
    """One end of a connection: what Twisted calls its transport.

    :ivar protocol: whom it tells; None once the connection is gone.
    """

    __slots__ = ("_closing", "_streams", "address", "other", "protocol")

    def __init__(self, streams: SimulatedStreams, address: Address, protocol: Any) -> None:
        self._streams = streams
        self._closing = False
        self.address = address
        self.protocol: Any = protocol
        self.other: SimulatedStream | None = None

    def write(self, data: bytes) -> None:
        """Send bytes."""
        if self.protocol is not None and not self._closing:
            self._streams.write(self, bytes(data))

    def loseConnection(self) -> None:
        """Close the connection; the other end closes it, too, when it hears of that."""
        if self.protocol is not None and not self._closing:
            self._closing = True
            self._streams.end(self, ConnectionDone(), later=True)

    def abortConnection(self) -> None:
        """Reset the connection."""
        if self.protocol is not None:
            self._closing = True
            self._streams.end(self, ConnectionAborted(), later=False)

    def receive(self, data: bytes) -> None:
        """Bytes came."""
        if self.protocol is not None and not self._closing:
            self.protocol.dataReceived(data)

    def lose(self, error: Exception) -> None:
        """The connection is gone."""
        protocol, self.protocol = self.protocol, None
        if protocol is not None:
            self._streams.open -= 1
            protocol.connectionLost(Failure(error))  # type: ignore[no-untyped-call]


class SimulatedDialer:
    """Where the connections of one host come from (`pbx.sip.stream_transport.Dialer`)."""

    def __init__(self, streams: SimulatedStreams, host: str) -> None:
        self._streams = streams
        self._host = host

    def dial(self, connection: Any, address: Any, source: str, wrap: Callable[[Any], Any]) -> SimulatedStream:
        """Connect; the host's own address counts, since a NAT may stand before the one that it believes to have."""
        return self._streams.dial(self._host, wrap(connection), (address[0], address[1]))


class SimulatedStreams:
    """All connections of a network.

    :param clock: its time.
    :param delay: seconds that bytes take.
    :param carry: told of all that passes.
    :ivar open: how many ends of connections there are.
    """

    def __init__(self, clock: VirtualClock, delay: float, carry: Carry) -> None:
        self.open = 0
        self._clock = clock
        self._delay = delay
        self._carry = carry
        self._listeners: dict[Address, Accept] = {}
        self._unplugged: set[str] = set()
        self._port = FIRST_PORT

    def listen(self, address: Address, accept: Accept) -> None:
        """Accept connections at an address.

        :param accept: returns what is told of a connection, or None when it is not wanted.
        """
        self._listeners[address] = accept

    def dialer(self, host: str) -> SimulatedDialer:
        """Where the connections of a host come from."""
        return SimulatedDialer(self, host)

    def unplug(self, host: str) -> None:
        """Nothing comes from this host any more, and nothing reaches it."""
        self._unplugged.add(host)

    def dial(self, host: str, protocol: Any, address: Address) -> SimulatedStream:
        """Make a connection."""
        self._port += 1
        self.open += 1
        near = SimulatedStream(self, (host, self._port), protocol)
        if self._unplugged & {host, address[0]}:
            self._clock.callLater(GIVEN_UP, near.lose, ConnectionLost())
        else:
            self._clock.callLater(self._delay, self._arrive, near, address)
        return near

    def write(self, end: SimulatedStream, data: bytes) -> None:
        """Carry what one end sends."""
        other = end.other
        assert other is not None
        if self._unplugged & {end.address[0], other.address[0]}:
            self._clock.callLater(GIVEN_UP, end.lose, ConnectionLost())
            return
        fate = self._carry(end.address, other.address, data)
        if fate == "torn":
            data = data[: len(data) // 2]
        self._clock.callLater(self._delay, other.receive, data)
        if fate != "delivered":
            self._clock.callLater(self._delay, other.lose, ConnectionLost())
            self._clock.callLater(2 * self._delay, end.lose, ConnectionLost())

    def end(self, end: SimulatedStream, error: Exception, later: bool) -> None:
        """One end wants no more.

        :param later: whether it waits for the other to agree.
        """
        other = end.other
        self._clock.callLater(2 * self._delay if later else 0, end.lose, error)
        if other is not None and not self._unplugged & {end.address[0], other.address[0]}:
            self._clock.callLater(self._delay, other.lose, ConnectionDone() if later else ConnectionLost())

    def _arrive(self, near: SimulatedStream, address: Address) -> None:
        if near.protocol is None:
            return  # given up meanwhile
        accept = self._listeners.get(address)
        protocol = accept(near.address, address[0]) if accept is not None else None
        if protocol is None:
            refused = ConnectionRefusedError()  # type: ignore[no-untyped-call]
            self._clock.callLater(self._delay, near.lose, refused)
            return
        self.open += 1
        far = SimulatedStream(self, address, protocol)
        near.other, far.other = far, near
        protocol.makeConnection(far)
        self._clock.callLater(self._delay, self._connected, near)

    def _connected(self, near: SimulatedStream) -> None:
        if near.protocol is not None and not near._closing:
            near.protocol.makeConnection(near)
