"""Sound through network address translators: tones that must be heard both ways, with nothing configured for it."""

from __future__ import annotations

from itertools import product

import pytest

from pbx.testing.exchange import HOST, SimulatedExchange
from pbx.testing.nat import KINDS, PhoneNAT, StaticNAT
from pbx.testing.phone import Phone
from tests.flows.office import ACCOUNTS, plan
from tests.media.network import result

HOMES = {"1001": "203.0.113.9", "1002": "198.51.100.9"}


def home(sim: SimulatedExchange, number: str, kind: str, **features: object) -> Phone:
    """A phone behind a NAT of its own."""
    sim.network.translators.append(PhoneNAT(HOMES[number], kind))
    phone = sim.phone(number, host=HOMES[number], behind_nat="192.168.1.2", **features)
    assert phone.registered
    return phone


def assert_call(sim: SimulatedExchange, alice: Phone, bob: Phone) -> None:
    """They call each other and hear each other; who hangs up reaches the other."""
    alice.invites(bob.number)
    sim.until(lambda: bob.ringing)
    bob.answers()
    sim.until(lambda: alice.talking)
    (bridge,) = sim.exchange.switchboard.calls.values()
    assert sim.talk(alice, bob)
    sim.advance(8)
    assert sim.talk(alice, bob)
    bob.hangs_up()
    sim.until(lambda: alice.idle)
    for phone, (facts,) in zip((alice, bob), result(bridge.streams()), strict=True):
        assert facts.source[0] == phone.host
        assert facts.packets_in > 0
        assert facts.strange == 0


@pytest.mark.parametrize(("callers", "callees"), [*product(KINDS, KINDS)])
def test_two_phones_behind_nats_of_any_kind_hear_each_other(callers: str, callees: str) -> None:
    sim = SimulatedExchange(plan, ACCOUNTS)
    assert_call(sim, home(sim, "1001", callers), home(sim, "1002", callees))
    sim.assert_idle()


@pytest.mark.parametrize("kind", KINDS)
def test_two_phones_behind_the_same_nat_hear_each_other(kind: str) -> None:
    sim = SimulatedExchange(plan, ACCOUNTS)
    host = HOMES["1001"]
    sim.network.translators.append(PhoneNAT(host, kind))
    alice = sim.phone("1001", host=host, behind_nat="192.168.1.2", outside=30_000)
    bob = sim.phone("1002", host=host, behind_nat="192.168.1.3")
    assert_call(sim, alice, bob)
    sim.assert_idle()


@pytest.mark.parametrize("kind", KINDS)
def test_an_exchange_behind_a_static_nat_is_heard_when_it_knows_its_address(kind: str) -> None:
    """One phone at home, one beside the exchange: each is told the address that it can reach."""
    sim = SimulatedExchange(plan, ACCOUNTS, advertise="192.0.2.80")
    sim.network.translators.append(StaticNAT("192.0.2.80", HOST, "10."))
    alice = home(sim, "1001", kind, server="192.0.2.80")
    bob = sim.phone("1002")
    assert bob.registered
    assert_call(sim, alice, bob)
    assert_call(sim, bob, alice)
    sim.assert_idle()


@pytest.mark.parametrize("kind", KINDS)
def test_a_mapping_that_a_nat_forgets_in_a_silence_is_learned_anew(kind: str) -> None:
    sim = SimulatedExchange(plan, ACCOUNTS)
    alice, bob = home(sim, "1001", kind), sim.phone("1002")
    alice.invites("1002")
    sim.until(lambda: bob.ringing)
    bob.answers()
    sim.until(lambda: alice.talking)
    assert sim.talk(alice, bob)
    (nat,) = sim.network.translators
    assert isinstance(nat, PhoneNAT)
    sim.advance(16)
    nat.forgets()
    assert alice.call is not None
    alice.call.sound.says(440.0, 1.0)  # a knock must last before it is believed
    sim.advance(1.5)
    assert sim.talk(alice, bob)
