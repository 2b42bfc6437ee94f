"""REFER in both roles: what it asks for, what is told of it, and how its subscription ends (RFC 3515)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.sip.correspondence import Correspondence
from pbx.sip.errors import InvalidState
from pbx.sip.refer import Referral, Referrer
from pbx.sip.replaces import Replaces
from tests.sip.endpoint import Endpoint, names
from tests.sip.wire import name, request, response

TO = "<sip:carol@192.0.2.3>"
REPLACES = "Replaces=1%3Bto-tag%3D2%3Bfrom-tag%3D3"


def refer_to(value: str = TO):
    return ("refer-to", "Refer-To", value)


def referred_by(value: str):
    return ("referred-by", "Referred-By", value)


class Referee(Endpoint):
    """An endpoint that is asked to call somebody: in a call, or outside all."""

    def __init__(self, inside: bool = True) -> None:
        super().__init__()
        self.inside = inside
        self.tag = "unanswered"
        if inside:
            self.in_a_call()

    def is_referred(self, *more, cseq: int = 2, **parts) -> list[str]:
        """A REFER comes; returned is what went back."""
        self.wire.take()
        parts["more"] = list(more or [refer_to()])
        message = self.within("REFER", cseq, **parts) if self.inside else request("REFER", cseq=cseq, **parts)
        self.layer.message_received(self.wire, message)
        return names(self.wire)

    def accepts(self) -> None:
        """We do as we are told."""
        self.referral.accept()
        self.tag = next(message for message in self.wire.messages if name(message) == "200 REFER").to_tag

    def requested(self, transaction, request) -> None:
        """Outside a call."""
        self.referral = Referral(self.agent, transaction, request)

    def notifies(self) -> list[tuple[str, str, bytes]]:
        """The NOTIFYs that went out: Event, Subscription-State, body."""
        return [
            (notify.first("event"), notify.first("subscription-state"), notify.body)
            for notify in self.wire.messages
            if name(notify) == "NOTIFY"
        ]

    def is_answered(self, status: int = 200) -> None:
        """The last NOTIFY is answered."""
        notify = [message for message in self.wire.messages if name(message) == "NOTIFY"][-1]
        self.wire.take()
        self.layer.message_received(self.wire, response(notify, status))


@pytest.fixture(params=[True, False], ids=["inside", "outside"])
def us(request) -> Referee:
    return Referee(request.param)


# We are asked (2.4.2)


def test_reference_is_accepted_and_its_course_told(us):
    assert us.is_referred() == []
    assert str(us.referral.target) == "sip:carol@192.0.2.3"
    assert (us.referral.method, us.referral.replaces, us.referral.fields) == ("INVITE", None, ())
    us.accepts()
    assert names(us.wire) == ["200 REFER", "NOTIFY"]
    ok, notify = us.wire.messages
    assert ok.first("contact") == "<sip:192.0.2.1:5060>"
    assert us.notifies() == [("refer;id=2", "active;expires=600", b"SIP/2.0 100 Trying\r\n")]
    assert notify.first("content-type") == "message/sipfrag;version=2.0"
    assert (notify.from_tag, notify.to_tag, notify.call_id) == (ok.to_tag, "peer", "call")
    us.is_answered()
    us.referral.progress(180)
    assert us.notifies() == [("refer;id=2", "active;expires=600", b"SIP/2.0 180 Ringing\r\n")]
    us.is_answered()
    us.referral.end(200)
    assert us.notifies() == [("refer;id=2", "terminated;reason=noresource", b"SIP/2.0 200 OK\r\n")]
    us.is_answered()
    assert len(us.agent.usages) == 0


@pytest.mark.parametrize(
    ("status", "reason", "line"), [(486, "", b"486 Busy Here"), (480, "no answer", b"480 no answer")]
)
def test_failed_reference_is_told_with_its_status(us, status, reason, line):
    us.is_referred()
    us.accepts()
    us.is_answered()
    us.referral.end(status, reason)
    assert us.notifies()[-1][2] == b"SIP/2.0 " + line + b"\r\n"


def test_end_waits_for_no_answer(us):
    us.is_referred()
    us.accepts()
    us.referral.progress(180)
    us.referral.end(200)
    assert [body for _, _, body in us.notifies()] == [b"SIP/2.0 100 Trying\r\n", b"SIP/2.0 200 OK\r\n"]


def test_what_follows_the_end_waits_until_the_peer_has_heard_of_it(us):
    """RFC 3261 12.2.2: a later request of ours must not come before it in the same dialog."""
    told: list[str] = []
    us.is_referred()
    us.referral.when_told(lambda: told.append("nobody listens yet"))
    us.accepts()
    us.is_answered()
    us.referral.when_told(lambda: told.append("it has heard all"))
    us.referral.end(200)
    us.referral.when_told(lambda: told.append("it has heard the last"))
    assert told == ["nobody listens yet", "it has heard all"]
    us.is_answered()
    assert told == ["nobody listens yet", "it has heard all", "it has heard the last"]


def test_refused_reference_leaves_nothing(us):
    us.is_referred()
    us.referral.refuse(603, "not now")
    assert (us.wire.last.status, us.wire.last.reason) == (603, "not now")
    assert len(us.agent.usages) == 0
    with pytest.raises(InvalidState):
        us.accepts()
    with pytest.raises(InvalidState):
        us.referral.refuse(603)


def test_reference_without_a_subscription(us):
    """RFC 4488 section 4."""
    us.is_referred(refer_to(), ("refer-sub", "Refer-Sub", "false"))
    us.accepts()
    assert names(us.wire) == ["200 REFER"]
    assert us.wire.last.first("refer-sub") == "false"
    us.referral.progress(180)
    us.referral.end(200)
    assert names(us.wire) == ["200 REFER"]
    assert len(us.agent.usages) == 0


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ([], 400),
        ([refer_to(), refer_to()], 400),
        ([refer_to(f"{TO}, {TO}")], 400),
        ([refer_to("<sip:")], 400),
        ([refer_to("<tel:+15551234>")], 416),
        ([refer_to("<http://www.ietf.org>")], 416),
        ([refer_to("<sip:carol@h?Replaces=1%3Bto-tag%3D2>")], 400),
        ([refer_to(f"<sip:carol@h?{REPLACES}&{REPLACES}>")], 400),
        ([refer_to("<sip:carol@h?Subject=a%0D%0AVia:x>")], 400),
        ([refer_to(), referred_by("<sip:a@h>"), referred_by("<sip:b@h>")], 400),
        ([refer_to(), referred_by("<sip:>")], 400),
        ([refer_to(), ("refer-sub", "Refer-Sub", ";")], 400),
    ],
)
def test_malformed_reference_is_refused_at_once(us, fields, status):
    """RFC 3515 2.4.2."""
    us.is_referred(*(fields or [("subject", "Subject", "x")]))
    assert names(us.wire) == [f"{status} REFER"]
    assert len(us.agent.usages) == 0


def test_news_for_a_referrer_behind_proxies_go_to_its_route():
    us = Referee(inside=False)
    via = ("via", "Via", "SIP/2.0/UDP 192.0.2.60;branch=z9hG4bKphone")
    us.is_referred(refer_to(), ("record-route", "Record-Route", "<sip:192.0.2.50:5070;lr>"), via)
    us.referral.accept()
    assert us.wire.last.first("record-route") == "<sip:192.0.2.50:5070;lr>"
    assert name(us.ways["sip:192.0.2.50:5070;lr"].last) == "NOTIFY"


def test_reference_outside_dialogs_needs_a_contact():
    us = Referee(inside=False)
    assert us.is_referred(contact="") == ["400 REFER"]


def test_uri_says_what_the_request_shall_carry(us):
    us.is_referred(
        refer_to(
            "<sip:carol@192.0.2.3;transport=tcp;method=invite?Replaces=12345%40192.0.2.8%3Bto-tag%3D12%3Bfrom-tag%3D5FFE"
            "&Subject=lunch%20now&From=sip:mallory%40h&Route=%3Csip:x%3E&Via=x&Contact=x>"
        ),
        ("referred-by", "Referred-By", '<sip:alice@192.0.2.9>;cid="2UW@h"'),
    )
    referral = us.referral
    assert str(referral.target) == "sip:carol@192.0.2.3;transport=tcp"
    assert referral.method == "INVITE"
    assert referral.replaces == Replaces("12345@192.0.2.8", "12", "5FFE", False)
    assert referral.fields == (
        ("subject", "Subject", "lunch now"),
        ("referred-by", "Referred-By", '<sip:alice@192.0.2.9>;cid="2UW@h"'),
    )


def test_reference_may_be_to_another_method(us):
    us.is_referred(refer_to("<sip:carol@192.0.2.3;method=SUBSCRIBE>"))
    assert us.referral.method == "SUBSCRIBE"


def test_several_references_in_one_dialog_are_told_apart():
    """RFC 3515 2.4.6."""
    us = Referee()
    us.is_referred(cseq=2)
    first = us.referral
    first.accept()
    us.is_answered()
    us.is_referred(cseq=3, branch="z9hG4bKthree")
    us.accepts()
    us.is_answered()
    first.end(486)
    us.referral.end(200)
    assert us.notifies() == [
        ("refer;id=2", "terminated;reason=noresource", b"SIP/2.0 486 Busy Here\r\n"),
        ("refer;id=3", "terminated;reason=noresource", b"SIP/2.0 200 OK\r\n"),
    ]


def subscribe(us: Referee, cseq: int, expires: str, event: str = "refer;id=2"):
    more = [("event", "Event", event), ("expires", "Expires", expires)]
    parts = {"cseq": cseq, "branch": f"z9hG4bKs{cseq}", "more": more, "callee": f"<sip:1001@192.0.2.1>;tag={us.tag}"}
    us.wire.take()
    us.layer.message_received(us.wire, request("SUBSCRIBE", **parts))
    return names(us.wire)


def test_referrer_may_lengthen_and_end_its_subscription_and_the_call_goes_on(us):
    us.is_referred()
    us.accepts()
    us.is_answered()
    assert subscribe(us, 3, "1200") == ["200 SUBSCRIBE", "NOTIFY"]
    assert us.notifies()[0][1] == "active;expires=1200"
    us.is_answered()
    assert subscribe(us, 4, "0", "refer") == ["200 SUBSCRIBE", "NOTIFY"]
    assert us.notifies()[0][1] == "terminated;reason=timeout"
    us.is_answered()
    us.referral.progress(180)
    us.referral.end(200)
    assert us.wire.sent == []


def test_only_refer_makes_a_subscription_to_refer(us):
    """RFC 3515 2.4.4."""
    us.is_referred()
    us.accepts()
    us.is_answered()
    assert subscribe(us, 3, "600", "refer;id=9") == ["403 SUBSCRIBE"]


def test_referrer_that_refuses_to_hear_is_told_no_more(us):
    us.is_referred()
    us.accepts()
    us.is_answered(481)
    us.referral.end(200)
    assert us.wire.sent == []


def test_subscription_outlives_the_call_it_was_made_in():
    """RFC 5057: BYE ends the session, not the other usages of its dialog."""
    us = Referee()
    us.is_referred()
    us.accepts()
    us.is_answered()
    assert us.receive(us.within("BYE", 3)) == ["200 BYE"]
    assert (us.agent.sessions, us.agent.dialogs) == (set(), 1)
    us.referral.end(200)
    assert us.notifies()[0][1] == "terminated;reason=noresource"
    us.is_answered()
    us.assert_idle()


def test_reference_in_a_call_that_ends_is_481():
    us = Referee()
    us.session.hang_up()
    assert us.is_referred() == ["481 REFER"]


@given(
    st.booleans(),
    st.lists(
        st.sampled_from("accept refuse progress end wait leave answer-200 answer-481 answer-500".split()), max_size=15
    ),
)
def test_any_input_in_any_state_leads_to_a_legal_one(inside, inputs):
    us = Referee(inside)
    us.is_referred()
    referral, answered, ended = us.referral, False, False
    cseq = 2
    for what in inputs:
        if what in ("accept", "refuse"):
            if answered:
                with pytest.raises(InvalidState):
                    referral.accept()
                continue
            answered = True
            us.accepts() if what == "accept" else referral.refuse(403)
        elif what in ("progress", "end"):
            if not answered:
                with pytest.raises(InvalidState):
                    referral.progress(180)
                continue
            ended = ended or what == "end"
            referral.end(200) if what == "end" else referral.progress(180)
        elif what == "wait":
            us.clock.advance(35)
        elif what == "leave":
            cseq += 1
            subscribe(us, cseq, "0")
        elif us.notifies():
            us.is_answered(int(what[-3:]))
        assert len(us.agent.usages) <= (answered and not ended)
    if not answered:
        referral.refuse(403)
    referral.end(480)
    us.clock.advance(700)
    assert len(us.agent.usages) == 0
    assert len(us.layer) == 0


# We ask (2.4.1)


class Asking(Endpoint):
    """An endpoint that asks its peer to call somebody: in a call, or outside all."""

    def __init__(self, inside: bool = True) -> None:
        super().__init__()
        if inside:
            self.in_a_call()
            self.way = self.session.dialog
        else:
            self.way = Correspondence(
                self.agent.identifiers, self.wire, "sip:peer@192.0.2.9", "<sip:us@192.0.2.1>", "<sip:peer@192.0.2.9>"
            )
        self.wire.take()
        self.told.clear()
        self.referrer = Referrer(self.agent, self, self.way)
        self.cseq = 10

    def is_answered(self, status: int = 200, *more) -> None:
        """The last REFER is answered."""
        refer = [message for message in self.wire.messages if name(message) == "REFER"][-1]
        self.wire.take()
        self.layer.message_received(self.wire, response(refer, status, more=more))

    def notified(self, body: bytes, state: str = "active;expires=60", event: str = "refer") -> list[str]:
        """The peer tells how far it is."""
        self.cseq += 1
        more = [("event", "Event", event), ("subscription-state", "Subscription-State", state)]
        call_id, local, _ = self.way.key
        notify = request(
            "NOTIFY",
            cseq=self.cseq,
            branch=f"z9hG4bKn{self.cseq}",
            call_id=call_id,
            callee=f"<sip:us@192.0.2.1>;tag={local}",
            more=more,
            body=body,
            kind="message/sipfrag",
        )
        return self.receive(notify)

    def referral_progressed(self, referrer, status, reason):
        self.told.append((status, reason))

    def referral_refused(self, referrer, response):
        self.told.append(("refused", response.status))

    def referral_ended(self, referrer, status, reason):
        self.told.append(("ended", status, reason))


@pytest.fixture(params=[True, False], ids=["inside", "outside"])
def me(request) -> Asking:
    return Asking(request.param)


@pytest.mark.parametrize("status", [200, 202])
def test_our_reference_is_followed_to_its_end(me, status):
    me.referrer.refer("sip:carol@192.0.2.3", (("referred-by", "Referred-By", "<sip:us@192.0.2.1>"),))
    refer = me.wire.last
    assert (refer.method, refer.first("refer-to")) == ("REFER", TO)
    assert refer.first("referred-by") == "<sip:us@192.0.2.1>"
    assert refer.first("contact") == "<sip:192.0.2.1:5060>"
    me.is_answered(status)
    assert me.notified(b"SIP/2.0 100 Trying\r\n") == ["200 NOTIFY"]
    me.notified(b"SIP/2.0 180 Ringing\r\n", event=f"refer;id={refer.cseq}")
    me.notified(b"SIP/2.0 200 OK\r\nTo: x\r\n", "terminated;reason=noresource")
    assert me.told == [(100, "Trying"), (180, "Ringing"), ("ended", 200, "OK")]
    assert len(me.agent.usages) == 0


def test_refused_reference_may_be_sent_again_with_credentials():
    me = Asking(inside=False)
    me.referrer.refer("sip:carol@192.0.2.3")
    me.is_answered(401)
    assert me.told == [("refused", 401)]
    me.referrer.refer("sip:carol@192.0.2.3", (("authorization", "Authorization", "Digest x"),))
    me.is_answered(200)
    me.notified(b"SIP/2.0 200 OK\r\n", "terminated;reason=noresource", event="refer;id=2")
    assert me.told[1:] == [("ended", 200, "OK")]


def test_reference_that_makes_no_subscription_ends_with_its_acceptance(me):
    me.referrer.refer("sip:carol@192.0.2.3", (("refer-sub", "Refer-Sub", "false"),))
    me.is_answered(200, ("refer-sub", "Refer-Sub", "false"))
    assert me.told == [("ended", 0, "accepted, and nobody tells")]
    assert len(me.agent.usages) == 0


@pytest.mark.parametrize("body", [b"", b"nonsense", b"SIP/2.0 999", b"\xff"])
def test_news_that_say_nothing_are_taken_and_not_told(me, body):
    me.referrer.refer("sip:carol@192.0.2.3")
    me.is_answered()
    assert me.notified(body) == ["200 NOTIFY"]
    assert me.told == []
    me.notified(body, "terminated;reason=noresource")
    assert me.told == [("ended", 0, "")]


def test_end_without_a_final_status_is_not_known(me):
    me.referrer.refer("sip:carol@192.0.2.3")
    me.notified(b"SIP/2.0 180 Ringing\r\n", "terminated;reason=timeout")
    assert me.told == [("ended", 0, "Ringing")]


def test_peer_that_tells_nothing(me):
    me.referrer.refer("sip:carol@192.0.2.3")
    me.is_answered()
    me.clock.advance(32)
    assert me.told == [("ended", 0, "no NOTIFY came")]


def test_news_that_stop(me):
    me.referrer.refer("sip:carol@192.0.2.3")
    me.is_answered()
    me.notified(b"SIP/2.0 100 Trying\r\n")
    me.clock.advance(60)
    assert me.told == [(100, "Trying"), ("ended", 0, "expired")]


def test_references_of_ours_in_one_dialog_are_told_apart():
    me = Asking()
    me.referrer.refer("sip:carol@192.0.2.3")
    first = me.wire.last.cseq
    me.is_answered()
    second = Referrer(me.agent, me, me.way)
    second.refer("sip:dave@192.0.2.4")
    me.is_answered()
    me.notified(b"SIP/2.0 486 Busy Here\r\n", "terminated;reason=noresource", f"refer;id={first + 1}")
    assert me.told == [("ended", 486, "Busy Here")]
    me.notified(b"SIP/2.0 200 OK\r\n", "terminated;reason=noresource", "refer")
    assert me.told[1:] == [("ended", 200, "OK")]
    assert me.notified(b"SIP/2.0 200 OK\r\n") == ["481 NOTIFY"]
