"""Parking: who is transferred to a slot waits there with music, until somebody dials it or nobody has for too long."""

from __future__ import annotations

import pytest

from pbx.dialplan import Answered, Busy, Call, NoAnswer, Plan, ext
from pbx.testing.lamp_key import LampKey
from pbx.testing.watch import Transfer
from tests.dialplan.scripted import ScriptedBridge
from tests.flows.office import flow, office
from tests.flows.openings import connect, part

plan = Plan()
outcomes = []


@plan.internal("<number:1XXX>")
async def extension(call: Call, number: str) -> None:
    await call.dial(ext(number), timeout=20)


@plan.internal("70<slot:Z>")
async def parking(call: Call, slot: str) -> None:
    slot = f"70{slot}"
    if not call.transferred:
        if not await call.retrieve(slot):
            await call.reject(404)
        return
    outcomes.append(await call.park(slot, timeout=60))
    if isinstance(outcomes[-1], NoAnswer):
        outcomes.append(await call.dial(ext(call.caller.number), timeout=20))


@plan.in_call("#70")
async def parks_by_keys(call: Call) -> None:
    await call.transfer("*70")


@plan.internal("*70")
async def anywhere(call: Call) -> None:
    outcomes.append(await call.park("701", "702", timeout=60))


@pytest.fixture(autouse=True)
def _no_outcomes():
    outcomes.clear()


def parks(sim, phone, other, slot="701"):
    transfer = Transfer(phone, f"sip:{slot}@10.0.0.1")
    sim.until(lambda: transfer.over and phone.idle)
    return transfer.status


@flow("1001", "1002", "1003", plan=plan)
def test_a_colleague_retrieves_who_was_parked(sim, alice, bob, carol):
    connect(sim, alice, bob, ready=bob)
    assert parks(sim, bob, alice) == 200
    sim.advance(4)
    assert alice.talking
    carol.invites("701")
    sim.until(lambda: carol.talking)
    part(sim, carol, alice)


def test_who_waits_hears_music_and_the_outcome_names_who_has_retrieved():
    sim, (alice, bob, carol) = office("1001", "1002", "1003", plan=plan)
    connect(sim, alice, bob, ready=bob)
    parks(sim, bob, alice)
    sim.until(lambda: alice.hears("music/hold"), within=10)
    assert len(sim.exchange.parking) == 1
    carol.invites("701")
    sim.until(lambda: carol.talking)
    assert len(sim.exchange.parking) == 0
    part(sim, carol, alice, after=8)
    assert isinstance(outcomes[-1], Answered) and str(outcomes[-1].by) == "1003"
    sim.assert_idle()


def test_nobody_retrieves_and_the_parker_is_rung():
    sim, (alice, bob) = office("1001", "1002", plan=plan)
    connect(sim, alice, bob, ready=bob)
    parks(sim, bob, alice)
    sim.until(lambda: bob.ringing)
    assert bob.call.invite.sender().uri.user == "1001"
    bob.answers()
    sim.until(lambda: bob.talking)
    sim.advance(8)
    assert sim.talk(alice, bob)
    alice.hangs_up()
    sim.assert_idle()


def test_nobody_retrieves_and_the_parker_is_gone():
    sim, (alice, bob) = office("1001", "1002", plan=plan)
    connect(sim, alice, bob, ready=bob)
    parks(sim, bob, alice)
    bob.registers(0)
    sim.until(lambda: alice.idle, within=90)
    assert [type(outcome).__name__ for outcome in outcomes] == ["NoAnswer", "Unreachable"]
    sim.assert_idle()


def test_who_waits_hangs_up_and_the_slot_is_free():
    sim, (alice, bob, carol) = office("1001", "1002", "1003", plan=plan)
    connect(sim, alice, bob, ready=bob)
    parks(sim, bob, alice)
    assert bob.told == []  # who has named the slot knows it
    alice.hangs_up()
    sim.advance(1)
    assert len(sim.exchange.parking) == 0
    carol.invites("701")
    sim.until(lambda: carol.idle)
    assert carol.call.status == 404
    sim.assert_idle()


