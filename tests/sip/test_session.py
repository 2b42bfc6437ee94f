"""Sessions as their peer and their user see them, on the real user agent and the real transactions."""

from __future__ import annotations

import pytest

from tests.sip.endpoint import OFFER, Endpoint, names
from tests.sip.wire import PEER, SDP, Wire, response

TO_PROXY = ("record-route", "Record-Route", "<sip:p3.example.com;lr>")


@pytest.fixture
def us() -> Endpoint:
    return Endpoint()


def sent(us: Endpoint):
    return us.wire.last


# The call is up: whoever made it


@pytest.fixture(params=["called", "calling"])
def up(us, request):
    if request.param == "called":
        us.in_a_call()
    else:
        us.in_our_call()
    us.wire.take()
    return us


def test_peer_hangs_up(up):
    assert up.receive(up.within("BYE", more=[("reason", "Reason", "Q.850;cause=16")])) == ["200 BYE"]
    assert up.told == [("ended", "hung up")]
    assert ("reason", "Reason", "Q.850;cause=16") in up.session.take_fields()
    assert up.receive(up.within("BYE", 3)) == ["481 BYE"]
    up.assert_idle()


def test_we_hang_up(up):
    up.session.hang_up()
    up.session.hang_up()
    assert names(up.wire) == ["BYE"]
    up.answered(200)
    assert up.told == []
    up.assert_idle()


@pytest.mark.parametrize("status", [481, 500, 603])
def test_refused_bye_ends_the_session_all_the_same(up, status):
    """RFC 3261 15.1.1."""
    up.session.hang_up()
    up.answered(status)
    up.assert_idle()


def test_bye_that_nobody_answers_ends_the_session_after_64_t1(up):
    up.session.hang_up()
    up.clock.advance(31.75)
    assert up.agent.sessions
    up.clock.advance(0.25)
    up.assert_idle()


@pytest.mark.parametrize("method", ["INVITE", "INFO", "UPDATE"])
def test_copies_of_what_comes_too_late_are_answered_alike(up, method):
    up.session.hang_up()
    up.wire.take()
    late = up.within(method, 5, sdp=OFFER)
    assert up.receive(late, late) == [f"481 {method}"] * 2


def test_both_hang_up_at_once(up):
    up.session.hang_up()
    bye = sent(up)
    assert up.receive(up.within("BYE"))[-1] == "200 BYE"
    up.receive(response(bye, 481))
    assert up.told == []
    up.assert_idle()


def test_request_that_comes_late_is_500(up):
    up.receive(up.within("OPTIONS", 5))
    assert up.receive(up.within("BYE", 4)) == ["500 BYE"]
    assert up.receive(up.within("BYE", 6)) == ["200 BYE"]


def test_options_within_the_call_is_answered(up):
    assert up.receive(up.within("OPTIONS")) == ["200 OPTIONS"]
    assert up.told == []


# The peer changes the session (RFC 3261 14.2)


def test_reinvite_is_offered_answered_and_acknowledged(up):
    assert up.receive(up.within("INVITE", sdp=OFFER)) == []
    assert up.told == [("offered", OFFER)]
    up.session.answer(SDP)
    assert (sent(up).status, sent(up).body) == (200, SDP)
    assert sent(up).first("contact") == "<sip:192.0.2.1:5060>"
    up.wire.take()
    assert up.after(0.5) == ["200 INVITE"]
    up.receive(up.within("ACK", 2))
    assert up.after(64) == []
    assert up.session.may_offer
    assert up.receive(up.within("BYE", 3)) == ["200 BYE"]
    up.assert_idle()


def test_refused_reinvite_leaves_the_session_as_it_was(up):
    up.receive(up.within("INVITE", sdp=OFFER))
    up.session.reject(488)
    assert up.wire.take() == ["488 INVITE"]
    up.receive(up.within("ACK", branch="z9hG4bKINVITE2"))
    assert up.session.may_offer
    assert up.receive(up.within("INVITE", 3, sdp=OFFER)) == []


