"""Calls that come by a trunk: by what it is known, who calls, and what can be reached."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network

import pytest

from pbx.exchange.caller import Source
from tests.flows.trunks import ACME, NUMBER, office


def test_inbound_call_is_known_by_its_address_and_never_by_from():
    sim = office()
    acme = sim.trunk("acme")
    alice = sim.phone("1001")
    caller = acme.call("1002", to="+14155550100")  # the number of one of ours: nobody is asked for a password
    sim.until(lambda: alice.ringing)
    (bridge,) = sim.exchange.switchboard.calls.values()
    assert (bridge.caller.source, bridge.caller.trunk, bridge.number) == (Source.INBOUND, "acme", "+14155550100")
    alice.answers()
    sim.until(lambda: caller.talking)
    assert sim.talk(caller, alice)
    caller.hangs_up()
    stranger = sim.phone("+15551234567", host="10.0.7.7", register=False, domain="10.9.1.1")
    stranger.invites("+14155550100")
    sim.until(lambda: stranger.idle)
    assert stranger.call.status == 403
    sim.assert_idle()


@pytest.mark.parametrize(
    ("did", "rings"),
    [
        ("+14155550100", "1001"),
        ("14155550100", "1001"),
        ("0014155550100", "1001"),
        ("+33142255501", "1002"),
        ("0142255501", "1002"),
        ("+14155561234", "1002"),
        ("+14155550199", None),
        ("1002", None),
    ],
)
def test_number_that_is_called_decides_however_it_is_written(did, rings):
    sim = office()
    acme = sim.trunk("acme")
    phones = {"1001": sim.phone("1001"), "1002": sim.phone("1002")}
    caller = acme.call("+15551234567", to=did)
    sim.until(lambda: caller.idle or any(phone.ringing for phone in phones.values()))
    assert [number for number, phone in phones.items() if phone.ringing] == ([rings] if rings else [])
    if rings is None:
        assert caller.call.status == 404
    else:
        caller.hangs_up()
    sim.assert_idle()


def test_trunk_without_a_number_takes_all():
    sim = office()
    bob = sim.phone("1002")
    caller = sim.trunk("backup").call("0142255599", to="1234")
    sim.until(lambda: bob.ringing)
    (bridge,) = sim.exchange.switchboard.calls.values()
    assert (bridge.caller.number, bridge.number) == ("+33142255599", "+1234")
    caller.hangs_up()
    sim.assert_idle()


def test_nothing_but_inbound_routes_can_be_reached_from_a_trunk():
    sim = office()
    acme = sim.trunk("acme")
    sim.phone("1002")
    for dialled in ("1002", NUMBER, "9" + NUMBER):
        caller = acme.call("1001", to=dialled)
        sim.until(lambda caller=caller: caller.idle)
        assert caller.call.status == 404
    assert acme.calls == 0
    reply = acme.gateway.asks("MESSAGE", "1002", body=b"hello")
    sim.advance(1)
    assert reply.status == 403
    sim.assert_idle()


def test_registered_flow_is_known_though_its_address_is_not_listed():
    row = replace(ACME, host="sip.acme.example", addresses=(), register=True, username="us", password="ours")
    other = replace(row, name="other", username="them", dids=("+14155550100",))
    sim = office(replace(row, dids=()), other)
    acme, others = sim.trunk("acme", host="10.9.1.1"), sim.trunk("other", host="10.9.1.200")
    others.gateway.leaves()
    alice = sim.phone("1001")
    sim.until(lambda: acme.registered)
    gateway = acme.gateway
    gateway.invites("us", more=(("p-asserted-identity", "P-Asserted-Identity", "<sip:+15551234567@acme>"),))
    sim.until(lambda: gateway.idle)
    assert gateway.call.status == 404  # To names the account, too: no number of ours
    caller = acme.call("+15551234567", to="+14155550100")  # from an address that is not listed
    sim.until(lambda: caller.idle)
    assert caller.call.status == 403
    assert not alice.ringing
    sim.assert_idle()


def test_caller_of_the_network_is_whom_the_network_asserts():
    sim = office()
    alice = sim.phone("1001")
    asserted = (("p-asserted-identity", "P-Asserted-Identity", '"Zoe" <sip:0142255501@acme.example>, <tel:+1>'),)
    caller = sim.trunk("acme").call("unknown", to="+14155550100", more=asserted)
    sim.until(lambda: alice.ringing)
    (bridge,) = sim.exchange.switchboard.calls.values()
    assert (bridge.caller.number, bridge.caller.name) == ("+33142255501", "Zoe")
    caller.hangs_up()
    sim.advance(1)
    hidden = sim.trunk("acme").call("unknown", to="+14155550100", withheld=True, more=asserted)
    sim.until(lambda: alice.ringing)
    (bridge,) = sim.exchange.switchboard.calls.values()
    assert (bridge.caller.number, bridge.caller.is_private) == ("", True)
    hidden.hangs_up()
    sim.assert_idle()


def test_addresses_of_trunks_pass_bans():
    sim = office()
    acme = sim.trunk("acme")
    sim.phone("1001")
    bans = sim.exchange.doors.bans
    for _ in range(50):
        bans.failed("UDP", "10.9.1.1", 5060, "wrong password", proven=True)
    assert not bans.listed()
    assert bans.shuts_out("UDP", "10.9.1.9", 5060) is False
    assert sim.exchange.trunks.is_anybody_at("10.9.1.1")
    assert acme.name == "acme"
    sim.assert_idle()


def test_networks_may_be_wide():
    sim = office(replace(ACME, addresses=(ip_network("10.9.0.0/16"),)))
    assert sim.exchange.trunks.account_at("UDP", "10.9.77.3", 5070) == "trunk acme"
    assert sim.exchange.trunks.account_at("UDP", "10.10.77.3", 5070) == ""
    sim.assert_idle()