def test_a_slot_that_is_taken_gives_the_call_back():
    sim, (alice, bob, carol, dave) = office("1001", "1002", "1003", "1004", plan=plan)
    connect(sim, alice, bob, ready=bob)
    parks(sim, bob, alice)
    connect(sim, carol, dave, ready=dave)
    transfer = Transfer(dave, "sip:701@10.0.0.1")
    sim.until(lambda: transfer.over)
    assert transfer.status >= 400 and isinstance(outcomes[-1], Busy)
    sim.advance(8)
    assert sim.talk(carol, dave)
    assert len(sim.exchange.parking) == 1
    for phone in (alice, carol):
        phone.hangs_up()
    sim.assert_idle()


def test_the_first_slot_that_is_free():
    sim, (alice, bob, carol, dave) = office("1001", "1002", "1003", "1004", plan=plan)
    for one, other in ((alice, bob), (carol, dave)):
        connect(sim, one, other)
        sim.until(lambda other=other: other.may_offer)
        parks(sim, other, one, "*70")
    assert dave.told == [("MESSAGE", b"Phone 1003 waits at 702")]
    bob.invites("702")
    sim.until(lambda: bob.talking)
    sim.advance(8)
    assert sim.talk(carol, bob)
    for phone in (alice, bob):
        phone.hangs_up()
    sim.assert_idle()


@flow("1001", "1002", "1003", plan=plan)
def test_the_parker_hears_the_digits_of_the_slot_before_it_is_hung_up(sim, alice, bob, carol):
    connect(sim, alice, bob)
    sim.until(lambda: bob.may_offer)
    transfer = Transfer(bob, "sip:*70@10.0.0.1")
    for name in ("7", "0", "1"):
        sim.until(lambda name=name: bob.hears(f"digits/{name}", within=0.125), within=40)
        assert not transfer.over and bob.talking
    sim.until(lambda: transfer.over and bob.idle)
    assert transfer.status == 200
    carol.invites("701")
    sim.until(lambda: carol.talking)
    part(sim, carol, alice, after=16)


def test_who_is_parked_by_keys_hears_music_when_the_parker_has_heard_the_slot():
    sim, (alice, bob, carol) = office("1001", "1002", "1003", plan=plan)
    connect(sim, alice, bob)
    sim.advance(2)
    bob.presses("#70")
    for name in ("7", "0", "1"):
        sim.until(lambda name=name: bob.hears(f"digits/{name}", within=0.125), within=10)
    sim.until(lambda: bob.idle, within=10)
    sim.until(lambda: alice.hears("music/hold"), within=10)
    assert bob.told == [("MESSAGE", b"Phone 1001 waits at 701")]
    carol.invites("701")
    sim.until(lambda: carol.talking)
    sim.advance(8)
    assert sim.talk(alice, carol)
    alice.hangs_up()
    sim.assert_idle()


@pytest.mark.parametrize("leaves", ["parker", "parked"])
def test_one_of_them_leaves_while_the_slot_is_said(leaves):
    sim, (alice, bob, carol) = office("1001", "1002", "1003", plan=plan)
    connect(sim, alice, bob)
    sim.until(lambda: bob.may_offer)
    Transfer(bob, "sip:*70@10.0.0.1")
    sim.until(lambda: bob.hears("digits/7", within=0.125), within=10)
    (bob if leaves == "parker" else alice).hangs_up()
    sim.advance(1)
    assert len(sim.exchange.parking) == (1 if leaves == "parker" else 0)
    if leaves == "parker":
        sim.until(lambda: alice.hears("music/hold"), within=10)
        carol.invites("701")
        sim.until(lambda: carol.talking)
        sim.advance(8)
        assert sim.talk(alice, carol)
        alice.hangs_up()
    sim.until(lambda: bob.idle and carol.idle)
    sim.assert_idle()


def test_somebody_retrieves_while_the_slot_is_said():
    sim, (alice, bob, carol) = office("1001", "1002", "1003", plan=plan)
    connect(sim, alice, bob)
    sim.until(lambda: bob.may_offer)
    Transfer(bob, "sip:*70@10.0.0.1")
    sim.until(lambda: bob.hears("digits/7", within=0.125), within=10)
    carol.invites("701")
    sim.until(lambda: carol.talking and bob.idle, within=10)
    part(sim, alice, carol, after=8)
    sim.assert_idle()


