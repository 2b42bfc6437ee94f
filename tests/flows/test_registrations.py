"""Calls to phones that have registered in one of the ways there are: through proxies (RFC 3327), by several flows (RFC
5626), by a name of their own (RFC 5627); phones that fall silent; and those who watch registrations (RFC 3680).
"""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from pbx.exchange.accounts import Accounts
from pbx.exchange.registrar import Terms
from pbx.rows import registrations
from pbx.sip.flow import contact_of
from pbx.sip.headers import CONTACT, PATH, SUPPORTED
from pbx.sip.message import Response
from pbx.testing.watch import Watch
from tests.flows.office import ACCOUNTS, office
from tests.flows.raw import DESCRIPTION, Raw

DESK = "urn:uuid:00000000-0000-1000-8000-000a95a0e128"
OUTBOUND = (SUPPORTED.field("path, outbound, gruu"),)
EDGE = "10.0.9.8"


def instance(phone, reg_id: int = 0, name: str = DESK) -> str:
    flow = f";reg-id={reg_id}" if reg_id else ""
    return f'{contact_of(phone.flow)};+sip.instance="<{name}>"{flow}'


def two_flows(**features):
    """Alice, and two ends of one phone of Bob's, over connections; the second registered last."""
    sim, (alice,) = office("1001", **features)
    ends = [sim.phone("1002", register=False, transport="TCP") for _ in range(2)]
    for number, end in enumerate(ends, 1):
        end.registers(contact=instance(end, number), more=OUTBOUND)
        sim.until(lambda end=end: end.registered)
    return sim, alice, *ends


def test_phone_with_two_flows_rings_once_over_the_newer_one():
    sim, alice, first, second = two_flows()
    assert len(sim.exchange.location.contacts("1002")) == 2
    alice.invites("1002")
    sim.until(lambda: second.ringing)
    second.answers()
    sim.until(lambda: alice.talking and second.talking)
    assert first.call is None
    second.hangs_up()
    sim.until(lambda: alice.idle)
    sim.assert_idle()


def test_phone_rings_over_its_other_flow_when_one_has_lost_its_connection():
    sim, alice, first, second = two_flows()
    second.leaves()
    sim.advance(1)
    alice.invites("1002")
    sim.until(lambda: first.ringing)
    first.answers()
    sim.until(lambda: alice.talking)
    alice.hangs_up()
    sim.until(lambda: first.idle)
    sim.assert_idle()


@pytest.mark.parametrize("status", [430, 408])
def test_flow_that_has_failed_is_followed_by_the_next_one(status):
    sim, (alice, bob) = office("1001", "1002")
    edge = Raw(sim, EDGE)
    bob.registers(0)
    sim.advance(1)
    bob.registers(contact=instance(bob, 1), more=OUTBOUND)
    sim.advance(1)
    bob.registers(contact=instance(bob, 2), more=(*OUTBOUND, PATH.field(f"<sip:{EDGE};lr;ob>")))
    sim.advance(1)
    alice.invites("1002")
    sim.until(lambda: edge.requests("INVITE"))
    assert bob.call is None
    edge.answers(edge.requests("INVITE")[0], status)
    sim.until(lambda: bob.ringing)
    bob.answers()
    sim.until(lambda: alice.talking)
    alice.hangs_up()
    sim.until(lambda: bob.idle)
    edge.close()
    sim.assert_idle()


@pytest.mark.parametrize("status", [486, 480, 603])
def test_phone_that_has_refused_is_not_rung_over_its_other_flow(status):
    sim, alice, first, second = two_flows()
    alice.invites("1002")
    sim.until(lambda: second.ringing)
    second.declines(status)
    sim.until(lambda: alice.idle)
    assert first.call is None
    sim.assert_idle()


def test_message_takes_the_other_flow_as_well():
    sim, (alice, bob) = office("1001", "1002")
    edge = Raw(sim, EDGE)
    bob.registers(contact=instance(bob, 1), more=OUTBOUND)
    sim.advance(1)
    bob.registers(contact=instance(bob, 2), more=(*OUTBOUND, PATH.field(f"<sip:{EDGE};lr;ob>")))
    sim.advance(1)
    bob.told.clear()
    reply = alice.asks("MESSAGE", "1002", body=b"hello")
    sim.until(lambda: edge.requests("MESSAGE"))
    edge.answers(edge.requests("MESSAGE")[0], 430)
    sim.until(lambda: reply.status == 200)
    edge.close()
    assert ("MESSAGE", b"hello") in bob.told
    sim.assert_idle()


