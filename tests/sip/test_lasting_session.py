"""UPDATE and session timers as the peer and the user of a session see them, on the real user agent and transactions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.sip.errors import InvalidState
from tests.sip.endpoint import OFFER, Endpoint, names
from tests.sip.wire import SDP, received, request, response

ALLOW = ("allow", "Allow", "INVITE, ACK, BYE, UPDATE")
TIMER = ("supported", "Supported", "timer")


def expires(value: str):
    return ("session-expires", "Session-Expires", value)


@pytest.fixture
def us() -> Endpoint:
    return Endpoint()


def called(us: Endpoint, *more):
    """A call that the peer made and that we answered."""
    us.is_called(more=more).answer(SDP)
    us.receive(us.within("ACK", 1))
    us.told.clear()
    return us


def calling(us: Endpoint, *more):
    """A call that we made and that the peer answered."""
    _, invite = us.calls()
    us.receive(response(invite, 200, sdp=SDP, more=more))
    us.told.clear()
    us.wire.take()
    return us


@pytest.fixture(params=[called, calling])
def up(us, request):
    return request.param(us, ALLOW)


# The peer's UPDATE (RFC 3311 5.2)


def test_update_with_an_offer_is_offered_and_answered(up):
    assert up.receive(up.within("UPDATE", sdp=OFFER)) == []
    assert up.told == [("offered", OFFER)]
    assert up.session.offered
    up.session.accept(SDP)
    answer = up.wire.last
    assert (answer.status, answer.cseq_method, answer.body) == (200, "UPDATE", SDP)
    assert answer.first("contact") == "<sip:192.0.2.1:5060>"
    assert up.session.may_offer
    up.wire.take()
    assert up.after(64) == []


def test_update_without_an_offer_is_answered_at_once_and_moves_the_target(up):
    up.session._neighbour = up.session.dialog.neighbour = False
    assert up.receive(up.within("UPDATE", more=[("contact", "Contact", "<sip:peer@192.0.2.9:5099>")])) == ["200 UPDATE"]
    assert up.told == []
    assert up.session.dialog.remote_target == "sip:peer@192.0.2.9:5099"


def test_answer_that_cannot_be_read_is_missing(up):
    up.session.update(SDP)
    update = up.wire.last
    answer = response(update, 200, sdp=OFFER)
    answer.fields = [(key, name, "sdp" if key == "content-type" else value) for key, name, value in answer.fields]
    up.receive(received(answer))
    assert up.told == [("answered", b"")]
    assert up.session.may_offer


def test_refused_update_leaves_the_session_as_it_was(up):
    up.receive(up.within("UPDATE", sdp=OFFER))
    up.session.refuse(488)
    assert up.wire.take() == ["488 UPDATE"]
    assert up.session.may_offer
    assert not up.session.offered


def test_second_update_before_the_answer_to_the_first_is_500_with_retry_after(up):
    up.receive(up.within("UPDATE", 2, sdp=OFFER))
    up.layer.message_received(up.wire, up.within("UPDATE", 3, sdp=OFFER))
    assert (up.wire.last.status, up.wire.last.cseq) == (500, 3)
    assert 0 <= int(up.wire.last.first("retry-after")) <= 10
    assert up.told == [("offered", OFFER)]


def test_update_while_our_offer_is_open_is_491(up):
    up.session.offer(SDP)
    up.wire.take()
    assert up.receive(up.within("UPDATE", sdp=OFFER)) == ["491 UPDATE"]


def test_reinvite_while_our_update_is_open_is_491(up):
    up.session.update(SDP)
    up.wire.take()
    assert up.receive(up.within("INVITE", sdp=OFFER)) == ["491 INVITE"]


def test_update_and_reinvite_of_the_peer_do_not_overlap(up):
    up.receive(up.within("INVITE", 2, sdp=OFFER))
    assert up.receive(up.within("UPDATE", 3, sdp=OFFER)) == ["500 UPDATE"]
    up.session.accept(SDP)
    up.receive(up.within("ACK", 2))
    up.receive(up.within("UPDATE", 4, sdp=OFFER))
    up.wire.take()
    assert up.receive(up.within("INVITE", 5, sdp=OFFER)) == ["500 INVITE"]
    up.session.accept(SDP)


def test_peer_hangs_up_during_its_own_update(up):
    up.receive(up.within("UPDATE", sdp=OFFER))
    assert sorted(up.receive(up.within("BYE", 3))) == ["200 BYE", "487 UPDATE"]
    up.assert_idle()


def test_we_hang_up_during_the_peer_s_update(up):
    up.receive(up.within("UPDATE", sdp=OFFER))
    up.session.hang_up()
    assert names(up.wire) == ["487 UPDATE", "BYE"]
    up.clock.advance(64)
    up.assert_idle()


@pytest.mark.parametrize("method", ["accept", "refuse"])
def test_nothing_is_accepted_or_refused_where_nothing_waits(up, method):
    with pytest.raises(InvalidState):
        getattr(up.session, method)(*([SDP] if method == "accept" else [488]))


# Our UPDATE (RFC 3311 5.1)


def test_our_update_is_answered(up):
    up.session.update(SDP)
    sent = up.wire.last
    assert (sent.method, sent.body, sent.first("contact")) == ("UPDATE", SDP, "<sip:192.0.2.1:5060>")
    assert not up.session.may_offer
    assert not up.session.may_update
    up.answered(200, sdp=OFFER)
    assert up.told == [("answered", OFFER)]
    assert up.session.may_update


@pytest.mark.parametrize("status", [488, 491, 500, 504])
def test_our_refused_update_leaves_the_session_as_it_was(up, status):
    up.session.update(SDP)
    up.answered(status)
    assert up.told == [("rejected", status)]
    assert up.session.may_update
    assert up.session.may_offer


@pytest.mark.parametrize("status", [405, 501])
def test_peer_that_turns_out_not_to_know_update_gets_no_other(up, status):
    up.session.update(SDP)
    up.answered(status)
    assert not up.session.may_update
    assert up.session.may_offer


@pytest.mark.parametrize(("status", "words"), [(408, "no answer"), (481, "the other side no longer knows this call")])
def test_update_that_finds_no_call_ends_the_session(up, status, words):
    """RFC 3261 12.2.1.2."""
    up.session.update(SDP)
    up.answered(status)
    ((what, why),) = up.told
    assert what == "ended"
    assert why.startswith(words)
    up.clock.advance(64)
    up.assert_idle()


def test_update_that_nobody_answers_ends_the_session(up):
    up.session.update(SDP)
    up.clock.advance(32)
    assert [what for what, _ in up.told] == ["ended"]
    up.clock.advance(64)
    up.assert_idle()


def test_no_update_goes_to_a_peer_that_does_not_allow_it(us):
    called(us)
    assert not us.session.may_update
    with pytest.raises(InvalidState):
        us.session.update(SDP)


def test_answer_that_cannot_be_read_is_none(up):
    up.session.update(SDP)
    up.answered(200, more=[("content-type", "Content-Type", "nonsense")], sdp=b"")
    assert up.told == [("answered", b"")]


# Session timers (RFC 4028)


def test_our_invite_asks_for_a_session_timer(us):
    _, invite = us.calls()
    assert invite.first("supported") == "100rel, timer"
    assert invite.first("session-expires") == "1800"


def test_peer_that_refreshes_is_told_so(us):
    us.is_called(more=(TIMER, expires("600"))).answer(SDP)
    assert us.wire.last.first("session-expires") == "600;refresher=uac"
    assert us.wire.last.first("require") == "timer"


def test_invite_for_too_short_a_time_is_422(us):
    us.layer.message_received(us.wire, request(sdp=OFFER, more=(TIMER, expires("89"))))
    assert (us.wire.last.status, us.wire.last.first("min-se")) == (422, "90")
    assert us.session is None


def test_peer_that_does_not_refresh_is_hung_up_with_words(us):
    called(us, TIMER, expires("600"))
    us.clock.advance(567)
    assert us.told == []
    us.clock.advance(1)
    assert us.told == [("ended", "the session has expired")]
    assert us.wire.take()[-1] == "BYE"
    us.clock.advance(64)
    us.assert_idle()


@pytest.mark.parametrize("method", ["UPDATE", "INVITE"])
def test_peer_s_refresh_keeps_the_session(us, method):
    called(us, TIMER, expires("600"))
    us.clock.advance(500)
    us.receive(
        us.within(method, 2, more=(TIMER, expires("600;refresher=uac")), sdp=OFFER if method == "INVITE" else b"")
    )
    if method == "INVITE":
        us.session.accept(SDP)
        us.receive(us.within("ACK", 2))
    us.clock.advance(567)
    assert ("ended", "the session has expired") not in us.told
    us.clock.advance(1)
    assert us.told[-1] == ("ended", "the session has expired")


def test_we_refresh_with_update_where_the_peer_wants_that(us):
    calling(us, ALLOW, expires("600;refresher=uac"))
    us.clock.advance(299)
    assert us.wire.take() == []
    us.clock.advance(1)
    update = us.wire.last
    assert (update.method, update.body, update.first("session-expires")) == ("UPDATE", b"", "600;refresher=uac")
    us.answered(200, more=[ALLOW, expires("600;refresher=uac")])
    us.clock.advance(300)
    assert us.wire.take()[-1] == "UPDATE"
    assert us.told == []


def test_we_refresh_with_invite_where_the_peer_has_no_update(us):
    calling(us, expires("600;refresher=uac"))
    us.clock.advance(300)
    assert us.told == ["due"]
    us.session.offer(SDP)
    assert us.wire.last.first("session-expires") == "600;refresher=uac"
    us.answered(200, sdp=SDP, more=[expires("600;refresher=uac")])
    us.clock.advance(299)
    assert us.told == ["due", ("answered", SDP)]
    us.clock.advance(1)
    assert us.told[-1] == "due"


def test_peer_without_session_timers_is_refreshed_all_the_same(us):
    """It is seen within a minute that nobody has said how long the session lasts."""
    called(us)
    us.clock.advance(900)
    assert us.told == []
    us.clock.advance(120)
    assert us.told == ["due"]
    us.clock.advance(1768)
    assert us.told[-1] == ("ended", "the session has expired")


@pytest.mark.parametrize(("refusal", "seconds"), [(500, 10), (488, 10)])
def test_refused_refresh_is_tried_again(us, refusal, seconds):
    calling(us, ALLOW, expires("600;refresher=uac"))
    us.clock.advance(300)
    us.answered(refusal)
    us.clock.advance(seconds - 1)
    assert us.wire.take() == []
    us.clock.advance(1)
    assert us.wire.take() == ["UPDATE"]


@pytest.mark.parametrize(("made", "least", "most"), [(calling, 2.1, 4.0), (called, 0.0, 2.0)])
def test_refresh_that_crosses_the_peer_s_offer_backs_off(us, made, least, most):
    """RFC 3261 14.1: the owner of the Call-ID waits longer."""
    made(us, ALLOW, TIMER, expires("600;refresher=uac" if made is calling else "600;refresher=uas"))
    us.clock.advance(300)
    assert us.wire.last.method == "UPDATE"
    us.answered(491)
    begun = us.clock.seconds()
    assert us.clock.advance_until(lambda: "UPDATE" in names(us.wire), 10)
    assert least <= us.clock.seconds() - begun <= most


def test_refresh_for_too_short_a_time_is_made_longer(us):
    calling(us, ALLOW, expires("600;refresher=uac"))
    us.clock.advance(300)
    us.answered(422, more=[("min-se", "Min-SE", "900")])
    us.clock.advance(10)
    assert us.wire.last.first("session-expires") == "900;refresher=uac"
    assert us.wire.last.first("min-se") == "900"


def test_invite_for_too_short_a_time_goes_again_with_the_next_number(us):
    """RFC 4028 7.3."""
    _, invite = us.calls()
    us.layer.message_received(us.wire, response(invite, 422, more=[("min-se", "Min-SE", "3600")]))
    again = us.wire.last
    assert (again.method, again.cseq, again.call_id, again.body) == ("INVITE", 2, invite.call_id, SDP)
    assert again.from_tag == invite.from_tag
    assert (again.first("session-expires"), again.first("min-se")) == ("3600", "3600")
    us.wire.take()
    us.receive(response(again, 422, more=[("min-se", "Min-SE", "3600")]))
    assert us.told == [("rejected", 422)]
    us.assert_idle()


# Anything

STEPS = st.sampled_from(
    "UPDATE UPDATE+ INVITE INVITE+ PRACK BYE ACK 200 200+ 491 422 481 500 "
    "accept refuse update offer ack hang_up wait long".split()
)


@pytest.mark.parametrize("made", [called, calling])
@given(steps=st.lists(STEPS, max_size=15))
def test_any_messages_and_wishes_in_any_order_leave_nothing_behind(made, steps):
    us = made(Endpoint(), ALLOW, TIMER, expires("90"))
    wishes = {"accept": (SDP,), "refuse": (488,), "update": (SDP,), "offer": (SDP,), "ack": (SDP,), "hang_up": ()}
    for number, step in enumerate(steps, 2):
        if step in wishes:
            try:
                getattr(us.session, step)(*wishes[step])
            except InvalidState:
                pass
        elif step in ("wait", "long"):
            us.clock.advance(1 if step == "wait" else 50)
        elif step[:3].isdigit():
            if any(not hasattr(m, "status") and m.method != "ACK" for m in us.wire.messages):
                us.answered(int(step[:3]), sdp=SDP if step.endswith("+") else b"")
        else:
            method = step.rstrip("+")
            us.receive(
                us.within(method, number - 1 if method == "ACK" else number, sdp=SDP if step.endswith("+") else b"")
            )
        assert us.layer.counts["failures"] == 0
        assert repr(us.session)
    us.session.hang_up()
    if us.session.waiting and us.agent.sessions:
        us.session.reject(480)
    us.clock.advance(200)
    us.assert_idle()
