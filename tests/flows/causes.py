"""An office whose calls end for every cause, and what they have left."""

from __future__ import annotations

from typing import Any

from pbx.dialplan import Call, Plan, ext, mailbox, prompt, trunk, uri
from pbx.exchange.record import CallRecord
from pbx.media.ng import Instances
from pbx.testing.clock import VirtualClock
from pbx.testing.exchange import SimulatedExchange
from pbx.testing.network import Network
from pbx.testing.phone import Phone
from tests.flows.last_resorts import add_last_resorts
from tests.flows.raw import Raw
from tests.flows.trunks import ACME, BACKUP, FRANCE
from tests.media.daemon import Daemons

ACCOUNTS = {"1001": "alice's", "1002": "bob's", "1003": "carol's"}
OUTSIDE = "0014155551234"  # +14155551234 by acme, as it is dialled

plan: Plan[Any] = Plan()
add_last_resorts(plan)


@plan.internal("<number:1XXX>")
async def extension(call: Call, number: str) -> None:
    await call.dial(ext(number), timeout=20)


@plan.internal("8<number:1XXX>")
async def patient(call: Call, number: str) -> None:
    await call.dial(ext(number), timeout=40)


@plan.internal("2<number:1XXX>")
async def with_voicemail(call: Call, number: str) -> None:
    if not await call.dial(ext(number), timeout=20):
        await call.voicemail(mailbox(number))


@plan.internal("3<number:1XXX>")
async def bounded(call: Call, number: str) -> None:
    await call.dial(ext(number), timeout=20)
    await call.sleep(5)


@plan.internal("00<number:int>")
async def outside(call: Call, number: int) -> None:
    await call.dial(trunk("acme").to(f"+{number}"), timeout=40)


@plan.internal("01<number:int>")
async def impatient(call: Call, number: int) -> None:
    await call.dial_first(trunk("acme").to(f"+{number}"), progress_within=6)


@plan.internal("02<number:int>")
async def nowhere(call: Call, number: int) -> None:
    await call.dial(trunk("gone").to(f"+{number}"), timeout=40)


@plan.outbound("9<number:int>", allow="international")
async def dear(call: Call, number: int) -> None:
    await call.dial(trunk("acme").to(f"+{number}"))


@plan.internal("601")
async def zoe(call: Call) -> None:
    await call.dial(uri("sip:zoe@10.0.9.9"), timeout=40)


@plan.internal("607")
async def refused(call: Call) -> None:
    await call.reject(480)


@plan.internal("609")
async def menu(call: Call) -> None:
    await call.play(prompt("beep"))


@plan.internal("610")
async def parted(call: Call) -> None:
    await call.dial(ext("1002"), timeout=20)


@plan.internal("611")
async def short(call: Call) -> None:
    await call.voicemail(mailbox("1002"))


def daemons(network: Network, clock: VirtualClock) -> Instances:
    """One rtpengine, which takes a second to answer."""
    made = Daemons(clock)
    made.all[0].delay = 1.0
    return made.instances


class Office:
    """One exchange with its phones, and what its calls have left."""

    def __init__(self, **given: Any) -> None:
        plan.settle(FRANCE)
        trunks = given.pop("trunks", (ACME, BACKUP))
        self.sim = SimulatedExchange(plan, ACCOUNTS, trunks=trunks, numbering=FRANCE, **given)
        self.others: list[Raw] = []

    def phone(self, number: str, **given: Any) -> Phone:
        """A phone that is registered."""
        return self.sim.phone(number, **given)

    @property
    def acme(self) -> Any:
        """The first provider."""
        return self.sim.trunk("acme")

    def raw(self) -> Raw:
        """Somebody who sends what he likes."""
        self.others.append(Raw(self.sim))
        return self.others[-1]

    def rings(self, number: str = "1002", **given: Any) -> tuple[Phone, Phone]:
        """1001 has dialled, and 1002 rings."""
        alice, bob = self.phone("1001", **given), self.phone("1002")
        alice.invites(number)
        self.sim.until(lambda: bob.ringing)
        return alice, bob

    def talks(self, number: str = "1002") -> tuple[Phone, Phone]:
        """1001 and 1002 have talked for 8 s."""
        alice, bob = self.rings(number)
        bob.answers()
        self.sim.until(lambda: alice.talking and alice.may_offer and bob.may_offer)
        self.sim.advance(8)
        return alice, bob

    def dials(self, number: str, **given: Any) -> Phone:
        """1001 dials."""
        alice = self.phone("1001", **given)
        alice.invites(number)
        return alice

    def waits(self, phone: Phone, within: float = 64.0) -> None:
        """Wait until a phone is idle, at most for so many seconds."""
        self.sim.until(lambda: phone.idle, within)

    def last(self) -> CallRecord:
        """The record of the last call, when nothing else is left of it."""
        for other in self.others:
            other.close()
        self.sim.assert_idle()
        return self.sim.records.rows[-1]