# How long a phone wants to be rung: `expires` inside of its URI.


def test_phone_that_wants_to_ring_shortly_is_given_up_before_the_others():
    sim, (alice, bob, other) = office("1001", "1002", "1002")
    bob.registers(0)
    sim.advance(1)
    bob.registers(contact=contact_of(bob.flow).replace(">", ";expires=5>"))
    sim.advance(1)
    (binding,) = [one for one in sim.exchange.location.contacts("1002") if "expires=5" in one.contact]
    assert binding.expires_at - sim.clock.seconds() > 3000  # it says nothing of the registration
    call = alice.invites("1002")
    sim.until(lambda: bob.ringing and other.ringing)
    sim.advance(6)
    assert bob.idle and other.ringing
    other.declines(486)
    sim.until(lambda: alice.idle)
    assert call.status == 486
    other.registers(0)
    sim.advance(1)
    call = alice.invites("1002")
    sim.until(lambda: bob.ringing)
    sim.until(lambda: alice.idle, within=6)
    assert call.status == 480
    alice.invites("1002")
    sim.until(lambda: bob.ringing)
    bob.answers()
    sim.until(lambda: alice.talking)
    alice.hangs_up()
    sim.until(lambda: bob.idle)
    sim.assert_idle()


# Path: RFC 3327.


def test_call_takes_the_path_that_the_registration_has_taken():
    sim, (alice, bob) = office("1001", "1002")
    edge = Raw(sim, EDGE)
    path = f"<sip:{EDGE};lr;flow=7>, <sip:10.0.9.7;lr>"
    bob.registers(contact="<sip:bob@192.168.1.2>", more=(SUPPORTED.field("path"), PATH.field(path)))
    sim.advance(1)
    assert [field[2] for field in bob.register_fields if field[0] == "path"] == [path]
    bob.registers(0)
    sim.advance(1)
    alice.invites("1002")
    sim.until(lambda: edge.requests("INVITE"))
    (invite,) = edge.requests("INVITE")
    assert invite.target == "sip:bob@192.168.1.2"
    assert [field[2] for field in invite.fields if field[0] == "route"] == path.split(", ")
    assert invite.first("to") == "<sip:1002@10.0.0.1>"
    record = (f"Record-Route: <sip:{EDGE};lr>", "Contact: <sip:bob@192.168.1.2>")
    edge.answers(invite, 200, fields=record, body=DESCRIPTION)
    sim.until(lambda: alice.talking)
    alice.hangs_up()
    sim.until(lambda: edge.requests("BYE"))
    bye = edge.requests("BYE")[0]
    assert (bye.target, bye.first("route")) == ("sip:bob@192.168.1.2", f"<sip:{EDGE};lr>")
    edge.answers(bye, 200)
    edge.close()
    sim.assert_idle()


def test_name_in_a_path_is_looked_up():
    sim, (alice, bob) = office("1001", "1002")
    sim.zone.records["edge.example"] = [EDGE]
    edge = Raw(sim, EDGE)
    bob.registers(0)
    sim.advance(1)
    bob.registers(contact="<sip:bob@192.168.1.2>", more=(SUPPORTED.field("path"), PATH.field("<sip:edge.example;lr>")))
    sim.advance(1)
    alice.invites("1002")
    sim.until(lambda: edge.requests("INVITE"))
    edge.answers(edge.requests("INVITE")[0], 486)
    sim.until(lambda: alice.idle)
    edge.close()
    sim.assert_idle()


# GRUU: RFC 5627.


def gruu(phone, name: str) -> str:
    answer = Response(200, "OK", phone.register_fields)
    found = [one.parameters[name] for one in answer.many(CONTACT) if name in one.parameters]
    return (found[0] or "").strip('"')


