"""Limits of trunks: how many calls one carries, who may call by it, and emergency calls, which are under none."""

from __future__ import annotations

from dataclasses import replace

from pbx.exchange.thresholds import Thresholds
from pbx.testing.watch import Transfer
from tests.flows.trunks import ACME, BACKUP, NUMBER, callee_hangs_up, office, outcomes


def test_class_of_service_is_asked_before_the_plan_begins():
    sim = office()
    acme = sim.trunk("acme")
    alice = sim.phone("1001")
    alice.invites("9" + NUMBER)
    sim.until(lambda: alice.idle)
    assert (alice.call.status, acme.calls) == (403, 0)
    sim.assert_idle()


def test_trunk_carries_a_caller_who_is_transferred_until_it_hangs_up():
    sim = office(ACME, BACKUP)
    alice, bob = sim.phone("1001"), sim.phone("1002")
    caller = sim.trunk("acme").call("+15551234567", to="+14155550100")
    sim.until(lambda: alice.ringing)
    alice.answers()
    sim.until(lambda: caller.talking and alice.may_offer)
    transfer = Transfer(alice, "sip:1002@10.0.0.1")
    sim.until(lambda: bob.ringing)
    link = sim.exchange.trunks.links["acme"]
    assert link.calls == 1
    bob.answers()
    sim.until(lambda: transfer.over and alice.idle)
    sim.advance(8)
    assert sim.talk(caller, bob)
    assert link.calls == 1
    bob.hangs_up()
    sim.until(lambda: caller.idle)
    assert link.calls == 0
    sim.assert_idle()


def test_calls_at_once_are_bounded_in_both_directions():
    sim = office(replace(ACME, max_calls=1), BACKUP)
    acme, backup = sim.trunk("acme"), sim.trunk("backup")
    alice, bob = sim.phone("1001"), sim.phone("1002")
    caller = acme.call("+15551234567", to="+14155550100")
    sim.until(lambda: alice.ringing)
    second = acme.call("+15551234568", to="+14155550100")
    sim.until(lambda: second.idle)
    assert second.call.status == 486
    bob.invites(NUMBER)
    sim.until(lambda: bob.talking)
    assert (acme.calls, backup.calls) == (0, 1)
    callee_hangs_up(sim)
    caller.hangs_up()
    sim.advance(1)
    assert outcomes[-1].attempts[0].text == "acme carries as many calls as it may"
    bob.invites(NUMBER)
    sim.until(lambda: bob.talking)
    assert acme.calls == 1
    assert not sim.exchange.trunks.links["acme"].has_room()
    bob.hangs_up()
    sim.advance(1)
    assert sim.exchange.trunks.links["acme"].calls == 0
    sim.assert_idle()


def test_one_call_that_rings_a_trunk_twice_has_no_more_room_than_two():
    sim = office(replace(ACME, max_calls=1), BACKUP)
    acme = sim.trunk("acme")
    acme.rings()
    alice = sim.phone("1001")
    alice.invites("81")
    sim.advance(1)
    assert acme.calls == 1
    assert sim.exchange.trunks.links["acme"].calls == 1
    acme.gateway.answers()
    sim.until(lambda: alice.talking)
    callee_hangs_up(sim)
    sim.advance(1)
    assert outcomes[-1].attempts[-1].code == 200
    alice.invites("81")
    sim.until(lambda: acme.calls == 2)
    alice.hangs_up()
    sim.assert_idle()


def test_emergency_call_is_under_no_limit_and_no_class_of_service():
    sim = office(replace(ACME, max_calls=1), thresholds=Thresholds(calls_at_once=1, calls_per_hour=1))
    acme = sim.trunk("acme")
    alice, bob = sim.phone("1001"), sim.phone("1002")
    caller = acme.call("+15551234567", to="+14155550100")  # the trunk is full
    sim.until(lambda: alice.ringing)
    for number in ("91234", "1001"):  # a word that bob has not; and no call more in this hour
        bob.invites(number)
        sim.until(lambda: bob.idle)
    assert bob.call.status == 403
    bob.invites("112")
    sim.until(lambda: bob.talking)
    assert acme.last.target == "sip:112@10.9.1.1"
    bob.hangs_up()
    caller.hangs_up()
    sim.assert_idle()
