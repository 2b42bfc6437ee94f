"""Text between phones (RFC 3428), and what is told within a call (RFC 6086, RFC 2976), on a network with faults."""

from __future__ import annotations

import pytest

from pbx.sip.headers import INFO_PACKAGE, SUBJECT
from pbx.sip.parser import parse
from tests.flows.office import flow, office

BALANCE, KIND = b"balance=12\r\n", "application/x-balance"


def messages(sim, host):
    """The MESSAGEs that went to a host."""
    found = [datagram for datagram in sim.network.sent if datagram.kind == "MESSAGE" and datagram.target[0] == host]
    return [parse(datagram.packet) for datagram in found]


def status_of(sim, reply) -> int:
    sim.until(lambda: reply.status)
    return reply.status


# Outside calls


@flow("1001", "1002", "1002", "1003")
def test_message_reaches_all_phones_of_its_receiver(sim, alice, bob, desk, carol):
    reply = alice.asks("MESSAGE", "1002", (), "midi à la fontaine ?".encode())
    assert status_of(sim, reply) == 200
    sim.until(lambda: bob.told and desk.told)
    assert bob.told == desk.told == [("MESSAGE", "midi à la fontaine ?".encode())]
    assert carol.told == []


@flow("1001", "1002", "1002")
def test_message_has_arrived_when_one_phone_takes_it(sim, alice, bob, desk):
    bob.takes = 488
    assert status_of(sim, alice.asks("MESSAGE", "1002", (), b"hello")) == 200
    sim.until(lambda: desk.told)


@flow("1001", "1002")
def test_message_that_no_phone_takes_is_480(sim, alice, bob):
    bob.takes = 415
    assert status_of(sim, alice.asks("MESSAGE", "1002", (), b"hello")) == 480


def test_message_is_ours_and_says_who_sent_it_and_crosses_by_the_allow_list():
    sim, (alice, bob) = office("1001", "1002")
    more = (
        SUBJECT.field("lunch"),
        ("x-secret", "X-Secret", "1"),
        ("content-disposition", "Content-Disposition", "render"),
    )
    assert status_of(sim, alice.asks("MESSAGE", "1002", more, b"<b>now</b>", "text/html")) == 200
    (sent,), (passed,) = messages(sim, sim.host), messages(sim, bob.host)
    assert passed.first("from").startswith('"Phone 1001" <sip:1001@10.0.0.1>;tag=')
    assert passed.first("to") == "<sip:1002@10.0.0.1>"
    assert (passed.body, passed.first("content-type")) == (b"<b>now</b>", "text/html")
    assert (passed.first("subject"), passed.first("content-disposition")) == ("lunch", "render")
    assert passed.first("x-secret") is None
    assert passed.first("contact") is None  # RFC 3428 section 4
    assert passed.first("authorization") is None
    assert passed.max_forwards == sent.max_forwards - 1
    assert passed.call_id != sent.call_id
    sim.assert_idle()


@pytest.mark.parametrize(
    ("number", "body", "forwards", "status"),
    [
        ("1999", b"x", 70, 404),
        ("600", b"x", 70, 404),
        ("", b"x", 70, 404),
        ("1002", b"x", 0, 483),
        ("1002", b"x" * 1300, 70, 513),  # RFC 3428 section 8
    ],
)
def test_message_that_cannot_be_delivered(number, body, forwards, status):
    sim, (alice, bob) = office("1001", "1002")
    assert status_of(sim, alice.asks("MESSAGE", number, (), body, forwards=forwards)) == status
    assert bob.told == []
    sim.assert_idle()


def test_stranger_sends_no_message():
    sim, (bob,) = office("1002")
    zoe = sim.phone("zoe", domain="example.org", register=False)
    assert status_of(sim, zoe.asks("MESSAGE", "1002", (), b"buy")) == 403
    mallory = sim.phone("1001", password="guessed", register=False)
    assert status_of(sim, mallory.asks("MESSAGE", "1002", (), b"buy")) == 401
    assert bob.told == []
    sim.assert_idle()


def test_receiver_that_is_gone_gets_it_later_and_the_sender_hears_so_before_it_gives_up():
    """RFC 4320 4.2: a 408 would come when nobody waits for it any more."""
    sim, (alice, bob) = office("1001", "1002")
    bob.vanishes()
    reply = alice.asks("MESSAGE", "1002", (), b"hello")
    sim.advance(23.875)
    assert reply.status == 0
    sim.advance(0.25)
    assert (reply.status, len(sim.exchange.letterbox)) == (202, 1)
    sim.assert_idle()