@pytest.mark.parametrize("kind", ["pub-gruu", "temp-gruu"])
def test_call_to_a_gruu_rings_that_phone_only(kind):
    sim, (alice, bob, other) = office("1001", "1002", "1002")
    bob.registers(contact=instance(bob), more=OUTBOUND)
    other.registers(contact=instance(other, name="urn:x:other"), more=OUTBOUND)
    sim.advance(1)
    uri = gruu(bob, kind)
    alice.invites(uri)
    sim.until(lambda: bob.ringing)
    assert other.call is None
    bob.answers()
    sim.until(lambda: alice.talking)
    bob.hangs_up()
    sim.until(lambda: alice.idle)
    bob.registers(0, contact=instance(bob))
    sim.advance(1)
    call = alice.invites(uri)
    sim.until(lambda: alice.idle)
    assert call.status == (480 if kind == "pub-gruu" else 404)
    assert other.call is None
    sim.assert_idle()


def test_requests_of_a_call_reach_a_phone_that_gives_its_gruu_as_its_contact():
    """Behind a proxy they would else come back to us: the GRUU names our domain."""
    sim, (alice, bob) = office("1001", "1002")
    edge = Raw(sim, EDGE)
    bob.registers(0)
    sim.advance(1)
    contact = f'<sip:bob@192.168.1.2>;+sip.instance="<{DESK}>"'
    bob.registers(contact=contact, more=(SUPPORTED.field("path, gruu"), PATH.field(f"<sip:{EDGE};lr>")))
    sim.advance(1)
    alice.invites("1002")
    sim.until(lambda: edge.requests("INVITE"))
    record = (f"Record-Route: <sip:{EDGE};lr>", f"Contact: <{gruu(bob, 'pub-gruu')}>")
    invite = edge.requests("INVITE")[0]
    edge.answers(invite, 180, fields=record)
    sim.until(lambda: alice.hears_ringing)
    edge.answers(invite, 200, fields=record, body=DESCRIPTION)
    sim.until(lambda: alice.talking)
    assert edge.requests("ACK")[0].target == "sip:bob@192.168.1.2"
    alice.hangs_up()
    sim.until(lambda: edge.requests("BYE"))
    (bye,) = edge.requests("BYE")
    assert (bye.target, bye.first("route")) == ("sip:bob@192.168.1.2", f"<sip:{EDGE};lr>")
    edge.answers(bye, 200)
    edge.close()
    sim.assert_idle()


# Phones that fall silent: OPTIONS.


def test_phones_are_asked_evenly_and_their_round_trip_is_known():
    sim, _ = office("1001", "1002", "1003", "1004", qualify=60)
    sim.advance(180)
    location, qualification = sim.exchange.location, sim.exchange.qualification
    signs = [qualification.sign_of(binding) for binding in location.bindings()]
    assert all(sign is not None and sign.reachable and 0 <= sign.round_trip < 1 for sign in signs)
    asked = [line for line in sim.network.ladder().splitlines() if "OPTIONS" in line and "200" not in line]
    assert 6 <= len(asked) <= 12
    rows = registrations(sim.exchange, sim.clock.seconds())
    shown = [(row["reachable"], row["round_trip"]) for row in rows]
    assert shown == [(True, round(sign.round_trip * 1000, 1)) for sign in signs]
    qualification.stop()
    sim.assert_idle()


def test_silent_phone_is_not_waited_for_and_is_rung_again_once_it_is_back():
    sim, (alice, bob, gone) = office("1001", "1002", "1002", qualify=60)
    gone.vanishes()
    sim.advance(180)
    (silent,) = [one for one in sim.exchange.location.bindings() if sim.exchange.qualification.is_silent(one)]
    assert silent.contact == contact_of(gone.flow).strip("<>")
    (row,) = [one for one in registrations(sim.exchange, sim.clock.seconds()) if not one["reachable"]]
    assert (row["contact"], row["number"]) == (silent.contact, "1002")
    call = alice.invites("1002")
    sim.until(lambda: bob.ringing)
    bob.declines(486)
    sim.until(lambda: alice.idle, within=2)
    assert call.status == 486
    # Where nobody else is there it is rung all the same: it may just have come back.
    bob.registers(0)
    sim.advance(1)
    alice.invites("1002")
    sim.advance(2)
    assert not alice.idle
    alice.hangs_up()
    sim.until(lambda: alice.idle)
    sim.exchange.qualification.stop()
    sim.assert_idle()


