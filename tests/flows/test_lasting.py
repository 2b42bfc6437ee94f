"""Calls that last and change: UPDATE passed through (RFC 3311), sessions refreshed on each side by itself (RFC 4028),
and what is heard before the answer, which arrives for certain (RFC 3262).
"""

from __future__ import annotations

from pbx.sip import sdp
from pbx.sip.message import Request
from pbx.sip.parser import parse
from pbx.testing.exchange import is_sip
from tests.flows.office import flow, office
from tests.flows.openings import connect, early, part, updates
from tests.flows.raw import DESCRIPTION, Raw

HOUR = 3600.0


@flow("1001", "1002")
def test_caller_holds_and_resumes_by_update(sim, alice, bob):
    connect(sim, alice, bob)
    sim.advance(8)
    updates(alice, "sendonly")
    sim.until(lambda: bob.call.held and alice.call.session.may_update)
    sim.advance(8)
    updates(alice)
    sim.until(lambda: not bob.call.held and alice.call.session.may_update)
    part(sim, alice, bob, after=8)


@flow("1001", "1002")
def test_callee_holds_by_update_and_is_refused(sim, alice, bob):
    connect(sim, alice, bob)
    sim.advance(8)
    alice.refuses = 488
    updates(bob, "sendonly")
    sim.until(lambda: bob.call.session.may_update)
    assert bob.call.status == 488
    part(sim, bob, alice, after=8)


@flow("1001", "1002")
def test_update_crosses_a_reinvite(sim, alice, bob):
    connect(sim, alice, bob)
    sim.advance(8)
    updates(alice, "sendonly")
    bob.holds()
    sim.until(lambda: alice.call.session.may_update and bob.call.session.may_offer)
    sim.advance(8)
    updates(alice)
    sim.until(lambda: alice.call.session.may_update)
    sim.advance(8)
    bob.resumes()
    sim.until(lambda: bob.call.session.may_offer)
    part(sim, alice, bob, after=8)


@flow("1001", "1002")
def test_caller_hangs_up_while_it_updates(sim, alice, bob):
    connect(sim, alice, bob)
    sim.advance(8)
    updates(alice, "sendonly")
    alice.hangs_up()
    sim.until(lambda: bob.idle)


@flow("1001", "1002")
def test_call_of_two_hours_is_refreshed_on_both_sides(sim, alice, bob):
    connect(sim, alice, bob)
    sim.advance(2 * HOUR)
    assert sim.talk(alice, bob)
    alice.hangs_up()
    sim.until(lambda: bob.idle)


def test_each_side_is_refreshed_by_itself_and_the_other_hears_nothing_of_it():
    sim, (alice, bob) = office("1001", "1002")
    connect(sim, alice, bob)
    sim.advance(8)
    before = len(sim.network.sent)
    sim.advance(1700)
    sent = [parse(datagram.packet) for datagram in sim.network.sent[before:] if is_sip(datagram.packet)]
    assert {message.method for message in sent if isinstance(message, Request)} == {"UPDATE"}
    assert {message.body for message in sent} == {b""}
    assert {message.call_id for message in sent} == {alice.call.session.dialog.call_id, bob.call.session.dialog.call_id}
    alice.hangs_up()
    sim.until(lambda: bob.idle)
    sim.assert_idle()


def test_phone_that_vanishes_in_a_call_is_found_out_within_half_an_hour():
    for vanished in (0, 1):
        sim, phones = office("1001", "1002")
        gone, other = phones[vanished], phones[1 - vanished]
        connect(sim, *phones)
        sim.advance(8)
        gone.vanishes()
        sim.until(lambda other=other: other.idle, within=1800)
        assert other.call.ended_by == "them"
        gone.hangs_up()
        sim.assert_idle()


def test_peer_without_session_timers_and_update_is_refreshed_by_an_invite_that_changes_nothing():
    sim, (alice,) = office("1001")
    zoe = Raw(sim)
    answered_outside(sim, alice, zoe)
    shown = zoe.requests("INVITE")[0].body
    sim.until(lambda: len(zoe.requests("INVITE")) > 1, within=1100)
    refresh = zoe.requests("INVITE")[1]
    assert refresh.body.count(b"m=audio") == shown.count(b"m=audio") == 1
    assert port(refresh.body) == port(shown)
    before = len(alice.call.progress), alice.call.session.dialog.remote_cseq
    zoe.answers(refresh, 200, body=DESCRIPTION)
    sim.advance(1)
    assert zoe.requests("ACK")[-1].cseq == refresh.cseq
    assert (len(alice.call.progress), alice.call.session.dialog.remote_cseq) == before
    sim.until(lambda: len(zoe.requests("INVITE")) > 2, within=1100)
    sim.until(lambda: alice.idle, within=64)
    zoe.close()
    sim.assert_idle()


def test_offer_by_update_becomes_a_reinvite_for_a_peer_that_has_no_update():
    sim, (alice,) = office("1001")
    zoe = Raw(sim)
    answered_outside(sim, alice, zoe)
    sim.advance(4)
    updates(alice, "sendonly")
    sim.until(lambda: len(zoe.requests("INVITE")) > 1)
    assert b"a=sendonly" in zoe.requests("INVITE")[1].body
    zoe.answers(zoe.requests("INVITE")[1], 200, body=DESCRIPTION.replace(b"sendrecv", b"recvonly"))
    sim.until(lambda: alice.call.session.may_update)
    assert alice.call.status == 200
    alice.hangs_up()
    sim.until(lambda: zoe.requests("BYE"))
    zoe.answers(zoe.requests("BYE")[0], 200)
    sim.advance(1)
    zoe.close()
    sim.assert_idle()


