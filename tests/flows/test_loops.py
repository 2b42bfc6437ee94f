"""Calls that go round in circles end (RFC 3261 16.3, 21.4.21): Max-Forwards is carried across and lowered."""

from __future__ import annotations

import pytest

from pbx.dialplan import Call, Plan, uri
from pbx.testing.exchange import SimulatedExchange
from pbx.testing.network import Datagram
from pbx.testing.phone import Phone

ONE, OTHER = "10.0.0.1", "10.0.0.2"


def forwarding(to: str) -> Plan:
    """A dialplan that sends every call to another exchange."""
    plan = Plan()

    async def elsewhere(call: Call, number: str) -> None:
        await call.dial(uri(f"sip:{number}@{to}"), timeout=60)

    plan.internal("<number:any>")(elsewhere)
    plan.anonymous("<number:any>")(elsewhere)
    return plan


def circle() -> SimulatedExchange:
    """One of two exchanges that forward everything to each other."""
    one = SimulatedExchange(forwarding(OTHER), {}, host=ONE)
    SimulatedExchange(forwarding(ONE), {}, host=OTHER, beside=one)
    return one


def stranger(sim: SimulatedExchange) -> Phone:
    """Who calls: one whom both take for somebody else's. An extension of theirs would be asked for its password."""
    return sim.phone("zoe", register=False, domain="example.org")


def hops(sim: SimulatedExchange, kind: str) -> list[Datagram]:
    """What went from one exchange to the other."""
    return [datagram for datagram in sim.network.sent if datagram.kind == kind and datagram.source[0] in (ONE, OTHER)]


@pytest.mark.parametrize("forwards", [70, 5, 1, 0])
def test_call_in_a_circle_ends_with_483(forwards):
    sim = circle()
    caller = stranger(sim)
    caller.invites("2002", forwards=forwards)
    sim.until(lambda: caller.idle, within=5)
    assert caller.call.status == 483
    went = hops(sim, "INVITE")
    assert [hop.source[0] for hop in went] == ([ONE, OTHER] * 35)[:forwards]
    for left, hop in enumerate(reversed(went)):
        assert f"\r\nMax-Forwards: {left}\r\n".encode() in hop.packet
    sim.assert_idle()


def test_caller_who_gives_up_ends_the_whole_circle():
    sim = circle()
    caller = stranger(sim)
    sim.network.loses("483 INVITE", times=None)
    caller.invites("2002", forwards=9)
    sim.advance(1)
    caller.hangs_up()
    sim.advance(1)
    # The last one has had no response, and no CANCEL is sent before that (RFC 3261 9.1).
    assert len({hop.packet for hop in hops(sim, "CANCEL")}) == 8
    sim.assert_idle()