def test_reinvite_without_offer_gets_one_and_its_ack_brings_the_answer(up):
    up.receive(up.within("INVITE"))
    assert up.told == [("offered", b"")]
    up.session.answer(OFFER)
    assert not up.session.may_offer
    up.receive(up.within("ACK", 2, sdp=SDP))
    assert up.told[1:] == [("answered", SDP)]
    assert up.session.may_offer


def test_second_reinvite_before_the_answer_to_the_first_is_500_with_retry_after(up):
    """RFC 3261 14.2."""
    up.receive(up.within("INVITE", 2, sdp=OFFER))
    up.layer.message_received(up.wire, up.within("INVITE", 3, sdp=OFFER))
    assert sent(up).status == 500
    assert 0 <= int(sent(up).first("retry-after")) <= 10
    up.receive(up.within("ACK", 3, branch="z9hG4bKINVITE3"))
    assert up.told == [("offered", OFFER)]
    up.wire.take()
    up.session.answer(SDP)
    assert sent(up).first("cseq") == "2 INVITE"


def test_second_invite_before_the_first_is_answered_is_500_with_retry_after(us):
    us.is_called()
    us.layer.message_received(us.wire, us.within("INVITE", 2, sdp=OFFER))
    assert sent(us).status == 500
    assert 0 <= int(sent(us).first("retry-after")) <= 10
    assert us.told == []


def test_reinvite_while_ours_is_pending_is_491(up):
    up.session.offer(SDP)
    up.wire.take()
    assert up.receive(up.within("INVITE", sdp=OFFER)) == ["491 INVITE"]
    assert up.told == []


def test_reinvite_while_the_ack_owes_us_an_answer_is_491(us):
    session = us.is_called(sdp=b"")
    session.answer(OFFER)
    us.wire.take()
    assert us.receive(us.within("INVITE", sdp=OFFER)) == ["491 INVITE"]


def test_reinvite_that_overtakes_the_ack_stands_for_it(us):
    """RFC 5407 3.1.4: who sends it has our 2xx."""
    session = us.is_called()
    session.answer(SDP)
    us.wire.take()
    assert us.receive(us.within("INVITE", sdp=OFFER)) == []
    assert us.after(10) == ["100 INVITE"]
    us.receive(us.within("ACK", 1))
    session.answer(SDP)
    us.wire.take()
    us.receive(us.within("ACK", 2))
    assert us.after(64) == []


@pytest.mark.parametrize("parts", [{"contact": "<sip:peer@"}, {"contact": "", "more": [("contact", "m", "*")]}])
def test_malformed_reinvite_is_400_and_the_next_one_works(up, parts):
    target = up.session.dialog.remote_target
    assert up.receive(up.within("INVITE", 2, sdp=OFFER, **parts)) == ["400 INVITE"]
    assert up.told == []
    assert up.session.dialog.remote_target == target
    assert up.receive(up.within("INVITE", 3, sdp=OFFER)) == []
    assert up.told == [("offered", OFFER)]


def test_peer_hangs_up_during_its_own_reinvite(up):
    up.receive(up.within("INVITE", sdp=OFFER))
    assert up.receive(up.within("BYE", 3)) == ["200 BYE", "487 INVITE"]
    assert up.told[1:] == [("ended", "hung up")]
    assert not up.session.waiting
    up.receive(up.within("ACK", branch="z9hG4bKINVITE2"))
    up.assert_idle()


def test_we_hang_up_during_the_peer_s_reinvite(up):
    up.receive(up.within("INVITE", sdp=OFFER))
    up.session.hang_up()
    assert names(up.wire) == ["487 INVITE", "BYE"]
    up.receive(up.within("ACK", branch="z9hG4bKINVITE2"))
    up.session.hang_up()
    up.clock.advance(64)
    up.assert_idle()


def test_2xx_to_a_reinvite_that_is_never_acknowledged_ends_the_call(up):
    up.receive(up.within("INVITE", sdp=OFFER))
    up.session.answer(SDP)
    up.clock.advance(32)
    assert names(up.wire)[-1] == "BYE"
    assert up.told[1:] == [("ended", "our 200 was never acknowledged")]
    up.answered(200)
    up.assert_idle()


# We change the session (RFC 3261 14.1)


