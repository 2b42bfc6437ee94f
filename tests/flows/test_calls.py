"""Calls between two phones, from the first INVITE to the last BYE (the flows of RFC 3665 section 3, through the B2BUA).

Each is run again for every datagram lost, doubled and overtaken.
"""

from __future__ import annotations

from tests.flows.office import flow


@flow("1001", "1002")
def test_caller_hangs_up(sim, alice, bob):
    alice.invites("1002")
    sim.until(lambda: bob.ringing)
    sim.advance(4)
    bob.answers()
    sim.until(lambda: alice.talking)
    sim.advance(8)
    assert sim.talk(alice, bob)
    alice.hangs_up()
    sim.until(lambda: bob.idle)
    assert (alice.call.ended_by, bob.call.ended_by) == ("us", "them")


@flow("1001", "1002")
def test_callee_hangs_up(sim, alice, bob):
    alice.invites("1002")
    sim.until(lambda: bob.ringing)
    bob.answers()
    sim.until(lambda: alice.talking)
    sim.advance(8)
    assert sim.talk(alice, bob)
    bob.hangs_up()
    sim.until(lambda: alice.idle)
    assert (alice.call.ended_by, bob.call.ended_by) == ("them", "us")


@flow("1001", "1002")
def test_caller_hangs_up_at_once(sim, alice, bob):
    alice.invites("1002")
    sim.until(lambda: bob.ringing)
    bob.answers()
    sim.until(lambda: alice.talking)
    alice.hangs_up()
    sim.until(lambda: bob.idle)


@flow("1001", "1002")
def test_callee_hangs_up_at_once(sim, alice, bob):
    alice.invites("1002")
    sim.until(lambda: bob.ringing)
    bob.answers()
    bob.hangs_up()
    sim.until(lambda: alice.idle)


@flow("1001", "1002")
def test_both_hang_up_together(sim, alice, bob):
    alice.invites("1002")
    sim.until(lambda: bob.ringing)
    bob.answers()
    sim.until(lambda: alice.talking)
    sim.advance(2)
    alice.hangs_up()
    bob.hangs_up()


@flow("1001", "1002")
def test_caller_cancels(sim, alice, bob):
    alice.invites("1002")
    sim.until(lambda: bob.ringing)
    sim.advance(4)
    alice.hangs_up()
    sim.until(lambda: bob.idle)
    sim.until(lambda: not alice.agent.sessions)
    assert bob.call.ended_by == "them"


@flow("1001", "1002")
def test_caller_cancels_before_any_response(sim, alice, bob):
    alice.invites("1002")
    alice.hangs_up()
    sim.until(lambda: not alice.agent.sessions)
    sim.advance(32)
    assert bob.idle


@flow("1001", "1002")
def test_caller_cancels_while_the_callee_answers(sim, alice, bob):
    alice.invites("1002")
    sim.until(lambda: bob.ringing)
    sim.advance(2)
    alice.hangs_up()
    bob.answers()
    sim.until(lambda: bob.idle)


@flow("1001", "1002")
def test_callee_is_busy(sim, alice, bob):
    bob.busy = True
    alice.invites("1002")
    sim.until(lambda: alice.idle)
    assert alice.call.status == 486


@flow("1001", "1002")
def test_callee_declines(sim, alice, bob):
    alice.invites("1002")
    sim.until(lambda: bob.ringing)
    bob.declines()
    sim.until(lambda: alice.idle)
    assert alice.call.status == 603


@flow("1001", "1002")
def test_callee_does_not_answer(sim, alice, bob):
    alice.invites("1002")
    sim.until(lambda: bob.ringing)
    sim.until(lambda: alice.idle, within=32)
    assert alice.call.status == 480
    sim.until(lambda: bob.idle)
    assert bob.call.ended_by == "them"


@flow("1001", "1002")
def test_callee_has_vanished(sim, alice, bob):
    bob.vanishes()
    alice.invites("81002")
    sim.until(lambda: alice.idle)
    assert alice.call.status == 408


@flow("1001", "1002")
def test_callee_has_vanished_and_the_dialplan_is_less_patient(sim, alice, bob):
    bob.vanishes()
    alice.invites("1002")
    sim.until(lambda: alice.idle, within=32)
    assert alice.call.status == 480


@flow("1001", "1002")
def test_early_media_is_heard(sim, alice, bob):
    alice.invites("1002")
    sim.until(lambda: bob.ringing)
    bob.sends_early_media()
    sim.advance(2)
    bob.answers()
    sim.until(lambda: alice.talking)
    sim.advance(8)
    assert sim.talk(alice, bob)
    bob.hangs_up()
    sim.until(lambda: alice.idle)


@flow(host="fd00::1")
def test_call_over_ipv6(sim):
    alice, bob = sim.phone("1001", host="fd00::a"), sim.phone("1002", host="fd00::b")
    sim.until(lambda: alice.registered and bob.registered)
    alice.invites("1002")
    sim.until(lambda: bob.ringing)
    bob.answers()
    sim.until(lambda: alice.talking)
    sim.advance(8)
    assert sim.talk(alice, bob)
    bob.hangs_up()
    sim.until(lambda: alice.idle)


@flow("1001")
def test_echo(sim, alice):
    alice.invites("600")
    sim.until(lambda: alice.talking)
    sim.advance(1)
    alice.call.sound.says(440, 0.5)
    sim.advance(1)
    assert alice.call.sound.hears(440)
    alice.hangs_up()
