"""Several exchanges on one network, in which calls go on side by side: each has seats, each seat plays one script after
the other with phones, trunks and strangers of its own.

A script is a generator: it yields seconds that are to pass, or a condition that is to hold, and tells what is true of
its calls. What was lost meanwhile is known to the network.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Generator
from ipaddress import ip_network
from typing import Any

from pbx.dialplan import Call, Plan, ext, mailbox, room, trunk, uri
from pbx.exchange.accounts import Accounts
from pbx.exchange.numbering import Numbering
from pbx.exchange.record import CallRecord
from pbx.exchange.trunk import Trunk
from pbx.media.ng import Instances
from pbx.sip.message import Request
from pbx.testing.clock import VirtualClock
from pbx.testing.exchange import SimulatedExchange, _extension
from pbx.testing.network import Network
from pbx.testing.phone import Phone
from pbx.testing.trunk import SimulatedTrunk
from pbx.testing.watch import Transfer
from tests.flows.last_resorts import add_last_resorts
from tests.flows.raw import DESCRIPTION, HOST, Raw
from tests.flows.truth import LATE, Truth
from tests.media.daemon import Daemons

SEATS = 3
PATIENCE = 80.0  # seconds in which what a script waits for must come
LIMIT = 300.0  # seconds that a call may last in the small office
NUMBERING = Numbering("33")
SLOWNESS = 1.0  # seconds that rtpengine takes to answer
OUTSIDE = "4155551234"

Steps = Generator[float | Callable[[], object], None, None]
Script = Callable[["Seat"], Steps]


def dialplan(limit: float = 4 * 3600.0) -> Plan[Any]:
    """What all of them do with a number; what belongs to a seat is that of the caller."""
    plan: Plan[Any] = Plan(limit=limit)

    @plan.internal("<number:1XXX>")
    async def extension(call: Call, number: str) -> None:
        await call.dial(ext(number), timeout=40)

    @plan.internal("2<number:1XXX>")
    async def with_voicemail(call: Call, number: str) -> None:
        if not await call.dial(ext(number), timeout=20):
            await call.voicemail(mailbox(number))

    @plan.internal("00<number:int>")
    async def outside(call: Call, number: int) -> None:
        await call.dial(trunk(f"acme{seat_of(call)}").to(f"+{number}"), timeout=40)

    @plan.internal("01<number:int>")
    async def impatient(call: Call, number: int) -> None:
        await call.dial_first(trunk(f"acme{seat_of(call)}").to(f"+{number}"), progress_within=6)

    @plan.internal("0<kind:[2-4]><number:int>")
    async def hopeless(call: Call, kind: str, number: int) -> None:
        name = {"2": "gone", "3": f"small{seat_of(call)}", "4": "off"}[kind]
        await call.dial(trunk(name).to(f"+{number}"), timeout=40)

    @plan.outbound("9<number:int>", allow="international")
    async def dear(call: Call, number: int) -> None:
        await call.dial(trunk(f"acme{seat_of(call)}").to(f"+{number}"))

    @plan.internal("620")
    async def team(call: Call) -> None:
        await call.dial(*[ext(f"1{seat_of(call)}0{place}") for place in (1, 2, 3)], timeout=40)

    @plan.internal("690")
    async def meeting(call: Call) -> None:
        await call.conference(room(f"meeting{seat_of(call)}"))

    for name in [f"acme{seat}" for seat in range(SEATS)]:
        plan.inbound(trunk(name))(inbound)
    add_last_resorts(plan)
    _alone(plan)
    return plan


def _alone(plan: Plan[Any]) -> None:
    """Further numbers that ring no phone of ours."""

    @plan.internal("601")
    async def zoe(call: Call) -> None:
        await call.dial(uri(f"sip:zoe@10.0.9.{seat_of(call)}"), timeout=40)

    @plan.internal("607")
    async def refused(call: Call) -> None:
        await call.reject(603)

    @plan.internal("611")
    async def message(call: Call) -> None:
        await call.voicemail(mailbox(f"1{seat_of(call)}02"))


async def inbound(call: Call) -> None:
    """Whoever calls from outside is put through to the second phone."""
    await call.dial(ext(f"1{call.caller.trunk[-1]}02"), timeout=40)


def seat_of(call: Call) -> str:
    """The seat of whoever calls."""
    return call.caller.number[1]


def daemons(network: Network, clock: VirtualClock) -> Instances:
    """One rtpengine, which takes its time to answer."""
    made = Daemons(clock)
    made.all[0].delay = SLOWNESS
    return made.instances


def _trunks() -> list[Trunk]:
    found = [Trunk("off", "10.9.9.1", qualify=0, enabled=False)]
    for seat in range(SEATS):
        network = ip_network(f"10.9.{seat}.0/24")
        found.append(Trunk(f"acme{seat}", f"10.9.{seat}.1", addresses=(network,), qualify=0))
        found.append(Trunk(f"small{seat}", f"10.9.10{seat}.1", qualify=0, max_calls=1))
    return found


# What is special about each; the main one has all seats, the others one.
OFFICES: dict[str, dict[str, Any]] = {
    "main": {"trunks": _trunks(), "numbering": NUMBERING},
    "strict": {"srtp": "require"},
    "small": {"pairs": 2},
    "slow": {"rtpengines": daemons},
    "watched": {"silence_ends": 60},
}


class Estate:
    """All offices, and their seats.

    :param seed: decides what is lost, and who plays which part.
    :param loss: the share of datagrams that are lost.
    """

    def __init__(self, seed: int, loss: float) -> None:
        self.seats: dict[str, list[Seat]] = {}
        first: SimulatedExchange | None = None
        for place, (name, given) in enumerate(OFFICES.items()):
            seats = SEATS if name == "main" else 1
            accounts = {f"1{seat}0{phone}": "secret" for seat in range(seats) for phone in range(1, 6)}
            plan = dialplan(LIMIT) if name == "small" else dialplan()
            plan.settle(NUMBERING)
            sim = SimulatedExchange(plan, accounts, host=f"10.0.0.{place + 1}", beside=first, **given)
            sim.exchange.end_calls = True
            first = first or sim
            self.seats[name] = [
                Seat(sim, random.Random(f"{seed} {name} {seat}"), f"10.{place + 1}.{seat}", seat, name, accounts)
                for seat in range(seats)
            ]
        assert first is not None
        self.sim = first
        self.sim.network.loses_at_random(loss, seed)

    def play(self, decks: dict[str, list[Script]]) -> None:
        """Play the scripts of each office, one after the other at each of its seats, all seats at the same time."""
        running = [Turn(seat, decks.get(name, [])) for name, seats in self.seats.items() for seat in seats]
        clock, network = self.sim.clock, self.sim.network
        while running := [turn for turn in running if turn.goes_on]:
            within = max(0.0, min(turn.until for turn in running) - clock.seconds())
            clock.advance_until(lambda: any(turn.due for turn in running), within)
            for turn in running:
                if turn.due or turn.until <= clock.seconds():
                    turn.step()
            since = min(turn.since for turn in running) - LATE
            if len(network.sent) > 50_000:
                network.sent[:] = [datagram for datagram in network.sent if datagram.sent_at >= since]
        for seats in self.seats.values():
            for seat in seats:
                seat.closes()
        self.sim.assert_idle()


class Turn:
    """What goes on at one seat."""

    def __init__(self, seat: Seat, deck: list[Script]) -> None:
        self._seat = seat
        self._deck = deck
        self._steps: Steps | None = None
        self._name = "nothing"
        self._awaits: Callable[[], object] = lambda: True
        self._is_pause = False
        self.until = self.since = seat.now()
        self.goes_on = True

    @property
    def due(self) -> bool:
        """Whether its script goes on."""
        return bool(self._awaits())

    def step(self) -> None:
        """Let its script go on; when that is over, play the next one of the deck."""
        try:
            if not self._is_pause and not self.due:
                raise AssertionError(f"what it waits for does not come within {PATIENCE:g} s: {self._seat.phones}")
            while True:
                if self._steps is None:
                    if not self._deck:
                        self.goes_on = False
                        return
                    script = self._deck.pop()
                    self._name, self.since = script.__name__, self._seat.now()
                    self._steps = self._seat.plays(script)
                awaits = next(self._steps, None)
                if awaits is not None:
                    break
                self._steps = None
        except BaseException as failure:
            failure.add_note(f"{self._seat.office}: {self._name}\n{self._seat.ladder(self.since)}")
            raise
        now = self._seat.now()
        self._is_pause = isinstance(awaits, float | int)
        if isinstance(awaits, float | int):
            self.until = now + awaits
            self._awaits = lambda: False
        else:
            self.until = now + PATIENCE
            self._awaits = awaits


class Seat:
    """Three phones that take turns in the parts of a script, and what else it needs.

    :ivar phones: those three: the caller, the callee, and a third one, as they are cast in this script.
    :ivar desk: a second phone of the second extension, which is not registered.
    :ivar truths: what is true of the calls of this script, in the order of their beginnings.
    """

    def __init__(
        self,
        sim: SimulatedExchange,
        chance: random.Random,
        base: str,
        place: int,
        office: str,
        accounts: dict[str, str],
    ) -> None:
        self.sim = sim
        self.chance = chance
        self.office = office
        self.place = place
        self.number = f"1{place}0"
        self.truths: list[Truth] = []
        self._accounts = accounts
        features: dict[str, Any] = {"transport": "TLS", "srtp": "required"} if office == "strict" else {}
        self._own = [
            sim.phone(f"{self.number}{phone}", host=f"{base}.{phone}", register=False, **features)
            for phone in (1, 2, 3)
        ]
        self.phones = self._own[:]
        self.second = self._own[1]
        self.desk = sim.phone(f"{self.number}2", host=f"{base}.12", register=False, **features)
        self.erin = sim.phone(f"{self.number}5", host=f"{base}.5", register=False)
        self.dave = f"{self.number}4"
        self.zoe = Zoe(sim, f"10.0.9.{place}") if office == "main" else None
        self.acme: SimulatedTrunk = sim.trunk(f"acme{place}") if office == "main" else None  # type: ignore[assignment]
        self.small: SimulatedTrunk = sim.trunk(f"small{place}") if office == "main" else None  # type: ignore[assignment]
        self.stranger: Phone | None = None
        self.hosts = {phone.host for phone in (*self._own, self.desk, self.erin)}
        if office == "main":
            self.hosts |= {f"10.9.{place}.{host}" for host in range(1, 9)} | {f"10.9.10{place}.1", f"10.0.9.{place}"}

    def now(self) -> float:
        """The clock's seconds."""
        return self.sim.clock.seconds()

    def plays(self, script: Script) -> Steps:
        """Play one script, and compare what it knows with the records."""
        self.chance.shuffle(self.phones)
        self.truths.clear()
        began_at = self.now()
        yield from self.registers()
        yield from script(self)
        yield lambda: len(self.rows(began_at)) >= len(self.truths)
        yield from self.all_idle()
        rows = self.rows(began_at)
        assert len(rows) == len(self.truths), rows
        for truth, row in zip(self.truths, rows, strict=True):
            faults = truth.faults(row, self.lost)
            assert not faults, f"{faults}\n{row}"

    def rows(self, since: float) -> list[CallRecord]:
        """The records of this seat's calls that are over, in the order of their beginnings."""
        found = [row for row in reversed(self.sim.records.rows[-200:]) if row.address in self.hosts]
        return sorted([row for row in found if row.began_at >= since], key=lambda row: row.began_at)

    def lost(self, since: float, until: float) -> bool:
        """Whether a datagram of this seat was lost in that time."""
        return any(
            datagram.fate == "lost" and since <= datagram.sent_at <= until
            for datagram in reversed(self.sim.network.sent)
            if not self.hosts.isdisjoint((datagram.source[0], datagram.target[0]))
        )

    def ladder(self, since: float) -> str:
        """What this seat has sent and received, for people."""
        return "\n".join(
            f"{datagram.sent_at - since:9.3f} {datagram!r}"
            for datagram in self.sim.network.sent
            if datagram.kind and not self.hosts.isdisjoint((datagram.source[0], datagram.target[0]))
        )

    def closes(self) -> None:
        """Leave the network."""
        if self.zoe is not None:
            self.zoe.close()

    # What scripts are made of

    def registers(self) -> Steps:
        """Let the phones register anew, as phones do in time."""
        for phone in (*self._own, self.erin):
            phone.registered = False
            phone.registers()
        yield lambda: all(phone.registered for phone in (*self._own, self.erin))

    def all_idle(self) -> Steps:
        """Wait until every phone is."""
        yield lambda: all(phone.idle for phone in (*self._own, self.desk, self.erin))

    def expects(self, caller: str, dialled: str) -> Truth:
        """Somebody is about to call."""
        truth = Truth(self.now, caller, dialled)
        self.truths.append(truth)
        return truth

    def sends_on(self, by: Phone, whom: Phone, to: Phone) -> tuple[Transfer, Truth]:
        """Let one transfer another to a third, who calls that in the name of the first."""
        transfer = Transfer(by, f"sip:{to.number}@{self.sim.host}")
        truth = self.expects(by.number, to.number)
        truth.transferred = whom.number
        return transfer, truth

    def calls(self, caller: Phone, number: str, **given: Any) -> Truth:
        """Let a phone dial."""
        truth = self.expects(caller.number, number)
        caller.invites(number, **given)
        return truth

    def pause(self) -> float:
        """Some time."""
        return self.chance.choice((0.125, 1.0, 4.0, 8.0))

    def rings(self, caller: Phone, callee: Phone, number: str = "", **given: Any) -> Generator[Any, None, Truth]:
        """Let one call the other, who rings."""
        truth = self.calls(caller, number or callee.number, **given)
        yield lambda: callee.ringing
        truth.rings()
        return truth

    def connects(self, caller: Phone, callee: Phone, number: str = "") -> Generator[Any, None, Truth]:
        """Let one call the other, who answers."""
        truth = yield from self.rings(caller, callee, number)
        yield self.pause()
        callee.answers()
        truth.answers(callee.number)
        yield lambda: caller.talking and callee.talking
        yield 8.0
        yield lambda: caller.may_offer and callee.may_offer
        return truth

    def talks(self, one: Phone, other: Phone) -> Steps:
        """Let both say something: each hears the other."""
        calls = [one.call, other.call]
        assert calls[0] is not None and calls[1] is not None
        for call, tone in zip(calls, (440.0, 600.0), strict=True):
            assert call is not None
            call.sound.forgets()
            call.sound.says(tone, 0.5)
        yield 0.75
        assert calls[0].sound.hears(600.0) and calls[1].sound.hears(440.0)

    def hangs_up(self, truth: Truth, one: Phone, other: Phone) -> Steps:
        """Let one of a call hang up."""
        one.hangs_up()
        by = "caller" if one.number == (truth.transferred or truth.caller) else "callee"
        truth.ends(f"{by}-hung-up", by)
        yield lambda: other.idle

    def removes(self, number: str) -> None:
        """Remove an extension; "" gives all back that were."""
        rows = [_extension(one, password) for one, password in self._accounts.items() if one != number]
        self.sim.exchange.replace_accounts(Accounts(rows, trunks=OFFICES[self.office].get("trunks", ())))


class Zoe(Raw):
    """A peer that is no phone, and answers each request in the same way however often it comes.

    :ivar answered: whether it has answered an INVITE since it was told how.
    """

    def __init__(self, sim: SimulatedExchange, host: str) -> None:
        super().__init__(sim, host)
        self.answered = False
        self._status, self._body = 200, b""
        inside = self._socket.receiver
        assert inside is not None

        def receive(packet: bytes, source: Any) -> None:
            inside(packet, source)
            message = self.received[-1]
            if not isinstance(message, Request) or message.method == "ACK":
                return
            if message.method == "INVITE":
                self.answered = True
                self.answers(message, self._status, body=self._body)
            else:
                self.answers(message, 200)

        self._socket.receiver = receive

    def takes_calls(self, status: int = 200, body: bytes | None = None) -> None:
        """Answer INVITEs from now on like this.

        :param body: of the answer; None for a session description.
        """
        self._status, self._body = status, DESCRIPTION.replace(HOST.encode(), self.host.encode())
        self._body = self._body if body is None else body
        self.answered = False

    @property
    def uri(self) -> str:
        """Where it is called."""
        return f"sip:zoe@{self.host}"
