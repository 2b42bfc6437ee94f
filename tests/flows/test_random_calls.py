"""Calls through every path, one after the other, at random in a network that loses datagrams at random. Each ends as
its script says, its record tells what the script knows to be true, and nothing is left behind.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from pbx.dialplan import Call, Plan, ext
from pbx.sip.headers import REPLACES
from pbx.testing.exchange import SimulatedExchange
from pbx.testing.phone import Phone
from pbx.testing.watch import Transfer
from tests.counts import count
from tests.flows.test_transfers import naming

ACCOUNTS = {"1001": "alice's", "1002": "bob's", "1003": "carol's", "1004": "dave's"}
CALLS = count(300, 10_000)
PARTS = 10
LOSS = 0.03
LATE = 40.0  # seconds by which a record may be behind the truth: a lost BYE is sent again for so long

plan = Plan()


@plan.internal("<number:1XXX>")
async def extension(call: Call, number: str) -> None:
    await call.dial(ext(number), timeout=40)


@plan.internal("600")
async def echo(call: Call) -> None:
    await call.echo()


@plan.internal("601")
async def declined(call: Call) -> None:
    await call.reject(603)


class Truth(NamedTuple):
    """What is true of a call.

    :ivar causes: the names of those that its record may have: loss may make another one of it.
    :ivar by: who ended it; "" where that is as it happens.
    :ivar reached: whom the caller talked to; "" for nobody.
    :ivar ended_at: when whoever did it ended it; None where nobody did.
    """

    causes: tuple[str, ...]
    by: str = ""
    reached: str = ""
    ended_at: float | None = None


class Office:
    """The phones, idle, and the exchange."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.sim = SimulatedExchange(plan, ACCOUNTS)
        self.phones: list[Phone] = [self.sim.phone(number) for number in ("1001", "1002", "1003")]
        assert all(phone.registered for phone in self.phones)
        self.desk = self.sim.phone("1002", register=False)
        self.lose(LOSS)

    def registers(self) -> None:
        """Let the phones register anew, as phones do in time."""
        self.sim.network.count_again()
        for phone in self.phones:
            phone.registers()
        self.sim.advance(1)

    def lose(self, share: float) -> None:
        """Lose a share of the datagrams from now on."""
        lost = [number for number in range(3000) if self.chance.random() < share]
        self.sim.network.count_again(lose=lost)

    def until(self, condition: Callable[[], object], within: float = 80.0) -> None:
        self.sim.until(condition, within)

    def pause(self) -> None:
        """Let some time pass."""
        self.sim.advance(self.chance.choice((0.125, 1, 4, 8)))

    def connect(self, caller: Phone, callee: Phone) -> None:
        """Let one call the other."""
        caller.invites(callee.number)
        self.until(lambda: callee.ringing)
        self.pause()
        callee.answers()
        self.until(lambda: caller.talking and callee.talking)
        self.sim.advance(8)

    def ends(self, one: Phone, *others: Phone) -> float:
        """Let one hang up; return when it did."""
        now = self.sim.clock.seconds()
        one.hangs_up()
        self.until(lambda: all(other.idle for other in others))
        return now


def talked(office: Office, alice: Phone, bob: Phone, carol: Phone) -> Truth:
    office.connect(alice, bob)
    assert office.sim.talk(alice, bob)
    if office.chance.random() < 0.5:
        return Truth(("caller-hung-up",), "caller", bob.number, office.ends(alice, bob))
    return Truth(("callee-hung-up",), "callee", bob.number, office.ends(bob, alice))


def held(office: Office, alice: Phone, bob: Phone, carol: Phone) -> Truth:
    office.connect(alice, bob)
    holder, other = office.chance.choice(((alice, bob), (bob, alice)))
    office.until(lambda: holder.may_offer)
    holder.holds()
    office.until(lambda: other.call.held and holder.may_offer)
    office.sim.advance(8)
    holder.resumes()
    office.until(lambda: not other.call.held and holder.may_offer)
    office.sim.advance(4)
    assert office.sim.talk(alice, bob)
    return Truth(("caller-hung-up",), "caller", bob.number, office.ends(alice, bob))


def gave_up(office: Office, alice: Phone, bob: Phone, carol: Phone) -> Truth:
    alice.invites(bob.number)
    office.until(lambda: bob.ringing)
    office.sim.advance(8)
    return Truth(("caller-gave-up",), "caller", "", office.ends(alice, bob))


def busy(office: Office, alice: Phone, bob: Phone, carol: Phone) -> Truth:
    bob.busy = True
    alice.invites(bob.number)
    office.until(lambda: alice.idle)
    bob.busy = False
    assert alice.call.status == 486
    return Truth(("busy",))


def refused(office: Office, alice: Phone, bob: Phone, carol: Phone) -> Truth:
    alice.invites(bob.number)
    office.until(lambda: bob.ringing)
    office.pause()
    bob.declines()
    office.until(lambda: alice.idle)
    assert alice.call.status == 603
    return Truth(("declined",))


def not_answered(office: Office, alice: Phone, bob: Phone, carol: Phone) -> Truth:
    alice.invites(bob.number)
    office.until(lambda: alice.idle)
    assert alice.call.status == 480
    return Truth(("no-answer",))