@flow("1001", "1002")
def test_early_media_arrives_for_certain(sim, alice, bob):
    alice.invites("1002")
    sim.until(lambda: bob.ringing)
    bob.sends_early_media()
    sim.until(lambda: 183 in alice.call.progress)
    sim.advance(2)
    assert sim.talk(alice, bob)
    bob.answers()
    sim.until(lambda: alice.talking)
    part(sim, alice, bob, after=8)


@flow("1001", "1002", "1003")
def test_caller_that_heard_one_callee_early_talks_to_the_other_that_answers(sim, alice, bob, carol):
    carol.payload_types = (0,)  # the others have PCMA, too
    alice.invites("601")
    sim.until(lambda: bob.ringing and carol.ringing)
    bob.sends_early_media()
    sim.until(lambda: 183 in alice.call.progress)
    carol.answers()
    sim.until(lambda: alice.talking and bob.idle)
    part(sim, alice, carol, after=40)


def test_callees_behind_a_proxy_that_forks():
    """Each has its early dialog; whoever answers has the call."""
    sim, (alice,) = office("1001")
    zoe = Raw(sim)
    alice.invites("602")
    sim.until(lambda: zoe.requests("INVITE"))
    invite = zoe.requests("INVITE")[0]
    wants = ("Require: 100rel", "Allow: UPDATE")
    zoe.answers(invite, 183, tag="one", fields=(*wants, "RSeq: 7"), body=DESCRIPTION)
    zoe.answers(invite, 183, tag="two", fields=(*wants, "RSeq: 70"), body=DESCRIPTION.replace(b"30000", b"30002"))
    sim.until(lambda: len(zoe.requests("PRACK")) == 2)
    assert [(prack.to_tag, prack.first("rack")) for prack in zoe.requests("PRACK")] == [
        ("one", "7 1 INVITE"),
        ("two", "70 1 INVITE"),
    ]
    for prack in zoe.requests("PRACK"):
        zoe.answers(prack, 200)
    zoe.answers(invite, 200, tag="one")
    sim.until(lambda: alice.talking)
    assert zoe.requests("ACK")[0].to_tag == "one"
    alice.hangs_up()
    sim.until(lambda: zoe.requests("BYE"))
    assert zoe.requests("BYE")[0].to_tag == "one"
    zoe.answers(zoe.requests("BYE")[0], 200)
    sim.advance(1)
    zoe.close()
    sim.assert_idle()


@flow("1001", "1002")
def test_caller_offers_anew_before_the_answer(sim, alice, bob):
    early(sim, alice, bob)
    updates(alice, "sendonly")
    sim.until(lambda: bob.call.held and alice.call.session.may_update)
    sim.advance(8)
    updates(alice)
    sim.until(lambda: not bob.call.held and alice.call.session.may_update)
    sim.advance(8)
    assert sim.talk(alice, bob)
    bob.answers()
    sim.until(lambda: alice.talking)
    part(sim, alice, bob, after=8)


@flow("1001", "1002")
def test_callee_offers_anew_before_it_answers(sim, alice, bob):
    early(sim, alice, bob)
    bob.payload_types = (8,)
    updates(bob)
    sim.until(lambda: bob.call.session.may_update and bob.call.status == 200)
    sim.advance(8)
    bob.answers()
    sim.until(lambda: alice.talking)
    part(sim, bob, alice, after=8)


@flow("1001", "1002")
def test_offer_before_the_answer_is_refused_and_all_is_as_it_was(sim, alice, bob):
    early(sim, alice, bob)
    bob.refuses = 488
    updates(alice, "sendonly")
    sim.until(lambda: alice.call.session.may_update)
    assert alice.call.status == 488
    sim.advance(2)
    assert sim.talk(alice, bob)
    bob.answers()
    sim.until(lambda: alice.talking)
    part(sim, alice, bob, after=8)


@flow("1001", "1002")
def test_offers_that_cross_before_the_answer_are_refused_and_may_be_made_again(sim, alice, bob):
    early(sim, alice, bob)
    updates(alice, "sendonly")
    updates(bob)
    sim.until(lambda: alice.call.session.may_update and bob.call.session.may_update)
    assert 491 in (alice.call.status, bob.call.status)
    sim.advance(8)
    updates(alice)
    sim.until(lambda: alice.call.session.may_update)
    part(sim, alice, bob, after=8)


@flow("1001", "1002")
def test_callee_declines_while_it_is_asked(sim, alice, bob):
    early(sim, alice, bob)
    updates(alice, "sendonly")
    bob.declines()
    sim.until(lambda: alice.idle)
    assert alice.call.status == 603


@flow("1001", "1002", "1003")
def test_offer_while_several_may_answer_reaches_nobody(sim, alice, bob, carol):
    alice.invites("601")
    sim.until(lambda: bob.ringing and carol.ringing)
    bob.sends_early_media()
    sim.until(lambda: 183 in alice.call.progress and alice.call.session.may_update)
    sim.advance(2)
    updates(alice, "sendonly")
    sim.until(lambda: alice.call.status)
    assert alice.call.status == 504
    carol.declines(486)
    sim.advance(8)
    bob.answers()
    sim.until(lambda: alice.talking)
    part(sim, alice, bob, after=8)


def port(description):
    return sdp.parse(description).media[0].port


def answered_outside(sim, caller, zoe):
    """A call to somebody elsewhere who is no phone."""
    caller.invites("602")
    sim.until(lambda: zoe.requests("INVITE"))
    zoe.answers(zoe.requests("INVITE")[0], 200, body=DESCRIPTION)
    sim.until(lambda: caller.talking)