def test_our_reinvite_is_answered_and_acknowledged(up):
    up.session.offer(OFFER, (("subject", "Subject", "hold"),))
    assert (sent(up).method, sent(up).body, sent(up).first("subject")) == ("INVITE", OFFER, "hold")
    assert not up.session.may_offer
    invite = sent(up)
    assert up.answered(200, sdp=SDP) == ["ACK"]
    assert up.told == [("answered", SDP)]
    assert up.receive(response(invite, 200, sdp=SDP)) == ["ACK"]
    assert up.told == [("answered", SDP)]
    assert up.session.may_offer


@pytest.mark.parametrize("status", [488, 491, 500, 603])
def test_our_refused_reinvite_leaves_the_session_as_it_was(up, status):
    up.session.offer(OFFER)
    assert up.answered(status) == ["ACK"]
    assert up.told == [("rejected", status)]
    assert up.session.may_offer


@pytest.mark.parametrize("status", [408, 481])
def test_peer_that_no_longer_knows_the_call_ends_it(up, status):
    """RFC 3261 12.2.1.2."""
    up.session.offer(OFFER)
    assert up.answered(status) == ["ACK", "BYE"]
    assert up.told == [("ended", "the other side no longer knows this call")]
    up.clock.advance(32)
    up.assert_idle()


def test_our_reinvite_that_nobody_answers_ends_the_call(up):
    up.session.offer(OFFER)
    up.clock.advance(32)
    assert names(up.wire)[-1] == "BYE"
    ((kind, reason),) = up.told
    assert kind == "ended"
    assert "no answer" in reason
    up.answered(481)
    up.assert_idle()


def test_peer_hangs_up_during_our_reinvite(up):
    up.session.offer(OFFER)
    invite = sent(up)
    up.wire.take()
    assert up.receive(response(invite, 100), up.within("BYE")) == ["200 BYE"]
    assert up.told == [("ended", "hung up")]
    assert up.receive(response(invite, 487)) == ["ACK"]
    assert len(up.told) == 1
    up.assert_idle()


@pytest.mark.parametrize("early", [(), (100,)])
def test_our_reinvite_that_was_never_answered_after_the_peer_hung_up_is_forgotten(up, early):
    up.session.offer(OFFER)
    invite = sent(up)
    up.receive(up.within("BYE"), *[response(invite, status) for status in early])
    up.clock.advance(64)
    up.assert_idle()


def test_we_hang_up_during_our_reinvite_and_acknowledge_what_still_comes(up):
    up.session.offer(OFFER)
    invite = sent(up)
    up.session.hang_up()
    assert up.wire.take() == ["INVITE", "BYE"]
    assert up.receive(response(invite, 200, sdp=SDP)) == ["ACK"]
    assert up.receive(response(invite, 200, sdp=SDP)) == ["ACK"]
    assert up.told == []
    up.clock.advance(32)
    up.assert_idle()


def test_our_reinvite_without_offer_is_acknowledged_with_the_answer(up):
    up.session.offer(b"")
    invite = sent(up)
    assert up.answered(200, sdp=OFFER) == []
    assert up.told == [("answered", OFFER)]
    assert up.session.owes_ack
    assert not up.session.may_offer
    assert up.receive(response(invite, 200, sdp=OFFER)) == []
    up.session.ack(SDP)
    assert (sent(up).method, sent(up).body) == ("ACK", SDP)
    up.wire.take()
    assert up.receive(response(invite, 200, sdp=OFFER)) == ["ACK"]
    assert up.session.may_offer


def test_hang_up_acknowledges_the_offer_that_was_not_answered(up):
    up.session.offer(b"")
    up.answered(200, sdp=OFFER)
    up.session.hang_up()
    assert names(up.wire) == ["ACK", "BYE"]


# Where the requests of a session go


def test_peer_that_moved_is_followed(up):
    """A phone that changes its network tells so by a re-INVITE from there."""
    elsewhere = Wire(up.clock, remote=("198.51.100.7", 5060))
    contact = "<sip:peer@198.51.100.7>"
    assert up.receive(up.within("INVITE", sdp=OFFER, contact=contact), flow=elsewhere) == []
    up.session.answer(SDP)
    assert elsewhere.take() == ["200 INVITE"]
    up.layer.message_received(elsewhere, up.within("ACK", 2))
    up.session.hang_up()
    assert elsewhere.last.target == "sip:peer@198.51.100.7"
    assert elsewhere.take() == ["BYE"]
    assert up.wire.take() == []


