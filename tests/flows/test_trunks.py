"""Calls by trunks: which way they go, who fails, who calls, what each side is told, and what is left of it: nothing."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network

import pytest

from pbx.exchange.caller import Source
from pbx.exchange.outcome import Answered, Busy, Declined, Failed, NoAnswer
from pbx.exchange.thresholds import Thresholds
from pbx.sip.headers import CONTACT, REASON, RETRY_AFTER
from pbx.testing.trunk import Gateway
from pbx.testing.watch import Transfer
from tests.flows.trunks import ACME, BACKUP, office, outcomes

NUMBER = "014155551234"


def attempts() -> list[tuple[str, int]]:
    """Over which trunks the last call went, and how each attempt ended."""
    return [(attempt.target.trunk, attempt.code) for attempt in outcomes[-1].attempts]


def callee_hangs_up(sim) -> None:
    """Whoever has answered at a provider hangs up: the dialplan goes on."""
    next(phone for phone in sim.phones if isinstance(phone, Gateway) and phone.talking).hangs_up()


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
    alice.hangs_up()
    sim.assert_idle()


def sent_to(sim, host: str) -> list[bytes]:
    return [datagram.packet for datagram in sim.network.sent if datagram.target[0] == host]


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


def test_cause_of_the_network_counts_more_than_a_vague_status():
    sim = office()
    acme, backup = sim.trunk("acme"), sim.trunk("backup")
    alice = sim.phone("1001")
    for status, cause, outcome in ((503, 17, Busy), (500, 21, Declined), (480, 34, Answered), (503, 19, NoAnswer)):
        acme.fails(status, REASON.field(f"Q.850;cause={cause}"))
        alice.invites(NUMBER)
        sim.until(lambda: alice.talking or alice.idle)
        if alice.talking:
            callee_hangs_up(sim)
        sim.advance(1)
        assert type(outcomes[-1]) is outcome
    assert backup.calls == 1
    sim.assert_idle()


def test_caller_of_the_network_is_told_why_in_its_own_words():
    sim = office()
    acme = sim.trunk("acme")
    alice = sim.phone("1001")
    alice.busy = True
    caller = acme.call("+15551234567", to="+14155550100")
    sim.until(lambda: caller.idle)
    assert caller.call.status == 486
    assert ("reason", "Reason", 'Q.850;cause=17;text="User busy"') in caller.call.fields
    sim.assert_idle()


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


def test_class_of_service_is_asked_before_the_plan_begins():
    sim = office()
    acme = sim.trunk("acme")
    alice = sim.phone("1001")
    alice.invites("9" + NUMBER)
    sim.until(lambda: alice.idle)
    assert (alice.call.status, acme.calls) == (403, 0)
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


def test_trunk_carries_a_caller_who_is_transferred_until_it_hangs_up():
    sim = office(ACME, BACKUP)
    alice, bob = sim.phone("1001"), sim.phone("1002")
    caller = sim.trunk("acme").call("+15551234567", to="+14155550100")
    sim.until(lambda: alice.ringing)
    alice.answers()
    sim.until(lambda: caller.talking and alice.may_offer)
    transfer = Transfer(alice, "sip:1002@10.0.0.1")
    sim.until(lambda: bob.ringing)
    link = sim.exchange.trunks.links["acme"]
    assert link.calls == 1
    bob.answers()
    sim.until(lambda: transfer.over and alice.idle)
    sim.advance(8)
    assert sim.talk(caller, bob)
    assert link.calls == 1
    bob.hangs_up()
    sim.until(lambda: caller.idle)
    assert link.calls == 0
    sim.assert_idle()


def test_calls_at_once_are_bounded_in_both_directions():
    sim = office(replace(ACME, max_calls=1), BACKUP)
    acme, backup = sim.trunk("acme"), sim.trunk("backup")
    alice, bob = sim.phone("1001"), sim.phone("1002")
    caller = acme.call("+15551234567", to="+14155550100")
    sim.until(lambda: alice.ringing)
    second = acme.call("+15551234568", to="+14155550100")
    sim.until(lambda: second.idle)
    assert second.call.status == 486
    bob.invites(NUMBER)
    sim.until(lambda: bob.talking)
    assert (acme.calls, backup.calls) == (0, 1)
    callee_hangs_up(sim)
    caller.hangs_up()
    sim.advance(1)
    assert outcomes[-1].attempts[0].text == "acme carries as many calls as it may"
    bob.invites(NUMBER)
    sim.until(lambda: bob.talking)
    assert acme.calls == 1
    assert not sim.exchange.trunks.links["acme"].has_room()
    bob.hangs_up()
    sim.advance(1)
    assert sim.exchange.trunks.links["acme"].calls == 0
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


def test_one_call_that_rings_a_trunk_twice_has_no_more_room_than_two():
    sim = office(replace(ACME, max_calls=1), BACKUP)
    acme = sim.trunk("acme")
    acme.rings()
    alice = sim.phone("1001")
    alice.invites("81")
    sim.advance(1)
    assert acme.calls == 1
    assert sim.exchange.trunks.links["acme"].calls == 1
    acme.gateway.answers()
    sim.until(lambda: alice.talking)
    callee_hangs_up(sim)
    sim.advance(1)
    assert outcomes[-1].attempts[-1].code == 200
    alice.invites("81")
    sim.until(lambda: acme.calls == 2)
    alice.hangs_up()
    sim.assert_idle()


def reasons(sim, host: str, method: bytes) -> list[str]:
    """The Reason of each request of a method that went to a host, retransmissions left out."""
    found = dict.fromkeys(packet for packet in sent_to(sim, host) if packet.startswith(method + b" "))
    return [line[8:].decode() for packet in found for line in packet.split(b"\r\n") if line.startswith(b"Reason: ")]


def test_network_is_told_by_its_own_causes_why_we_end_a_call():
    sim = office()
    acme = sim.trunk("acme")
    alice = sim.phone("1001")
    alice.invites(NUMBER)
    sim.until(lambda: alice.talking)
    alice.hangs_up()
    sim.advance(1)
    assert reasons(sim, "10.9.1.1", b"BYE") == ['Q.850;cause=16;text="Normal call clearing"']
    acme.rings()
    alice.invites(NUMBER)
    sim.until(lambda: acme.gateway.ringing)
    alice.hangs_up()
    sim.advance(1)
    alice.invites(NUMBER)
    sim.advance(31)  # ring_for
    assert reasons(sim, "10.9.1.1", b"CANCEL") == [
        'Q.850;cause=16;text="Normal call clearing"',
        'Q.850;cause=19;text="No answer"',
    ]
    sim.assert_idle()


def test_caller_of_the_network_is_hung_up_with_a_cause_and_a_phone_is_not():
    sim = office()
    acme = sim.trunk("acme")
    alice = sim.phone("1001")
    caller = acme.call("+15551234567", to="+14155550100")
    sim.until(lambda: alice.ringing)
    alice.answers()
    sim.until(lambda: caller.talking)
    alice.hangs_up()
    sim.until(lambda: caller.idle)
    assert reasons(sim, caller.host, b"BYE") == ['Q.850;cause=16;text="Normal call clearing"']
    sim.assert_idle()


def test_emergency_call_is_under_no_limit_and_no_class_of_service():
    sim = office(replace(ACME, max_calls=1), thresholds=Thresholds(calls_at_once=1, calls_per_hour=1))
    acme = sim.trunk("acme")
    alice, bob = sim.phone("1001"), sim.phone("1002")
    caller = acme.call("+15551234567", to="+14155550100")  # the trunk is full
    sim.until(lambda: alice.ringing)
    for number in ("91234", "1001"):  # a word that bob has not; and no call more in this hour
        bob.invites(number)
        sim.until(lambda: bob.idle)
    assert bob.call.status == 403
    bob.invites("112")
    sim.until(lambda: bob.talking)
    assert acme.last.target == "sip:112@10.9.1.1"
    bob.hangs_up()
    caller.hangs_up()
    sim.assert_idle()
