"""The notifier as its subscriber and its user see it, by exact times, on the real transactions (RFC 6665 4.2)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.sip.dialog import Dialog
from pbx.sip.errors import Malformed
from pbx.sip.headers import SUBSCRIPTION_STATE
from pbx.sip.interval import Interval
from pbx.sip.message import Request
from pbx.sip.notifier import ACTIVE, INIT, TERMINATED, Notifier
from pbx.sip.usages import ENDING, event_of
from tests.sip.endpoint import Endpoint, names
from tests.sip.wire import Wire, name, request, response

EVENT = ("event", "Event", "dialog;id=7")
INTERVAL = Interval(60, 7200, 3600)


class Watched(Endpoint):
    """An endpoint of which something can be watched.

    :ivar state: what is watched.
    :ivar notifies: those that were remembered.
    """

    def __init__(self) -> None:
        super().__init__()
        self.state = b"idle"
        self.notifier: Notifier | None = None
        self.notifies: list[Request] = []

    def is_subscribed(self, expires: str = "600", throttle: float = 0.0, **parts) -> list[str]:
        """The peer subscribes."""
        self.receive(self.subscribe(1, expires, **parts))
        transaction = self.transactions[-1]
        subscribe = transaction.request
        dialog = Dialog.as_uas(subscribe, "ours", self.wire)
        self.notifier = Notifier(self.agent, self, dialog, event_of(subscribe), INTERVAL, throttle)
        self.told.clear()
        self.notifier.request_received(transaction, subscribe)
        return names(self.wire)

    def subscribe(self, cseq: int, expires: str, **parts):
        more = [EVENT, ("expires", "Expires", expires), *parts.pop("more", [])]
        return request("SUBSCRIBE", cseq=cseq, branch=f"z9hG4bKsubscribe{cseq}", more=more, **parts)

    def refreshes(self, cseq: int, expires: str = "600", flow: Wire | None = None, **parts) -> list[str]:
        """The peer subscribes anew within the dialog."""
        callee = "<sip:1001@192.0.2.1>;tag=ours"
        self.wire.take()
        self.layer.message_received(flow or self.wire, self.subscribe(cseq, expires, **{"callee": callee, **parts}))
        return names(flow or self.wire)

    def changes(self, state: bytes) -> list[str]:
        """What is watched changes."""
        self.wire.take()
        self.state = state
        self.notifier.notify()
        return names(self.wire)

    def states(self) -> list[tuple[str, bytes]]:
        """The NOTIFYs that went out: Subscription-State and body."""
        notifies = [message for message in self.wire.messages if name(message) == "NOTIFY"]
        return [(notify.first("subscription-state"), notify.body) for notify in notifies]

    def is_answered(self, status: int = 200) -> list[str]:
        """The last NOTIFY is answered; returned is what that causes."""
        notify = [message for message in self.wire.messages if name(message) == "NOTIFY"][-1]
        self.wire.take()
        self.layer.message_received(self.wire, response(notify, status))
        return names(self.wire)

    def state_of(self, notifier):
        return "text/plain", self.state

    def remember(self) -> None:
        """Keep the NOTIFYs that went out."""
        self.notifies += [message for message in self.wire.messages if name(message) == "NOTIFY"]

    def subscription_ended(self, notifier, reason):
        self.told.append(reason)


@pytest.fixture
def us() -> Watched:
    return Watched()


# The subscription begins (4.2.1.1, 4.2.1.2)


def test_subscribe_is_answered_and_the_state_told_at_once(us):
    routed = ("record-route", "Record-Route", "<sip:192.0.2.9;lr>")
    assert us.is_subscribed(more=[routed]) == ["200 SUBSCRIBE", "NOTIFY"]
    ok, notify = us.wire.messages
    assert (ok.to_tag, ok.first("expires"), ok.first("contact")) == ("ours", "600", "<sip:192.0.2.1:5060>")
    assert ok.first("record-route") == "<sip:192.0.2.9;lr>"
    assert notify.target == "sip:peer@192.0.2.9:5070"
    assert (notify.from_tag, notify.to_tag, notify.call_id) == ("ours", "peer", ok.call_id)
    assert notify.first("event") == "dialog;id=7"
    assert notify.first("subscription-state") == "active;expires=600"
    assert (notify.first("content-type"), notify.body) == ("text/plain", b"idle")
    assert notify.first("route") == "<sip:192.0.2.9;lr>"
    assert (us.notifier.state, us.notifier.sent, len(us.agent.usages), us.agent.dialogs) == (ACTIVE, 1, 1, 1)


def test_state_without_a_body_is_told_without_one(us):
    us.state = b""
    us.is_subscribed()
    assert us.wire.last.first("content-length") == "0"
    assert us.wire.last.first("content-type") is None


@pytest.mark.parametrize(("expires", "status"), [("59", "423"), ("soon", "400")])
def test_what_asks_for_too_little_or_for_nonsense_makes_no_subscription(us, expires, status):
    with pytest.raises(Malformed, match=status):
        us.is_subscribed(expires)
    assert us.notifier.state is INIT
    assert (len(us.agent.usages), us.wire.sent) == (0, [])


def test_who_only_asks_is_told_once(us):
    """RFC 6665 4.4.3."""
    us.is_subscribed("0")
    assert us.states() == [("terminated;reason=timeout", b"idle")]
    assert us.told == ["unsubscribed"]
    us.is_answered()
    assert us.changes(b"busy") == []
    us.assert_idle()


# Changes (4.2.2)


def test_change_is_told(us):
    us.is_subscribed()
    us.is_answered()
    us.clock.advance(100)
    us.changes(b"busy")
    assert us.states() == [("active;expires=500", b"busy")]
    assert us.wire.last.first("cseq") == "2 NOTIFY"


def test_changes_wait_for_the_answer_and_are_told_together(us):
    us.is_subscribed()
    us.clock.advance(0.25)
    assert us.changes(b"ringing") == []
    assert us.changes(b"busy") == []
    us.clock.advance(0.25)
    assert us.states() == [("active;expires=600", b"idle")]  # the first one again
    us.is_answered()
    assert us.states() == [("active;expires=600", b"busy")]
    us.is_answered()
    assert us.notifier.sent == 2


def test_changes_are_told_no_sooner_than_the_throttle_allows(us):
    """RFC 6665 5.4.10."""
    us.is_subscribed(throttle=5.0)
    us.is_answered()
    us.clock.advance(1)
    assert us.changes(b"ringing") == []
    us.clock.advance(3)
    assert us.changes(b"busy") == []
    us.clock.advance(1)
    assert us.states() == [("active;expires=595", b"busy")]
    us.is_answered()
    us.clock.advance(5)
    assert us.wire.sent == []
    assert us.changes(b"idle") == ["NOTIFY"]


def test_throttle_and_an_answer_that_is_late_both_hold_a_change_back(us):
    us.is_subscribed(throttle=5.0)
    us.changes(b"busy")
    us.clock.advance(5)
    assert {body for _, body in us.states()} == {b"idle"}
    assert us.is_answered() == ["NOTIFY"]
    assert us.states() == [("active;expires=595", b"busy")]


# Refresh, and the end by the subscriber (4.2.1.4)


def test_refresh_lengthens_the_subscription_and_tells_the_state(us):
    us.is_subscribed("100")
    us.is_answered()
    us.clock.advance(90)
    assert us.refreshes(2, "300") == ["200 SUBSCRIBE", "NOTIFY"]
    us.is_answered()
    us.clock.advance(299.875)
    assert us.notifier.state is ACTIVE
    us.clock.advance(0.125)
    assert us.notifier.state is TERMINATED


def test_refresh_is_answered_with_the_state_though_the_throttle_is_on(us):
    us.is_subscribed(throttle=5.0)
    us.is_answered()
    us.clock.advance(1)
    us.changes(b"busy")
    assert us.refreshes(2) == ["200 SUBSCRIBE", "NOTIFY"]
    assert us.states()[-1][1] == b"busy"
    us.is_answered()
    us.clock.advance(5)
    assert (us.wire.sent, us.notifier.sent) == ([], 2)


def test_refresh_is_answered_with_the_state_though_a_notify_waits(us):
    us.is_subscribed()
    us.state = b"busy"
    assert us.refreshes(2) == ["200 SUBSCRIBE", "NOTIFY"]
    assert us.states()[-1][1] == b"busy"


def test_refresh_says_where_the_subscriber_is_now(us):
    us.is_subscribed()
    us.is_answered()
    elsewhere = Wire(us.clock, remote=("192.0.2.77", 40000))
    assert us.refreshes(2, flow=elsewhere, contact="<sip:peer@192.0.2.77>") == ["200 SUBSCRIBE", "NOTIFY"]
    assert elsewhere.last.target == "sip:peer@192.0.2.77"
    us.layer.message_received(elsewhere, response(elsewhere.last, 200))
    us.changes(b"busy")
    assert elsewhere.last.body == b"busy"


@pytest.mark.parametrize(("expires", "status"), [("59", "423 SUBSCRIBE"), ("soon", "400 SUBSCRIBE")])
def test_refused_refresh_changes_nothing(us, expires, status):
    us.is_subscribed("100")
    us.is_answered()
    us.clock.advance(50)
    assert us.refreshes(2, expires) == [status]
    us.clock.advance(49.875)
    assert us.notifier.state is ACTIVE
    us.clock.advance(0.125)
    assert us.states()[-1] == ("terminated;reason=timeout", b"idle")


def test_subscriber_leaves(us):
    us.is_subscribed()
    us.is_answered()
    us.state = b"busy"
    assert us.refreshes(2, "0") == ["200 SUBSCRIBE", "NOTIFY"]
    assert us.wire.messages[0].first("expires") == "0"
    assert us.states() == [("terminated;reason=timeout", b"busy")]
    assert us.told == ["unsubscribed"]
    assert us.notifier.state is TERMINATED
    assert us.refreshes(3) == ["481 SUBSCRIBE"]
    us.assert_idle()


def test_subscribe_with_a_number_not_higher_than_before_is_500(us):
    us.is_subscribed()
    us.is_answered()
    us.refreshes(3)
    us.is_answered()
    assert us.refreshes(2) == ["500 SUBSCRIBE"]


@pytest.mark.parametrize(
    "parts",
    [
        {"event": "dialog"},
        {"event": "dialog;id=8"},
        {"event": "Dialog;id=7"},
        {"call_id": "other"},
        {"caller": "<sip:peer@192.0.2.9>;tag=x"},
    ],
    ids=lambda parts: next(iter(parts.values())),
)
def test_subscribe_for_another_subscription_is_481(us, parts):
    """RFC 6665 8.2.1: event, id and dialog are compared byte by byte."""
    us.is_subscribed()
    us.is_answered()
    event = ("event", "Event", parts.pop("event", "dialog;id=7"))
    subscribe = request(
        "SUBSCRIBE", cseq=2, branch="z9hG4bK2", **{"callee": "<sip:1001@192.0.2.1>;tag=ours", "more": [event], **parts}
    )
    assert us.receive(subscribe) == ["481 SUBSCRIBE"]
    assert us.notifier.state is ACTIVE


# The end by time, by us, and by the subscriber's answers


def test_subscription_expires_and_its_subscriber_hears_so(us):
    us.is_subscribed("600")
    us.is_answered()
    us.clock.advance(599.875)
    assert us.wire.sent == []
    us.clock.advance(0.125)
    assert us.states() == [("terminated;reason=timeout", b"idle")]
    assert us.told == ["expired"]
    us.is_answered()
    us.assert_idle()


def test_we_end_the_subscription(us):
    us.is_subscribed(throttle=5.0)
    us.notifier.end("rejected")
    assert us.states()[-1] == ("terminated;reason=rejected", b"idle")
    us.notifier.end("rejected")
    assert us.told == []
    assert us.notifier.sent == 2
    us.assert_idle()


def test_provisional_answer_is_no_answer_yet(us):
    us.is_subscribed()
    notify = next(message for message in us.wire.messages if name(message) == "NOTIFY")
    us.layer.message_received(us.wire, response(notify, 100))
    assert us.changes(b"busy") == []
    us.layer.message_received(us.wire, response(notify, 200))
    assert us.states() == [("active;expires=600", b"busy")]


@pytest.mark.parametrize("status", sorted(ENDING))
def test_answer_that_says_there_is_no_subscription_ends_it_at_once(us, status):
    us.is_subscribed(throttle=5.0)
    assert us.is_answered(status) == []
    assert us.told == [f"the subscriber answered {status}"]
    assert us.changes(b"busy") == []
    us.assert_idle()


@pytest.mark.parametrize("status", [400, 403, 408, 500, 503, 603])
def test_other_refusals_end_it_when_there_are_three_in_a_row(us, status):
    us.is_subscribed()
    us.is_answered(status)
    for state in (b"one", b"two"):
        assert us.told == []
        assert us.changes(state) == ["NOTIFY"]
        us.is_answered(status)
    assert us.told == ["the subscriber does not answer"]
    us.assert_idle()


def test_good_answer_makes_good_what_failed_before(us):
    us.is_subscribed()
    us.is_answered(500)
    us.changes(b"one")
    us.is_answered(500)
    us.changes(b"two")
    us.is_answered(200)
    us.changes(b"three")
    us.is_answered(500)
    us.changes(b"four")
    us.is_answered(500)
    assert (us.told, us.notifier.state) == ([], ACTIVE)


def test_unanswered_notify_is_followed_by_another_and_the_third_in_a_row_is_the_last(us):
    """Deviation from RFC 6665 4.2.2, which gives up after the first."""
    us.is_subscribed()
    us.wire.take()
    for number, last in ((1, 32.0), (2, 64.0), (3, 96.0)):
        assert us.notifier.sent == number
        us.clock.advance(31.875)
        assert (us.notifier.sent, us.told) == (number, [])
        us.clock.advance(0.125)
        assert us.clock.seconds() == last
    assert us.told == ["the subscriber does not answer"]
    assert us.notifier.sent == 3
    us.assert_idle()


def test_outage_of_a_minute_is_survived_and_the_change_arrives(us):
    us.is_subscribed()
    us.clock.advance(10)
    us.changes(b"busy")
    us.clock.advance(60)
    assert us.notifier.sent == 3
    assert us.states()[-1] == ("active;expires=536", b"busy")
    us.is_answered()
    us.clock.advance(64)
    assert (us.told, us.notifier.state) == ([], ACTIVE)


def test_old_notify_that_fails_beside_a_newer_one_does_not_count(us):
    us.is_subscribed()
    us.clock.advance(30)
    us.refreshes(2)
    us.clock.advance(2)
    assert us.notifier.sent == 2
    us.clock.advance(93.875)
    assert us.told == []
    us.clock.advance(0.125)
    assert us.told == ["the subscriber does not answer"]


def test_broken_way_counts_but_is_not_tried_again_by_itself(us):
    us.is_subscribed()
    us.layer.flow_failed(us.wire)
    assert us.notifier.sent == 1
    for state in (b"one", b"two"):
        us.changes(state)
        us.layer.flow_failed(us.wire)
    assert us.told == ["the subscriber does not answer"]


def test_subscription_that_no_subscribe_has_made(us):
    """RFC 3515 2.4.4."""
    us.receive(request("REFER"))
    dialog = Dialog.as_uas(us.transactions[-1].request, "ours", us.wire)
    notifier = Notifier(us.agent, us, dialog, ("refer", "1"), INTERVAL)
    notifier.begin(180)
    assert us.states() == [("active;expires=180", b"idle")]
    us.is_answered()
    us.clock.advance(180)
    assert us.told[-1] == "expired"


def test_notifier_shows_itself(us):
    us.is_subscribed()
    assert repr(us.notifier) == "<notifier of dialog call active, 600.0 s left>"


# Any state, any input

INPUTS = st.one_of(
    st.tuples(st.just("refresh"), st.sampled_from(["0", "60", "100", "59", "soon", "9999"])),
    st.tuples(st.just("change"), st.just(0)),
    st.tuples(st.just("end"), st.just(0)),
    st.tuples(st.just("answer"), st.sampled_from([100, 200, 202, 401, 481, 500, 503, 603])),
    st.tuples(st.just("break"), st.just(0)),
    st.tuples(st.just("wait"), st.sampled_from([0.125, 1.0, 5.0, 32.0, 61.0])),
)


@given(st.sampled_from(["600", "60", "0"]), st.sampled_from([0.0, 5.0]), st.lists(INPUTS, max_size=25))
def test_any_input_in_any_state_leads_to_a_legal_one(expires, throttle, inputs):
    us = Watched()
    us.is_subscribed(expires, throttle)
    us.remember()
    cseq = 1
    for what, how in inputs:
        if what == "refresh":
            cseq += 1
            us.refreshes(cseq, how)
        elif what == "change":
            us.changes(b"%d" % cseq)
        elif what == "end":
            us.notifier.end("deactivated")
        elif what == "answer":
            waiting = [message for message in us.wire.messages if name(message) == "NOTIFY"]
            if waiting:
                us.layer.message_received(us.wire, response(waiting[-1], how))
        elif what == "break":
            us.layer.flow_failed(us.wire)
        else:
            us.clock.advance(how)
        us.remember()
        assert us.notifier.state in (ACTIVE, TERMINATED)
        assert (us.notifier.state is ACTIVE) == (len(us.agent.usages) == 1)
        assert len(us.told) <= 1
    us.notifier.end("deactivated")
    us.clock.advance(128)
    us.remember()
    substates = {notify.cseq: notify.one(SUBSCRIPTION_STATE)[0] for notify in us.notifies}
    assert sorted(substates) == list(range(1, us.notifier.sent + 1))
    # The last one, and no other, says that it is the last; where the subscriber was lost, nobody is told.
    assert "terminated" not in [substates[number] for number in range(1, us.notifier.sent)]
    us.assert_idle()