def test_sender_has_so_many_messages_under_way_and_no_more():
    sim, (alice, bob, carol) = office("1001", "1002", "1003")
    bob.vanishes()
    waiting = [alice.asks("MESSAGE", "1002", (), b"%d" % number) for number in range(16)]
    sim.advance(0.25)
    reply = alice.asks("MESSAGE", "1003", (), b"one too many")
    assert status_of(sim, reply) == 503
    assert reply.field("retry-after") == "24"
    other = sim.phone("1004")
    assert status_of(sim, other.asks("MESSAGE", "1003", (), b"not I")) == 200
    sim.until(lambda: all(reply.status for reply in waiting))
    assert status_of(sim, alice.asks("MESSAGE", "1003", (), b"again")) == 200
    assert carol.told == [("MESSAGE", b"not I"), ("MESSAGE", b"again")]
    sim.assert_idle()


# Within a call


@flow("1001", "1002")
def test_info_goes_through_the_call_unchanged_from_either_side(sim, alice, bob):
    alice.invites("1002")
    sim.until(lambda: bob.ringing)
    bob.answers()
    sim.until(lambda: alice.talking)
    assert status_of(sim, alice.informs(BALANCE, KIND)) == 200
    assert bob.told == [("INFO", BALANCE)]
    bob.takes = 202
    assert status_of(sim, bob.informs(b"lunch?", method="MESSAGE")) == 200
    assert alice.told == [("MESSAGE", b"lunch?")]
    bob.hangs_up()
    sim.until(lambda: alice.idle)


def talking(*numbers):
    sim, (alice, bob) = office("1001", "1002")
    alice.invites("1002")
    sim.until(lambda: bob.ringing)
    bob.answers()
    sim.until(lambda: alice.talking and bob.talking)
    sim.advance(0.25)
    return sim, alice, bob


def test_info_has_its_content_type_and_no_more():
    sim, alice, bob = talking()
    status_of(sim, alice.informs(BALANCE, KIND, more=(("x-one", "X-One", "1"),)))
    sent = [parse(one.packet) for one in sim.network.sent if one.kind == "INFO" and one.target[0] == bob.host]
    assert (sent[0].body, sent[0].first("content-type"), sent[0].first("x-one")) == (BALANCE, KIND, None)
    alice.hangs_up()
    sim.until(lambda: bob.idle)
    sim.assert_idle()


@pytest.mark.parametrize(("status", "told"), [(415, 415), (488, 488), (603, 603), (405, 500), (481, 500), (503, 500)])
def test_refused_info_leaves_the_call_as_it_is(status, told):
    sim, alice, bob = talking()
    bob.takes = status
    assert status_of(sim, alice.informs(BALANCE, KIND)) == told
    sim.advance(1)
    assert sim.talk(alice, bob)
    alice.hangs_up()
    sim.until(lambda: bob.idle)
    sim.assert_idle()


def test_info_of_a_package_is_469():
    sim, alice, bob = talking()
    reply = alice.informs(b"x", more=(INFO_PACKAGE.field("conference"),))
    assert status_of(sim, reply) == 469
    assert (reply.field("recv-info"), bob.told) == ("", [])
    alice.hangs_up()
    sim.until(lambda: bob.idle)
    sim.assert_idle()


@pytest.mark.parametrize(("body", "status"), [(BALANCE, 415), (b"", 200)])
@pytest.mark.parametrize("dialled", ["600", "606"])
def test_where_nobody_is_at_the_other_end_nothing_is_taken(dialled, body, status):
    sim, (alice,) = office("1001")
    alice.invites(dialled)
    sim.until(lambda: alice.talking)
    sim.advance(0.25)
    assert status_of(sim, alice.informs(body, KIND)) == status
    alice.hangs_up()
    sim.assert_idle()


def test_while_it_rings_nobody_listens():
    sim, (alice, bob) = office("1001", "1002")
    alice.invites("1002")
    sim.until(lambda: alice.hears_ringing)
    assert status_of(sim, alice.informs(BALANCE, KIND)) == 415
    assert status_of(sim, bob.informs(BALANCE, KIND)) == 415
    bob.answers()
    sim.until(lambda: alice.talking)
    bob.hangs_up()
    sim.until(lambda: alice.idle)
    sim.assert_idle()
