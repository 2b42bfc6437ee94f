"""One generation: an exchange, phones that do anything at any time over a network that damages what it carries, and
strangers who send what was published to break SIP stacks.

What must hold: nothing is logged as an error and nothing escapes; what the exchange sends can be read; no packet takes
long; and after each round, when all is quiet, nothing is left of any call.
"""

from __future__ import annotations

import gc
import random
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from ipaddress import ip_network
from typing import Any

from twisted.logger import ILogObserver, LogEvent, LogLevel, eventAsText, globalLogPublisher
from twisted.python.failure import Failure
from zope.interface import implementer

from fuzz.mutation import damaged
from fuzz.strangers import PORTS, PUBLISHED, REQUESTS, Stranger
from pbx.dialplan import Call, Plan, ext, uri
from pbx.exchange.caller import Caller
from pbx.exchange.events import Events
from pbx.exchange.thresholds import Thresholds
from pbx.sip.errors import Malformed
from pbx.sip.flow import SIP_PORT
from pbx.sip.interval import Interval
from pbx.sip.message import Request
from pbx.sip.parser import parse
from pbx.sip.publication import Publication
from pbx.testing.exchange import SimulatedExchange, is_sip
from pbx.testing.network import Address, Receiver
from pbx.testing.phone import Phone
from pbx.testing.streams import Accept

ACCOUNTS = {"1001": "one", "1002": "two", "1003": "three", "1004": "four"}
DIALLED = ("1001", "1002", "1003", "1004", "91002", "600", "601", "602", "603", "604", "605", "606", "999", "")
PAUSES = (0.0, 1 / 64, 1 / 16, 0.25, 0.5, 1.0, 4.0, 35.0)  # seconds
SLOW = 0.25  # CPU seconds; whoever can make a packet cost that much needs only four of them a second
LOST = ("INVITE", "100 INVITE", "180 INVITE", "200 INVITE", "ACK", "CANCEL", "487 INVITE", "BYE", "200 BYE")
QUIET = 256.0  # seconds after which nothing of a round may be left
INTRUSION = 0.3  # as often, when a phone does something, a stranger does
KEEP_ALIVES = (b"\r\n", b"\x01\x01")  # answers to those of RFC 5626 4.4.1 and of STUN
KEPT = 500  # datagrams that others may be spliced with
TRANSPORTS = ("UDP", "UDP", "TCP", "TLS")
GROWTH = 2000  # objects; nonces, flows and bindings come and go

plan = Plan()


@plan.internal("<number:1XXX>")
@plan.anonymous("<number:1XXX>")
async def extension(call: Call, number: str) -> None:
    await call.dial(ext(number), timeout=20)


@plan.internal("9<number:1XXX>")
async def attended(call: Call, number: str) -> None:
    await call.answer()
    await call.dial(ext(number), timeout=20)


@plan.internal("600")
async def echo(call: Call) -> None:
    await call.echo()


@plan.internal("601")
async def team(call: Call) -> None:
    await call.dial(ext("1002"), ext("1003"), ext("1004"), timeout=20)


@plan.internal("602")
async def nobody(call: Call) -> None:
    await call.dial(uri("sip:zoe@10.0.9.9"), timeout=20)


@plan.internal("603")
async def declined(call: Call) -> None:
    await call.reject()


@plan.internal("604")
async def moved(call: Call) -> None:
    await call.redirect("sip:desk@example.org")


@plan.internal("605")
async def itself(call: Call) -> None:
    await call.dial(uri("sip:1002@10.0.0.1"), timeout=20)


@plan.internal("606")
async def one_after_the_other(call: Call) -> None:
    await call.dial(ext("1002"), timeout=5)
    await call.dial(ext("1003"), timeout=5)


class Lamp:
    """An event package: there is something to subscribe to, and something to publish."""

    name = "lamp"
    kinds = ("text/plain",)
    interval = Interval()
    throttle = 1.0

    def __init__(self, events: Events) -> None:
        self._events = events
        events.offer(self)
        events.accept(self)

    def admit(self, sender: Caller, resource: str) -> None:
        """Everybody may watch all."""

    def state(self, resource: str, version: int, watcher: str) -> tuple[str, bytes]:
        """As ever."""
        return "text/plain", b"dark"

    def understands(self, body: bytes) -> None:
        """All that comes."""

    def published(self, resource: str, publications: list[Publication]) -> None:
        """Somebody has published something."""
        self._events.changed(self.name, resource)


@dataclass
class Figures:
    """What happened."""

    rounds: int = 0
    datagrams: int = 0
    pieces: int = 0  # of streams
    damaged: int = 0
    slowest: float = 0.0
    growth: int = 0
    strangers: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    drops: Counter[str] = field(default_factory=Counter)

    def add(self, other: Figures) -> None:
        """Take those of another generation in."""
        self.rounds += other.rounds
        self.datagrams += other.datagrams
        self.pieces += other.pieces
        self.damaged += other.damaged
        self.slowest = max(self.slowest, other.slowest)
        self.growth = max(self.growth, other.growth)
        self.strangers += other.strangers
        self.answers += other.answers
        self.drops += other.drops


