"""A stream transport of ours on a simulated network, in virtual time, and peers that talk to it."""

from __future__ import annotations

from pbx.sip.addresses import Addresses
from pbx.sip.connection import Connection
from pbx.sip.occupancy import Occupancy
from pbx.sip.stream_transport import StreamTransport
from pbx.testing.clock import VirtualClock
from pbx.testing.streams import GIVEN_UP, SimulatedStreams
from tests.sip.datagrams import Layer
from tests.sip.reactor import Peer

OURS = ("192.0.2.1", 5060)
THEIRS = ("192.0.2.9", 5060)
DELAY = 1 / 128


def message(
    start: str = "OPTIONS sip:1001@192.0.2.1 SIP/2.0",
    via: str = "SIP/2.0/TCP 192.0.2.9;branch=z9hG4bK1",
    length: str = "Content-Length: 0\r\n",
) -> bytes:
    """A message with the fields that it must have."""
    fields = "From: <sip:a@192.0.2.9>;tag=1\r\nTo: <sip:b@192.0.2.1>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n"
    return f"{start}\r\nVia: {via}\r\n{fields}{length}\r\n".encode()


OPTIONS = message()
OK = message("SIP/2.0 200 OK", via="SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK1")


class Site:
    """A transport of ours on a simulated network, and peers."""

    def __init__(self, name: str = "TCP", security=None, **limits: int) -> None:
        self.clock = VirtualClock()
        self.carried: list[bytes] = []
        self.fates: list[str] = []
        self.streams = SimulatedStreams(self.clock, DELAY, self._carry)
        self.ear = Layer()
        self.counts = self.ear.counts
        dialer = self.streams.dialer(OURS[0])
        occupancy = Occupancy(**({"in_all": 5000, "per_address": 500} | limits))
        self.transport = StreamTransport(
            name, OURS, self.ear, Addresses(), self.counts, self.clock, dialer, occupancy, security
        )
        self.streams.listen(OURS, self.transport.accept)
        self.called: list[Peer] = []

    def _carry(self, source, target, packet) -> str:
        self.carried.append(packet)
        return self.fates.pop(0) if self.fates else "delivered"

    def peer(self, *packets: bytes, host: str = "192.0.2.9") -> Peer:
        """A peer that connects, and what it sends, one piece after the other."""
        peer = Peer()
        self.streams.dial(host, peer, OURS)
        self.advance(0.25)
        for packet in packets:
            peer.transport.write(packet)
            self.advance(0.25)
        return peer

    def listens(self, address=THEIRS) -> None:
        """A peer that takes connections."""

        def accept(source, target) -> Peer:
            self.called.append(Peer())
            return self.called[-1]

        self.streams.listen(address, accept)

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)

    def assert_idle(self) -> None:
        self.advance(0.25)
        self.transport.stop()
        self.advance(GIVEN_UP)
        assert not self.transport.connections
        assert self.clock.pending == []
        assert self.streams.open == 0


class Guard:
    """TLS that a test decides about (`pbx.sip.connection.Security`).

    :ivar names: whose certificates peers have shown.
    """

    def __init__(self, *names: str) -> None:
        self.names = names
        self.connections: list[Connection] = []

    def users(self, socket):
        return frozenset()

    def server(self, connection):
        self.connections.append(connection)
        return connection

    client = server

    def trusts(self, socket, domain):
        return domain in self.names

    proves = trusts