def test_registering_again_is_a_sign_of_life():
    sim, (bob,) = office("1002", qualify=60)
    bob.vanishes()
    sim.advance(120)
    qualification = sim.exchange.qualification
    (binding,) = sim.exchange.location.bindings()
    assert qualification.is_silent(binding)
    again = sim.phone("1002", host="10.0.7.7", register=False)
    again.registers(contact=contact_of(bob.flow))
    sim.advance(1)
    (binding,) = sim.exchange.location.bindings()
    assert not qualification.is_silent(binding)
    qualification.stop()
    sim.assert_idle()


# The event package reg: RFC 3680.

REGINFO = "{urn:ietf:params:xml:ns:reginfo}"


def seen(watch: Watch):
    """The last state: that of the registration, and of each contact."""
    document = ElementTree.fromstring(watch.states[-1])
    (registration,) = document
    contacts = [(one.get("state"), one.get("event"), one.findtext(f"{REGINFO}uri")) for one in registration]
    assert document.get("state") == "full"
    return registration.get("state"), contacts


def test_watcher_hears_which_phones_come_and_go():
    sim, (alice,) = office("1001")
    at = contact_of(alice.flow).strip("<>")
    watch = Watch(alice, "reg", "1001")
    sim.until(lambda: watch.states)
    assert seen(watch) == ("active", [("active", "registered", at)])
    other = sim.phone("1001")
    there = contact_of(other.flow).strip("<>")
    sim.until(lambda: len(watch.states) == 2)
    assert seen(watch) == ("active", [("active", "registered", there), ("active", "registered", at)])
    other.registers()  # a refresh is no news
    sim.advance(10)
    assert len(watch.states) == 2
    other.registers(0)
    sim.until(lambda: len(watch.states) == 3)
    assert seen(watch) == ("active", [("active", "registered", at), ("terminated", "unregistered", there)])
    versions = [ElementTree.fromstring(state).get("version") for state in watch.states]
    assert versions == ["0", "1", "2"]
    watch.ends()
    sim.assert_idle()


def test_watcher_hears_what_expires_and_sees_gruus():
    sim, (alice,) = office("1001", terms=Terms(min_expires=1))
    other = sim.phone("1001", register=False)
    other.registers(60, contact=instance(other), more=OUTBOUND)
    sim.advance(1)
    watch = Watch(alice, "reg", "1001")
    sim.until(lambda: watch.states)
    registration = ElementTree.fromstring(watch.states[-1])[0]
    assert registration.get("aor") == "sip:1001@10.0.0.1"
    (found,) = registration.iter("{urn:ietf:params:xml:ns:gruuinfo}pub-gruu")
    assert found.get("uri") == gruu(other, "pub-gruu")
    (param,) = registration.iter(f"{REGINFO}unknown-param")
    assert (param.get("name"), param.text) == ("+sip.instance", f'"<{DESK}>"')
    sim.advance(62)
    assert seen(watch)[1][-1][:2] == ("terminated", "expired")
    watch.ends()
    sim.assert_idle()


def test_registrations_of_others_are_watched_by_permission_only():
    sim, (alice,) = office("1001")
    watch = Watch(alice, "reg", "1002")
    sim.until(lambda: watch.over)
    assert watch.status == 403
    extensions = [sim.exchange.directory.find(number) for number in ACCOUNTS]
    sim.exchange.replace_accounts(Accounts(extensions, permissions={("1001", "1002")}))
    watch = Watch(alice, "reg", "1002")
    sim.until(lambda: watch.states)
    assert seen(watch) == ("init", [])
    sim.phone("1002")
    sim.until(lambda: len(watch.states) == 2)
    sim.exchange.replace_accounts(Accounts(extensions[:1], permissions={("1001", "1002")}))
    sim.until(lambda: len(watch.states) == 3)
    state, ((how, event, _),) = seen(watch)
    assert (state, how, event) == ("terminated", "terminated", "rejected")
    watch.ends()
    sim.assert_idle()


def test_what_a_phone_writes_cannot_break_the_document():
    sim, (alice,) = office("1001")
    nasty = sim.phone("1001", register=False)
    nasty.registers(contact='<sip:a&b@10.0.0.9;x=%00>;+sip.instance="<urn:x:&amp;\'>"')
    sim.advance(1)
    watch = Watch(alice, "reg", "1001")
    sim.until(lambda: watch.states)
    assert ("active", "registered", "sip:a&b@10.0.0.9;x=%00") in seen(watch)[1]
    watch.ends()
    sim.assert_idle()
