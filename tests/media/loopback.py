"""Relays on real sockets, in virtual time: a turn is taken when a test says so, and loopback delivers at once."""

from __future__ import annotations

import select
import socket
from typing import Any

from pbx.media import rtp
from pbx.media.native import NativeThreads
from pbx.media.port import Port
from pbx.media.relay import Relay
from pbx.media.rtp import Address, Packet
from pbx.media.side import Side, StreamFacts
from pbx.media.sockets import PAUSE, SILENCE, MediaSockets
from pbx.sip.identifiers import Identifiers
from pbx.testing.clock import VirtualClock
from tests.media.network import CODECS, port, result
from tests.media.notes import Notes
from tests.phones.process import PROCESS

HOST, ALICE, BOB = "127.0.0.1", "127.0.0.11", "127.0.0.22"
NAT, MALLORY = "127.0.0.12", "127.0.0.66"
PORTS = range(21200 + 200 * PROCESS, 21300 + 200 * PROCESS)
AUDIO = "m=audio {} RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\n"
MUX = AUDIO + "a=rtcp-mux\r\n"
PLAIN = rtp.build(bytes(160), 0, 1, 160, 1234)


class Turns(VirtualClock):
    """A reactor that takes one turn when it is told to. Loopback delivers at once, so nothing has to be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.readers: set[Any] = set()

    def addReader(self, reader: Any) -> None:
        self.readers.add(reader)

    def removeReader(self, reader: Any) -> None:
        self.readers.discard(reader)

    def turn(self, seconds: float = PAUSE) -> None:
        """So much later: timers, then what is readable."""
        self.advance(seconds)
        for reader in list(self.readers):
            if select.select([reader], [], [], 0)[0]:
                reader.doRead()


def heard(phone: socket.socket) -> list[bytes]:
    """All that has come to a phone."""
    packets = []
    while True:
        try:
            packets.append(phone.recv(65536))
        except BlockingIOError:
            return packets


class Phone(Notes):
    """A phone with its two sockets, at the address that the exchange sees; what that tells of it, it notes itself."""

    def __init__(self, loopback: Loopback, host: str) -> None:
        super().__init__()
        self.loopback = loopback
        self.rtp, self.rtcp = (self._bound(host) for _ in range(2))
        self.sequence = 0

    @staticmethod
    def _bound(host: str) -> socket.socket:
        one = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        one.bind((host, 0))
        one.setblocking(False)
        return one

    @property
    def address(self) -> Any:
        """Where its RTP comes from."""
        return self.rtp.getsockname()

    def describes(self, lines: str = AUDIO, host: str = "") -> bytes:
        """Its description.

        :param host: what it believes its address to be.
        """
        host = host or self.address[0]
        family = "IP6" if ":" in host else "IP4"
        head = f"v=0\r\no=phone 1 1 IN {family} {host}\r\ns=-\r\nc=IN {family} {host}\r\nt=0 0\r\n"
        first, _, rest = lines.partition("\r\n")
        body = f"{first}\r\na=rtcp:{self.rtcp.getsockname()[1]}\r\n{rest}"
        return (head + body.replace("{}", str(self.address[1]))).encode()

    def says(self, to: Port, payload: bytes = b"hello", payload_type: int = 0, **more: Any) -> bytes:
        """Send one RTP packet to a port of the relay, and let it take its turn."""
        self.sequence += 1
        timestamp = more.pop("timestamp", 160 * self.sequence)
        packet = rtp.build(payload, payload_type, self.sequence & 0xFFFF, timestamp, 1234, **more)
        self.sends(packet, to.number)
        return packet

    def sends(self, packet: bytes, number: int) -> None:
        """Send anything to a port of the exchange, and let it take its turn."""
        self.rtp.sendto(packet, (self.loopback.host, number))
        self.loopback.turn()

    def reports_to(self, to: Port) -> bytes:
        """Send one RTCP packet to a port of the relay, and let it take its turn."""
        self.sequence += 1
        packet = bytes([0x80, 201, 0, 1]) + (self.sequence & 0xFFFFFFFF).to_bytes(4, "big")
        self.rtcp.sendto(packet, (self.loopback.host, to.number + 1))
        self.loopback.turn()
        return packet

    def heard(self) -> list[bytes]:
        """The RTP that came since the last time."""
        return heard(self.rtp)

    def reports(self) -> list[bytes]:
        """The RTCP that came since the last time."""
        return heard(self.rtcp)


class Tape:
    """A receiver that keeps everything."""

    def __init__(self) -> None:
        self.rtp: list[tuple[bytes, Address]] = []
        self.rtcp: list[tuple[bytes, Address]] = []

    def rtp_received(self, packet: Packet, source: Address) -> None:
        self.rtp.append((bytes(packet), source))

    def rtcp_received(self, packet: Packet, source: Address) -> None:
        self.rtcp.append((bytes(packet), source))

    def time_passed(self, before: float) -> None:
        """It does not mind."""


class Loopback:
    """A relay, native or in Python, and its phones.

    :param ports: the range of UDP ports that it has.
    """

    def __init__(self, native: bool, host: str = HOST, ports: range = PORTS) -> None:
        self.host = host
        self.turns = Turns()
        self.threads = NativeThreads(self.turns, 2, SILENCE, threaded=False) if native else None
        self.sockets = MediaSockets(self.turns, ports, self.threads)
        self.relay = Relay(self.sockets, self.turns, CODECS, Identifiers())
        self.phones: list[Phone] = []
        self.sides: list[Side] = []

    def turn(self, seconds: float = PAUSE) -> None:
        """Let the relay pass on what has come."""
        self.turns.advance(seconds)
        if self.threads is not None:
            self.threads.turn()
        self.turns.turn(0)

    def wait(self, seconds: int) -> None:
        """So many seconds pass."""
        for _ in range(seconds):
            self.turn(1.0)

    def phone(self, host: str) -> Phone:
        """A phone at that address of this machine."""
        self.phones.append(Phone(self, host))
        return self.phones[-1]

    def side(self, phone: Phone, signalling_host: str = "") -> Side:
        """The media of a session with a phone."""
        side = self.relay.side(self.host, self.host, signalling_host)
        side.user = phone
        self.sides.append(side)
        return side

    def call(self, alice: Phone, bob: Phone, lines: str = AUDIO, signalling_host: str = "") -> tuple[Side, Side]:
        """Connect two phones."""
        caller, callee = self.side(alice, signalling_host), self.side(bob)
        result(self.relay.offer(caller, callee, alice.describes(lines)))
        result(self.relay.answer(callee, caller, bob.describes(lines)))
        return caller, callee

    def is_lent(self) -> bool:
        """Whether a native thread has what it can have."""
        return self.threads is None or self.threads.lent == 1

    def close(self) -> None:
        """End all, and see that nothing is left."""
        for side in self.sides:
            self.relay.close(side)
        assert self.threads is None or self.threads.lent == 0
        assert self.relay.ports_in_use == 0
        self.sockets.close()
        for phone in self.phones:
            phone.rtp.close()
            phone.rtcp.close()
        assert not self.turns.readers


def facts(loopback: Loopback, side: Side) -> StreamFacts:
    """What is known of a side's first stream."""
    return result(loopback.relay.statistics([side]))[0][0]


def talk(relay: Loopback, alice: Phone, bob: Phone, lines: str = AUDIO) -> tuple[Side, Side]:
    """A call in which both have spoken, so that a native thread has it."""
    caller, callee = relay.call(alice, bob, lines)
    alice.says(port(caller))
    bob.says(port(callee))
    assert len(alice.heard()) == len(bob.heard()) == 1
    assert relay.is_lent()
    return caller, callee


def press(phone: Phone, to: Port, key: int, start: int, parts: list[int]) -> None:
    """Send these of a key's eight packets, the last three of which say that it is over."""
    for number in parts:
        payload = bytes([key, 0x8A if number > 4 else 10]) + (160 * min(number + 1, 6)).to_bytes(2, "big")
        phone.says(to, payload, 101, timestamp=start, marker=number == 0)


__all__ = [
    "ALICE",
    "AUDIO",
    "BOB",
    "HOST",
    "MALLORY",
    "MUX",
    "NAT",
    "PLAIN",
    "PORTS",
    "Loopback",
    "Phone",
    "Tape",
    "Turns",
    "facts",
    "heard",
    "port",
    "press",
    "result",
    "talk",
]