def test_a_parker_who_holds_the_call_does_not_listen_and_is_told_by_its_display():
    sim, (alice, bob) = office("1001", "1002", plan=plan)
    connect(sim, alice, bob)
    sim.until(lambda: bob.may_offer)
    bob.holds()
    sim.until(lambda: alice.call.held and bob.may_offer)
    transfer = Transfer(bob, "sip:*70@10.0.0.1")
    sim.until(lambda: transfer.over and bob.told, within=1)
    sim.until(lambda: alice.hears("music/hold"), within=10)
    assert bob.told == [("MESSAGE", b"Phone 1001 waits at 701")]
    alice.hangs_up()
    sim.until(lambda: bob.idle)
    sim.assert_idle()


def test_a_parker_who_holds_the_call_while_the_slot_is_said_keeps_nobody_waiting():
    sim, (alice, bob) = office("1001", "1002", plan=plan)
    connect(sim, alice, bob, ready=bob)
    transfer = Transfer(bob, "sip:*70@10.0.0.1")
    sim.until(lambda: bob.hears("digits/7", within=0.125), within=10)
    bob.holds()
    sim.until(lambda: transfer.status == 200, within=10)
    sim.until(lambda: alice.hears("music/hold"), within=10)
    alice.hangs_up()
    sim.until(lambda: bob.idle)
    sim.assert_idle()


def test_two_want_the_same_one():
    sim, (alice, bob, carol) = office("1001", "1002", "1003", plan=plan)
    connect(sim, alice, bob, ready=bob)
    parks(sim, bob, alice)
    bob.invites("701")
    carol.invites("701")
    sim.until(lambda: bob.talking or carol.talking)
    sim.advance(8)
    winner, loser = (bob, carol) if bob.talking else (carol, bob)
    assert loser.idle
    assert sim.talk(alice, winner)
    alice.hangs_up()
    sim.assert_idle()


@pytest.mark.parametrize(("slots", "error"), [((), ValueError), ((701,), TypeError), (("7 1",), ValueError)])
def test_what_can_be_no_slot_is_said(slots, error):
    call = Call(ScriptedBridge(), None, lambda: None, None)
    with pytest.raises(error, match="slot"):
        call.park(*slots).send(None)


def test_a_slot_has_a_lamp():
    sim, (alice, bob, carol) = office("1001", "1002", "1003", plan=plan)
    key = LampKey(carol, "701")
    sim.until(lambda: key.state == "idle")
    connect(sim, alice, bob, ready=bob)
    parks(sim, bob, alice)
    sim.until(lambda: key.state == "busy")
    alice.hangs_up()
    sim.until(lambda: key.state == "idle")
    key.watch.ends()
    sim.assert_idle()


def test_who_retrieves_a_call_that_hangs_up_before_it_hears_anything_is_hung_up():
    """The parked phone made no offer, and the ACK that would bring its answer does not come."""
    sim, (alice, carol) = office("1001", "1003", plan=plan)
    sim.network.loses("ACK", source=alice.host, times=None)
    alice.invites("*70", offer=False)
    sim.until(lambda: alice.talking)
    carol.invites("701")
    sim.until(lambda: carol.talking)
    sim.advance(2)
    alice.hangs_up()
    sim.until(lambda: carol.idle)
    sim.assert_idle()


def test_who_is_retrieved_by_somebody_who_leaves_at_once_goes_on_with_the_plan():
    sim, (alice, carol) = office("1001", "1003", plan=plan)
    loss = sim.network.loses("ACK", source=alice.host, times=None)
    alice.invites("*70", offer=False)
    sim.until(lambda: alice.talking)
    carol.invites("701")
    sim.until(lambda: carol.talking)
    carol.hangs_up()
    sim.advance(1)
    loss.stops()
    sim.until(lambda: alice.idle)
    assert [type(outcome) for outcome in outcomes] == [Answered]
    sim.assert_idle()
