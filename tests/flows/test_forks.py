"""Calls to several phones at once: the first that answers wins, the others are told so (RFC 3261 16.7, RFC 3326)."""

from __future__ import annotations

from tests.flows.office import ELSEWHERE, flow


@flow("1001", "1002", "1002")
def test_first_of_two_contacts_wins(sim, alice, bob, desk):
    alice.invites("1002")
    sim.until(lambda: bob.ringing and desk.ringing)
    sim.advance(2)
    desk.answers()
    sim.until(lambda: alice.talking and bob.idle)
    assert bob.call.why == ELSEWHERE
    sim.advance(8)
    assert sim.talk(alice, desk)
    alice.hangs_up()
    sim.until(lambda: desk.idle)


@flow("1001", "1002", "1003")
def test_first_of_two_extensions_wins(sim, alice, bob, carol):
    alice.invites("601")
    sim.until(lambda: bob.ringing and carol.ringing)
    bob.answers()
    sim.until(lambda: alice.talking and carol.idle)
    assert carol.call.why == ELSEWHERE
    bob.hangs_up()
    sim.until(lambda: alice.idle)


@flow("1001", "1002", "1002")
def test_first_answers_before_the_second_rings(sim, alice, bob, desk):
    alice.invites("1002")
    sim.until(lambda: bob.ringing or desk.ringing)
    winner, loser = (bob, desk) if bob.ringing else (desk, bob)
    winner.answers()
    sim.until(lambda: alice.talking)
    sim.advance(32)
    assert loser.idle
    assert sim.talk(alice, winner)
    winner.hangs_up()
    sim.until(lambda: alice.idle)


@flow("1001", "1002", "1002")
def test_two_answers_cross(sim, alice, bob, desk):
    alice.invites("1002")
    sim.until(lambda: bob.ringing and desk.ringing)
    bob.answers()
    desk.answers()
    sim.until(lambda: alice.talking and (bob.idle or desk.idle))
    loser, winner = (bob, desk) if bob.idle else (desk, bob)
    assert loser.call.ended_by == "them"
    sim.advance(8)
    assert sim.talk(alice, winner)
    alice.hangs_up()
    sim.until(lambda: winner.idle)


@flow("1001", "1002", "1002")
def test_one_is_busy_the_other_answers(sim, alice, bob, desk):
    bob.busy = True
    alice.invites("1002")
    sim.until(lambda: desk.ringing)
    desk.answers()
    sim.until(lambda: alice.talking)
    desk.hangs_up()
    sim.until(lambda: alice.idle)


@flow("1001", "1002", "1002")
def test_one_is_busy_the_other_does_not_answer(sim, alice, bob, desk):
    bob.busy = True
    alice.invites("1002")
    sim.until(lambda: alice.idle)
    assert alice.call.status == 486
    sim.until(lambda: desk.idle)
    assert desk.call is None or desk.call.ended_by == "them"


@flow("1001", "1002", "1002")
def test_one_has_vanished_the_other_answers(sim, alice, bob, desk):
    bob.vanishes()
    alice.invites("1002")
    sim.until(lambda: desk.ringing)
    sim.advance(8)
    desk.answers()
    sim.until(lambda: alice.talking)
    sim.advance(40)
    assert sim.talk(alice, desk)
    desk.hangs_up()
    sim.until(lambda: alice.idle)


@flow("1001", "1002", "1002")
def test_refusal_for_all_ends_the_ringing(sim, alice, bob, desk):
    alice.invites("1002")
    sim.until(lambda: bob.ringing and desk.ringing)
    bob.declines(603)
    sim.until(lambda: alice.idle and desk.idle)
    assert alice.call.status == 603
    assert desk.call.ended_by == "them"


@flow("1001", "1002", "1002")
def test_refusal_for_all_crosses_an_answer(sim, alice, bob, desk):
    alice.invites("1002")
    sim.until(lambda: bob.ringing and desk.ringing)
    bob.declines(600)
    desk.answers()
    sim.until(lambda: alice.idle or alice.talking)
    if alice.talking:
        alice.hangs_up()
    else:
        assert alice.call.status == 486
    sim.until(lambda: desk.idle)


@flow("1001", "1002", "1002")
def test_caller_cancels_all(sim, alice, bob, desk):
    alice.invites("1002")
    sim.until(lambda: bob.ringing and desk.ringing)
    alice.hangs_up()
    sim.until(lambda: bob.idle and desk.idle)
    assert {bob.call.ended_by, desk.call.ended_by} == {"them"}


@flow("1001", "1002", "1002")
def test_early_media_of_the_first_gives_way_to_the_answer_of_the_second(sim, alice, bob, desk):
    alice.invites("1002")
    sim.until(lambda: bob.ringing and desk.ringing)
    bob.sends_early_media()
    desk.sends_early_media()
    sim.advance(1)
    desk.answers()
    sim.until(lambda: alice.talking and bob.idle)
    sim.advance(8)
    assert sim.talk(alice, desk)
    desk.hangs_up()
    sim.until(lambda: alice.idle)
