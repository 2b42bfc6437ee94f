"""The sound of those who take another one's place in a call: at rtpengine, and over SRTP."""

from __future__ import annotations

import pytest

from pbx.testing.exchange import SimulatedExchange
from tests.flows.office import ACCOUNTS, plan
from tests.flows.openings import connect, part, refer, ring, visit
from tests.flows.test_rtpengine import HOST, Office, target


@pytest.mark.parametrize("delay", [0.0, 0.4])
def test_both_send_to_rtpengine_when_the_phone_that_rang_has_answered(delay):
    office = Office()
    sim, daemon = office.sim, office.daemon
    daemon.delay = delay
    alice, bob = office.phones()
    carol = sim.phone("1003")
    connect(sim, alice, bob)
    sim.advance(2)
    first, second = ring(sim, bob, carol)
    transfer = refer(bob, first, second)
    sim.until(lambda: second.state == "over")
    carol.answers()
    sim.until(lambda: transfer.over and first.state == "over")
    sim.advance(8)
    assert target(alice)[0] == target(carol)[0] == HOST
    office.over(alice, carol)


@pytest.mark.parametrize("delay", [0.0, 0.4])
def test_who_was_at_rtpengine_speaks_to_us_where_the_dialplan_has_answered(delay):
    office = Office()
    sim = office.sim
    office.daemon.delay = delay
    alice, bob = office.phones()
    connect(sim, alice, bob)
    sim.advance(2)
    assert target(alice)[0] == HOST
    first, second = visit(sim, bob, "600")
    transfer = refer(bob, first, second)
    sim.until(lambda: transfer.over and first.state == second.state == "over")
    sim.advance(4)
    assert target(alice)[0] == sim.host
    alice.says(seconds=1)
    sim.advance(2)
    assert alice.call.sound.hears(440)
    alice.hangs_up()
    sim.until(lambda: alice.idle)
    office.settled()


@pytest.mark.parametrize(
    ("mode", "srtp"),
    [
        *((mode, srtp) for mode in ("accept", "offer", "pass") for srtp in ("", "optional")),
        ("offer", "required"),  # else it could not be called by Bob, who has no SRTP
    ],
)
def test_keys_are_agreed_upon_anew_with_whom_it_rings_for(mode, srtp):
    sim = SimulatedExchange(plan, ACCOUNTS, srtp=mode)
    alice, bob = sim.phone("1001", transport="TLS", srtp="required"), sim.phone("1002")
    carol = sim.phone("1003", transport="TLS" if srtp else "UDP", srtp=srtp)
    connect(sim, alice, bob)
    first, second = ring(sim, bob, carol)
    transfer = refer(bob, first, second)
    sim.until(lambda: second.state == "over")
    carol.answers()
    sim.until(lambda: transfer.over and first.state == "over")
    assert alice.call.crypto is not None
    part(sim, alice, carol)
    sim.assert_idle()


@pytest.mark.parametrize("mode", ["accept", "offer", "pass"])
def test_keys_are_agreed_upon_anew_with_us(mode):
    sim = SimulatedExchange(plan, ACCOUNTS, srtp=mode)
    alice, bob = sim.phone("1001", transport="TLS", srtp="required"), sim.phone("1002")
    connect(sim, alice, bob)
    first, second = visit(sim, bob, "600")
    transfer = refer(bob, first, second)
    sim.until(lambda: transfer.over and first.state == second.state == "over")
    sim.advance(4)
    assert alice.call.crypto is not None
    alice.says(seconds=1)
    sim.advance(2)
    assert alice.call.sound.hears(440)
    alice.hangs_up()
    sim.until(lambda: alice.idle)
    sim.assert_idle()
