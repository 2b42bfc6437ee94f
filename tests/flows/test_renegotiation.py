"""Sessions that change while they last: hold and resume, offers that come late, offers that cross (RFC 3261 section 14,
RFC 3264, RFC 6337), passed through from one side to the other.
"""

from __future__ import annotations

from tests.flows.office import flow
from tests.flows.openings import connect, part


@flow("1001", "1002")
def test_caller_holds_and_resumes(sim, alice, bob):
    connect(sim, alice, bob)
    sim.advance(8)
    alice.holds()
    sim.until(lambda: bob.call.held and alice.may_offer)
    sim.advance(8)
    alice.resumes()
    sim.until(lambda: not bob.call.held and alice.may_offer)
    part(sim, alice, bob, after=8)


@flow("1001", "1002")
def test_callee_holds_and_resumes(sim, alice, bob):
    connect(sim, alice, bob)
    sim.advance(8)
    bob.holds()
    sim.until(lambda: alice.call.held and bob.may_offer)
    bob.resumes()
    sim.until(lambda: not alice.call.held and bob.may_offer)
    part(sim, bob, alice, after=8)


@flow("1001", "1002")
def test_caller_holds_at_once(sim, alice, bob):
    connect(sim, alice, bob)
    alice.holds()
    sim.until(lambda: bob.call.held and alice.may_offer)
    alice.resumes()
    sim.until(lambda: not bob.call.held and alice.may_offer)
    part(sim, alice, bob, after=8)


@flow("1001", "1002")
def test_callee_holds_as_soon_as_it_may(sim, alice, bob):
    connect(sim, alice, bob, ready=bob)
    bob.holds()
    sim.until(lambda: bob.may_offer)
    sim.advance(8)
    assert bob.call.status == 491 or alice.call.held
    bob.resumes()
    sim.until(lambda: bob.may_offer)
    part(sim, alice, bob, after=8)


@flow("1001", "1002")
def test_refused_offer_leaves_the_call_as_it_was(sim, alice, bob):
    connect(sim, alice, bob)
    sim.advance(8)
    bob.refuses = 488
    alice.holds()
    sim.until(lambda: alice.may_offer)
    assert alice.call.status == 488
    part(sim, alice, bob, after=8)


@flow("1001", "1002")
def test_what_refuses_an_offer_for_its_own_reasons_is_a_500_for_the_other_side(sim, alice, bob):
    connect(sim, alice, bob)
    sim.advance(8)
    bob.refuses = 503
    alice.holds()
    sim.until(lambda: alice.may_offer)
    assert alice.call.status == 500
    part(sim, alice, bob, after=8)


@flow("1001", "1002")
def test_offers_that_cross_are_both_refused_and_may_be_made_again(sim, alice, bob):
    connect(sim, alice, bob)
    sim.advance(8)
    alice.holds()
    bob.holds()
    sim.until(lambda: alice.may_offer and bob.may_offer)
    sim.advance(8)
    assert 491 in (alice.call.status, bob.call.status)
    alice.resumes()
    sim.until(lambda: alice.may_offer)
    sim.advance(8)
    bob.resumes()
    sim.until(lambda: bob.may_offer)
    part(sim, alice, bob, after=8)


@flow("1001", "1002")
def test_caller_asks_for_an_offer(sim, alice, bob):
    connect(sim, alice, bob)
    sim.advance(8)
    alice.asks_for_an_offer()
    sim.until(lambda: alice.may_offer)
    part(sim, bob, alice, after=8)


@flow("1001", "1002")
def test_callee_asks_for_an_offer(sim, alice, bob):
    connect(sim, alice, bob)
    sim.advance(8)
    bob.asks_for_an_offer()
    sim.until(lambda: bob.may_offer)
    part(sim, alice, bob, after=8)


@flow("1001", "1002")
def test_call_without_an_offer(sim, alice, bob):
    alice.invites("1002", offer=False)
    sim.until(lambda: bob.ringing)
    bob.answers()
    sim.until(lambda: alice.talking)
    part(sim, alice, bob, after=8)


@flow("1001", "1002")
def test_call_without_an_offer_ends_at_once(sim, alice, bob):
    alice.invites("1002", offer=False)
    sim.until(lambda: bob.ringing)
    bob.answers()
    bob.hangs_up()
    sim.until(lambda: alice.idle)


@flow("1001")
def test_echo_of_a_call_without_an_offer(sim, alice):
    alice.invites("600", offer=False)
    sim.until(lambda: alice.talking)
    sim.advance(8)
    alice.call.sound.says(440, 0.5)
    sim.advance(1)
    assert alice.call.sound.hears(440)
    alice.hangs_up()


@flow("1001")
def test_echo_is_held_and_resumed(sim, alice):
    alice.invites("600")
    sim.until(lambda: alice.talking)
    alice.holds()
    sim.until(lambda: alice.may_offer)
    alice.asks_for_an_offer()
    sim.until(lambda: alice.may_offer)
    sim.advance(8)
    alice.call.sound.says(440, 0.5)
    sim.advance(1)
    assert alice.call.sound.hears(440)
    alice.hangs_up()


