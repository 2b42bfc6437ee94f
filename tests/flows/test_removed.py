"""An extension is removed or disabled in the midst of its calls: they go on, or end, as is configured."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pbx.dialplan import Call, Plan, ext
from pbx.exchange.accounts import Accounts
from pbx.testing.exchange import SimulatedExchange

plan = Plan()


@plan.internal("<number:1XXX>")
async def extension(call: Call, number: str) -> None:
    await call.dial(ext(number), timeout=20)


@plan.internal("600")
async def team(call: Call) -> None:
    await call.dial(ext("desk"), timeout=20)


@plan.internal("601")
async def both(call: Call) -> None:
    await call.dial(ext("1002"), ext("1003"), timeout=20)


@plan.internal("602")
async def by_hand(call: Call) -> None:
    reached = await call.ring(ext("1002"), timeout=20)
    assert not reached


@plan.internal("603")
async def asked_first(call: Call) -> None:
    reached = await call.ring(ext("1002"), timeout=20)
    await reached.leg.ask(timeout=20)


def accounts_of(sim, numbers):
    return [sim.exchange.directory.find(number) for number in numbers]


def remove(sim, number):
    kept = [one for one in ("1001", "1002", "1003") if one != number]
    sim.exchange.replace_accounts(Accounts(accounts_of(sim, kept)))


def disable(sim, number):
    numbers = ("1001", "1002", "1003")
    now = [replace(one, enabled=one.number != number) for one in accounts_of(sim, numbers)]
    sim.exchange.replace_accounts(Accounts(now))


@pytest.fixture
def sim():
    sim = SimulatedExchange(plan, {"1001": "alice's", "1002": "bob's", "1003": "carol's"})
    numbers = ("1001", "1002", "1003")
    sim.exchange.replace_accounts(Accounts(accounts_of(sim, numbers), {"desk": "1002"}))
    yield sim
    sim.assert_idle()


def talking(sim, dialled="1002"):
    alice, bob = sim.phone("1001"), sim.phone("1002")
    alice.invites(dialled)
    sim.until(lambda: bob.ringing)
    bob.answers()
    sim.until(lambda: alice.talking)
    return alice, bob


@pytest.mark.parametrize("dialled", ["1002", "600"])
@pytest.mark.parametrize("number", ["1001", "1002"])
@pytest.mark.parametrize("go", [remove, disable])
def test_calls_end_with_their_extension_where_that_is_wanted(sim, go, number, dialled):
    sim.exchange.end_calls = True
    alice, bob = talking(sim, dialled)
    go(sim, number)
    sim.until(lambda: alice.idle and bob.idle, within=1)
    assert (alice.call.ended_by, bob.call.ended_by) == ("them", "them")
    assert sim.exchange.location.contacts(number) == []


@pytest.mark.parametrize("dialled", ["1002", "600", "601", "602"])
@pytest.mark.parametrize("go", [remove, disable])
def test_its_phones_ring_no_longer_where_that_is_wanted_and_those_of_others_do(sim, go, dialled):
    sim.exchange.end_calls = True
    alice, bob, carol = (sim.phone(number) for number in ("1001", "1002", "1003"))
    call = alice.invites(dialled)
    sim.until(lambda: bob.ringing)
    go(sim, "1002")
    sim.until(lambda: bob.idle, within=1)
    if dialled == "601":
        carol.answers()
        sim.until(lambda: alice.talking)
        alice.hangs_up()
    sim.until(lambda: alice.idle and carol.idle, within=1)
    assert call.status == (200 if dialled == "601" else 480)


def test_phones_ring_on_otherwise(sim):
    alice, bob = sim.phone("1001"), sim.phone("1002")
    alice.invites("1002")
    sim.until(lambda: bob.ringing)
    remove(sim, "1002")
    sim.advance(5)
    assert bob.ringing
    alice.hangs_up()
    sim.until(lambda: bob.idle)


@pytest.mark.parametrize("number", ["1001", "1002"])
def test_whom_the_plan_has_reached_is_in_the_call_before_it_talks_to_anybody(sim, number):
    sim.exchange.end_calls = True
    alice, bob = sim.phone("1001"), sim.phone("1002")
    alice.invites("603")
    sim.until(lambda: bob.ringing)
    bob.answers()
    sim.until(lambda: bob.talking)
    sim.advance(1)
    assert sim.exchange.switchboard.is_engaged("1002")
    remove(sim, number)
    sim.until(lambda: alice.idle and bob.idle, within=1)


@pytest.mark.parametrize("number", ["1001", "1002"])
def test_calls_go_on_otherwise_and_its_bindings_are_gone(sim, number):
    alice, bob = talking(sim)
    remove(sim, number)
    assert sim.exchange.location.contacts(number) == []
    sim.advance(60)
    assert sim.talk(alice, bob)
    bob.hangs_up()
    sim.until(lambda: alice.idle)


def test_calls_of_others_go_on(sim):
    sim.exchange.end_calls = True
    alice, bob = talking(sim)
    remove(sim, "1003")
    sim.advance(1)
    assert sim.talk(alice, bob)
    alice.hangs_up()
    sim.until(lambda: bob.idle)
