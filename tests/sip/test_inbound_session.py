"""Calls to us, as the peer and the session's user see them, on the real user agent and the real transactions."""

from __future__ import annotations

import pytest

from pbx.sip.errors import InvalidState
from pbx.sip.headers import REASON
from pbx.sip.session import ALLOWED
from tests.sip.endpoint import OFFER, Endpoint, names
from tests.sip.wire import SDP, received, request

RETRANSMISSIONS = [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]


@pytest.fixture
def us() -> Endpoint:
    return Endpoint()


# RFC 3261 13.3


def test_call_rings_is_answered_and_acknowledged(us):
    session = us.is_called()
    assert session.sdp == OFFER
    session.progress(180)
    session.progress(183, SDP)
    session.answer(SDP)
    ringing, early, ok = us.wire.messages
    assert [message.status for message in (ringing, early, ok)] == [180, 183, 200]
    assert ringing.to_tag == early.to_tag == ok.to_tag == session.dialog.local_tag
    assert [message.body for message in (ringing, early, ok)] == [b"", SDP, SDP]
    assert ok.first("contact") == "<sip:192.0.2.1:5060>"
    assert ok.first("allow") == ALLOWED[2]
    assert ok.first("content-type") == "application/sdp"
    us.wire.take()
    assert us.receive(us.within("ACK", 1)) == []
    assert us.after(64) == []
    assert us.told == []
    session.hang_up()
    assert us.answered(200) == []
    assert us.told == []
    us.assert_idle()


def test_record_route_goes_back_as_it_came_in_all_that_makes_the_dialog(us):
    """RFC 3261 12.1.1."""
    routes = [
        ("record-route", "Record-Route", "<sip:p3;lr>, <sip:p2;lr;x=y>"),
        ("record-route", "RECORD-ROUTE", "<sip:p1>"),
    ]
    session = us.is_called(more=routes)
    session.progress(180)
    session.answer(SDP)
    for message in us.wire.messages:
        assert [value for key, _, value in message.fields if key == "record-route"] == [
            "<sip:p3;lr>, <sip:p2;lr;x=y>",
            "<sip:p1>",
        ]


def test_2xx_is_sent_again_until_64_t1_and_then_the_call_is_ended_with_bye(us):
    session = us.is_called()
    session.answer(SDP)
    us.clock.advance(31.75)
    assert us.wire.times == [0, *RETRANSMISSIONS]
    assert set(names(us.wire)) == {"200 INVITE"}
    us.wire.take()
    assert us.after(0.25) == ["BYE"]
    assert us.told == [("ended", "our 200 was never acknowledged")]
    session.hang_up()
    assert us.after(64)[0] == "BYE"
    us.assert_idle()


def test_ack_ends_the_retransmission_of_the_2xx(us):
    session = us.is_called()
    session.answer(SDP)
    us.clock.advance(2)
    assert us.wire.times == [0, 0.5, 1.5]
    us.receive(us.within("ACK", 1, branch="z9hG4bKother"))
    assert us.after(64) == []


@pytest.mark.parametrize("parts", [{"cseq": 7}, {"callee": "<sip:1001@192.0.2.1>;tag=other"}, {"call_id": "other"}])
def test_ack_of_something_else_does_not_end_it(us, parts):
    session = us.is_called()
    session.answer(SDP)
    us.wire.take()
    us.receive(us.within("ACK", **{"cseq": 1, **parts}))
    assert us.after(1) == ["200 INVITE"]


def test_bye_waits_for_the_ack_of_our_2xx(us):
    """RFC 3261 15: the callee must not send it before."""
    session = us.is_called()
    session.answer(SDP)
    session.hang_up((REASON.field("SIP;cause=200"),))
    us.wire.take()
    assert us.after(1) == ["200 INVITE"]
    us.layer.message_received(us.wire, us.within("ACK", 1))
    assert us.wire.last.first("reason") == "SIP;cause=200"
    assert us.answered(200) == []
    assert us.told == []
    us.assert_idle()


