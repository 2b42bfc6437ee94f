"""A network in memory that delivers at once, the relay's sockets in it, and phones that speak RTP and SDP."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from pbx.media import rtp
from pbx.media.errors import NoPorts
from pbx.media.port import Port
from pbx.media.relay import Relay, Result, when
from pbx.media.rtp import Address, Packet
from pbx.media.side import Side
from pbx.sip import sdp
from pbx.sip.identifiers import Identifiers
from pbx.testing.clock import VirtualClock

T = TypeVar("T")
Receive = Callable[[memoryview, Address], None]
HOST = "192.0.2.1"
AUDIO = "m=audio {} RTP/AVP 0\r\n"
VIDEO = "m=video 6000 RTP/AVP 31\r\n"
MALLORY = ("203.0.113.66", 666)
CODECS = ("opus", "G722", "PCMA", "PCMU", "telephone-event")


class Socket:
    """What the relay sends through."""

    def __init__(self, network: Network, address: Address) -> None:
        self.network, self.address = network, address

    def sendto(self, packet: Packet, address: Address, /) -> int:
        """Deliver at once; a closed socket refuses, as the kernel's does."""
        if self.address not in self.network.receivers:
            raise OSError("closed")
        self.network.deliver(bytes(packet), self.address, address)
        return len(packet)


class Pair:
    """Two neighbouring ports of the relay."""

    def __init__(self, network: Network, host: str, number: int) -> None:
        self.number = number
        self.rtp = Socket(network, (host, number))
        self.rtcp = Socket(network, (host, number + 1))

    def lend(self, port: Port, other: Port) -> None:
        """There is no native thread."""

    def close(self) -> None:
        """Nothing is received afterwards."""
        for one in (self.rtp, self.rtcp):
            del one.network.receivers[one.address]


class Network:
    """All addresses, and who listens there.

    :param pairs: how many pairs the relay may have.
    """

    def __init__(self, pairs: int = 1000) -> None:
        self.receivers: dict[Address, Receive] = {}
        self._pairs = pairs
        self._next = 10_000

    @property
    def in_use(self) -> int:
        """Ports that the relay has."""
        return sum(isinstance(getattr(receive, "__self__", None), Port) for receive in self.receivers.values())

    def open(self, host: str, receiver: Port) -> Pair:
        """A pair for the relay."""
        if self.in_use >= 2 * self._pairs:
            raise NoPorts(f"all RTP ports of {host} are in use")
        pair = Pair(self, host, self._next)
        self._next += 2
        self.receivers[pair.rtp.address] = receiver.rtp_received
        self.receivers[pair.rtcp.address] = receiver.rtcp_received
        return pair

    def deliver(self, packet: bytes, source: Address, target: Address) -> None:
        """Hand a datagram over in a buffer that is spoilt afterwards: nobody may keep it."""
        receive = self.receivers.get(target)
        if receive is not None:
            buffer = bytearray(packet)
            receive(memoryview(buffer), source)
            buffer[:] = bytes(len(buffer))


class Phone:
    """Two addresses that remember what came.

    :param host: its address, as its network sees it.
    :param payload_type: of what it says.
    """

    def __init__(self, network: Network, host: str, port: int, payload_type: int = 0) -> None:
        self.network = network
        self.rtp, self.rtcp = (host, port), (host, port + 1)
        self.heard: list[bytes] = []
        self.reports: list[bytes] = []
        self.payload_type = payload_type
        self.sequence = 0
        network.receivers[self.rtp] = lambda packet, source: self.heard.append(bytes(packet))
        network.receivers[self.rtcp] = lambda packet, source: self.reports.append(bytes(packet))

    def describes(self, lines: str = AUDIO, host: str = "") -> bytes:
        """Its description.

        :param lines: the m-lines and what is under them; {} is its port.
        :param host: what it believes its address to be.
        """
        host = host or self.rtp[0]
        family = "IP6" if ":" in host else "IP4"
        head = f"v=0\r\no=phone 1 1 IN {family} {host}\r\ns=-\r\nc=IN {family} {host}\r\nt=0 0\r\n"
        return (head + lines.replace("{}", str(self.rtp[1]))).encode()

    def says(self, port: Port, payload: bytes = b"hello", source: Address | None = None) -> bytes:
        """Send one RTP packet to a port of the relay."""
        self.sequence += 1
        packet = rtp.build(payload, self.payload_type, self.sequence, 160 * self.sequence, 1234)
        self.network.deliver(packet, source or self.rtp, (HOST, port.number))
        return packet

    def reports_to(self, port: Port, source: Address | None = None) -> bytes:
        """Send one RTCP packet to a port of the relay."""
        packet = bytes([0x80, 201, 0, 1]) + self.sequence.to_bytes(4, "big")
        self.network.deliver(packet, source or self.rtcp, (HOST, port.number + 1))
        return packet


class Exchange:
    """A relay in its network."""

    def __init__(self, pairs: int = 1000) -> None:
        self.network = Network(pairs)
        self.clock = VirtualClock()
        self.relay = Relay(
            self.network, self.clock, CODECS, Identifiers(lambda size: bytes(range(256)) * (size // 256))
        )

    def side(self, host: str = HOST, shown_host: str = HOST, signalling_host: str = "") -> Side:
        """A side without ports."""
        return self.relay.side(host, shown_host, signalling_host)

    def phone(self, host: str, port: int = 4000, payload_type: int = 0) -> Phone:
        """A phone at that address."""
        return Phone(self.network, host, port, payload_type)

    def call(self, alice: Phone, bob: Phone, lines: str = AUDIO) -> tuple[Side, Side]:
        """Connect two phones."""
        caller, callee = self.side(), self.side()
        result(self.relay.offer(caller, callee, alice.describes(lines)))
        result(self.relay.answer(callee, caller, bob.describes(lines)))
        return caller, callee


def result(result: Result[T]) -> T:
    """A result, also of a Deferred that has fired, or the exception that it failed with."""
    results: list[T] = []
    failures: list[BaseException] = []
    when(result, results.append, lambda failure: failures.append(failure.value))
    for failure in failures:
        raise failure
    return results[0]


def port(side: Side, place: int = 0) -> Port:
    """The port of a stream that must have one."""
    found = side.ports[place]
    assert found is not None
    return found


def shown(text: bytes) -> list[tuple[str, int, tuple[str, ...]]]:
    """Kind, port and formats of each stream of a description."""
    return [(media.kind, media.port, media.formats) for media in sdp.parse(text).media]


def assert_talking(one: tuple[Phone, Side], other: tuple[Phone, Side]) -> None:
    """What either says, RTP and RTCP, the other hears, and nobody hears himself."""
    for (speaker, side), (listener, _) in ((one, other), (other, one)):
        for heard in (speaker.heard, speaker.reports, listener.heard, listener.reports):
            heard.clear()
        assert [speaker.says(port(side))] == listener.heard
        assert [speaker.reports_to(port(side))] == listener.reports
        assert speaker.heard == speaker.reports == []
