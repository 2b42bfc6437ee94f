"""A network in memory: datagrams between simulated sockets, on a virtual clock, with the faults of a real one.

Every datagram is delayed, and may be lost, doubled or overtaken: at random (seeded) or exactly the n-th one. Every one
is kept, so that a failing test can show what happened.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection
from typing import Any

from pbx.testing.clock import VirtualClock

Address = tuple[str, int]
Receiver = Callable[[bytes, Address], None]

LATE = 0.25  # seconds by which an overtaken datagram is late: longer than a round trip, shorter than T1


class SimulatedSocket:
    """One bound UDP socket.

    :ivar receiver: is called with each datagram and its source.
    """

    __slots__ = ("_address", "_network", "receiver")

    def __init__(self, network: Network, address: Address) -> None:
        self._network = network
        self._address = address
        self.receiver: Receiver | None = None

    def getsockname(self) -> Address:
        """Its address."""
        return self._address

    def sendto(self, packet: Any, address: Any) -> int:
        """Send a datagram."""
        self._network.send(self._address, (address[0], address[1]), bytes(packet))
        return len(packet)

    def close(self) -> None:
        """Give the address back."""
        self._network.release(self._address)


class Datagram:
    """One datagram that was sent.

    :ivar fate: "delivered", "lost", "doubled", "overtaken", or "nobody there".
    """

    __slots__ = ("fate", "packet", "sent_at", "source", "target")

    def __init__(self, sent_at: float, source: Address, target: Address, packet: bytes, fate: str) -> None:
        self.sent_at = sent_at
        self.source = source
        self.target = target
        self.packet = packet
        self.fate = fate

    def __repr__(self) -> str:
        words = self.packet.split(b"\r\n", 1)[0].decode("utf-8", "replace")
        fate = "" if self.fate == "delivered" else f" ({self.fate})"
        return f"{self.source[0]}:{self.source[1]} > {self.target[0]}:{self.target[1]} {words}{fate}"


class Network:
    """The network between the sockets bound to it.

    :param clock: its time.
    :param delay: seconds that a datagram takes.
    :param loss: the share of datagrams lost at random, 0.0 to 1.0.
    :param seed: makes that loss the same in every run.
    :param lose: the numbers of datagrams that are lost, counted from 0 by `counted`.
    :param double: the numbers of those that arrive twice.
    :param overtake: the numbers of those that arrive late.
    :param counted: which datagrams are counted; by default all.
    """

    def __init__(
        self,
        clock: VirtualClock,
        *,
        delay: float = 1 / 128,
        loss: float = 0.0,
        seed: int = 0,
        lose: Collection[int] = (),
        double: Collection[int] = (),
        overtake: Collection[int] = (),
        counted: Callable[[bytes], bool] = lambda packet: True,
    ) -> None:
        self._clock = clock
        self._delay = delay
        self._loss = loss
        self._random = random.Random(seed)
        self._lose = frozenset(lose)
        self._double = frozenset(double)
        self._overtake = frozenset(overtake)
        self._counted = counted
        self._sockets: dict[Address, SimulatedSocket] = {}
        self.count = 0
        self.sent: list[Datagram] = []

    @property
    def bound(self) -> list[Address]:
        """The addresses in use."""
        return sorted(self._sockets)

    def bind(self, host: str, port: int) -> SimulatedSocket:
        """Make a socket.

        :raises OSError: when the address is taken.
        """
        address = (host, port)
        if address in self._sockets:
            raise OSError(98, f"{host}:{port} is taken")
        bound = self._sockets[address] = SimulatedSocket(self, address)
        return bound

    def release(self, address: Address) -> None:
        """Give an address back."""
        self._sockets.pop(address, None)

    def send(self, source: Address, target: Address, packet: bytes) -> None:
        """Carry a datagram."""
        number = -1
        if self._counted(packet):
            number = self.count
            self.count += 1
        fate, delays = "delivered", [self._delay]
        if number in self._lose or (self._loss and self._random.random() < self._loss):
            fate, delays = "lost", []
        elif number in self._double:
            fate, delays = "doubled", [self._delay, 2 * self._delay]
        elif number in self._overtake:
            fate, delays = "overtaken", [LATE]
        datagram = Datagram(self._clock.seconds(), source, target, packet, fate)
        self.sent.append(datagram)
        for delay in delays:
            self._clock.callLater(delay, self._deliver, datagram)

    def _deliver(self, datagram: Datagram) -> None:
        found = self._sockets.get(datagram.target)
        if found is None or found.receiver is None:
            datagram.fate = "nobody there"
        else:
            found.receiver(datagram.packet, datagram.source)

    def ladder(self) -> str:
        """All that was sent, one line each, with the seconds since the first."""
        start = self.sent[0].sent_at if self.sent else 0.0
        return "\n".join(f"{datagram.sent_at - start:9.3f} {datagram!r}" for datagram in self.sent)
