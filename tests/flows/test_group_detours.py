"""Detours of the members of a ring group: only if the plan says so, at the same time or in turn."""

from __future__ import annotations

import pytest

from pbx.dialplan import Failed, group
from pbx.dialplan.groups import by_q
from tests.flows.detours import attempts, nothing_yet, outcomes, plan
from tests.flows.forwarding import sets
from tests.flows.office import flow, office

__all__ = ["nothing_yet"]


def test_members_of_a_group_are_rung_nowhere_else_unless_the_plan_says_so():
    sim, (alice, carol, dave) = office("1001", "1003", "1004", plan=plan)
    sets(sim, "1002", forward_always="1003")
    alice.invites("701")
    sim.until(lambda: dave.ringing)
    sim.advance(5)
    assert carol.call is None
    alice.hangs_up()
    sim.until(lambda: dave.idle)
    alice.invites("702")
    sim.until(lambda: carol.ringing and dave.ringing)
    carol.answers()
    sim.until(lambda: alice.talking and dave.idle)
    assert sim.talk(alice, carol)
    alice.hangs_up()
    sim.until(lambda: carol.idle)
    sim.assert_idle()


@pytest.mark.parametrize("number", ["701", "702"])
def test_a_member_that_is_not_to_be_disturbed_is_left_out(number):
    sim, (alice, bob, dave) = office("1001", "1002", "1004", plan=plan)
    sets(sim, "1002", do_not_disturb=True)
    alice.invites(number)
    sim.until(lambda: dave.ringing)
    assert bob.call is None
    alice.hangs_up()
    sim.assert_idle()


@flow("1001", "1002", "1003", "1004", plan=plan)
def test_in_turn_it_is_the_members_turn_elsewhere(sim, alice, bob, carol, dave):
    sets(sim, "1002", forward_always="1003")
    alice.invites("703")
    sim.until(lambda: carol.ringing)
    assert not dave.ringing
    sim.until(lambda: dave.ringing and carol.idle, within=40)
    dave.answers()
    sim.until(lambda: alice.talking)
    alice.hangs_up()
    sim.until(lambda: dave.idle)


def test_in_turn_the_next_one_rings_when_it_was_in_vain_there():
    sim, (alice, carol, dave) = office("1001", "1003", "1004", plan=plan)
    sets(sim, "1002", forward_always="1003")
    alice.invites("703")
    sim.until(lambda: carol.ringing)
    carol.declines(486)
    sim.until(lambda: dave.ringing, within=1)
    dave.declines(486)
    sim.until(lambda: alice.idle)
    assert attempts() == [("1002", 302), ("1003", 486), ("1004", 486)]
    sim.assert_idle()


def test_groups_that_give_phones_turns_forward_nothing():
    with pytest.raises(ValueError, match="forwarding is of members"):
        group("1002", strategy=by_q, forwarding=True)


def test_members_that_all_send_the_call_to_their_group_end_it():
    sim, (alice, dave) = office("1001", "1004", plan=plan)
    for number in ("1002", "1003"):
        sets(sim, number, forward_always="710")
    alice.invites("710")
    sim.until(lambda: dave.ringing)
    sim.advance(1)
    alice.hangs_up()
    sim.until(lambda: dave.idle)
    sets(sim, "1004", forward_always="710")
    alice.invites("710")
    sim.until(lambda: alice.idle)
    assert isinstance(outcomes[-1], Failed) and outcomes[-1].code == 482
    sim.assert_idle()
