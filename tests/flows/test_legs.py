"""Legs: parties that are rung apart, and connected, separated and given away by the dialplan."""

from __future__ import annotations

from pbx.dialplan import Answered, Call, Plan, ext
from tests.flows.office import flow, office

plan = Plan()


@plan.internal("70<number:1XXX>")
async def consulted(call: Call, number: str) -> None:
    """Ring somebody, be connected with it for a while, then again."""
    outcome = await call.ring(ext(number), timeout=20)
    if not isinstance(outcome, Answered):
        return await call.reject(486)
    await call.sleep(2)
    await call.talk(outcome.leg, until="*1")
    await call.sleep(4)
    await call.bridge(outcome.leg)
    await call.sleep(1)


@plan.internal("71<number:1XXX>")
async def waiting(call: Call, number: str) -> None:
    """Let the callee wait, and hear music."""
    outcome = await call.ring(ext(number), timeout=20)
    assert isinstance(outcome, Answered)
    async with outcome.leg.on_hold():
        await call.sleep(90)
    await call.bridge(outcome.leg)


@flow("1001", "1002", plan=plan)
def test_leg_is_connected_separated_and_connected_again(sim, alice, bob):
    alice.invites("701002")
    sim.until(lambda: bob.ringing)
    bob.answers()
    sim.until(lambda: alice.talking and bob.talking)
    sim.advance(5)
    assert sim.talk(alice, bob)
    sim.until(lambda: alice.may_offer)
    alice.presses("*1")
    sim.advance(1)
    assert not sim.talk(alice, bob)
    sim.advance(5)
    assert sim.talk(alice, bob)
    bob.hangs_up()
    sim.until(lambda: alice.idle)


@flow("1001", "1002", plan=plan)
def test_leg_hangs_up_before_it_is_connected(sim, alice, bob):
    alice.invites("701002")
    sim.until(lambda: bob.ringing)
    bob.answers()
    sim.until(lambda: bob.talking)
    bob.hangs_up()
    sim.until(lambda: alice.idle)


@flow("1001", "1002", plan=plan)
def test_caller_leaves_before_the_leg_is_connected(sim, alice, bob):
    alice.invites("701002")
    sim.until(lambda: bob.ringing)
    bob.answers()
    sim.until(lambda: bob.talking)
    alice.hangs_up()
    sim.until(lambda: bob.idle)


def test_leg_is_busy():
    sim, (alice, bob) = office("1001", "1002", plan=plan)
    bob.busy = True
    alice.invites("701002")
    sim.until(lambda: alice.idle)
    assert alice.call.status == 486
    sim.assert_idle()


def test_party_that_waits_hears_music_until_it_is_connected_again():
    sim, (alice, bob) = office("1001", "1002", plan=plan)
    alice.invites("711002")
    sim.until(lambda: bob.ringing)
    bob.answers()
    sim.until(lambda: bob.talking)
    sim.until(lambda: alice.hears_ringing)
    assert bob.hears(sim.library.prompt("music/hold"), within=60)
    sim.until(lambda: alice.talking, within=90)
    sim.advance(4)
    assert sim.talk(alice, bob)
    alice.hangs_up()
    sim.until(lambda: bob.idle)
    sim.assert_idle()
