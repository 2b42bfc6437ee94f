"""Calls that go out by a trunk: what is heard, which number is called, and who calls, in the provider's own way."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.flows.trunks import ACME, BACKUP, NUMBER, office


def test_call_goes_by_the_first_trunk_and_both_hear_each_other():
    sim = office()
    acme, backup = sim.trunk("acme"), sim.trunk("backup")
    alice = sim.phone("1001")
    alice.invites(NUMBER)
    sim.until(lambda: alice.talking and acme.gateway.talking)
    assert acme.last.target == "sip:+14155551234@10.9.1.1"
    assert sim.talk(alice, acme.gateway)
    alice.hangs_up()
    sim.until(lambda: acme.gateway.idle)
    assert (acme.calls, backup.calls) == (1, 0)
    sim.assert_idle()


def test_early_media_of_a_trunk_is_heard():
    sim = office()
    acme = sim.trunk("acme")
    acme.speaks_early()
    alice = sim.phone("1001")
    alice.invites(NUMBER)
    sim.until(lambda: alice.call.progress == [183])
    acme.gateway.says(0.5, 600.0)
    sim.advance(0.25)
    assert alice.call.sound.hears(600.0)
    acme.gateway.answers()
    sim.until(lambda: alice.talking)
    assert sim.talk(alice, acme.gateway)
    alice.hangs_up()
    sim.assert_idle()


@pytest.mark.parametrize(
    ("policy", "withheld", "shown", "field", "identity"),
    [
        ("from", False, "<sip:+14155550100@10.9.1.1>", "p-asserted-identity", ""),
        ("from", True, '"Anonymous" <sip:anonymous@anonymous.invalid>', "p-asserted-identity", ""),
        ("asserted", False, "<sip:+14155550100@10.9.1.1>", "p-asserted-identity", "<sip:+14155550100@10.9.1.1>"),
        ("asserted", True, '"Anonymous" <sip:anonymous@anonymous.invalid>', "p-asserted-identity",
         "<sip:+14155550100@10.9.1.1>"),
        ("preferred", False, "<sip:+14155550100@10.9.1.1>", "p-preferred-identity", "<sip:+14155550100@10.9.1.1>"),
        ("account", False, "<sip:us@10.9.1.1>", "p-preferred-identity", "<sip:+14155550100@10.9.1.1>"),
        ("account", True, "<sip:us@10.9.1.1>", "p-preferred-identity", "<sip:+14155550100@10.9.1.1>"),
    ],
)  # fmt: skip
def test_provider_is_told_who_calls_in_its_own_way(policy, withheld, shown, field, identity):
    sim = office(replace(ACME, caller_id=policy, username="us"), BACKUP)
    acme = sim.trunk("acme")
    alice = sim.phone("1001")
    more = (("privacy", "Privacy", "id"),) if withheld else ()
    alice.invites(NUMBER, more=more)
    sim.until(lambda: alice.talking)
    assert acme.field("from").partition(";tag=")[0] == shown
    assert acme.field(field) == identity
    assert acme.field("privacy") == ("id" if withheld else "")
    alice.hangs_up()
    sim.assert_idle()


def test_prefixes_are_put_before_numbers():
    rows = replace(ACME, prefixes=(("+1", "1"), ("+1415", "9")), host="10.9.1.1"), BACKUP
    sim = office(*rows)
    acme = sim.trunk("acme")
    alice = sim.phone("1001")
    for dialled, sent in (("012125551234", "12125551234"), ("014155551234", "95551234"), ("0331422", "+331422")):
        alice.invites(dialled)
        sim.until(lambda: alice.talking)
        assert acme.last.uri.user == sent
        alice.hangs_up()
        sim.advance(1)
    sim.assert_idle()


def test_everything_goes_by_the_outbound_proxy():
    row = replace(ACME, host="acme.example", proxy="10.9.1.1", register=True, username="us", password="ours")
    sim = office(row)
    acme = sim.trunk("acme", host="10.9.1.1")
    acme.challenges()
    sim.until(lambda: acme.registered)
    alice = sim.phone("1001")
    alice.invites(NUMBER)
    sim.until(lambda: alice.talking)
    assert acme.last.target == "sip:+14155551234@acme.example"
    assert acme.field("route") == "<sip:10.9.1.1;lr>"
    assert acme.gateway.registrations[-1].target == "sip:acme.example"
    alice.hangs_up()
    sim.assert_idle()