def test_bye_that_waits_for_an_ack_goes_out_after_64_t1_without_it(us):
    session = us.is_called()
    session.answer(SDP)
    session.hang_up()
    us.clock.advance(31.75)
    us.wire.take()
    us.clock.advance(0.25)
    assert names(us.wire) == ["BYE"]
    us.answered(200)
    assert us.told == []
    us.assert_idle()


def test_offer_in_our_2xx_is_answered_in_the_ack(us):
    session = us.is_called(sdp=b"")
    session.answer(OFFER)
    us.receive(us.within("ACK", 1, sdp=SDP))
    assert us.told == [("answered", SDP)]
    assert session.may_offer


def test_ack_that_cannot_be_read_is_as_if_it_had_not_come(us):
    session = us.is_called(sdp=b"")
    session.answer(OFFER)
    ack = us.within("ACK", 1, sdp=SDP)
    ack.fields = [
        ("content-type", "c", "sdp") if key == "content-type" else (key, name, value) for key, name, value in ack.fields
    ]
    us.receive(received(ack))
    assert us.told == []
    assert us.after(0.5) == ["200 INVITE"]
    us.receive(us.within("ACK", 1, sdp=SDP))
    assert us.told == [("answered", SDP)]


def test_refusal_ends_the_session_and_its_transaction_sends_it(us):
    session = us.is_called()
    session.progress(180)
    session.reject(486, "Gone fishing", (("retry-after", "Retry-After", "60"),))
    refusal = us.wire.last
    assert (refusal.status, refusal.reason, refusal.first("retry-after")) == (486, "Gone fishing", "60")
    assert refusal.to_tag == session.dialog.local_tag
    us.receive(us.within("ACK", 1, branch="z9hG4bK1"))
    assert us.told == []
    us.assert_idle()


def test_caller_gives_up(us):
    """RFC 3261 9.2: 200 for the CANCEL, 487 for the INVITE."""
    session = us.is_called()
    session.progress(180)
    us.wire.take()
    cancel = request("CANCEL", more=[("reason", "Reason", "SIP;cause=200")])
    assert us.receive(cancel) == ["200 CANCEL", "487 INVITE"]
    assert us.told == [("ended", "the caller gave up")]
    assert ("reason", "Reason", "SIP;cause=200") in session.take_fields()
    assert session.take_fields() == ()
    assert us.receive(request("ACK", callee=session.dialog.local)) == []
    us.assert_idle()


def test_cancel_after_the_answer_changes_nothing(us):
    session = us.is_called()
    session.answer(SDP)
    us.wire.take()
    assert us.receive(request("CANCEL")) == ["200 CANCEL"]
    us.receive(us.within("ACK", 1))
    assert us.told == []
    assert session.may_offer


def test_cancel_of_what_is_not_there_is_481(us):
    assert us.receive(request("CANCEL")) == ["481 CANCEL"]
    us.assert_idle()


def test_caller_may_end_an_early_dialog_with_bye(us):
    """RFC 3261 15.1.2: the INVITE is answered 487."""
    session = us.is_called()
    session.progress(180)
    us.wire.take()
    assert us.receive(us.within("BYE")) == ["200 BYE", "487 INVITE"]
    assert us.told == [("ended", "hung up")]
    us.receive(request("ACK", callee=session.dialog.local))
    us.assert_idle()


@pytest.mark.parametrize("misuse", ["answer", "reject", "progress", "ack", "offer"])
def test_what_the_state_does_not_allow_is_our_own_mistake(us, misuse):
    session = us.is_called()
    if misuse in ("ack", "offer"):
        with pytest.raises(InvalidState):
            getattr(session, misuse)(SDP)
    session.answer(SDP)
    with pytest.raises(InvalidState):
        getattr(session, misuse)(180 if misuse in ("reject", "progress") else SDP)
    assert names(us.wire) == ["200 INVITE"]
