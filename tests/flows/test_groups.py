"""Ring groups: who rings when, who is left out, and what is told of each member."""

from __future__ import annotations

import pytest

from pbx.dialplan import Answered, Busy, Call, Declined, NoAnswer, Plan, group
from pbx.dialplan.groups import by_q, in_turn, longest_idle, round_robin
from tests.flows.office import ELSEWHERE, flow, office

plan = Plan()
outcomes = []


@plan.internal("700")
async def together(call: Call) -> None:
    outcomes.append(await call.dial(group("1002", "1003"), timeout=20))


@plan.internal("701")
async def one_by_one(call: Call) -> None:
    outcomes.append(await call.dial(group("1002", "1003", strategy=in_turn, ring_for=10)))


@plan.internal("702")
async def fairly(call: Call) -> None:
    outcomes.append(await call.dial(group("1002", "1003", "1004", strategy=round_robin, ring_for=10)))


@plan.internal("703")
async def idle_first(call: Call) -> None:
    outcomes.append(await call.dial(group("1002", "1003", strategy=longest_idle, ring_for=10)))


@plan.internal("704")
async def preferred_first(call: Call) -> None:
    outcomes.append(await call.dial(group("1002", "1003", strategy=by_q, ring_for=10)))


@plan.internal("705")
async def only_the_free(call: Call) -> None:
    outcomes.append(await call.dial(group("1002", "1003", skip_busy=True), timeout=20))


@plan.internal("706")
async def then_waits(call: Call) -> None:
    await call.dial(group("1002"))
    await call.sleep(3600)


@plan.internal("606")
async def engaged(call: Call) -> None:
    await call.answer()
    await call.sleep(3600)


@pytest.fixture(autouse=True)
def _no_outcomes():
    outcomes.clear()


def attempts():
    return [(str(attempt.target), attempt.code) for attempt in outcomes[-1].attempts]


def rings_alone(sim, one, *others):
    sim.until(lambda: one.ringing, within=2)
    assert not any(other.ringing for other in others)


def talks(sim, caller, number, one, *others):
    """A caller talks with the one that rings first, and hangs up."""
    caller.invites(number)
    rings_alone(sim, one, *others)
    one.answers()
    sim.until(lambda: caller.talking)
    caller.hangs_up()
    sim.until(lambda: one.idle)
    sim.advance(1)


@flow("1001", "1002", "1003", plan=plan)
def test_all_ring_and_the_losers_are_told(sim, alice, bob, carol):
    alice.invites("700")
    sim.until(lambda: bob.ringing and carol.ringing)
    carol.answers()
    sim.until(lambda: alice.talking and bob.idle)
    assert bob.call.why == ELSEWHERE
    carol.hangs_up()
    sim.until(lambda: alice.idle)


@flow("1001", "1002", "1003", plan=plan)
def test_the_next_one_rings_when_the_one_before_has_not_answered(sim, alice, bob, carol):
    alice.invites("701")
    rings_alone(sim, bob, carol)
    sim.until(lambda: bob.idle and carol.ringing)
    carol.answers()
    sim.until(lambda: alice.talking)
    sim.advance(8)
    assert sim.talk(alice, carol)
    carol.hangs_up()
    sim.until(lambda: alice.idle)
    assert isinstance(outcomes[-1], Answered) and str(outcomes[-1].by) == "1003"


def test_each_member_has_its_attempt_and_its_delay():
    sim, (alice, bob, carol) = office("1001", "1002", "1003", plan=plan)
    bob.busy = True
    alice.invites("701")
    sim.until(lambda: carol.ringing)
    sim.until(lambda: alice.idle)
    assert isinstance(outcomes[-1], Busy)
    assert attempts() == [("1002", 486), ("1003", 480)]
    assert outcomes[-1].attempts[1].delay < 0.1  # from when it was rung itself
    sim.assert_idle()


def test_who_is_not_registered_is_left_out_at_once():
    sim, (alice, carol) = office("1001", "1003", plan=plan)
    alice.invites("701")
    rings_alone(sim, carol)
    sim.until(lambda: alice.idle)
    assert isinstance(outcomes[-1], NoAnswer)
    assert attempts() == [("1002", 480), ("1003", 480)]
    assert outcomes[-1].attempts[0].text == "not registered"
    sim.assert_idle()


