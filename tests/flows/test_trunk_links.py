"""Links to providers: their registration, whether they answer, where they are found, and rows that change."""

from __future__ import annotations

from dataclasses import replace

from pbx.exchange.outcome import Failed
from tests.flows.trunks import ACME, BACKUP, NUMBER, office, outcomes


def test_password_is_given_to_who_asks_for_it():
    sim = office(replace(ACME, register=True, username="us", password="ours"))
    acme = sim.trunk("acme")
    acme.challenges()
    sim.until(lambda: acme.registered)
    alice = sim.phone("1001")
    alice.invites(NUMBER)
    sim.until(lambda: alice.talking)
    alice.hangs_up()
    sim.advance(1)
    assert [request.first("cseq") for request in acme.gateway.registrations] == ["1 REGISTER", "2 REGISTER"]
    sim.assert_idle()
    assert not acme.registered  # it was ended in order


def test_silence_is_noticed_before_anybody_calls():
    sim = office(replace(ACME, qualify=30), BACKUP)
    acme, backup = sim.trunk("acme"), sim.trunk("backup")
    link = sim.exchange.trunks.links["acme"]
    sim.until(lambda: link.state == "reachable")
    assert link.round_trip is not None
    acme.falls_silent()
    sim.until(lambda: link.state == "silent", within=60)
    alice = sim.phone("1001")
    alice.invites(NUMBER)
    sim.until(lambda: alice.talking, within=1)
    assert backup.calls == 1
    alice.hangs_up()
    acme.answers()
    sim.until(lambda: link.state == "reachable", within=30)
    assert link.error == ""
    sim.assert_idle()


def test_provider_that_never_answered_options_is_tried_all_the_same():
    sim = office(replace(ACME, qualify=30))
    link = sim.exchange.trunks.links["acme"]
    sim.advance(60)  # nobody is there yet
    assert link.obstacle is None
    assert link.error == "OPTIONS: no answer"
    sim.assert_idle()


def test_second_server_of_a_domain_is_found_when_the_first_is_silent():
    row = replace(ACME, host="acme.example", qualify=30)
    sim = office(row)
    sim.zone.records["acme.example"] = ["10.9.1.99", "10.9.1.1"]
    acme = sim.trunk("acme", host="10.9.1.1")
    link = sim.exchange.trunks.links["acme"]
    sim.until(lambda: link.state == "reachable", within=15)
    alice = sim.phone("1001")
    alice.invites(NUMBER)
    sim.until(lambda: alice.talking, within=1)
    assert acme.calls == 1
    alice.hangs_up()
    sim.assert_idle()


def test_rows_change_while_calls_go_on():
    sim = office(replace(ACME, register=True, username="us", password="ours"), BACKUP)
    acme = sim.trunk("acme")
    sim.until(lambda: acme.registered)
    alice = sim.phone("1001")
    alice.invites(NUMBER)
    sim.until(lambda: alice.talking)
    trunks = sim.exchange.trunks
    before = len(acme.gateway.registrations)
    trunks.replace([replace(trunks.links["acme"].trunk, max_calls=1)])
    sim.advance(1)
    assert len(acme.gateway.registrations) == before  # the account is the same
    assert not trunks.links["acme"].has_room()
    trunks.replace([replace(trunks.links["acme"].trunk, username="we")])
    sim.advance(1)
    ended, begun = acme.gateway.registrations[before:]
    assert (ended.first("expires"), begun.first("to")) == ("0", "<sip:we@10.9.1.1>")
    assert trunks.links["acme"].calls == 1
    alice.hangs_up()
    sim.advance(1)
    assert trunks.links["acme"].calls == 0
    trunks.replace([])
    sim.advance(1)
    assert not acme.registered
    alice.invites(NUMBER)
    sim.until(lambda: alice.idle)
    assert isinstance(outcomes[-1], Failed)
    sim.assert_idle()
