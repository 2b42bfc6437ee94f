"""Transfers: whoever talks in two calls connects the two others with each other, and leaves (RFC 5589 section 7)."""

from __future__ import annotations

import pytest

from pbx.sip.parser import parse
from pbx.sip.uri import parse_uri
from pbx.testing.exchange import is_sip
from pbx.testing.watch import Transfer
from tests.flows.office import flow, office
from tests.flows.openings import connect, consult, naming, part, refer


@flow("1001", "1002", "1003")
def test_callee_consults_and_connects_the_caller(sim, alice, bob, carol):
    connect(sim, alice, bob)
    first, second = consult(sim, bob, carol)
    transfer = refer(bob, first, second)
    sim.until(lambda: transfer.over and first.state == second.state == "over")
    assert transfer.status == 200
    part(sim, alice, carol)


@flow("1001", "1002", "1003")
def test_caller_consults_and_leaves_its_two_calls_to_the_callees(sim, alice, bob, carol):
    connect(sim, alice, bob)
    first, second = consult(sim, alice, carol)
    transfer = refer(alice, first, second)
    sim.until(lambda: transfer.over and first.state == second.state == "over")
    part(sim, carol, bob)


@flow("1001", "1002", "1003")
def test_second_caller_is_connected_with_the_first_callee(sim, alice, bob, carol):
    """Bob has called Carol, is called by Alice meanwhile, and connects the two."""
    connect(sim, bob, carol)
    second = bob.call
    sim.until(lambda: bob.may_offer)
    bob.call = None
    connect(sim, alice, bob, ready=bob)
    transfer = refer(bob, second, bob.call)
    sim.until(lambda: transfer.over and bob.idle and second.state == "over")
    part(sim, alice, carol)


@flow("1001", "1002", "1003")
def test_two_callers_are_connected(sim, alice, bob, carol):
    connect(sim, alice, bob)
    first = bob.call
    sim.until(lambda: bob.may_offer)
    bob.call = None
    connect(sim, carol, bob, ready=bob)
    transfer = refer(bob, first, bob.call)
    sim.until(lambda: transfer.over and bob.idle and first.state == "over")
    part(sim, carol, alice)


@flow("1001", "1002", "1003")
def test_party_that_is_on_hold_is_connected_all_the_same(sim, alice, bob, carol):
    connect(sim, alice, bob)
    sim.advance(8)
    bob.holds()
    sim.until(lambda: alice.call.held and bob.may_offer)
    first, second = consult(sim, bob, carol)
    transfer = refer(bob, first, second)
    sim.until(lambda: transfer.over and first.state == second.state == "over")
    part(sim, carol, alice)


@flow("1001", "1002", "1003")
def test_party_that_does_not_take_the_other_ends_the_call(sim, alice, bob, carol):
    connect(sim, alice, bob)
    first, second = consult(sim, bob, carol)
    alice.refuses = 488
    refer(bob, first, second)
    sim.until(lambda: alice.idle and carol.idle and first.state == second.state == "over")


@flow("1001", "1002", "1003")
def test_party_hangs_up_while_it_is_transferred(sim, alice, bob, carol):
    connect(sim, alice, bob)
    first, second = consult(sim, bob, carol)
    transfer = refer(bob, first, second)
    alice.hangs_up()
    sim.until(lambda: transfer.over and first.state == "over")
    if transfer.status != 200:
        # She was faster: Bob still talks to Carol.
        bob.call = second
        bob.hangs_up()
    sim.until(lambda: carol.idle and second.state == "over")


def test_who_has_transferred_has_no_say_any_more_and_is_hung_up_if_it_stays():
    sim, (alice, bob, carol) = office("1001", "1002", "1003")
    connect(sim, alice, bob)
    first, second = consult(sim, bob, carol)
    transfer = refer(bob, first, second)
    sim.until(lambda: transfer.over and bob.may_offer)
    again = Transfer(bob, "sip:1003@10.0.0.1")
    told = bob.informs(b"hello")
    bob.holds()
    sim.until(lambda: again.over and told.status and bob.may_offer)
    assert (again.status, told.status, first.status) == (403, 415, 488)
    sim.until(lambda: first.state == second.state == "over", within=8)
    assert sim.talk(alice, carol)
    alice.hangs_up()
    sim.until(lambda: carol.idle)
    sim.assert_idle()