def test_who_declines_ends_its_own_turn_only():
    sim, (alice, bob, carol) = office("1001", "1002", "1003", plan=plan)
    alice.invites("701")
    rings_alone(sim, bob, carol)
    bob.declines(603)
    sim.until(lambda: carol.ringing)
    sim.until(lambda: alice.idle)
    assert isinstance(outcomes[-1], Declined) and str(outcomes[-1].by) == "1002"
    sim.assert_idle()


def test_the_caller_leaves_and_nobody_rings_any_more():
    sim, (alice, bob, carol) = office("1001", "1002", "1003", plan=plan)
    alice.invites("701")
    rings_alone(sim, bob, carol)
    alice.hangs_up()
    sim.until(lambda: bob.idle)
    sim.advance(30)
    assert carol.call is None
    sim.assert_idle()


def test_round_robin_begins_with_the_next_one_each_time_whatever_plan_there_is():
    sim, (alice, *members) = office("1001", "1002", "1003", "1004", plan=plan)
    for first in (*members, members[0]):
        alice.invites("702")
        rings_alone(sim, first, *[member for member in members if member is not first])
        alice.hangs_up()
        sim.until(lambda: alice.idle and not any(member.ringing for member in members))
        sim.exchange.switchboard.dialplan = plan
    sim.assert_idle()


def test_who_has_talked_last_rings_last():
    sim, (alice, bob, carol) = office("1001", "1002", "1003", plan=plan)
    for first in (bob, carol, bob):
        talks(sim, alice, "703", first, bob if first is carol else carol)
        assert bob.idle and carol.idle
    sim.assert_idle()


def test_who_has_left_a_call_that_goes_on_is_idle_from_then():
    sim, (alice, bob, carol, dave) = office("1001", "1002", "1003", "1004", plan=plan)
    alice.invites("706")
    sim.until(lambda: bob.ringing)
    bob.answers()
    sim.until(lambda: alice.talking)
    bob.hangs_up()
    sim.advance(1)
    talks(sim, dave, "703", carol, bob)
    alice.hangs_up()
    sim.advance(1)
    dave.invites("703")
    rings_alone(sim, bob, carol)
    dave.hangs_up()
    sim.until(lambda: dave.idle)
    sim.assert_idle()


def test_phones_of_a_higher_q_ring_first():
    sim, (alice,) = office("1001", plan=plan)
    mobile = sim.phone("1002", register=False)
    mobile.registers(q=0.3)
    desk, carol = sim.phone("1002", register=False), sim.phone("1003", register=False)
    desk.registers(q=0.9)
    carol.registers(q=0.9)
    sim.advance(0.25)
    alice.invites("704")
    sim.until(lambda: desk.ringing and carol.ringing)
    assert not mobile.ringing
    sim.until(lambda: mobile.ringing)
    assert desk.idle and carol.idle
    alice.hangs_up()
    sim.until(lambda: mobile.idle)
    sim.assert_idle()


def test_who_is_in_a_call_is_left_out_where_the_group_says_so():
    sim, (alice, bob, carol) = office("1001", "1002", "1003", plan=plan)
    bob.invites("606")
    sim.until(lambda: bob.talking)
    alice.invites("705")
    rings_alone(sim, carol, bob)
    carol.declines(486)
    sim.until(lambda: alice.idle)
    assert attempts() == [("1002", 486), ("1003", 486)]
    bob.hangs_up()
    sim.assert_idle()


def test_the_caller_is_not_rung_by_its_own_group():
    sim, (bob, carol) = office("1002", "1003", plan=plan)
    bob.invites("700")
    sim.until(lambda: carol.ringing)
    assert not bob.ringing
    bob.hangs_up()
    sim.until(lambda: carol.idle)
    sim.assert_idle()


@pytest.mark.parametrize(
    ("members", "terms", "words"),
    [
        ((), {}, "needs members"),
        ((1002,), {}, "numbers as text"),
        (("1002", "1002"), {}, "comes twice"),
        (("1002",), {"strategy": "in_turn"}, "strategy is one of"),
        (("1002",), {"ring_for": 0}, "must be > 0"),
        (("1002",), {"ring_for": "20"}, "number of seconds"),
    ],
)
def test_a_group_that_can_be_none_is_refused_where_it_is_made(members, terms, words):
    with pytest.raises((TypeError, ValueError), match=words):
        group(*members, **terms)
