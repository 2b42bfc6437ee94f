"""Other names of extensions: who calls one, registers one or dials one in a dialplan means the number."""

from __future__ import annotations

import pytest

from pbx.dialplan import Call, Plan, ext
from pbx.exchange.accounts import Accounts
from pbx.testing.exchange import SimulatedExchange
from pbx.testing.watch import Watch

plan = Plan()


@plan.internal("<number:1XXX>")
async def extension(call: Call, number: str) -> None:
    await call.dial(ext(number), timeout=20)


@plan.internal("600")
async def desk(call: Call) -> None:
    await call.dial(ext("sales"), timeout=20)


@pytest.fixture
def sim():
    sim = SimulatedExchange(plan, {"1001": "alice's", "1002": "bob's"})
    directory = sim.exchange.directory
    extensions = [directory.find(number) for number in ("1001", "1002")]
    aliases = {"sales": "1002", "+14155550100": "1002", "77": "1002", "nobody": "1009"}
    sim.exchange.replace_accounts(Accounts(extensions, aliases))
    yield sim
    sim.assert_idle()


@pytest.mark.parametrize("dialled", ["sales", "%2B14155550100", "77", "600"])
def test_called_name_rings_at_the_extension(sim, dialled):
    alice, bob = sim.phone("1001"), sim.phone("1002")
    alice.invites(dialled)
    sim.until(lambda: bob.ringing)
    bob.declines(486)
    sim.until(lambda: alice.idle)


def test_name_of_an_extension_that_is_gone_is_404(sim):
    alice = sim.phone("1001")
    alice.invites("nobody")
    sim.until(lambda: alice.idle)
    assert alice.call.status == 404


def test_phone_watches_its_registrations_by_the_name_that_it_knows(sim):
    bob, alice = sim.phone("1002"), sim.phone("1001")
    watch = Watch(bob, "reg", "sales")
    sim.until(lambda: watch.states)
    assert b'id="1002"' in watch.states[0] and b'state="active"' in watch.states[0]
    bob.registers(0)
    sim.until(lambda: b'event="unregistered"' in watch.states[-1])
    refused = Watch(alice, "reg", "sales")
    sim.until(lambda: refused.over)
    assert refused.status == 403
    watch.ends()
    sim.until(lambda: sim.exchange.figures()["subscriptions"] == 0)
