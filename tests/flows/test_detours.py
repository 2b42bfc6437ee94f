"""Detours: one of several that a dial rings sends the call on. Others ring in its place, beside those that ring."""

from __future__ import annotations

from pbx.dialplan import Busy, Declined, NoAnswer
from pbx.sip.headers import CONTACT, DIVERSION, HISTORY_INFO
from tests.flows.detours import attempts, nothing_yet, outcomes, plan
from tests.flows.forwarding import field, sets
from tests.flows.office import ELSEWHERE, flow, office
from tests.flows.openings import picks_up

__all__ = ["nothing_yet"]

TO_CAROL = (CONTACT.field("<sip:1003@10.0.0.1>"),)


@flow("1001", "1002", "1003", "1004", plan=plan)
def test_it_rings_where_one_of_two_has_sent_the_call_and_at_the_other(sim, alice, bob, carol, dave):
    sets(sim, "1002", forward_always="1003")
    alice.invites("700")
    sim.until(lambda: carol.ringing and dave.ringing)
    assert bob.call is None
    carol.answers()
    sim.until(lambda: alice.talking and dave.idle)
    assert dave.call.why == ELSEWHERE
    sim.advance(8)
    assert sim.talk(alice, carol)
    carol.hangs_up()
    sim.until(lambda: alice.idle)


@flow("1001", "1002", "1003", "1004", plan=plan)
def test_the_other_one_answers_and_it_rings_no_more_where_the_call_was_sent(sim, alice, bob, carol, dave):
    sets(sim, "1002", forward_always="1003")
    alice.invites("700")
    sim.until(lambda: carol.ringing and dave.ringing)
    dave.answers()
    sim.until(lambda: alice.talking and carol.idle)
    assert carol.call.why == ELSEWHERE
    sim.advance(8)
    assert sim.talk(alice, dave)
    alice.hangs_up()
    sim.until(lambda: dave.idle)


@flow("1001", "1002", "1003", "1004", plan=plan)
def test_a_phone_of_one_of_two_sends_the_call_on_with_302(sim, alice, bob, carol, dave):
    alice.invites("700")
    sim.until(lambda: bob.ringing and dave.ringing)
    bob.declines(302, TO_CAROL)
    sim.until(lambda: carol.ringing)
    assert dave.ringing
    carol.answers()
    sim.until(lambda: alice.talking and dave.idle)
    sim.advance(8)
    assert sim.talk(alice, carol)
    alice.hangs_up()
    sim.until(lambda: carol.idle)


@flow("1001", "1002", "1003", "1004", plan=plan)
def test_follow_me_while_the_other_one_rings_on(sim, alice, bob, carol, dave):
    sets(sim, "1002", forward_no_answer="1003", forward_no_answer_after=5)
    alice.invites("700")
    sim.until(lambda: bob.ringing and dave.ringing)
    sim.until(lambda: carol.ringing and bob.idle, within=40)
    assert dave.ringing
    alice.hangs_up()
    sim.until(lambda: carol.idle and dave.idle)


def test_busy_not_to_be_disturbed_and_not_registered_ring_elsewhere_each_as_it_is_set():
    sim, (alice, bob, carol, dave) = office("1001", "1002", "1003", "1004", plan=plan)
    sets(sim, "1002", forward_busy="1003", forward_unreachable="1001")
    bob.busy = True
    for change in ({}, {"do_not_disturb": True}):
        sets(sim, "1002", **change)
        alice.invites("700")
        sim.until(lambda: carol.ringing and dave.ringing, within=2)
        alice.hangs_up()
        sim.until(lambda: carol.idle and dave.idle)
    sets(sim, "1002", do_not_disturb=False, forward_unreachable="1003")
    bob.registers(expires=0)
    alice.invites("700")
    sim.until(lambda: carol.ringing and dave.ringing, within=2)
    alice.hangs_up()
    sim.until(lambda: carol.idle and dave.idle)
    sim.assert_idle()


def test_who_rings_elsewhere_is_told_by_whom_and_why_and_nobody_else_is():
    sim, (alice, carol, dave) = office("1001", "1003", "1004", plan=plan)
    sets(sim, "1002", forward_always="1003")
    alice.invites("700")
    sim.until(lambda: carol.ringing and dave.ringing)
    assert field(carol, DIVERSION) == "<sip:1002@10.0.0.1>;reason=unconditional"
    assert field(carol, HISTORY_INFO) == "<sip:1002@10.0.0.1>;index=1, <sip:1003@10.0.0.1;cause=302>;index=1.1;mp=1"
    assert carol.call.invite.sender().uri.user == "1001"
    assert field(dave, DIVERSION) is None and field(dave, HISTORY_INFO) is None
    alice.hangs_up()
    sim.assert_idle()


