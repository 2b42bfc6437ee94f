"""One peer sends more than the exchange takes: it is refused, and the others are served (RFC 3261 21.5.4).

Nobody is banned here: that is what the stack does by itself, for those whom an administrator trusts, too.
"""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from pbx.dialplan import Call, Plan, ext
from pbx.exchange.thresholds import Thresholds
from pbx.testing.exchange import SimulatedExchange
from tests.flows.office import ACCOUNTS, office, plan
from tests.flows.raw import DESCRIPTION, Raw

TRUSTED = Thresholds(allow=(ip_network("10.0.0.0/8"),))

open_plan = Plan()


@open_plan.anonymous("<number:1XXX>")
@open_plan.internal("<number:1XXX>")
async def open_to_all(call: Call, number: str) -> None:
    await call.dial(ext(number), timeout=20)


@open_plan.anonymous("600")
async def echo(call: Call) -> None:
    await call.echo()


def floods(raw: Raw, method: str, target: str, times: int, **parts: object) -> None:
    for number in range(times):
        raw.sends(method, target, branch=f"z9hG4bK{method}{number}", call_id=f"{method}{number}", **parts)


def call_goes_through(sim, alice, bob) -> None:
    alice.invites(bob.number)
    sim.until(lambda: bob.ringing, within=1)
    bob.answers()
    sim.until(lambda: alice.talking)
    assert sim.talk(alice, bob)
    alice.hangs_up()
    sim.until(lambda: bob.idle)


@pytest.mark.parametrize("number", ["1003", "600"], ids=["ringing", "answered"])
def test_peer_that_floods_with_calls_is_refused_while_others_call_and_register(number):
    sim = SimulatedExchange(open_plan, ACCOUNTS, calls=(20, 10), thresholds=TRUSTED)
    alice, bob, _ = (sim.phone(number) for number in ("1001", "1002", "1003"))
    raw = Raw(sim)
    floods(raw, "INVITE", f"sip:{number}@10.0.0.1", 50, body=DESCRIPTION)
    sim.advance(1)
    refused = [response for response in raw.responses if response.status == 503]
    assert len({response.call_id for response in refused}) == 40
    assert all(response.first("retry-after") == "5" for response in refused)
    assert sim.exchange.figures()["calls"] <= 10
    assert sim.exchange.counts["too many calls"] == 40
    call_goes_through(sim, alice, bob)
    assert sim.phone("1004").registered
    sim.exchange.switchboard.hang_up_all()
    raw.close()
    sim.assert_idle()


def test_calls_are_taken_again_when_others_have_ended():
    sim, (alice, bob, carol) = office("1001", "1002", "1003", calls=(1, 1))
    call_goes_through(sim, alice, bob)
    call_goes_through(sim, carol, bob)
    alice.invites("1002")
    sim.until(lambda: bob.ringing)
    carol.invites("1004")
    sim.until(lambda: carol.idle)
    assert carol.call.status == 503
    assert ("retry-after", "Retry-After", "5") in carol.call.fields
    alice.hangs_up()
    sim.until(lambda: bob.idle)
    call_goes_through(sim, carol, bob)
    sim.assert_idle()


def test_phone_that_registers_without_end_is_refused_while_others_call_and_register():
    """It has proven who it is: its requests are dealt with, and remembered."""
    sim = SimulatedExchange(plan, ACCOUNTS, transactions=(100, 40), thresholds=TRUSTED)
    alice, bob, carol = (sim.phone(number) for number in ("1001", "1002", "1003"))
    sim.network.count_again()
    replies = [carol.asks("REGISTER") for _ in range(60)]
    sim.advance(1)
    statuses = [reply.status for reply in replies]
    assert statuses.count(503) >= 20
    assert set(statuses) == {200, 503}
    call_goes_through(sim, alice, bob)
    assert sim.phone("1004").registered
    sim.advance(32)
    assert carol.asks("REGISTER") and carol.registered
    sim.assert_idle()


@pytest.mark.parametrize("method", ["INVITE", "REGISTER", "OPTIONS", "SUBSCRIBE", "MESSAGE", "BYE", "BREW", "CANCEL"])
def test_flood_of_a_stranger_leaves_nothing_behind(method):
    sim = SimulatedExchange(plan, ACCOUNTS, transactions=(100, 40), thresholds=TRUSTED)
    alice, bob = sim.phone("1001"), sim.phone("1002")
    before = len(sim.exchange.layer)
    raw = Raw(sim)
    floods(raw, method, "sip:1001@10.0.0.1", 200)
    sim.advance(0.25)
    assert len(raw.responses) == 200  # one answer to each
    assert 503 not in raw.statuses
    assert len(sim.exchange.layer) == before
    call_goes_through(sim, alice, bob)
    raw.close()
    sim.assert_idle()


@pytest.mark.parametrize("sender", ["<sip:1001@10.0.0.1>;tag=x", "<sip:zoe@example.org>;tag=x"])
@pytest.mark.parametrize("target", ["sip:1001@10.0.0.1", "sip:1001@10.0.0.9", "tel:1001"])
def test_forged_address_gets_no_more_answers_than_requests_were_sent_in_its_name(sender, target):
    """Over UDP nobody knows who has sent a request: else we would multiply a flood (RFC 3261 26.3.2.4)."""
    sim = SimulatedExchange(plan, ACCOUNTS, thresholds=TRUSTED)
    victim = Raw(sim)
    floods(victim, "INVITE", target, 20, sender=sender, body=DESCRIPTION)
    sim.advance(64)
    assert len(victim.responses) == 20
    victim.close()
    sim.assert_idle()
