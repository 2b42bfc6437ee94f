"""Calls that we make, as the peer and the session's user see them, on the real user agent and the real transactions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.sip.errors import InvalidState
from pbx.sip.headers import ALLOW, P_ASSERTED_IDENTITY, REASON
from pbx.sip.message import Request
from pbx.sip.outbound_session import OutboundSession
from pbx.sip.session import ALLOWED
from tests.sip.endpoint import OFFER, Endpoint, names
from tests.sip.wire import SDP, response

REASONED = (REASON.field('SIP;cause=200;text="Call completed elsewhere"'),)

NAMED = (P_ASSERTED_IDENTITY.field("<sip:1001@192.0.2.1>"),)


@pytest.fixture
def us() -> Endpoint:
    return Endpoint()


# RFC 3261 13.2


def test_invite_has_all_that_it_must_have(us):
    session, invite = us.calls(OFFER)
    assert (invite.method, invite.target, invite.body) == ("INVITE", "sip:peer@192.0.2.9", OFFER)
    assert invite.first("from") == f"<sip:us@192.0.2.1>;tag={invite.from_tag}"
    assert invite.from_tag
    assert invite.first("to") == "<sip:peer@192.0.2.9>"
    assert invite.first("cseq") == "1 INVITE"
    assert invite.first("contact") == "<sip:192.0.2.1:5060>"
    assert invite.first("allow") == ALLOWED[2]
    assert invite.max_forwards == 70
    assert us.agent.sessions == {session}
    assert us.agent.dialogs == 0


def test_call_ids_and_tags_are_different_for_each_call(us):
    calls = [us.calls()[1] for _ in range(50)]
    assert len({invite.call_id for invite in calls}) == 50
    assert len({invite.from_tag for invite in calls}) == 50


def test_call_rings_and_is_answered(us):
    session, invite = us.calls()
    assert us.receive(response(invite, 100), response(invite, 180), response(invite, 183, sdp=SDP)) == []
    assert us.told == [(180, b""), (183, SDP)]
    assert us.agent.dialogs == 1
    us.layer.message_received(us.wire, response(invite, 200, sdp=SDP))
    ack = us.wire.last
    assert isinstance(ack, Request)
    assert (ack.method, ack.target, ack.cseq) == ("ACK", "sip:peer@192.0.2.9:5070", 1)
    assert ack.via.branch != invite.via.branch  # RFC 3261 13.2.2.4: no transaction of the INVITE's
    assert (ack.from_tag, ack.to_tag) == (invite.from_tag, "peer")
    assert us.told[2:] == [("answered", SDP)]
    assert session.may_offer
    assert us.agent.dialogs == 1


def test_2xx_that_comes_again_gets_the_same_ack_again_and_is_told_once(us):
    session, invite = us.calls()
    us.layer.message_received(us.wire, response(invite, 200, sdp=SDP))
    for _ in range(3):
        us.layer.message_received(us.wire, response(invite, 200, sdp=SDP))
    assert names(us.wire) == ["ACK"] * 4
    assert len({packet for _, packet in us.wire.sent}) == 1
    assert us.told == [("answered", SDP)]
    us.wire.take()
    session.hang_up()
    assert us.receive(response(invite, 200, sdp=SDP)) == ["BYE", "ACK"]


@pytest.mark.parametrize("status", [302, 401, 486, 500, 603])
def test_refusal_ends_the_session(us, status):
    session, invite = us.calls()
    us.receive(response(invite, 180))
    refused = response(invite, status, more=[("contact", "Contact", "<sip:desk@192.0.2.7>")])
    assert us.receive(refused) == ["ACK"]
    assert us.told == [(180, b""), ("rejected", status)]
    assert ("contact", "Contact", "<sip:desk@192.0.2.7>") in session.take_fields()
    us.assert_idle()


def test_call_that_nothing_comes_back_from_is_rejected_with_408_after_64_t1(us):
    us.calls()
    us.clock.advance(31.75)
    assert us.told == []
    us.clock.advance(0.25)
    assert us.told == [("rejected", 408)]
    us.assert_idle()


def test_transport_that_fails_is_to_the_user_as_if_nothing_had_come_back(us):
    us.calls()
    us.layer.flow_failed(us.wire)
    assert us.told == [("rejected", 408)]
    us.assert_idle()


def test_call_may_ring_for_as_long_as_its_user_lets_it(us):
    _, invite = us.calls()
    us.receive(response(invite, 180))
    us.clock.advance(3600)
    assert us.told == [(180, b"")]
    assert [timer.time for timer in us.clock.pending] == [3660], "only the look round at the sessions that are up"


def test_invite_without_a_way_is_our_own_mistake(us):
    session = OutboundSession(us.agent, us, None, neighbour=False)
    with pytest.raises(InvalidState, match="no way"):
        session.invite("sip:peer@192.0.2.9", "<sip:us@192.0.2.1>", "<sip:peer@192.0.2.9>", SDP, 70)


def test_who_has_given_up_is_not_told_that_there_was_no_way(us):
    """What the offer is to say may be found out only then."""
    session, invite = us.calls()
    session.cancel()
    session.undelivered(404, "")
    us.receive(response(invite, 487))
    assert us.told == []
    us.assert_idle()


# Without an offer of ours (RFC 3261 13.2.2.4, 14.1)


def test_offer_in_the_2xx_is_answered_in_the_ack(us):
    session, invite = us.calls(sdp=b"")
    assert us.receive(response(invite, 200, sdp=OFFER)) == []
    assert us.told == [("answered", OFFER)]
    assert session.owes_ack
    assert us.receive(response(invite, 200, sdp=OFFER)) == []
    session.ack(SDP)
    assert us.wire.last.body == SDP
    us.wire.take()
    assert us.receive(response(invite, 200, sdp=OFFER)) == ["ACK"]
    assert not session.owes_ack
    assert us.told == [("answered", OFFER)]


def test_2xx_without_any_description_is_acknowledged_at_once(us):
    session, invite = us.calls(sdp=b"")
    assert us.receive(response(invite, 200)) == ["ACK"]
    assert us.told == [("answered", b"")]
    assert not session.owes_ack


# We give up (RFC 3261 9.1)


def test_cancel_is_the_invite_s_twin(us):
    session, invite = us.calls()
    us.receive(response(invite, 180))
    session.cancel(REASONED)
    cancel = us.wire.last
    assert isinstance(cancel, Request)
    assert (cancel.method, cancel.target) == ("CANCEL", invite.target)
    for key in ("from", "to", "call-id", "max-forwards"):
        assert cancel.first(key) == invite.first(key)
    assert str(cancel.via) == str(invite.via)
    assert [key for key, _, _ in cancel.fields].count("via") == 1
    assert cancel.first("cseq") == "1 CANCEL"
    assert cancel.first("reason") == REASONED[0][2]
    us.wire.take()
    assert us.receive(response(cancel, 200), response(invite, 487)) == ["ACK"]
    assert us.told == [(180, b"")]
    us.assert_idle()


def test_cancel_waits_for_a_provisional_response(us):
    session, invite = us.calls()
    session.cancel(REASONED)
    assert us.after(0.25) == []
    us.layer.message_received(us.wire, response(invite, 100))
    assert us.wire.last.first("reason") == REASONED[0][2]
    assert us.wire.take() == ["CANCEL"]
    us.receive(response(invite, 180))
    assert us.wire.take() == []
    assert us.receive(response(invite, 487)) == ["ACK"]
    assert us.told == []
    us.clock.advance(64)
    us.assert_idle()


def test_call_given_up_that_nothing_comes_back_from_is_never_cancelled(us):
    session, _ = us.calls()
    session.cancel()
    us.clock.advance(32)
    assert set(names(us.wire)) == {"INVITE"}
    assert us.told == []
    us.assert_idle()


@pytest.mark.parametrize("early", [(), (180,)])
def test_2xx_after_we_gave_up_is_acknowledged_and_ended_with_bye(us, early):
    session, invite = us.calls()
    us.receive(*[response(invite, status) for status in early])
    session.cancel(REASONED)
    us.wire.take()
    us.layer.message_received(us.wire, response(invite, 200, sdp=SDP))
    assert names(us.wire)[:2] == ["ACK", "BYE"]
    assert us.told == [(status, b"") for status in early]
    if not early:
        assert us.wire.messages[1].first("reason") == REASONED[0][2]
    assert us.answered(200) == []
    assert us.receive(response(invite, 200, sdp=SDP)) == ["ACK"]
    us.clock.advance(64)
    us.assert_idle()


def test_peer_that_never_ends_a_cancelled_invite_is_given_up_after_64_t1(us):
    session, invite = us.calls()
    us.receive(response(invite, 180))
    session.cancel()
    us.answered(200)
    us.clock.advance(31.75)
    us.receive(response(invite, 180))
    assert us.agent.sessions
    us.clock.advance(0.25)
    assert us.told == [(180, b"")]
    us.assert_idle()


def test_cancel_that_is_refused_changes_nothing(us):
    session, invite = us.calls()
    us.receive(response(invite, 180))
    session.cancel()
    us.answered(481)
    assert us.receive(response(invite, 486)) == ["ACK"]
    us.assert_idle()


def test_giving_up_twice_cancels_once(us):
    session, invite = us.calls()
    us.receive(response(invite, 180))
    session.cancel()
    session.cancel()
    us.receive(response(invite, 180))
    assert us.after(0.25) == []
    assert us.told == [(180, b"")]


def test_giving_up_a_call_that_was_answered_hangs_up(us):
    session = us.in_our_call()
    session.cancel(REASONED)
    assert us.wire.last.first("reason") == REASONED[0][2]
    assert us.wire.take() == ["BYE"]


# Several callees behind one INVITE (RFC 3261 13.2.2.4)


def test_the_first_2xx_wins_whichever_rang_last(us):
    session, invite = us.calls()
    us.receive(response(invite, 180, "one"), response(invite, 180, "two"))
    assert session.dialog.remote_tag == "two"
    us.receive(response(invite, 200, "one", sdp=SDP))
    assert session.dialog.remote_tag == "one"
    assert us.agent.dialogs == 1
    assert us.told == [(180, b""), (180, b""), ("answered", SDP)]


def test_second_2xx_of_another_callee_is_acknowledged_and_ended_with_bye(us):
    session, invite = us.calls()
    us.receive(response(invite, 200, "one", sdp=SDP))
    us.layer.message_received(us.wire, response(invite, 200, "two", contact="<sip:two@192.0.2.9>", sdp=SDP))
    ack, bye = us.wire.messages
    assert (ack.method, bye.method) == ("ACK", "BYE")
    assert ack.to_tag == bye.to_tag == "two"
    assert ack.target == bye.target == "sip:two@192.0.2.9"
    assert bye.cseq > ack.cseq == 1
    assert us.answered(200) == []
    assert us.receive(response(invite, 200, "two", sdp=SDP)) == ["ACK"]
    assert us.receive(response(invite, 200, "one", sdp=SDP)) == ["ACK"]
    assert us.told == [("answered", SDP)]
    assert session.may_offer
    session.hang_up()
    us.answered(200)
    us.assert_idle()


def test_peer_cannot_make_us_send_for_ever_by_inventing_callees(us):
    _, invite = us.calls()
    us.receive(response(invite, 200, "one", sdp=SDP))
    for number in range(100):
        us.layer.message_received(us.wire, response(invite, 200, f"fork-{number}", sdp=SDP))
    assert names(us.wire).count("BYE") == 20


def test_each_dialog_has_its_own_route(us):
    _, invite = us.calls(neighbour=False)
    routes = [("record-route", "Record-Route", "<sip:one.example.com;lr>, <sip:two.example.com;lr>")]
    us.receive(response(invite, 200, "one", sdp=SDP))
    us.receive(response(invite, 200, "two", more=routes, sdp=SDP))
    way = us.ways["sip:two.example.com;lr"]
    assert names(way) == ["ACK", "BYE"]
    assert [value for key, _, value in way.last.fields if key == "route"] == [
        "<sip:two.example.com;lr>",
        "<sip:one.example.com;lr>",
    ]


def test_the_2xx_says_where_the_callee_is_whatever_the_180_said(us):
    _, invite = us.calls(neighbour=False)
    us.receive(response(invite, 180))
    us.receive(response(invite, 200, contact="<sip:peer@192.0.2.10>", sdp=SDP))
    assert names(us.ways["sip:peer@192.0.2.10"]) == ["ACK"]
    assert us.agent.dialogs == 1


# The peer does what it must not


@pytest.mark.parametrize("knows", [True, False])
def test_callee_that_rings_is_told_by_update_who_calls_now_if_it_knows_that(us, knows):
    """RFC 3311 5.1."""
    session, invite = us.calls()
    session.identify(NAMED)
    allow = (ALLOW.field("INVITE, ACK, BYE, UPDATE" if knows else "INVITE, ACK, BYE"),)
    us.receive(response(invite, 180, more=allow))
    us.wire.take()
    session.identify(())
    session.identify(NAMED)
    session.identify(NAMED)  # while the first is unanswered
    assert names(us.wire) == ["UPDATE"] * knows
    if knows:
        update = us.wire.last
        assert update.first("p-asserted-identity") == NAMED[0][2]
        assert not update.body
        us.receive(response(update, 200), response(invite, 200, sdp=SDP))
        assert session.may_offer


def test_callee_that_ends_an_early_dialog_with_bye_is_answered_and_cancelled(us):
    """RFC 3261 15: it must not, but some do."""
    _, invite = us.calls()
    us.receive(response(invite, 180))
    assert us.receive(us.within("BYE", 1)) == ["200 BYE", "CANCEL"]
    assert us.told[1:] == [("ended", "hung up")]
    assert us.receive(response(invite, 487)) == ["ACK"]
    us.clock.advance(64)
    us.assert_idle()


def test_callee_that_answers_after_its_bye_is_hung_up_on(us):
    _, invite = us.calls()
    us.receive(response(invite, 180))
    us.receive(us.within("BYE", 1))
    assert us.receive(response(invite, 200, "another", sdp=SDP)) == ["ACK", "BYE"]
    us.clock.advance(64)
    us.assert_idle()


def test_callee_cannot_reinvite_before_it_has_answered(us):
    _, invite = us.calls()
    us.receive(response(invite, 180))
    assert us.receive(us.within("INVITE", 1, sdp=OFFER)) == ["491 INVITE"]
    assert us.told == [(180, b"")]


@pytest.mark.parametrize("status", [180, 200])
def test_response_without_a_tag_is_one_of_rfc_2543(us, status):
    session, invite = us.calls()
    us.receive(response(invite, status, "", sdp=SDP))
    assert us.told
    session.cancel()
    us.receive(response(invite, 487))
    us.clock.advance(64)
    us.assert_idle()


# Whatever the peer sends


STEPS = st.one_of(
    st.tuples(st.sampled_from([100, 180, 183, 200, 302, 486, 603]), st.sampled_from(["one", "two", ""])),
    st.tuples(st.sampled_from(["BYE", "INVITE", "ACK", "CANCEL", "OPTIONS"]), st.integers(0, 9)),
    st.tuples(st.sampled_from(["cancel", "hang_up", "offer", "ack", "answer", "reject"]), st.none()),
    st.tuples(st.just("time"), st.sampled_from([0.25, 0.5, 4.0, 32.0])),
)


@pytest.mark.parametrize("called", [False, True])
@given(steps=st.lists(STEPS, max_size=20))
def test_any_peer_and_any_user_leave_nothing_behind(called, steps):
    us = Endpoint()
    if called:
        session = us.is_called()
        us.transactions.clear()
    else:
        session, _ = us.calls()
    sent: list[Request] = us.wire.messages
    for step, detail in steps:
        if step == "time":
            us.clock.advance(detail)
        elif isinstance(step, int):
            ours = [message for message in sent if isinstance(message, Request) and message.method != "ACK"]
            for one in ours[-2:]:
                us.layer.message_received(us.wire, response(one, step, detail, sdp=SDP))
        elif step in ("BYE", "INVITE", "ACK", "CANCEL", "OPTIONS"):
            if session.dialog is not None:
                us.layer.message_received(us.wire, us.within(step, detail, sdp=SDP if step == "INVITE" else b""))
        elif step in ("answer", "reject"):
            if session.waiting:
                session.answer(SDP) if step == "answer" else session.reject(488)
        elif step == "offer":
            if session.may_offer:
                session.offer(OFFER)
        elif step == "ack":
            if session.owes_ack:
                session.ack(SDP)
        elif step == "hang_up":
            session.hang_up()
        elif not called:
            session.cancel()
        sent.extend(us.wire.messages)
        us.wire.sent.clear()
    # At last whoever has a call ends it.
    if session.waiting:
        session.reject(487)
    session.hang_up() if called else session.cancel()
    us.clock.advance(128)
    us.assert_idle()
    assert "ended" not in [kind for kind, _ in us.told[:-1]]
