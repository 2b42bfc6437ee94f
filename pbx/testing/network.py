"""A network in memory: datagrams and connections, on a virtual clock, with the faults of a real one.

Every datagram is delayed, and may be lost, doubled or overtaken: at random (seeded) or exactly the n-th one. Of
connections, what is written is delayed, and exactly the n-th message may be the last one, whole or torn. Every one is
kept, so that a failing test can show what happened.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection
from typing import Any

from pbx.ladder import Step, kind_of
from pbx.testing.clock import VirtualClock
from pbx.testing.nat import Translator
from pbx.testing.streams import SimulatedStreams

Address = tuple[str, int]
Receiver = Callable[[bytes, Address], None]

LATE = 0.25  # seconds by which an overtaken datagram is late: longer than a round trip, shorter than T1


class SimulatedSocket:
    """One bound UDP socket.

    :ivar receiver: is called with each datagram and its source.
    """

    __slots__ = ("_address", "_inside", "_network", "_open", "receiver")

    def __init__(self, network: Network, address: Address, inside: Address) -> None:
        self._network = network
        self._address = address
        self._inside = inside
        self._open = True
        self.receiver: Receiver | None = None

    def getsockname(self) -> Address:
        """Its address, as its owner knows it."""
        return self._inside

    def sendto(self, packet: Any, address: Any) -> int:
        """Send a datagram; once closed, none."""
        if self._open:
            self._network.send(self._address, (address[0], address[1]), bytes(packet))
        return len(packet)

    def close(self) -> None:
        """Give the address back."""
        self._open = False
        self._network.release(self._address)


class Datagram:
    """One datagram that was sent, or one message over a connection.

    :ivar fate: "delivered", "lost", "doubled", "overtaken", or "nobody there"; "reset" when its connection was reset
        after it, "torn" when it was reset within it.
    """

    __slots__ = ("fate", "packet", "sent_at", "source", "target")

    def __init__(self, sent_at: float, source: Address, target: Address, packet: bytes, fate: str) -> None:
        self.sent_at = sent_at
        self.source = source
        self.target = target
        self.packet = packet
        self.fate = fate

    @property
    def kind(self) -> str:
        """What SIP message it is: "INVITE", or "200 INVITE" for an answer to one; "" when it is none."""
        return kind_of(self.packet)

    def __repr__(self) -> str:
        words = f"{len(self.packet)} bytes"
        if self.kind:
            words = self.packet.split(b"\r\n", 1)[0].decode("utf-8", "replace")
        fate = "" if self.fate == "delivered" else f" ({self.fate})"
        return f"{self.source[0]}:{self.source[1]} > {self.target[0]}:{self.target[1]} {words}{fate}"


class Loss:
    """A rule by which datagrams are lost."""

    __slots__ = ("_kind", "_source", "_target", "_times")

    def __init__(self, kind: str, source: str, target: str, times: int | None) -> None:
        self._kind = kind
        self._source = source
        self._target = target
        self._times = times

    def takes(self, datagram: Datagram) -> bool:
        """Whether it loses this one; what it has lost is counted."""
        if self._times == 0 or datagram.kind != self._kind:
            return False
        if self._source not in ("", datagram.source[0]) or self._target not in ("", datagram.target[0]):
            return False
        if self._times is not None:
            self._times -= 1
        return True

    def stops(self) -> None:
        """Lose no more."""
        self._times = 0

    @property
    def over(self) -> bool:
        """Whether it loses none any more."""
        return self._times == 0


class Network:
    """The network between the sockets bound to it.

    :param clock: its time.
    :param delay: seconds that a datagram takes.
    :param loss: the share of datagrams lost at random, 0.0 to 1.0.
    :param seed: makes that loss the same in every run.
    :param lose: the numbers of datagrams that are lost, counted from 0 by `counted`.
    :param double: the numbers of those that arrive twice.
    :param overtake: the numbers of those that arrive late.
    :param reset: the numbers of messages after which their connection is reset; they are counted like datagrams.
    :param tear: the numbers of those of which only the first half arrives before that.
    :param counted: which datagrams are counted; by default all.
    :ivar streams: its connections.
    :ivar translators: what stands between its parts, for datagrams.
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
        reset: Collection[int] = (),
        tear: Collection[int] = (),
        counted: Callable[[bytes], bool] = lambda packet: True,
    ) -> None:
        self._clock = clock
        self._delay = delay
        self._loss = loss
        self._random = random.Random(seed)
        self._lose = frozenset(lose)
        self._double = frozenset(double)
        self._overtake = frozenset(overtake)
        self._reset = frozenset(reset)
        self._tear = frozenset(tear)
        self._counted = counted
        self._losses: list[Loss] = []
        self._isolated: set[str] = set()
        self._sockets: dict[Address, SimulatedSocket] = {}
        self.count = 0
        self.sent: list[Datagram] = []
        self.streams = SimulatedStreams(clock, delay, self._carry)
        self.translators: list[Translator] = []

    @property
    def bound(self) -> list[Address]:
        """The addresses in use."""
        return sorted(self._sockets)

    def bind(self, host: str, port: int, inside: Address | None = None) -> SimulatedSocket:
        """Make a socket.

        :param inside: the address by which its owner knows it, where a NAT stands between; None for the same.
        :raises OSError: when the address is taken.
        """
        address = (host, port)
        if address in self._sockets:
            raise OSError(98, f"{host}:{port} is taken")
        bound = self._sockets[address] = SimulatedSocket(self, address, inside or address)
        return bound

    def count_again(
        self,
        *,
        lose: Collection[int] = (),
        double: Collection[int] = (),
        overtake: Collection[int] = (),
        reset: Collection[int] = (),
        tear: Collection[int] = (),
    ) -> None:
        """Count from 0 again, with other faults than before.

        :param lose: the numbers of datagrams that are lost from now on.
        :param double: the numbers of those that arrive twice.
        :param overtake: the numbers of those that arrive late.
        :param reset: the numbers of messages after which their connection is reset.
        :param tear: the numbers of those of which only the first half arrives before that.
        """
        self.count = 0
        self._reset, self._tear = frozenset(reset), frozenset(tear)
        self._lose, self._double, self._overtake = frozenset(lose), frozenset(double), frozenset(overtake)

    def loses(self, kind: str, *, source: str = "", target: str = "", times: int | None = 1) -> Loss:
        """Lose the next datagrams of a kind; return the rule, which can be stopped.

        :param kind: as `Datagram.kind` says it: "ACK", "200 INVITE".
        :param source: the host that they come from; "" for any.
        :param target: the host that they go to; "" for any.
        :param times: how many of them; None for all.
        """
        loss = Loss(kind, source, target, times)
        self._losses = [rule for rule in self._losses if not rule.over]
        self._losses.append(loss)
        return loss

    def isolates(self, host: str) -> None:
        """Lose all datagrams from and to a host, until it is reconnected."""
        self._isolated.add(host)

    def reconnects(self, host: str) -> None:
        """Let a host have the network again."""
        self._isolated.discard(host)

    def loses_at_random(self, loss: float, seed: int = 0) -> None:
        """Lose a share of what is counted from now on, 0.0 to 1.0; the same datagrams in every run."""
        self._loss = loss
        self._random = random.Random(seed)

    def release(self, address: Address) -> None:
        """Give an address back."""
        self._sockets.pop(address, None)

    def send(self, source: Address, target: Address, packet: bytes) -> None:
        """Carry a datagram."""
        for translator in self.translators:
            source = translator.outgoing(source, target)
        number = self._number(packet)
        fate, delays = "delivered", [self._delay]
        if number in self._lose or (self._loss and number >= 0 and self._random.random() < self._loss):
            fate, delays = "lost", []
        elif number in self._double:
            fate, delays = "doubled", [self._delay, 2 * self._delay]
        elif number in self._overtake:
            fate, delays = "overtaken", [LATE]
        datagram = Datagram(self._clock.seconds(), source, target, packet, fate)
        self.sent.append(datagram)
        if self._losses and any(loss.takes(datagram) for loss in self._losses):
            datagram.fate, delays = "lost", []
        if self._isolated and not self._isolated.isdisjoint((source[0], target[0])):
            datagram.fate, delays = "lost", []
        for delay in delays:
            self._clock.callLater(delay, self._deliver, datagram)

    def _carry(self, source: Address, target: Address, packet: bytes) -> str:
        """Decide the fate of a message over a connection."""
        number = self._number(packet)
        fate = "reset" if number in self._reset else "torn" if number in self._tear else "delivered"
        self.sent.append(Datagram(self._clock.seconds(), source, target, packet, fate))
        return fate

    def _number(self, packet: bytes) -> int:
        """The number of what is counted, from 0; -1 for all else."""
        if not self._counted(packet):
            return -1
        self.count += 1
        return self.count - 1

    def _deliver(self, datagram: Datagram) -> None:
        target: Address | None = datagram.target
        for translator in self.translators:
            if target is not None:
                target = translator.incoming(datagram.source, target)
        found = None if target is None else self._sockets.get(target)
        if found is None or found.receiver is None:
            datagram.fate = "nobody there"
        else:
            found.receiver(datagram.packet, datagram.source)

    def steps(self, first: int = 0) -> list[Step]:
        """What was sent of SIP, from the n-th datagram on, as the steps of a ladder.

        :param first: n.
        """
        start = self.sent[0].sent_at if self.sent else 0.0
        return [
            Step(
                datagram.sent_at - start,
                f"{datagram.source[0]}:{datagram.source[1]}",
                f"{datagram.target[0]}:{datagram.target[1]}",
                datagram.kind,
                "" if datagram.fate == "delivered" else datagram.fate,
            )
            for datagram in self.sent[first:]
            if datagram.kind
        ]

    def ladder(self) -> str:
        """All that was sent, one line each, with the seconds since the first."""
        start = self.sent[0].sent_at if self.sent else 0.0
        return "\n".join(f"{datagram.sent_at - start:9.3f} {datagram!r}" for datagram in self.sent)
