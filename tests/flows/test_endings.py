"""What dialplans do with calls, and callers who leave in the middle of it; places that phones are called at."""

from __future__ import annotations

import pytest

from pbx.dialplan import Call, Plan, ext
from tests.flows.office import flow, office


@flow("1001")
def test_caller_leaves_an_echo(sim, alice):
    alice.invites("600")
    sim.until(lambda: alice.talking)
    alice.hangs_up()


@flow("1001")
def test_caller_leaves_while_the_plan_sleeps(sim, alice):
    alice.invites("606")
    sim.until(lambda: alice.talking)
    sim.advance(60)
    alice.hangs_up()


@flow("1001", "1002")
def test_answered_caller_leaves_while_it_rings(sim, alice, bob):
    alice.invites("91002")
    sim.until(lambda: alice.talking and bob.ringing)
    alice.hangs_up()
    sim.until(lambda: bob.idle)


@flow("1001", "1002")
def test_answered_caller_hears_that_nobody_answers(sim, alice, bob):
    alice.invites("91002")
    sim.until(lambda: alice.talking and bob.ringing)
    sim.until(lambda: alice.idle)
    assert alice.call.ended_by == "them"
    sim.until(lambda: bob.idle)


@flow("1001")
def test_uri_is_called(sim, alice):
    zoe = sim.phone("zoe", host="10.0.9.9", register=False)
    alice.invites("602")
    sim.until(lambda: zoe.ringing)
    zoe.answers()
    sim.until(lambda: alice.talking)
    sim.advance(8)
    assert sim.talk(alice, zoe)
    zoe.hangs_up()
    sim.until(lambda: alice.idle)


@flow("1001")
def test_uri_where_nobody_is(sim, alice):
    alice.invites("602")
    sim.until(lambda: alice.idle)
    assert alice.call.status == 480


@flow("1001")
def test_phone_behind_a_nat_is_called_where_it_registered_from(sim, alice):
    bob = sim.phone("1002", host="203.0.113.9", behind_nat="192.168.1.2")
    sim.until(lambda: bob.registered)
    alice.invites("1002")
    sim.until(lambda: bob.ringing)
    bob.answers()
    sim.until(lambda: alice.talking)
    sim.advance(8)
    # Its description names an address that nobody can send to: until it speaks it hears nothing.
    sim.talk(alice, bob)
    assert sim.talk(alice, bob)
    alice.holds()
    sim.until(lambda: alice.may_offer)
    bob.hangs_up()
    sim.until(lambda: alice.idle)


@flow("1002")
def test_phone_behind_a_nat_calls(sim, bob):
    alice = sim.phone("1001", host="203.0.113.9", behind_nat="192.168.1.2", register=False)
    alice.invites("1002")
    sim.until(lambda: bob.ringing)
    bob.answers()
    sim.until(lambda: alice.talking)
    sim.advance(8)
    sim.talk(alice, bob)
    assert sim.talk(alice, bob)
    bob.hangs_up()
    sim.until(lambda: alice.idle)


def test_caller_hears_early_media_before_the_answer():
    sim, (alice, bob) = office("1001", "1002")
    alice.invites("1002")
    sim.until(lambda: bob.ringing)
    bob.sends_early_media()
    sim.until(lambda: 183 in alice.call.progress)
    bob.call.sound.says(440, 0.5)
    sim.advance(0.75)
    assert alice.call.sound.hears(440)
    bob.answers()
    sim.until(lambda: alice.talking)
    assert sim.talk(alice, bob)
    alice.hangs_up()
    sim.assert_idle()


def test_caller_is_in_nobodys_ear_once_it_has_hung_up():
    sim, (alice, bob) = office("1001", "1002")
    alice.invites("1002")
    sim.until(lambda: bob.ringing)
    bob.answers()
    sim.until(lambda: alice.talking)
    alice.hangs_up()
    sim.advance(1 / 128)
    assert sim.exchange.figures()["media_ports"] == 0
    sim.assert_idle()


def test_answered_call_is_hung_up_by_the_plan_that_rejects_or_ends():
    plan = Plan()

    @plan.internal("1")
    async def answers_and_rejects(call: Call) -> None:
        await call.answer()
        await call.reject(486)

    @plan.internal("2")
    async def answers_and_ends(call: Call) -> None:
        await call.answer()

    sim, (alice,) = office("1001", plan=plan)
    for number in ("1", "2"):
        alice.invites(number)
        sim.until(lambda: alice.idle)
        assert (alice.call.status, alice.call.ended_by) == (200, "them")
    sim.assert_idle()


def test_plan_goes_on_after_the_caller_has_left():
    plan = Plan()
    seen = []

    @plan.internal("<number:1XXX>")
    async def extension(call: Call, number: str) -> None:
        try:
            await call.dial(ext(number), timeout=20)
        finally:
            seen.append("left")

    sim, (alice, bob) = office("1001", "1002", plan=plan)
    alice.invites("1002")
    sim.until(lambda: bob.ringing)
    alice.hangs_up()
    sim.until(lambda: bob.idle)
    assert seen == ["left"]
    sim.assert_idle()


def test_call_ends_after_four_hours():
    sim, (alice, bob) = office("1001", "1002")
    alice.invites("1002")
    sim.until(lambda: bob.ringing)
    bob.answers()
    sim.until(lambda: alice.talking)
    sim.advance(4 * 3600 - 1)
    assert alice.talking and bob.talking
    sim.until(lambda: alice.idle and bob.idle, within=2)
    sim.assert_idle()


@pytest.mark.parametrize("number", ["1002", "91002", "600"])
def test_caller_may_leave_at_any_moment(number):
    moment = 1
    while leave_after(moment, number):
        moment += 1
    assert moment > 3


def leave_after(moment, number):
    """Leave when so many datagrams were sent; return whether there are as many."""
    sim, (alice, bob) = office("1001", "1002")
    last = sim.network.count + moment
    alice.invites(number)
    reached = sim.clock.advance_until(lambda: sim.network.count >= last or bob.ringing, within=2)
    if bob.ringing:
        bob.answers()
        reached = sim.clock.advance_until(lambda: sim.network.count >= last, within=2)
    alice.hangs_up()
    sim.until(lambda: bob.idle)
    sim.assert_idle()
    return reached