def test_requests_to_a_phone_behind_nat_take_its_flow_whatever_its_contact_says(us):
    session, invite = us.calls(neighbour=True)
    us.receive(response(invite, 200, contact="<sip:peer@10.0.0.7:5060>", sdp=SDP))
    session.hang_up()
    assert sent(us).target == "sip:peer@10.0.0.7:5060"
    assert us.ways == {}


def test_requests_to_others_go_where_their_contact_says_and_follow_it(us):
    """RFC 3261 12.2.1.1, 12.2.1.2."""
    session, invite = us.calls(neighbour=False)
    us.receive(response(invite, 180, contact="<sip:peer@198.51.100.1>"))
    assert us.receive(response(invite, 200, contact="<sip:peer@198.51.100.2>", sdp=SDP)) == []
    assert us.ways["sip:peer@198.51.100.2"].take() == ["ACK"]
    session.offer(OFFER)
    way = us.ways["sip:peer@198.51.100.2"]
    answer = response(way.last, 200, contact="<sip:peer@198.51.100.3>", sdp=SDP)
    us.layer.message_received(way, answer)
    session.hang_up()
    assert us.ways["sip:peer@198.51.100.3"].take() == ["ACK", "BYE"]
    assert us.ways["sip:peer@198.51.100.1"].sent == []


def test_without_a_way_to_the_contact_requests_take_that_of_the_invite(us):
    session, invite = us.calls(neighbour=False)
    assert us.receive(response(invite, 200, contact="<sip:peer@unknown>", sdp=SDP)) == ["ACK"]
    session.hang_up()
    assert us.wire.take() == ["BYE"]


def test_only_the_proxy_that_recorded_itself_stays_on_the_way_of_the_caller_s_requests(us):
    """Three proxies, the third records its route: INVITE and 200 cross all three, ACK and BYE go through the third."""
    session, invite = us.calls(neighbour=False)
    us.receive(response(invite, 200, contact="<sip:peer@198.51.100.1>", more=[TO_PROXY], sdp=SDP))
    proxy = us.ways["sip:p3.example.com;lr"]
    session.hang_up()
    assert names(proxy) == ["ACK", "BYE"]
    for message in proxy.messages:
        assert message.target == "sip:peer@198.51.100.1"
        assert message.first("route") == "<sip:p3.example.com;lr>"
    assert us.wire.take() == []


def test_only_the_proxy_that_recorded_itself_stays_on_the_way_of_the_callee_s_requests(us):
    vias = [("via", "Via", f"SIP/2.0/UDP p{number}.example.com;branch=z9hG4bKp{number}") for number in (2, 1)]
    vias.append(("via", "Via", "SIP/2.0/UDP 198.51.100.1;branch=z9hG4bKcaller"))
    session = us.is_called(more=[*vias, TO_PROXY], contact="<sip:peer@198.51.100.1>")
    session.answer(SDP)
    ok = sent(us)
    assert [value for key, _, value in ok.fields if key == "via"] == [
        f"SIP/2.0/UDP {PEER};branch=z9hG4bK1",
        *[value for _, _, value in vias],
    ]
    assert ok.first("record-route") == "<sip:p3.example.com;lr>"
    us.receive(us.within("ACK", 1))
    session.hang_up()
    proxy = us.ways["sip:p3.example.com;lr"]
    assert names(proxy) == ["BYE"]
    assert proxy.last.first("route") == "<sip:p3.example.com;lr>"
    assert us.wire.take() == []


def test_proxies_that_recorded_nothing_are_bypassed(us):
    via = ("via", "Via", "SIP/2.0/UDP 198.51.100.1;branch=z9hG4bKcaller")
    session = us.is_called(more=[via], contact="<sip:peer@198.51.100.1>")
    session.answer(SDP)
    us.receive(us.within("ACK", 1))
    session.hang_up()
    assert names(us.ways["sip:peer@198.51.100.1"]) == ["BYE"]
