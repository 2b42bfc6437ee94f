"""The next trunk when one fails: which failures lead to it, after how long, and which do not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pbx.sip.headers import CONTACT, RETRY_AFTER
from pbx.sip.parser import parse
from tests.flows.trunks import ACME, BACKUP, NUMBER, callee_hangs_up, office, outcomes, sent_to


def attempts() -> list[tuple[str, int]]:
    """Over which trunks the last call went, and how each attempt ended."""
    return [(attempt.target.trunk, attempt.code) for attempt in outcomes[-1].attempts]


@pytest.mark.parametrize(
    ("status", "ends"),
    [
        (503, [("acme", 503), ("backup", 200)]),
        (500, [("acme", 500), ("backup", 200)]),
        (408, [("acme", 408), ("backup", 200)]),
        (486, [("acme", 486)]),
        (600, [("acme", 600)]),
        (603, [("acme", 603)]),
        (404, [("acme", 404)]),
        (403, [("acme", 403)]),
    ],
)
def test_only_a_failure_of_the_way_leads_to_the_next_trunk(status, ends):
    sim = office()
    acme, backup = sim.trunk("acme"), sim.trunk("backup")
    acme.fails(status)
    alice = sim.phone("1001")
    call = alice.invites(NUMBER)
    sim.until(lambda: alice.talking or alice.idle)
    if alice.talking:
        callee_hangs_up(sim)
        sim.advance(1)
    else:
        assert backup.calls == 0
        assert call.status == (486 if status == 600 else status)
    assert attempts() == ends
    sim.assert_idle()


def test_silent_provider_is_given_up_after_six_seconds():
    sim = office()
    acme, backup = sim.trunk("acme"), sim.trunk("backup")
    acme.falls_silent()
    alice = sim.phone("1001")
    began = sim.clock.seconds()
    alice.invites(NUMBER)
    sim.until(lambda: alice.talking, within=6.5)
    assert sim.clock.seconds() - began >= 6
    assert backup.calls == 1
    callee_hangs_up(sim)
    sim.advance(1)
    assert attempts() == [("acme", 408), ("backup", 200)]
    sim.assert_idle()


def test_provider_that_says_trying_and_nothing_more_is_given_up_and_cancelled():
    sim = office()
    acme = sim.trunk("acme")
    sim.trunk("backup")
    acme.stalls()
    alice = sim.phone("1001")
    alice.invites(NUMBER)
    sim.until(lambda: alice.talking, within=6.5)
    assert any(packet.startswith(b"CANCEL") for packet in sent_to(sim, "10.9.1.1"))
    trying = next(d.packet for d in sim.network.sent if d.kind == "100 INVITE" and d.source[0] == "10.9.1.1")
    assert parse(trying).first("contact") is None  # it makes no dialog
    alice.hangs_up()
    sim.assert_idle()


def test_connection_that_is_dropped_in_the_middle_of_a_call_leads_to_the_next_trunk():
    sim = office(replace(ACME, transport="TCP"), BACKUP)
    acme, backup = sim.trunk("acme"), sim.trunk("backup")
    acme.drops()
    alice = sim.phone("1001")
    alice.invites(NUMBER)
    sim.until(lambda: alice.talking, within=7)
    assert (acme.calls, backup.calls) == (1, 1)
    alice.hangs_up()
    sim.assert_idle()


def test_trunk_whose_registration_is_refused_is_passed_over_at_once():
    sim = office(replace(ACME, register=True, username="us", password="ours"), BACKUP)
    acme, backup = sim.trunk("acme"), sim.trunk("backup")
    acme.refuses_registration(403)
    sim.advance(2)
    alice = sim.phone("1001")
    alice.invites(NUMBER)
    sim.until(lambda: alice.talking, within=1)
    assert (acme.calls, backup.calls) == (0, 1)
    callee_hangs_up(sim)
    sim.advance(1)
    assert attempts() == [("acme", 503), ("backup", 200)]
    assert outcomes[-1].attempts[0].text == "acme is not registered: REGISTER: 403 Forbidden"
    acme.refuses_registration(0)
    sim.until(lambda: acme.registered, within=60)  # it is tried again for ever
    alice.invites(NUMBER)
    sim.until(lambda: alice.talking)
    assert acme.calls == 1
    callee_hangs_up(sim)
    sim.assert_idle()


def test_wrong_password_leads_to_the_next_trunk():
    sim = office(replace(ACME, username="us", password="wrong"), BACKUP)
    sim.trunk("acme").challenges("right")
    backup = sim.trunk("backup")
    alice = sim.phone("1001")
    alice.invites(NUMBER)
    sim.until(lambda: alice.talking, within=2)
    callee_hangs_up(sim)
    sim.advance(1)
    assert attempts() == [("acme", 407), ("backup", 200)]
    assert backup.calls == 1
    sim.assert_idle()


def test_redirection_by_a_trunk_is_not_followed():
    sim = office()
    acme, backup = sim.trunk("acme"), sim.trunk("backup")
    acme.fails(302, CONTACT.field("<sip:+19005550000@10.9.9.9>"))
    alice = sim.phone("1001")
    alice.invites(NUMBER)
    sim.until(lambda: alice.talking)
    assert not sent_to(sim, "10.9.9.9")
    assert (acme.calls, backup.calls) == (1, 1)
    alice.hangs_up()
    sim.assert_idle()


def test_trunk_that_asks_for_a_rest_gets_it():
    sim = office()
    acme, backup = sim.trunk("acme"), sim.trunk("backup")
    acme.fails(503, RETRY_AFTER.field(120))
    alice = sim.phone("1001")
    for _ in range(2):
        alice.invites(NUMBER)
        sim.until(lambda: alice.talking)
        alice.hangs_up()
        sim.advance(1)
    assert (acme.calls, backup.calls) == (1, 2)
    sim.assert_idle()


@pytest.mark.parametrize("kind", ["lose", "double", "overtake"])
@pytest.mark.parametrize("number", range(0, 40, 3))
def test_any_datagram_of_a_failover_may_be_lost(kind, number):
    sim = office(replace(ACME, register=True, username="us", password="ours"), BACKUP, **{kind: [number]})
    acme, backup = sim.trunk("acme"), sim.trunk("backup")
    acme.challenges()
    sim.until(lambda: acme.registered)
    acme.fails(503)
    alice = sim.phone("1001")
    sim.until(lambda: alice.registered)
    alice.invites(NUMBER)
    sim.until(lambda: alice.talking)
    assert (acme.calls, backup.calls) == (1, 1)
    alice.hangs_up()
    sim.until(lambda: backup.gateway.idle)
    sim.assert_idle()
