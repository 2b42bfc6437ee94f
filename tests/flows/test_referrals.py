"""REFER between two phones without an exchange, on a network with faults (RFC 3515, RFC 4488, RFC 3892); and what the
exchange says to it, and to an INVITE that would replace a call (RFC 3891).
"""

from __future__ import annotations

import pytest

from pbx.sip.headers import CONTACT, REFER_SUB, REFER_TO, REFERRED_BY, REPLACES, REQUIRE
from pbx.testing.phone import Phone
from pbx.testing.watch import Transfer
from tests.flows.office import flow, office

CAROL = "sip:carol@10.0.2.3"


def pair(sim) -> tuple[Phone, Phone]:
    """Two phones without an exchange between them, in a call."""
    alice = Phone(sim.clock, sim.network, "alice", "", "10.0.2.1", "10.0.2.2")
    bob = Phone(sim.clock, sim.network, "bob", "", "10.0.2.2", "10.0.2.1")
    sim.phones += [alice, bob]
    alice.invites("bob")
    sim.until(lambda: bob.ringing)
    bob.answers()
    sim.until(lambda: alice.talking and bob.talking)
    sim.until(lambda: bob.may_offer)
    return alice, bob


@flow()
def test_reference_is_followed_and_its_course_heard(sim):
    alice, bob = pair(sim)
    transfer = Transfer(alice, CAROL, (REFERRED_BY.field("<sip:alice@10.0.2.1>"),))
    sim.until(lambda: bob.call.referral)
    referral = bob.call.referral
    assert str(referral.target) == CAROL
    assert referral.fields == (REFERRED_BY.field("<sip:alice@10.0.2.1>"),)
    referral.accept()
    sim.until(lambda: transfer.progress)
    referral.progress(180)
    sim.until(lambda: transfer.progress[-1] == 180)
    referral.end(200)
    sim.until(lambda: transfer.over)
    assert transfer.status == 200
    alice.hangs_up()
    sim.until(lambda: bob.idle)


@flow()
def test_reference_fails_and_both_talk_on(sim):
    alice, bob = pair(sim)
    transfer = Transfer(bob, CAROL)
    sim.until(lambda: alice.call.referral)
    alice.call.referral.accept()
    alice.call.referral.end(486)
    sim.until(lambda: transfer.over)
    assert transfer.status == 486
    assert sim.talk(alice, bob)
    alice.hangs_up()
    sim.until(lambda: bob.idle)


@flow()
def test_referrer_hangs_up_and_hears_the_end_all_the_same(sim):
    """The subscription outlives the session in whose dialog it is (RFC 5057)."""
    alice, bob = pair(sim)
    transfer = Transfer(alice, CAROL)
    sim.until(lambda: bob.call.referral)
    referral = bob.call.referral
    referral.accept()
    sim.until(lambda: transfer.progress)
    alice.hangs_up()
    sim.until(lambda: bob.idle)
    referral.end(200)
    sim.until(lambda: transfer.over)
    assert transfer.status == 200


@flow()
def test_reference_is_refused(sim):
    alice, bob = pair(sim)
    transfer = Transfer(alice, CAROL)
    sim.until(lambda: bob.call.referral)
    bob.call.referral.refuse(603)
    sim.until(lambda: transfer.over)
    assert (transfer.status, transfer.progress) == (603, [])
    alice.hangs_up()
    sim.until(lambda: bob.idle)


@flow()
def test_reference_without_news(sim):
    alice, bob = pair(sim)
    transfer = Transfer(alice, CAROL, (REFER_SUB.field("false"),))
    sim.until(lambda: bob.call.referral)
    bob.call.referral.accept()
    sim.until(lambda: transfer.over)
    assert transfer.status == 0
    bob.call.referral.end(200)
    bob.hangs_up()
    sim.until(lambda: alice.idle)
    assert not [datagram for datagram in sim.network.sent if datagram.kind == "NOTIFY"]


# Through the exchange


@flow("1001", "1002")
def test_each_transfers_the_other_to_somebody_who_is_not_there(sim, alice, bob):
    alice.invites("1002")
    sim.until(lambda: bob.ringing)
    bob.answers()
    sim.until(lambda: alice.talking)
    transfers = [Transfer(alice, "sip:1003@10.0.0.1"), Transfer(bob, "sip:1003@10.0.0.1")]
    sim.until(lambda: all(transfer.over for transfer in transfers))
    assert all(transfer.status in (403, 480) for transfer in transfers)  # one at a time
    sim.advance(8)
    assert sim.talk(alice, bob)
    bob.hangs_up()
    sim.until(lambda: alice.idle)


def test_transfer_while_it_rings_is_forbidden():
    sim, (alice, bob) = office("1001", "1002")
    alice.invites("1002")
    sim.until(lambda: alice.hears_ringing)
    transfers = [Transfer(alice, "sip:1003@10.0.0.1"), Transfer(bob, "sip:1003@10.0.0.1")]
    sim.until(lambda: all(transfer.over for transfer in transfers))
    assert [transfer.status for transfer in transfers] == [403, 403]
    alice.hangs_up()
    sim.until(lambda: bob.idle)
    sim.assert_idle()


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ((REFER_TO.field("<sip:1002@10.0.0.1>"), CONTACT.field("<sip:1001@10.0.1.1>")), 403),
        ((CONTACT.field("<sip:1001@10.0.1.1>"),), 400),
        ((REFER_TO.field("<sip:1002@10.0.0.1>"),), 400),
        ((REFER_TO.field("<sip:1002@10.0.0.1>"), REQUIRE.field("norefersub")), 400),
    ],
)
def test_reference_outside_calls(fields, status):
    sim, (alice,) = office("1001")
    reply = alice.asks("REFER", "", fields)
    sim.until(lambda: reply.status)
    assert reply.status == status
    stranger = sim.phone("zoe", domain="example.org", register=False)
    reply = stranger.asks("REFER", "", fields)
    sim.until(lambda: reply.status)
    assert reply.status == 403
    sim.assert_idle()


def test_nobody_may_replace_a_call_and_who_tries_learns_no_more_than_the_rfc_says():
    sim, (alice, bob, carol) = office("1001", "1002", "1003")
    alice.invites("1002")
    sim.until(lambda: alice.hears_ringing)
    call_id, local, remote = bob.call.session.dialog.key
    ringing = f"{call_id};to-tag={remote};from-tag={local}"
    call_id, local, remote = alice.call.session.dialog.key
    calling = f"{call_id};to-tag={remote};from-tag={local}"

    def status_of(replaces: str) -> int:
        carol.invites("1001", more=(REPLACES.field(replaces),))
        sim.until(lambda: carol.idle)
        return carol.call.status

    assert status_of(ringing) == 403
    assert status_of(calling) == 481
    assert status_of("nothing;to-tag=1;from-tag=2") == 481
    assert status_of("nothing") == 400
    bob.answers()
    sim.until(lambda: alice.talking)
    assert status_of(calling) == 403
    assert status_of(f"{calling};early-only") == 486
    assert sim.talk(alice, bob)
    alice.hangs_up()
    sim.until(lambda: bob.idle)
    assert status_of(calling) == 603
    sim.assert_idle()
