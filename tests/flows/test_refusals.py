"""Calls and requests that get no further: each with the status that says why (CONTRACT.md, "How an attempt ends";
RFC 3261 8.2, 9.2, 12.2.2).
"""

from __future__ import annotations

import pytest

from pbx.sip.headers import REQUIRE
from tests.flows.office import flow, office
from tests.flows.raw import Raw


@flow("1001")
def test_extension_without_a_phone_is_unreachable(sim, alice):
    assert status_of_a_call(sim, alice, "1004") == 480


@flow("1001")
def test_extension_that_does_not_exist_is_not_found(sim, alice):
    assert status_of_a_call(sim, alice, "1999") == 404


@flow("1001")
def test_number_without_a_route_is_not_found(sim, alice):
    assert status_of_a_call(sim, alice, "777") == 404


@flow("1001")
def test_plan_rejects(sim, alice):
    assert status_of_a_call(sim, alice, "603") == 603


@flow("1001")
def test_plan_redirects(sim, alice):
    assert status_of_a_call(sim, alice, "604") == 302
    contacts = [value for key, _, value in alice.call.fields if key == "contact"]
    assert contacts == ["<sip:desk@example.org>", "<sip:desk@example.net:5070>"]


@flow()
def test_stranger_reaches_nobody(sim):
    zoe = sim.phone("zoe", domain="example.org", register=False)
    assert status_of_a_call(sim, zoe, "1001") == 403


@flow("1002")
def test_wrong_password_neither_registers_nor_calls(sim, bob):
    mallory = sim.phone("1001", password="guessed")
    assert not mallory.registered
    sim.until(lambda: mallory.register_status)
    assert mallory.register_status == 401
    assert status_of_a_call(sim, mallory, "1002") == 401
    assert bob.call is None


@flow("1001")
def test_phone_registers_and_leaves(sim, alice):
    bob = sim.phone("1002", register=False)
    bob.registers()
    sim.until(lambda: bob.registered)
    bob.registers(expires=0)
    sim.until(lambda: not bob.registered)
    assert status_of_a_call(sim, alice, "1002") == 480


@pytest.mark.parametrize("lost", [0, 1])
def test_caller_is_told_that_it_is_tried_where_nothing_else_is_said_for_200_ms(lost):
    sim, (alice, _) = office("1001", "1002")
    sim.network.loses("INVITE", times=lost, target="10.0.1.2")
    alice.invites("1002")
    sim.until(lambda: alice.hears_ringing)
    told = [d.kind for d in sim.network.sent if d.target[0] == alice.host and "INVITE" in d.kind]
    assert told == ["100 INVITE"] * lost + ["180 INVITE"]
    assert not lost or "INVITE" not in [d.kind for d in sim.network.sent if d.source[0] == alice.host][4:]
    alice.hangs_up()
    sim.assert_idle()


@pytest.mark.parametrize("codecs", [{"alice": (18,)}, {"bob": (18,)}])
def test_no_common_codec(codecs):
    sim, _ = office()
    alice = sim.phone("1001", payload_types=codecs.get("alice", (0, 8)))
    bob = sim.phone("1002", payload_types=codecs.get("bob", (0, 8)))
    alice.invites("1002")
    sim.advance(1)
    if bob.ringing:
        bob.answers()
    sim.until(lambda: alice.idle)
    assert alice.call.status == 488
    sim.until(lambda: bob.idle)
    sim.assert_idle()


@pytest.mark.parametrize(("pairs", "number"), [(0, "1002"), (1, "1002"), (0, "600"), (0, "91002")])
def test_no_media_port_is_left(pairs, number):
    sim, (alice, bob, _) = office("1001", "1002", "1002", pairs=pairs)
    assert status_of_a_call(sim, alice, number) == 503
    assert ("retry-after", "Retry-After", "5") in alice.call.fields
    assert bob.idle
    sim.assert_idle()


def test_media_ports_for_one_callee_of_two():
    sim, (alice, bob, desk) = office("1001", "1002", "1002", pairs=2)
    alice.invites("1002")
    sim.until(lambda: bob.ringing or desk.ringing)
    callee = bob if bob.ringing else desk
    callee.answers()
    sim.until(lambda: alice.talking)
    assert sim.talk(alice, callee)
    alice.hangs_up()
    sim.assert_idle()


@pytest.mark.parametrize(("number", "status"), [("605", 500), ("608", 200)])
def test_plan_that_fails_ends_its_own_call_only(logged_errors, number, status):
    sim, (alice, bob, carol) = office("1001", "1002", "1003")
    bob.invites("1003")
    sim.until(lambda: carol.ringing)
    carol.answers()
    alice.invites(number)
    sim.until(lambda: alice.idle and bob.talking)
    assert alice.call.status == status
    assert [str(event["log_failure"].value) for event in logged_errors()] == ["this plan is broken"]
    assert sim.talk(bob, carol)
    bob.hangs_up()
    sim.assert_idle()