def nobody(office: Office, alice: Phone, bob: Phone, carol: Phone) -> Truth:
    alice.invites("1004")
    office.until(lambda: alice.idle)
    assert alice.call.status == 480
    return Truth(("not-registered",))


def unknown(office: Office, alice: Phone, bob: Phone, carol: Phone) -> Truth:
    alice.invites("777")
    office.until(lambda: alice.idle)
    assert alice.call.status == 404
    return Truth(("no-route",))


def rejected(office: Office, alice: Phone, bob: Phone, carol: Phone) -> Truth:
    alice.invites("601")
    office.until(lambda: alice.idle)
    assert alice.call.status == 603
    return Truth(("dialplan-refused",))


def echoed(office: Office, alice: Phone, bob: Phone, carol: Phone) -> Truth:
    alice.invites("600")
    office.until(lambda: alice.talking)
    office.sim.advance(8)
    return Truth(("served",), "caller", "", office.ends(alice))


def sent_on(office: Office, alice: Phone, bob: Phone, carol: Phone) -> Truth:
    office.connect(alice, bob)
    office.until(lambda: bob.may_offer)
    transfer = Transfer(bob, f"sip:{carol.number}@10.0.0.1")
    office.until(lambda: carol.ringing)
    office.pause()
    carol.answers()
    office.until(lambda: transfer.over and bob.idle)
    office.sim.advance(24)
    assert office.sim.talk(alice, carol)
    return Truth(("caller-hung-up",), "caller", carol.number, office.ends(alice, carol))


def given_back(office: Office, alice: Phone, bob: Phone, carol: Phone) -> Truth:
    carol.busy = True
    office.connect(alice, bob)
    office.until(lambda: bob.may_offer)
    transfer = Transfer(bob, f"sip:{carol.number}@10.0.0.1")
    office.until(lambda: transfer.over)
    carol.busy = False
    assert transfer.status == 486
    office.sim.advance(24)
    assert office.sim.talk(alice, bob)
    return Truth((), "", "", office.ends(alice, bob))


def joined(office: Office, alice: Phone, bob: Phone, carol: Phone) -> Truth:
    office.connect(alice, bob)
    office.until(lambda: bob.may_offer)
    first, bob.call = bob.call, None
    office.connect(bob, carol)
    office.until(lambda: bob.may_offer and carol.may_offer)
    second, bob.call = bob.call, first
    transfer = Transfer(bob, f"sip:{carol.number}@10.0.0.1{naming(second)}")
    office.until(lambda: transfer.over and first.state == second.state == "over")
    office.sim.advance(24)
    assert office.sim.talk(alice, carol)
    return Truth((), "", "", office.ends(alice, carol))


def picked_up(office: Office, alice: Phone, bob: Phone, carol: Phone) -> Truth:
    """Only 1002 has two phones."""
    sim, desk = office.sim, office.desk
    callee = next(phone for phone in (alice, bob, carol) if phone.number == "1002")
    caller = alice if callee is not alice else bob
    caller.invites("1002")
    office.until(lambda: callee.ringing)
    sim.advance(4)
    call_id, local, remote = callee.call.session.dialog.key
    desk.invites("1002", more=(REPLACES.field(f"{call_id};to-tag={remote};from-tag={local}"),))
    office.until(lambda: desk.talking and caller.talking and callee.idle)
    sim.advance(24)
    assert sim.talk(caller, desk)
    return Truth((), "", "", office.ends(caller, desk))


SCRIPTS: tuple[Callable[[Office, Phone, Phone, Phone], Truth], ...] = (
    talked, talked, talked, held, gave_up, busy, refused, not_answered, nobody, unknown, rejected, echoed, sent_on,
    given_back, joined, picked_up,
)  # fmt: skip


@pytest.mark.parametrize("part", range(PARTS))
def test_each_call_ends_as_its_script_says_and_its_record_tells_the_truth(part: int) -> None:
    office = Office(part)
    sim = office.sim
    for number in range(CALLS // PARTS):
        script = office.chance.choice(SCRIPTS)
        alice, bob, carol = office.chance.sample(office.phones, 3)
        known = len(sim.records.rows)
        office.registers()
        office.lose(LOSS)
        began_at = sim.clock.seconds()
        try:
            truth = script(office, alice, bob, carol)
            sim.advance(LATE)
            compare(sim, truth, sim.records.rows[known:], alice, began_at)
        except BaseException as failure:
            failure.add_note(f"call {number} of part {part}: {script.__name__}\n{sim.network.ladder()}")
            raise
        del sim.network.sent[:]
    sim.assert_idle()


def compare(sim: SimulatedExchange, truth: Truth, rows: list[Any], caller: Phone, began_at: float) -> None:
    """The records of one script tell what it knows."""
    assert rows and all(row.cause != "unknown" for row in rows), rows
    last = rows[-1]
    if truth.causes:
        assert last.cause in truth.causes, last
        assert (last.reached, last.caller) in ((truth.reached, caller.number), (truth.reached, last.caller)), last
    if truth.by:
        assert last.ended_by == truth.by, last
    assert began_at - 1 <= rows[0].began_at <= began_at + LATE
    if truth.ended_at is not None:
        assert truth.ended_at <= last.ended_at <= truth.ended_at + LATE, last
