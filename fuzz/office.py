"""One generation: an exchange and phones that do anything at any time, over a network that damages what it carries.

What must hold: nothing is logged as an error and nothing escapes; what the exchange sends can be read; no datagram
takes long; and after each round, when all is quiet, nothing is left of any call.
"""

from __future__ import annotations

import gc
import random
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from twisted.logger import ILogObserver, LogEvent, LogLevel, eventAsText, globalLogPublisher
from zope.interface import implementer

from fuzz.mutation import damaged
from pbx.dialplan import Call, Plan, ext, uri
from pbx.sip.errors import Malformed
from pbx.sip.flow import SIP_PORT
from pbx.sip.message import Request
from pbx.sip.parser import parse
from pbx.testing.exchange import SimulatedExchange, is_sip
from pbx.testing.network import Address
from pbx.testing.phone import Phone

ACCOUNTS = {"1001": "one", "1002": "two", "1003": "three", "1004": "four"}
DIALLED = ("1001", "1002", "1003", "1004", "91002", "600", "601", "602", "603", "604", "605", "606", "999", "")
PAUSES = (0.0, 1 / 64, 1 / 16, 0.25, 0.5, 1.0, 4.0, 35.0)  # seconds
SLOW = 0.25  # CPU seconds; whoever can make a datagram cost that much needs only four of them a second
LOST = ("INVITE", "100 INVITE", "180 INVITE", "200 INVITE", "ACK", "CANCEL", "487 INVITE", "BYE", "200 BYE")
QUIET = 256.0  # seconds after which nothing of a round may be left
KEPT = 500  # datagrams that others may be spliced with
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


@dataclass
class Figures:
    """What happened."""

    rounds: int = 0
    datagrams: int = 0
    damaged: int = 0
    slowest: float = 0.0
    growth: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    drops: Counter[str] = field(default_factory=Counter)

    def add(self, other: Figures) -> None:
        """Take those of another generation in."""
        self.rounds += other.rounds
        self.datagrams += other.datagrams
        self.damaged += other.damaged
        self.slowest = max(self.slowest, other.slowest)
        self.growth = max(self.growth, other.growth)
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
        self.sim = SimulatedExchange(plan, ACCOUNTS)
        self._source = random.Random(f"{seed} {number}")
        self._harm = 0.0
        self._corpus: deque[bytes] = deque(maxlen=KEPT)
        self._errors: list[LogEvent] = []
        self._deliver = self.sim.socket.receiver or self._arrived
        self.sim.socket.receiver = self._arrived
        self._phones = [self.sim.phone(number) for number in ACCOUNTS]
        self._phones.append(self.sim.phone("1001", register=False, password="wrong"))
        self._phones.append(self.sim.phone("eve", register=False))

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
        self._harm = source.choice((0.0, 0.02, 0.1, 0.3, 0.6))
        while source.random() < self._harm:
            # As many as one transaction sends: now and then the other side hears nothing of it at all.
            target = source.choice((self.sim.host, source.choice(self._phones).host))
            self.sim.network.loses(source.choice(LOST), target=target, times=source.choice((1, 3, 12)))
        for _ in range(source.randint(3, 25)):
            self._act(source.choice(self._phones))
            if source.random() < self._harm:
                self._intrude()
            self.sim.advance(source.choice(PAUSES))
        if source.random() < 0.5:
            self._harm = 0.0
        self._all_hang_up()
        self._harm = 0.0
        # A call whose last word was damaged lasts until somebody ends it, as one would whose phone has vanished.
        self.sim.exchange.switchboard.hang_up_all()
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
        """Somebody from outside sends the exchange, or one of its media ports, what others have sent before."""
        source = self._source
        address = (f"10.0.7.{source.randint(1, 3)}", 5060)
        packet = damaged(source, source.choice(self._corpus), self._corpus)
        self.sim.network.send(address, (self.sim.host, SIP_PORT), packet)
        media = [bound for bound in self.sim.network.bound if bound[0] == self.sim.host and bound[1] != SIP_PORT]
        if media:
            noise = source.choice((b"\x80\x00", b"\x80\xc8\x00\x00", b"\x90", b"")) + source.randbytes(
                source.randint(0, 40)
            )
            self.sim.network.send(address, source.choice(media), noise)

    def _arrived(self, packet: bytes, address: Address) -> None:
        """A datagram has come to the exchange: perhaps another than was sent, perhaps another one besides."""
        source = self._source
        self._corpus.append(packet)
        packets = [packet]
        if source.random() < self._harm:
            self.figures.damaged += 1
            packets = [damaged(source, packet, self._corpus)]
            if source.random() < 0.5:
                packets.insert(source.randint(0, 1), packet)
        for one in packets:
            self.figures.datagrams += 1
            begun = time.thread_time()
            self._deliver(one, address)
            took = time.thread_time() - begun
            self.figures.slowest = max(self.figures.slowest, took)
            assert took < SLOW, f"one datagram took {took:.3f} s: {one!r}"

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
        for datagram in self.sim.network.sent:
            if datagram.source == (self.sim.host, SIP_PORT) and is_sip(datagram.packet):
                self._read(datagram.packet)

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


def objects() -> int:
    """How many objects there are that may hold others."""
    gc.collect()
    return len(gc.get_objects())