def test_draining_exchange_takes_no_new_call_and_keeps_the_others():
    sim, (alice, bob, carol) = office("1001", "1002", "1003")
    bob.invites("1003")
    sim.until(lambda: carol.ringing)
    sim.exchange.switchboard.draining = 30
    assert status_of_a_call(sim, alice, "1002") == 503
    assert ("retry-after", "Retry-After", "30") in alice.call.fields
    carol.answers()
    sim.until(lambda: bob.talking)
    assert sim.talk(bob, carol)
    carol.hangs_up()
    sim.assert_idle()


def test_stopping_exchange_ends_all_calls():
    sim, (alice, bob, carol, dave) = office("1001", "1002", "1003", "1004")
    alice.invites("1002")
    sim.until(lambda: bob.ringing)
    bob.answers()
    sim.until(lambda: alice.talking)
    carol.invites("1004")
    sim.until(lambda: dave.ringing)
    sim.exchange.switchboard.hang_up_all()
    sim.until(lambda: alice.idle and bob.idle and carol.idle and dave.idle)
    assert carol.call.status == 503
    assert ("retry-after", "Retry-After", "5") in carol.call.fields
    sim.assert_idle()


def test_hops_are_counted():
    sim, (alice, bob) = office("1001", "1002")
    alice.invites("1002", forwards=1)
    sim.until(lambda: bob.ringing)
    assert bob.call.forwards == 0
    alice.hangs_up()
    sim.until(lambda: bob.idle)
    assert status_of_a_call(sim, alice, "1002", forwards=0) == 483
    sim.assert_idle()


def test_last_hop_reaches_what_the_exchange_does_itself():
    sim, (alice,) = office("1001")
    alice.invites("600", forwards=0)
    sim.until(lambda: alice.talking)
    alice.hangs_up()
    sim.assert_idle()


# Requests that are no calls


def test_options_tell_what_the_exchange_can_do():
    sim, (alice,) = office("1001")
    reply = answer(sim, alice.asks("OPTIONS"))
    assert reply.status == 200
    assert {"INVITE", "ACK", "CANCEL", "BYE", "OPTIONS"} <= set(reply.field("allow").split(", "))
    assert reply.field("accept") == "application/sdp, multipart/mixed"
    sim.assert_idle()


def test_unknown_method_is_not_implemented():
    sim, (alice,) = office("1001")
    reply = answer(sim, alice.asks("BREW", "1002"))
    assert reply.status == 501
    assert "INVITE" in reply.field("allow")
    sim.assert_idle()


def test_unknown_extension_is_refused_by_name():
    sim, (alice, bob) = office("1001", "1002")
    alice.invites("1002", more=(REQUIRE.field("foo"),))
    sim.until(lambda: alice.idle)
    assert alice.call.status == 420
    assert ("unsupported", "Unsupported", "foo") in alice.call.fields
    assert bob.call is None
    sim.assert_idle()


@pytest.mark.parametrize("method", ["CANCEL", "BYE"])
def test_what_belongs_to_no_call_is_refused(method):
    sim, (alice,) = office("1001")
    assert answer(sim, alice.asks(method, "1002")).status == 481
    sim.assert_idle()


@pytest.mark.parametrize("method", ["INVITE", "BYE", "OPTIONS", "INFO"])
def test_request_in_an_unknown_dialog_is_refused(method):
    sim, _ = office()
    raw = Raw(sim)
    raw.sends(method, to_tag="nowhere")
    sim.advance(0.25)
    assert raw.statuses == [481]
    if method == "INVITE":
        raw.sends("ACK", to_tag="nowhere")
        sim.advance(64)
        assert raw.statuses == [481]
    raw.close()
    sim.assert_idle()


def test_request_with_a_number_not_higher_than_before_is_refused():
    sim, (alice, bob) = office("1001", "1002")
    alice.invites("1002")
    sim.until(lambda: bob.ringing)
    bob.answers()
    sim.until(lambda: bob.may_offer)
    bob.holds()
    sim.until(lambda: bob.may_offer)
    bob.call.session.dialog.local_cseq -= 1
    bob.resumes()
    sim.until(lambda: bob.may_offer)
    assert bob.call.status == 500
    bob.resumes()
    sim.until(lambda: bob.may_offer)
    assert sim.talk(alice, bob)
    alice.hangs_up()
    sim.until(lambda: bob.idle)
    sim.assert_idle()


def status_of_a_call(sim, phone, number, **features):
    phone.invites(number, **features)
    sim.until(lambda: phone.idle)
    return phone.call.status


def answer(sim, reply):
    sim.until(lambda: reply.status)
    return reply