@flow("1001", "1002")
def test_caller_hangs_up_while_it_holds(sim, alice, bob):
    connect(sim, alice, bob)
    sim.advance(8)
    alice.holds()
    alice.hangs_up()
    sim.until(lambda: bob.idle)


@flow("1001", "1002")
def test_callee_hangs_up_while_the_caller_holds(sim, alice, bob):
    connect(sim, alice, bob)
    sim.advance(8)
    alice.holds()
    bob.hangs_up()
    sim.until(lambda: alice.idle)


@flow("1001", "1002")
def test_callee_vanishes_before_the_caller_holds(sim, alice, bob):
    connect(sim, alice, bob)
    sim.advance(8)
    bob.vanishes()
    alice.holds()
    sim.until(lambda: alice.idle)
    assert alice.call.ended_by == "them"
    bob.hangs_up()


@flow("1001", "1002")
def test_attended_call_reaches_the_callee(sim, alice, bob):
    alice.invites("91002")
    sim.until(lambda: alice.talking and bob.ringing)
    sim.advance(2)
    bob.answers()
    sim.until(lambda: bob.talking)
    part(sim, bob, alice)


@flow("1001", "1002")
def test_attended_call_is_answered_at_once(sim, alice, bob):
    alice.invites("91002")
    sim.until(lambda: bob.ringing)
    bob.answers()
    sim.until(lambda: bob.talking and alice.talking)
    part(sim, alice, bob, after=40)


@flow("1001", "1002")
def test_attended_call_without_an_offer(sim, alice, bob):
    alice.invites("91002", offer=False)
    sim.until(lambda: bob.ringing)
    bob.answers()
    sim.until(lambda: bob.talking and alice.talking)
    part(sim, alice, bob, after=40)


@flow("1001", "1002")
def test_attended_caller_holds_while_the_callee_answers(sim, alice, bob):
    alice.invites("91002")
    sim.until(lambda: bob.ringing and alice.talking)
    sim.advance(8)
    alice.holds()
    bob.answers()
    sim.until(lambda: bob.talking and alice.may_offer)
    sim.advance(40)
    alice.resumes()
    sim.until(lambda: alice.may_offer)
    part(sim, alice, bob, after=8)


@flow("1001", "1002")
def test_attended_caller_that_refuses_to_hear_the_callee(sim, alice, bob):
    alice.refuses = 488
    alice.invites("91002")
    sim.until(lambda: bob.ringing and alice.talking)
    bob.answers()
    sim.until(lambda: bob.idle and alice.idle)


@flow("1001", "1002")
def test_attended_caller_whose_offers_always_cross(sim, alice, bob):
    alice.refuses = 491
    alice.invites("91002", offer=False)
    sim.until(lambda: bob.ringing and alice.talking)
    bob.answers()
    sim.until(lambda: bob.idle and alice.idle, within=24)


@flow("1001", "1002", "1003")
def test_caller_goes_from_one_callee_to_the_next(sim, alice, bob, carol):
    alice.invites("607")
    sim.until(lambda: bob.ringing)
    bob.answers()
    sim.until(lambda: alice.talking)
    sim.advance(8)
    assert sim.talk(alice, bob)
    bob.hangs_up()
    sim.until(lambda: carol.ringing)
    carol.answers()
    sim.until(lambda: carol.talking)
    part(sim, carol, alice)


@flow("1001", "1002", "1003")
def test_callee_leaves_with_an_offer_of_its_own_unanswered(sim, alice, bob, carol):
    alice.invites("607")
    sim.until(lambda: bob.ringing)
    bob.answers()
    sim.until(lambda: alice.talking and bob.may_offer)
    bob.holds()
    bob.hangs_up()
    sim.until(lambda: carol.ringing)
    carol.answers()
    sim.until(lambda: carol.talking)
    part(sim, alice, carol, after=40)


@flow("1001", "1002", "1003")
def test_callee_leaves_having_asked_for_an_offer(sim, alice, bob, carol):
    alice.invites("607")
    sim.until(lambda: bob.ringing)
    bob.answers()
    sim.until(lambda: alice.talking and bob.may_offer)
    bob.asks_for_an_offer()
    bob.hangs_up()
    sim.until(lambda: carol.ringing)
    carol.answers()
    sim.until(lambda: carol.talking)
    part(sim, carol, alice, after=40)


@flow("1001", "1002", "1003")
def test_callee_leaves_while_the_caller_holds(sim, alice, bob, carol):
    alice.invites("607")
    sim.until(lambda: bob.ringing)
    bob.answers()
    sim.until(lambda: alice.talking)
    sim.advance(8)
    alice.holds()
    bob.hangs_up()
    sim.until(lambda: carol.ringing)
    sim.until(lambda: alice.may_offer)
    carol.answers()
    sim.until(lambda: carol.talking)
    sim.advance(40)
    alice.resumes()
    part(sim, carol, alice)