@implementer(ILogObserver)
class Generation:
    """One exchange and its phones, from the first round to the last.

    :param seed: with `number` it makes a generation the same each time.
    """

    def __init__(self, seed: int, number: int) -> None:
        self.name = f"seed {seed}, generation {number}"
        self.figures = Figures()
        everywhere = Thresholds(allow=(ip_network("0.0.0.0/0"), ip_network("::/0")))
        self.sim = SimulatedExchange(plan, ACCOUNTS, thresholds=everywhere, traced=(10, 2**18))
        Lamp(self.sim.exchange.switchboard.events)
        self._source = random.Random(f"{seed} {number}")
        self._harm = 0.0
        self._corpus: deque[bytes] = deque(maxlen=KEPT)
        self._errors: list[LogEvent] = []
        deliver = self.sim.socket.receiver
        assert deliver is not None
        self.sim.socket.receiver = partial(self._arrived, deliver)
        for stream in self.sim.exchange.transports.streams:
            self.sim.network.streams.listen((stream.host, stream.port), partial(self._connected, stream.accept))
        self._phones = [self._phone(number) for number in ACCOUNTS]
        self._phones.append(self._phone("1001", register=False, password="wrong"))
        self._phones.append(self._phone("eve", register=False))
        self._strangers = [
            Stranger(self.sim, self._source, f"10.0.7.{place}", account, DIALLED)
            for place, account in enumerate([*ACCOUNTS.items(), ("1001", "wrong"), ("eve", "")], 1)
        ]

    def _phone(self, number: str, **features: Any) -> Phone:
        return self.sim.phone(number, transport=self._source.choice(TRANSPORTS), **features)

    def run(self, rounds: int) -> Figures:
        """Play so many rounds.

        :raises AssertionError: when something does not hold; its notes say where.
        """
        globalLogPublisher.addObserver(self)
        early = 0
        try:
            for number in range(rounds):
                self._round()
                self.figures.rounds += 1
                if number == rounds // 4:
                    early = objects()
            self.figures.growth = objects() - early
            self.figures.drops += self.sim.exchange.counts
            for stranger in self._strangers:
                self.figures.strangers += stranger.figures
                stranger.leaves()
            assert self.figures.growth < GROWTH, (
                f"{self.figures.growth} objects more than after a quarter of the rounds"
            )
            self.sim.assert_idle()
        except BaseException as failure:
            failure.add_note(f"{self.name}, round {self.figures.rounds}, which sent:\n{self.sim.network.ladder()}")
            raise
        finally:
            globalLogPublisher.removeObserver(self)
        return self.figures

    def _round(self) -> None:
        source = self._source
        self.sim.network.sent.clear()
        self.sim.records.rows.clear()  # the database's
        self._harm = source.choice((0.0, 0.02, 0.1, 0.3, 0.6))
        while source.random() < self._harm:
            # As many as one transaction sends: now and then the other side hears nothing of it at all.
            target = source.choice((self.sim.host, source.choice(self._phones).host))
            self.sim.network.loses(source.choice(LOST), target=target, times=source.choice((1, 3, 12)))
        for _ in range(source.randint(3, 25)):
            self._act(source.choice(self._phones))
            if source.random() < INTRUSION:
                self._intrude()
            self.sim.advance(source.choice(PAUSES))
        if source.random() < 0.5:
            self._harm = 0.0
        self._all_hang_up()
        self._harm = 0.0
        # A call whose last word was damaged lasts until somebody ends it, as one would whose phone has vanished.
        self.sim.exchange.switchboard.hang_up_all()
        for number in ACCOUNTS:
            self.sim.exchange.switchboard.events.expel(number)
        self._all_hang_up()
        self.sim.advance(QUIET)
        self._check()

    def _all_hang_up(self) -> None:
        for phone in self._phones:
            if not phone.idle:
                phone.hangs_up()
        self.sim.advance(64)

    def _act(self, phone: Phone) -> None:
        """A phone does one of the things that its state allows."""
        source = self._source
        acts: list[Callable[[], object]] = []
        if phone.idle:
            acts += [lambda: phone.invites(source.choice(DIALLED), offer=source.random() < 0.8)] * 4
            acts += [phone.registers, lambda: phone.registers(0), lambda: phone.asks("OPTIONS", source.choice(DIALLED))]
        elif phone.ringing:
            acts += [phone.answers] * 3
            acts += [lambda: phone.declines(source.choice((302, 480, 486, 500, 603))), phone.sends_early_media]
        else:
            acts.append(phone.hangs_up)
            if phone.may_offer:
                acts += [phone.holds, phone.resumes, phone.asks_for_an_offer]
        source.choice(acts)()

    def _intrude(self) -> None:
        """A stranger sends what was published or what others have sent before, and noise to one of the media ports."""
        source = self._source
        stranger = source.choice(self._strangers)
        packet = source.choice(source.choice((PUBLISHED, REQUESTS, self._corpus)) or PUBLISHED)
        if source.random() < 0.7:
            packet = damaged(source, packet, self._corpus)
        stranger.sends(packet, source.choice(("UDP", *PORTS)), source.random() < 0.5)
        media = [
            bound for bound in self.sim.network.bound if bound[0] == self.sim.host and bound[1] not in PORTS.values()
        ]
        if media:
            noise = source.choice((b"\x80\x00", b"\x80\xc8\x00\x00", b"\x90", b"")) + source.randbytes(
                source.randint(0, 40)
            )
            self.sim.network.send((stranger.host, SIP_PORT), source.choice(media), noise)

    def _arrived(self, deliver: Receiver, packet: bytes, address: Address) -> None:
        """A datagram has come to the exchange: perhaps another than was sent, perhaps another one besides."""
        for one in self._damaged(packet):
            self.figures.datagrams += 1
            self._measured(one, deliver, one, address)

    def _connected(self, accept: Accept, address: Address, source: str) -> Tap | None:
        """Somebody connects to the exchange."""
        connection = accept(address, source)
        return Tap(connection, self._streamed) if connection is not None else None

    def _streamed(self, deliver: Callable[[bytes], None], data: bytes) -> None:
        """Bytes have come over a connection: perhaps others than were sent, and in pieces."""
        stream = b"".join(self._damaged(data))
        cut = self._source.randint(0, len(stream)) if self._source.random() < 0.5 else 0
        for piece in filter(None, (stream[:cut], stream[cut:])):
            self.figures.pieces += 1
            self._measured(piece, deliver, piece)

    def _damaged(self, packet: bytes) -> list[bytes]:
        source = self._source
        self._corpus.append(packet)
        if source.random() >= self._harm:
            return [packet]
        self.figures.damaged += 1
        packets = [damaged(source, packet, self._corpus)]
        if source.random() < 0.5:
            packets.insert(source.randint(0, 1), packet)
        return packets

    def _measured(self, packet: bytes, deliver: Callable[..., None], *arguments: object) -> None:
        begun = time.thread_time()
        deliver(*arguments)
        took = time.thread_time() - begun
        self.figures.slowest = max(self.figures.slowest, took)
        assert took < SLOW, f"one packet took {took:.3f} s: {packet!r}"

    def __call__(self, event: LogEvent) -> None:
        """Something is logged (Twisted's ILogObserver)."""
        if "log_failure" in event or event.get("log_level") in (LogLevel.error, LogLevel.critical):
            self._errors.append(event)

    def _check(self) -> None:
        """After a round: no error, nothing left, and all that was said can be read."""
        assert not self._errors, "\n".join(eventAsText(event) for event in self._errors)
        left = {
            name: figure for name, figure in self.sim.exchange.figures().items() if figure and name != "registrations"
        }
        assert not left, f"left behind: {left}"
        for sent in self.sim.network.sent:
            if sent.source[0] == self.sim.host and is_sip(sent.packet) and not sent.packet.startswith(KEEP_ALIVES):
                self._read(sent.packet)

    def _read(self, packet: bytes) -> None:
        """What the exchange sent must be readable; but a refusal repeats what it refuses (RFC 3261 8.2.6.2)."""
        refusal = packet.startswith((b"SIP/2.0 4", b"SIP/2.0 5"))
        try:
            message = parse(packet)
        except Malformed as fault:
            assert refusal, f"{fault}: {packet!r}"
            self.figures.answers[packet[8:11].decode()] += 1
        else:
            self.figures.answers[message.method if isinstance(message, Request) else str(message.status)] += 1


class Tap:
    """What stands between a connection and the exchange (Twisted's protocol).

    :param connection: what the exchange is told by.
    :param streamed: is given all that comes, and what to deliver it to.
    """

    def __init__(self, connection: Any, streamed: Callable[[Callable[[bytes], None], bytes], None]) -> None:
        self._streamed = streamed
        self._connection = connection
        self.makeConnection = connection.makeConnection

    def dataReceived(self, data: bytes) -> None:
        """Bytes came."""
        self._streamed(self._connection.dataReceived, data)

    def connectionLost(self, reason: Failure) -> None:
        """The connection is gone."""
        self._connection.connectionLost(reason)


def objects() -> int:
    """How many objects there are that may hold others."""
    gc.collect()
    return len(gc.get_objects())
