"""Pickup (RFC 3891): a phone takes over a call that rings at another one of its extension, or that goes on there."""

from __future__ import annotations

from tests.flows.office import flow, office
from tests.flows.openings import connect, part, picks_up


@flow("1001", "1002", "1002")
def test_call_that_rings_is_picked_up_at_another_phone(sim, alice, bob, desk):
    alice.invites("1002")
    sim.until(lambda: bob.ringing and desk.ringing)
    sim.advance(2)  # so that both dialogs are known
    ringing, desk.call = desk.call, None
    picks_up(desk, bob.call)
    sim.until(lambda: desk.talking and alice.talking)
    sim.until(lambda: bob.idle and ringing.state == "over")
    assert "elsewhere" in bob.call.why
    part(sim, desk, alice, after=8)


@flow("1001", "1002", "1002")
def test_call_goes_on_at_another_phone(sim, alice, bob, desk):
    alice.invites("1002")
    sim.until(lambda: bob.ringing and desk.ringing)
    bob.answers()
    sim.until(lambda: alice.talking and desk.idle and bob.may_offer)
    picks_up(desk, bob.call)
    sim.until(lambda: desk.talking and bob.idle)
    part(sim, alice, desk, after=8)


@flow("1001", "1002", "1001")
def test_caller_goes_on_at_another_phone_that_makes_no_offer(sim, alice, bob, cell):
    connect(sim, alice, bob, ready=alice)
    picks_up(cell, alice.call, offer=False)
    sim.until(lambda: cell.talking and alice.idle)
    part(sim, bob, cell, after=8)


def test_caller_leaves_while_it_is_picked_up():
    sim, (alice, bob, desk) = office("1001", "1002", "1002")
    alice.invites("1002")
    sim.until(lambda: bob.ringing and desk.ringing)
    desk.declines(480)
    desk.call = None
    picks_up(desk, bob.call)
    alice.hangs_up()
    sim.until(lambda: bob.idle and desk.idle)
    sim.assert_idle()


def test_only_while_it_rings_and_not_afterwards():
    sim, (alice, bob, desk) = office("1001", "1002", "1002")
    alice.invites("1002")
    sim.until(lambda: bob.ringing)
    bob.answers()
    sim.until(lambda: alice.talking and desk.idle)
    picks_up(desk, bob.call, more=";early-only")
    sim.until(lambda: desk.idle)
    assert desk.call.status == 486
    assert sim.talk(alice, bob)
    bob.hangs_up()
    sim.until(lambda: alice.idle)
    picks_up(desk, bob.call)
    sim.until(lambda: desk.idle)
    assert desk.call.status == 603
    sim.assert_idle()
