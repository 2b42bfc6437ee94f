"""Reliable provisional responses in sessions (RFC 3262), in both roles, and the early dialogs of one INVITE."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.sip.errors import InvalidState
from pbx.sip.message import Request
from tests.sip.endpoint import OFFER, Endpoint, names
from tests.sip.wire import SDP, request, response

OTHER = SDP.replace(b"4000", b"4002")
SUPPORTS = ("supported", "Supported", "100rel")
INSISTS = ("require", "Require", "100rel")
ALLOW = ("allow", "Allow", "INVITE, ACK, BYE, UPDATE")


@pytest.fixture
def us() -> Endpoint:
    return Endpoint()


# We are called


def prack(us: Endpoint, cseq: int = 2, sdp: bytes = b"", number: str = "") -> list[str]:
    """The caller acknowledges the last reliable response."""
    sent = [message.first("rseq") for message in us.wire.messages if message.first("rseq")]
    us.wire.take()
    return us.receive(us.within("PRACK", cseq, more=[("rack", "RAck", f"{number or sent[-1]} 1 INVITE")], sdp=sdp))


@pytest.mark.parametrize(
    ("more", "sdp", "reliably"),
    [((), b"", False), ((), SDP, False), ((SUPPORTS,), b"", False), ((SUPPORTS,), SDP, True), ((INSISTS,), b"", True)],
)
def test_who_gets_a_reliable_response(us, more, sdp, reliably):
    us.is_called(more=more).progress(183, sdp)
    assert (us.wire.last.first("rseq") is not None) is reliably
    assert us.wire.last.first("require") == ("100rel" if reliably else None)


def test_100_is_never_reliable(us):
    us.is_called(more=(INSISTS,))
    us.clock.advance(1)
    assert us.wire.last.status == 100
    assert us.wire.last.first("rseq") is None


def test_caller_that_insists_and_has_offered_nothing_hears_no_ringing(us):
    """A reliable response to it would have to bring our offer (RFC 3261 13.2.1), which nobody has made yet."""
    session = us.is_called(more=(INSISTS,), sdp=b"")
    session.progress(180)
    assert us.wire.take() == []
    session.answer(SDP)
    assert us.wire.take() == ["200 INVITE"]


def test_answer_that_went_reliably_is_not_in_the_2xx(us):
    session = us.is_called(more=(SUPPORTS,))
    session.progress(183, SDP)
    assert prack(us) == ["200 PRACK"]
    session.answer(SDP)
    assert (us.wire.last.status, us.wire.last.body) == (200, b"")
    us.receive(us.within("ACK", 1))
    assert session.may_offer
    assert us.told == []


def test_2xx_waits_until_the_description_has_arrived(us):
    """RFC 3262 section 3."""
    session = us.is_called(more=(SUPPORTS,))
    session.progress(183, SDP)
    session.answer(SDP)
    assert names(us.wire) == ["183 INVITE"]
    with pytest.raises(InvalidState):
        session.answer(SDP)
    assert prack(us) == ["200 PRACK", "200 INVITE"]


def test_2xx_does_not_wait_for_ringing_to_arrive(us):
    session = us.is_called(more=(INSISTS,))
    session.progress(180)
    session.answer(SDP)
    assert names(us.wire) == ["180 INVITE", "200 INVITE"]
    assert us.wire.last.body == SDP
    us.clock.advance(1)
    assert prack(us) == ["200 PRACK"]


def test_call_whose_ringing_is_never_acknowledged_is_500_after_64_t1(us):
    us.is_called(more=(SUPPORTS,)).progress(183, SDP)
    us.wire.take()
    us.clock.advance(31.75)
    assert us.wire.take() == ["183 INVITE"] * 6
    us.clock.advance(0.25)
    assert us.wire.take() == ["500 INVITE"]
    assert us.told == [("ended", "the caller does not acknowledge that it rings")]
    us.assert_idle()


def test_invite_that_comes_again_gets_the_reliable_response_again(us):
    us.is_called(more=(SUPPORTS,)).progress(183, SDP)
    first = us.wire.last
    us.wire.take()
    us.layer.message_received(us.wire, request(sdp=OFFER, more=(SUPPORTS,)))
    assert us.wire.last == first


def test_prack_out_of_place_is_481(us):
    us.is_called()
    assert us.receive(us.within("PRACK", 2, more=[("rack", "RAck", "1 1 INVITE")])) == ["481 PRACK"]
    us.session.progress(183, SDP)


def test_caller_that_gives_up_while_its_2xx_waits(us):
    session = us.is_called(more=(SUPPORTS,))
    session.progress(183, SDP)
    session.answer(SDP)
    us.wire.take()
    us.receive(us.within("CANCEL", 1, branch="z9hG4bK1", callee="<sip:1001@192.0.2.1>"))
    assert us.told == [("ended", "the caller gave up")]
    us.receive(us.within("ACK", 1, branch="z9hG4bK1"))
    us.assert_idle()


def test_caller_hangs_up_while_our_2xx_waits_and_we_do_after_it(us):
    session = us.is_called(more=(SUPPORTS,))
    session.progress(183, SDP)
    session.answer(SDP)
    us.wire.take()
    assert us.receive(us.within("BYE")) == ["200 BYE", "487 INVITE"]
    session.hang_up()
    assert us.told == [("ended", "hung up")]
    us.receive(us.within("ACK", 1, branch="z9hG4bK1"))
    us.assert_idle()


def test_we_hang_up_while_our_2xx_waits(us):
    session = us.is_called(more=(SUPPORTS,))
    session.progress(183, SDP)
    session.answer(SDP)
    us.wire.take()
    session.hang_up()
    assert us.wire.take() == ["480 INVITE"]
    us.clock.advance(64)
    us.assert_idle()


def test_prack_may_bring_an_offer_and_its_200_the_answer(us):
    """RFC 3262 section 5."""
    session = us.is_called(more=(SUPPORTS,))
    session.progress(183, SDP)
    assert prack(us, sdp=OFFER) == []
    assert us.told == [("offered", OFFER)]
    session.accept(OTHER)
    assert (us.wire.last.status, us.wire.last.cseq_method, us.wire.last.body) == (200, "PRACK", OTHER)
    session.answer(SDP)
    assert us.wire.last.body == b""


def test_prack_with_an_offer_while_another_waits_is_488_and_acknowledges_all_the_same(us):
    session = us.is_called(more=(INSISTS,))
    session.progress(180)
    assert prack(us, sdp=SDP) == ["488 PRACK"]
    assert us.told == []
    session.answer(SDP)
    assert (us.wire.last.status, us.wire.last.body) == (200, SDP)


def test_update_before_the_answer_is_offered_once_the_first_offer_is_answered(us):
    session = us.is_called(more=(SUPPORTS, ALLOW))
    assert us.receive(us.within("UPDATE", 2, sdp=OFFER)) == ["500 UPDATE"]
    session.progress(183, SDP)
    assert not session.may_update
    prack(us, 3)
    assert session.may_update
    us.receive(us.within("UPDATE", 4, sdp=OFFER))
    assert us.told == [("offered", OFFER)]
    session.refuse(504)
    assert us.wire.take()[-1] == "504 UPDATE"
    session.update(OTHER)
    us.answered(200, sdp=SDP)
    assert us.told[-1] == ("answered", SDP)


def test_our_answer_settles_an_update_that_still_waits(us):
    session = us.is_called(more=(SUPPORTS,))
    session.progress(183, SDP)
    prack(us)
    us.receive(us.within("UPDATE", 3, sdp=OFFER))
    us.wire.take()
    session.answer(SDP)
    assert us.wire.take() == ["500 UPDATE", "200 INVITE"]


@given(
    st.lists(
        st.sampled_from("180 183 183+ prack prack+ update answer reject accept refuse cancel bye ack wait".split()),
        max_size=15,
    ),
    st.sampled_from([(), (SUPPORTS,), (INSISTS,)]),
)
def test_any_wish_and_message_of_a_call_to_us_leaves_nothing_behind(steps, more):
    us = Endpoint()
    session = us.is_called(more=(*more, ALLOW))
    numbers: list[str] = []
    for number, step in enumerate(steps, 2):
        try:
            if step[:2] == "18":
                session.progress(int(step[:3]), SDP if step.endswith("+") else b"")
            elif step in ("answer", "accept"):
                getattr(session, step)(SDP)
            elif step in ("reject", "refuse"):
                getattr(session, step)(488)
        except InvalidState:
            pass
        numbers += [message.first("rseq") for message in us.wire.messages if message.first("rseq")]
        if step[:5] == "prack":
            rack = ("rack", "RAck", f"{numbers[-1] if numbers else 1} 1 INVITE")
            us.receive(us.within("PRACK", number, more=[rack], sdp=OFFER if step.endswith("+") else b""))
        elif step in ("update", "bye"):
            us.receive(us.within(step.upper(), number, sdp=OFFER if step == "update" else b""))
        elif step == "cancel":
            us.receive(us.within("CANCEL", 1, branch="z9hG4bK1", callee="<sip:1001@192.0.2.1>"))
        elif step == "ack":
            us.receive(us.within("ACK", 1))
        elif step == "wait":
            us.clock.advance(4)
        assert us.layer.counts["failures"] == 0
    session.hang_up()
    if us.agent.sessions and session.waiting:
        session.reject(480)
    us.clock.advance(200)
    us.assert_idle()


# We call


def reliable(invite: Request, number: int, status: int = 183, tag: str = "peer", sdp: bytes = b"", **parts):
    more = [INSISTS, ("rseq", "RSeq", str(number)), ALLOW]
    return response(invite, status, tag, more=more, sdp=sdp, **parts)


def test_reliable_response_is_acknowledged_and_told_once(us):
    _, invite = us.calls()
    assert us.receive(reliable(invite, 5, sdp=SDP)) == ["PRACK"]
    assert us.told == [(183, SDP)]
    assert us.receive(reliable(invite, 5, sdp=SDP)) == []
    assert us.receive(reliable(invite, 7, 180)) == []
    assert us.told == [(183, SDP)]
    us.layer.message_received(us.wire, reliable(invite, 6, 180))
    assert us.wire.last.first("rack") == "6 1 INVITE"
    assert (us.wire.last.cseq, us.wire.last.to_tag) == (3, "peer")
    assert us.told == [(183, SDP), (180, b"")]


def test_answer_that_came_reliably_counts_and_not_what_the_2xx_says(us):
    """RFC 3261 13.2.1."""
    session, invite = us.calls()
    us.receive(reliable(invite, 5, sdp=SDP))
    us.receive(response(invite, 200, sdp=OTHER))
    assert us.told == [(183, SDP), ("answered", SDP)]
    assert session.may_offer
    assert not session.owes_ack
    session.hang_up()
    assert us.wire.last.cseq == 3, "after the PRACK"


def test_2xx_without_a_description_after_one_that_came_reliably(us):
    _, invite = us.calls()
    us.receive(reliable(invite, 5, sdp=SDP))
    us.receive(response(invite, 200))
    assert us.told == [(183, SDP), ("answered", SDP)]


def test_we_may_update_before_the_call_is_answered(us):
    session, invite = us.calls()
    assert not session.may_update
    us.receive(reliable(invite, 5, sdp=SDP))
    assert session.may_update
    session.update(OTHER)
    us.answered(200, sdp=SDP)
    assert us.told[-1] == ("answered", SDP)


@pytest.mark.parametrize("number", ["", "0", "x"])
def test_reliable_response_without_a_number_is_dropped(us, number):
    _, invite = us.calls()
    more = [INSISTS, *([("rseq", "RSeq", number)] if number else [])]
    assert us.receive(response(invite, 183, more=more, sdp=SDP)) == []
    assert us.told == []


# Several callees behind a proxy that forks (RFC 3261 12.1, 13.2.2.4)


def test_early_dialogs_of_one_invite_are_kept_apart(us):
    _, invite = us.calls()
    us.receive(reliable(invite, 5, tag="one", sdp=SDP), reliable(invite, 9, tag="two", sdp=OTHER))
    assert us.agent.dialogs == 2
    for again in (reliable(invite, 6, 180, tag="one"), reliable(invite, 10, 180, tag="two")):
        us.layer.message_received(us.wire, again)
    assert us.told == [(183, SDP), (183, OTHER), (180, b""), (180, b"")]
    assert [(message.to_tag, message.first("rack"), message.cseq) for message in us.wire.messages] == [
        ("one", "6 1 INVITE", 3),
        ("two", "10 1 INVITE", 3),
    ]


def test_callee_whose_early_dialog_is_not_the_last_may_make_the_offer(us):
    """RFC 3261 13.2.2.4: where our INVITE had none, each of them makes its own."""
    session, invite = us.calls(sdp=b"")
    us.receive(response(invite, 180, "one"), response(invite, 180, "two"))
    us.receive(response(invite, 200, "one", sdp=OFFER))
    assert us.told[-1] == ("answered", OFFER)
    session.ack(SDP)
    assert (us.wire.last.method, us.wire.last.to_tag, us.wire.last.body) == ("ACK", "one", SDP)


def test_prack_that_nobody_answers_does_not_end_the_call(us):
    _, invite = us.calls()
    us.receive(reliable(invite, 5, sdp=SDP))
    us.clock.advance(64)
    us.receive(response(invite, 200))
    assert us.told == [(183, SDP), ("answered", SDP)]


@pytest.mark.parametrize(("tag", "sdp"), [("one", SDP), ("two", OTHER)])
def test_dialog_of_the_2xx_wins(us, tag, sdp):
    session, invite = us.calls()
    us.receive(reliable(invite, 5, tag="one", sdp=SDP), reliable(invite, 9, tag="two", sdp=OTHER))
    us.receive(response(invite, 200, tag))
    assert us.told[-1] == ("answered", sdp)
    assert session.dialog.remote_tag == tag
    assert us.agent.dialogs == 1
    session.hang_up()
    assert (us.wire.last.to_tag, us.wire.last.cseq) == (tag, 3)


def test_request_in_an_early_dialog_that_is_not_the_last_to_speak(us):
    session, invite = us.calls()
    us.receive(reliable(invite, 5, tag="one", sdp=SDP), reliable(invite, 9, tag="two", sdp=OTHER))
    us.wire.take()
    us.receive(us.within("UPDATE", 1, caller="<sip:peer@192.0.2.9>;tag=one", sdp=OFFER))
    assert us.told[-1] == ("offered", OFFER)
    session.refuse(504)
    assert (us.wire.last.status, us.wire.last.from_tag) == (504, "one")


@pytest.mark.parametrize("end", ["cancel", "486", "vanish"])
def test_no_early_dialog_outlives_its_invite(us, end):
    session, invite = us.calls()
    for tag in ("one", "two", "three"):
        us.receive(response(invite, 180, tag))
    assert us.agent.dialogs == 3
    if end == "cancel":
        session.cancel()
        us.receive(response(invite, 487, "one"))
    elif end == "486":
        us.receive(response(invite, 486, "two"))
    else:
        session.cancel()
        us.clock.advance(64)
    us.clock.advance(64)
    us.assert_idle()


def test_more_early_dialogs_than_any_proxy_makes_are_not_remembered(us):
    session, invite = us.calls()
    for number in range(100):
        us.receive(response(invite, 180, f"tag{number}"))
    assert us.agent.dialogs <= 21
    session.cancel()
    us.receive(response(invite, 487, "tag5"))
    us.assert_idle()


@given(
    st.lists(
        st.tuples(
            st.sampled_from("180 183+ 5 6 200 200+ 486 UPDATE BYE cancel wait".split()),
            st.sampled_from(["one", "two", "three"]),
        ),
        max_size=15,
    )
)
def test_any_responses_of_several_callees_leave_nothing_behind(steps):
    us = Endpoint()
    session, invite = us.calls()
    for number, (step, tag) in enumerate(steps, 2):
        sdp = SDP if step.endswith("+") else b""
        if step in ("5", "6"):
            us.receive(reliable(invite, int(step), tag=tag, sdp=SDP))
        elif step.rstrip("+").isdigit():
            us.receive(response(invite, int(step.rstrip("+")), tag, sdp=sdp))
        elif step == "cancel":
            session.cancel()
        elif step == "wait":
            us.clock.advance(4)
        elif session.dialog is not None:
            us.receive(us.within(step, number, caller=f"<sip:peer@192.0.2.9>;tag={tag}", sdp=OFFER))
        assert us.layer.counts["failures"] == 0
        assert us.agent.dialogs <= 3
    session.cancel()
    us.clock.advance(200)
    us.assert_idle()