def test_each_is_told_whom_it_talks_to_now():
    sim, (alice, bob, carol) = office("1001", "1002", "1003")
    connect(sim, alice, bob)
    first, second = consult(sim, bob, carol)
    before = len(sim.network.sent)
    refer(bob, first, second)
    sim.until(lambda: first.state == second.state == "over")
    sim.advance(16)
    told = {}
    for datagram in sim.network.sent[before:]:
        message = parse(datagram.packet) if is_sip(datagram.packet) else None
        if message is not None and datagram.kind == "INVITE":
            told[datagram.target[0]] = message.first("p-asserted-identity")
    assert told == {alice.host: '"Phone 1003" <sip:1003@10.0.0.1>', carol.host: '"Phone 1001" <sip:1001@10.0.0.1>'}
    alice.hangs_up()
    sim.until(lambda: carol.idle)
    sim.assert_idle()


@pytest.mark.parametrize(("replaces", "status"), [("own", 403), ("others", 403), ("none", 481), ("over", 481)])
def test_transfer_that_must_not_be_leaves_all_calls_as_they_are(replaces, status):
    sim, (alice, bob, carol, dave) = office("1001", "1002", "1003", "1004")
    connect(sim, alice, bob, ready=bob)
    connect(sim, carol, dave, ready=dave)
    second = {"own": bob.call, "others": dave.call}.get(replaces)
    if replaces == "over":
        first, bob.call = bob.call, None
        bob.invites("600")
        sim.until(lambda: bob.may_offer)
        second = bob.call
        bob.hangs_up()
        bob.call = first
        sim.advance(1)
    target = "sip:1003@10.0.0.1"
    if second is not None:
        target += naming(second)
    elif replaces == "none":
        target += "?Replaces=nothing%3Bto-tag%3D1%3Bfrom-tag%3D2"
    transfer = Transfer(bob, target)
    sim.until(lambda: transfer.over)
    assert transfer.status == status
    sim.advance(2)
    assert sim.talk(alice, bob)
    assert sim.talk(carol, dave)
    carol.hangs_up()
    alice.hangs_up()
    sim.until(lambda: bob.idle and carol.idle and dave.idle)
    sim.assert_idle()


@flow("1001", "1002", "1003")
def test_caller_takes_the_place_of_who_consulted_in_a_call_that_is_not_ours(sim, alice, bob, carol):
    """Bob has called Carol's phone directly: we know nothing of that dialog, and her phone does (RFC 5589 7.3)."""
    connect(sim, alice, bob, ready=bob)
    first, bob.call = bob.call, None
    second = directly(bob, carol)
    sim.until(lambda: carol.ringing)
    carol.answers()
    sim.until(lambda: second.state == "talking" and second.session.may_offer)
    bob.call = first
    transfer = Transfer(bob, f"sip:1003@10.0.0.1{naming(second)}")
    sim.until(lambda: transfer.over and first.state == second.state == "over")
    assert transfer.status == 200
    part(sim, alice, carol)


def directly(phone, other):
    """Call another phone without the exchange."""
    flow = phone.flow
    phone.flow = phone.agent.flows.flow_to(parse_uri(f"sip:{other.host}:5060"))
    call = phone.invites(f"sip:{other.number}@{other.host}")
    phone.flow = flow
    return call


def test_both_ends_of_one_call_are_not_two_calls():
    sim, (bob, desk) = office("1002", "1002")
    bob.invites("1002")
    sim.until(lambda: desk.ringing)
    desk.answers()
    sim.until(lambda: bob.may_offer and desk.may_offer)
    transfer = refer(bob, bob.call, desk.call)
    sim.until(lambda: transfer.over)
    assert transfer.status == 403
    assert sim.talk(bob, desk)
    bob.hangs_up()
    sim.assert_idle()