def test_all_of_it_ends_with_the_timeout_and_each_has_its_attempt():
    sim, (alice, carol, dave) = office("1001", "1003", "1004", plan=plan)
    sets(sim, "1002", forward_always="1003")
    alice.invites("700")
    sim.until(lambda: carol.ringing and dave.ringing)
    sim.advance(19)
    assert carol.ringing and dave.ringing
    sim.until(lambda: alice.idle, within=2)
    assert carol.idle and dave.idle and isinstance(outcomes[-1], NoAnswer)
    assert attempts() == [("1004", 480), ("1002", 302), ("1003", 480)]
    sim.assert_idle()


def test_the_others_ring_on_when_it_was_in_vain_there():
    sim, (alice, carol, dave) = office("1001", "1003", "1004", plan=plan)
    sets(sim, "1002", forward_always="1003")
    alice.invites("700")
    sim.until(lambda: carol.ringing and dave.ringing)
    carol.declines(486)
    sim.advance(5)
    assert dave.ringing
    dave.declines(486)
    sim.until(lambda: alice.idle)
    assert isinstance(outcomes[-1], Busy)
    assert attempts() == [("1002", 302), ("1003", 486), ("1004", 486)]
    sim.assert_idle()


def test_who_declines_for_all_ends_it_there_too():
    sim, (alice, carol, dave) = office("1001", "1003", "1004", plan=plan)
    sets(sim, "1002", forward_always="1003")
    alice.invites("700")
    sim.until(lambda: carol.ringing and dave.ringing)
    dave.declines(603)
    sim.until(lambda: alice.idle)
    assert carol.idle and isinstance(outcomes[-1], Declined)
    sim.assert_idle()


@flow("1001", "1002", "1003", plan=plan)
def test_what_rings_apart_is_sent_on_too(sim, alice, bob, carol):
    sets(sim, "1002", forward_no_answer="1003", forward_no_answer_after=5)
    alice.invites("704")
    sim.until(lambda: bob.ringing)
    sim.until(lambda: bob.idle and carol.ringing, within=40)
    carol.answers()
    sim.until(lambda: alice.talking and carol.talking)
    sim.advance(8)
    assert sim.talk(alice, carol)
    carol.hangs_up()
    sim.until(lambda: alice.idle)


def test_a_phone_that_rings_already_is_not_rung_twice():
    sim, (alice, dave) = office("1001", "1004", plan=plan)
    sets(sim, "1002", forward_always="1004")
    alice.invites("700")
    sim.until(lambda: dave.ringing)
    sim.advance(1)
    assert sim.exchange.switchboard.calls_of("1004") == 1
    dave.declines(486)
    sim.until(lambda: alice.idle)
    assert attempts() == [("1002", 302), ("1004", 486), ("1004", 486)]
    sim.assert_idle()


def test_what_rings_elsewhere_can_be_picked_up():
    sim, (alice, carol, cell, dave) = office("1001", "1003", "1003", "1004", plan=plan)
    sets(sim, "1002", forward_always="1003")
    alice.invites("700")
    sim.until(lambda: carol.ringing and cell.ringing and dave.ringing)
    sim.advance(2)
    cell.call = None
    picks_up(cell, carol.call)
    sim.until(lambda: cell.talking and alice.talking and dave.idle and carol.idle)
    sim.advance(8)
    assert sim.talk(alice, cell)
    alice.hangs_up()
    sim.until(lambda: cell.idle)
    sim.assert_idle()


def test_an_extension_that_is_removed_rings_no_more_there():
    sim, (alice, carol, dave) = office("1001", "1003", "1004", plan=plan)
    sets(sim, "1002", forward_always="1003")
    alice.invites("700")
    sim.until(lambda: carol.ringing and dave.ringing)
    sim.exchange.switchboard.hang_up("1003", "removed")
    sim.until(lambda: carol.idle)
    assert dave.ringing
    alice.hangs_up()
    sim.until(lambda: dave.idle)
    sim.assert_idle()


def test_early_media_there_is_not_heard_but_it_rings():
    sim, (alice, carol, dave) = office("1001", "1003", "1004", plan=plan)
    sets(sim, "1002", forward_always="1003")
    dave.busy = True
    alice.invites("700")
    sim.until(lambda: carol.ringing and dave.idle)
    carol.sends_early_media()
    sim.advance(1)
    assert alice.call.progress == [180] and not sim.talk(alice, carol)
    carol.answers()
    sim.until(lambda: alice.talking)
    sim.advance(8)
    assert sim.talk(alice, carol)
    alice.hangs_up()
    sim.until(lambda: carol.idle)
    sim.assert_idle()
