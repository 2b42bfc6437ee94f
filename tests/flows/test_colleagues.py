"""What colleagues do for each other by codes: picking up what rings; and how many calls reach one of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pbx.dialplan import Busy, Call, Plan, ext, group
from pbx.exchange.accounts import Accounts
from pbx.exchange.extension import Extension
from tests.flows.office import flow, office

plan = Plan()
outcomes = []


@plan.internal("<number:1XXX>")
async def extension(call: Call, number: str) -> None:
    outcomes.append(await call.dial(ext(number), timeout=30))


@plan.internal("700")
async def team(call: Call) -> None:
    await call.dial(group("1002", "1003"))


@plan.internal("*8")
async def pick_up(call: Call) -> None:
    if not await call.pick_up():
        await call.reject(404)


@plan.internal("*8<number:1XXX>")
async def pick_up_from(call: Call, number: str) -> None:
    if not await call.pick_up(ext(number)):
        await call.reject(404)


@pytest.fixture(autouse=True)
def _no_outcomes():
    outcomes.clear()


def sets(sim, number, **columns):
    rows = [replace(row, **columns) if row.number == number else row for row in sim.exchange.directory]
    sim.exchange.replace_accounts(Accounts(rows))


def sales(sim, *numbers):
    for number in numbers:
        sets(sim, number, pickup_group="sales")


@flow("1001", "1002", "1003", plan=plan)
def test_a_colleague_answers_what_rings(sim, alice, bob, carol):
    sales(sim, "1002", "1003")
    alice.invites("1002")
    sim.until(lambda: bob.ringing)
    carol.invites("*8")
    sim.until(lambda: carol.talking and alice.talking and bob.idle)
    assert "elsewhere" in bob.call.why
    sim.advance(8)
    assert sim.talk(alice, carol)
    alice.hangs_up()
    sim.until(lambda: carol.idle)


@flow("1001", "1002", "1003", plan=plan)
def test_a_colleague_answers_what_rings_at_a_phone_that_it_names(sim, alice, bob, carol):
    sales(sim, "1002", "1003")
    alice.invites("1002")
    sim.until(lambda: bob.ringing)
    carol.invites("*81002")
    sim.until(lambda: carol.talking and alice.talking and bob.idle)
    sim.advance(8)
    assert sim.talk(alice, carol)
    carol.hangs_up()
    sim.until(lambda: alice.idle)


def test_nobody_picks_up_the_calls_of_others_or_what_has_been_answered():
    sim, (alice, bob, carol, dave) = office("1001", "1002", "1003", "1004", plan=plan)
    sales(sim, "1002", "1003")
    alice.invites("1002")
    sim.until(lambda: bob.ringing)
    for code in ("*8", "*81002", "*81009"):
        dave.invites(code)
        sim.until(lambda: dave.idle)
        assert dave.call.status == 404
    bob.answers()
    sim.until(lambda: alice.talking)
    carol.invites("*81002")
    sim.until(lambda: carol.idle)
    assert carol.call.status == 404
    alice.hangs_up()
    sim.assert_idle()


def test_who_has_no_group_picks_up_its_own_only():
    sim, (alice, bob, desk) = office("1001", "1002", "1002", plan=plan)
    alice.invites("1002")
    sim.until(lambda: bob.ringing and desk.ringing)
    desk.declines(486)
    desk.invites("*8")
    sim.until(lambda: desk.talking and alice.talking and bob.idle)
    alice.hangs_up()
    sim.assert_idle()


def test_the_call_that_rings_longest_is_picked_up_and_the_caller_is_seen():
    sim, (alice, bob, carol, dave) = office("1001", "1002", "1003", "1004", plan=plan)
    sales(sim, "1002", "1003")
    alice.invites("1002")
    sim.until(lambda: bob.ringing)
    dave.invites("1002")
    carol.invites("*8")
    sim.until(lambda: carol.talking and alice.talking)
    sim.advance(1)
    assert outcomes == [] or not outcomes[-1].answered
    sim.advance(8)
    assert sim.talk(alice, carol)
    carol.hangs_up()
    sim.until(lambda: alice.idle)
    assert outcomes[-1].answered
    dave.hangs_up()
    sim.assert_idle()


def test_the_caller_of_a_group_is_picked_up_once():
    sim, (alice, bob, carol, dave) = office("1001", "1002", "1003", "1004", plan=plan)
    sales(sim, "1002", "1004")
    alice.invites("700")
    sim.until(lambda: bob.ringing and carol.ringing)
    dave.invites("*8")
    sim.until(lambda: dave.talking and alice.talking and bob.idle and carol.idle)
    dave.hangs_up()
    sim.assert_idle()


def test_it_is_answered_at_the_same_moment():
    sim, (alice, bob, carol) = office("1001", "1002", "1003", plan=plan)
    sales(sim, "1002", "1003")
    alice.invites("1002")
    sim.until(lambda: bob.ringing)
    carol.invites("*8")
    bob.answers()
    sim.until(lambda: alice.talking)
    sim.advance(8)
    assert carol.talking is not bob.talking
    alice.hangs_up()
    sim.assert_idle()


def test_one_call_at_a_time_without_call_waiting():
    sim, (alice, bob, desk, carol) = office("1001", "1002", "1002", "1003", plan=plan)
    sets(sim, "1002", call_waiting=False)
    alice.invites("1002")
    sim.until(lambda: bob.ringing and desk.ringing)
    carol.invites("1002")
    sim.until(lambda: carol.idle)
    assert carol.call.status == 486  # while it rings already
    bob.answers()
    sim.until(lambda: alice.talking and desk.idle)
    carol.invites("1002")
    sim.until(lambda: carol.idle)
    assert carol.call.status == 486 and isinstance(outcomes[-1], Busy)
    assert outcomes[-1].attempts[0].text == "is in as many calls as it may be"
    alice.hangs_up()
    sim.until(lambda: bob.idle)
    carol.invites("1002")
    sim.until(lambda: desk.ringing)
    carol.hangs_up()
    sim.assert_idle()


def test_as_many_calls_as_an_extension_may_have_those_included_that_it_makes():
    sim, (alice, bob, desk, carol) = office("1001", "1002", "1002", "1003", plan=plan)
    sets(sim, "1002", max_calls=2)
    bob.invites("1003")
    sim.until(lambda: carol.ringing)
    carol.answers()
    sim.until(lambda: bob.talking)
    alice.invites("1002")
    sim.until(lambda: desk.ringing)
    dave = sim.phone("1004")
    dave.invites("1002")
    sim.until(lambda: dave.idle)
    assert dave.call.status == 486
    alice.hangs_up()
    bob.hangs_up()
    sim.assert_idle()


@pytest.mark.parametrize(
    ("own", "other", "answered", "may"),
    [
        ("sales", "sales", False, True),
        ("sales", "sales", True, False),
        ("sales", "support", False, False),
        ("", "", False, False),
    ],
)
def test_who_may_pick_up_whom(own, other, answered, may):
    one = Extension("1001", "", "", "", pickup_group=own)
    assert one.may_pick_up(Extension("1002", "", "", "", pickup_group=other), answered) is may
    assert one.may_pick_up(one, answered)
