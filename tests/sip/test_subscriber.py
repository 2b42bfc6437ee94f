"""The subscriber as its notifier and its user see it, by exact times, on the real transactions (RFC 6665 4.1)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.sip.correspondence import Correspondence
from pbx.sip.errors import InvalidState
from pbx.sip.subscriber import ACTIVE, INIT, NOTIFY_WAIT, PENDING, TERMINATED, State, Subscriber
from pbx.sip.usages import ENDING
from tests.sip.endpoint import Endpoint, names
from tests.sip.wire import Wire, name, request, response

ACCEPT = ("accept", "Accept", "application/reginfo+xml")


class Watcher(Endpoint):
    """An endpoint that watches something of its peer's."""

    def __init__(self, lasting: int = 600) -> None:
        super().__init__()
        way = Correspondence(
            self.agent.identifiers, self.wire, "sip:reg@192.0.2.9", "<sip:us@192.0.2.1>", "<sip:reg@192.0.2.9>"
        )
        self.way = way
        self.subscriber = Subscriber(self.agent, self, ("reg", ""), way, lasting)
        self.cseq = 0

    def notified(self, state: str = "active;expires=600", body: bytes = b"1", **parts) -> list[str]:
        """The peer tells its state; returned is what goes to it."""
        self.cseq += 1
        event = ("event", "Event", parts.pop("event", "reg"))
        substate = [("subscription-state", "Subscription-State", state)] if state else []
        notify = {
            "cseq": self.cseq,
            "branch": f"z9hG4bKnotify{self.cseq}",
            "call_id": self.way.call_id,
            "callee": f"<sip:us@192.0.2.1>;tag={self.way.local_tag}",
            "target": "sip:192.0.2.1",
            "more": [event, *substate, *parts.pop("more", [])],
            "body": body,
            **parts,
        }
        flow = notify.pop("flow", self.wire)
        self.wire.take()
        self.layer.message_received(flow, request("NOTIFY", **notify))
        return names(flow)

    def is_answered(self, status: int, expires: str = "600", **parts) -> list[str]:
        """The last SUBSCRIBE is answered; returned is what that causes."""
        sent = [message for message in self.wire.messages if name(message) == "SUBSCRIBE"][-1]
        self.wire.take()
        more = [("expires", "Expires", expires)] if expires and status < 300 else parts.pop("more", [])
        self.layer.message_received(self.wire, response(sent, status, more=more))
        return names(self.wire)

    def is_subscribed(self, state: str = "active;expires=600") -> None:
        """We have subscribed and know the state."""
        self.subscriber.subscribe()
        self.is_answered(200)
        self.notified(state)
        self.wire.take()
        self.told.clear()

    def subscription_accepted(self, subscriber, response):
        self.told.append(response.status)

    def subscription_refused(self, subscriber, response):
        self.told.append(-response.status)

    def subscription_notified(self, subscriber, notify):
        self.told.append((subscriber.state, notify.body))

    def subscription_ended(self, subscriber, reason):
        self.told.append(reason)


@pytest.fixture
def us() -> Watcher:
    return Watcher()


# The first SUBSCRIBE, and the NOTIFY that makes the dialog (4.1.2.1, 4.4.1)


def test_subscribe_has_all_that_it_must_have(us):
    us.subscriber.subscribe((ACCEPT,))
    subscribe = us.wire.last
    assert (subscribe.method, subscribe.target) == ("SUBSCRIBE", "sip:reg@192.0.2.9")
    assert (subscribe.first("event"), subscribe.first("expires")) == ("reg", "600")
    assert subscribe.first("contact") == "<sip:192.0.2.1:5060>"
    assert subscribe.first("accept") == "application/reginfo+xml"
    assert subscribe.first("cseq") == "1 SUBSCRIBE"
    assert us.subscriber.state is NOTIFY_WAIT
    assert us.agent.dialogs == 0


@pytest.mark.parametrize("first", ["response", "notify"])
def test_subscription_is_active_whichever_comes_first(us, first):
    us.subscriber.subscribe()
    subscribe = us.wire.last
    ok = response(subscribe, 200, more=[("expires", "Expires", "600")])
    if first == "response":
        us.receive(ok)
        assert us.subscriber.state is NOTIFY_WAIT
    assert us.notified() == ["200 NOTIFY"]
    if first == "notify":
        us.receive(ok)
    assert us.subscriber.state is ACTIVE
    assert sorted(us.told, key=str) == sorted([200, (ACTIVE, b"1")], key=str)
    assert us.agent.dialogs == 1
    us.subscriber.unsubscribe()
    assert us.wire.last.first("expires") == "0"


def test_dialog_is_what_the_notify_says(us):
    us.subscriber.subscribe()
    us.is_answered(200)
    us.notified(more=[("record-route", "Record-Route", "<sip:192.0.2.9:5071;lr>")], contact="<sip:there@192.0.2.9>")
    dialog = us.subscriber.dialog
    assert dialog.key == (us.way.call_id, us.way.local_tag, "peer")
    assert (dialog.remote_target, dialog.routes) == ("sip:there@192.0.2.9", ("<sip:192.0.2.9:5071;lr>",))
    us.subscriber.unsubscribe()
    unsubscribe = us.wire.last
    assert (unsubscribe.target, unsubscribe.first("cseq")) == ("sip:there@192.0.2.9", "2 SUBSCRIBE")
    assert unsubscribe.to_tag == "peer"


def test_requests_to_a_notifier_behind_proxies_go_to_its_route(us):
    us.subscriber.subscribe()
    via = ("via", "Via", "SIP/2.0/UDP 192.0.2.60;branch=z9hG4bKserver")
    us.notified(more=[("record-route", "Record-Route", "<sip:192.0.2.50:5070;lr>"), via])
    us.subscriber.unsubscribe()
    assert name(us.ways["sip:192.0.2.50:5070;lr"].last) == "SUBSCRIBE"


def test_notify_of_another_fork_is_481(us):
    """RFC 6665 4.1.4, 5.4.9: one subscription is enough."""
    us.is_subscribed()
    assert us.notified(caller="<sip:reg@192.0.2.9>;tag=fork") == ["481 NOTIFY"]
    assert us.told == []


@pytest.mark.parametrize(
    "parts", [{"event": "presence"}, {"event": "reg;id=1"}, {"call_id": "other"}, {"callee": "<sip:us@x>;tag=other"}]
)
def test_notify_of_no_subscription_of_ours_is_481(us, parts):
    us.subscriber.subscribe()
    assert us.notified(**parts) == ["481 NOTIFY"]
    assert us.subscriber.state is NOTIFY_WAIT


@pytest.mark.parametrize(
    "parts",
    [
        {"state": ""},
        {"state": "active;expires=soon"},
        {"state": ";"},
        {"state": "terminated;retry-after=x"},
        {"contact": ""},
    ],
)
def test_notify_that_cannot_be_read_is_400_and_changes_nothing(us, parts):
    us.subscriber.subscribe()
    assert us.notified(**parts) == ["400 NOTIFY"]
    assert (us.subscriber.state, us.subscriber.dialog, us.told) == (NOTIFY_WAIT, None, [])
    assert us.notified() == ["200 NOTIFY"]


def test_late_notify_is_500(us):
    us.is_subscribed()
    us.cseq += 5
    us.notified()
    us.cseq -= 3
    assert us.notified(branch="z9hG4bKlate") == ["500 NOTIFY"]


def test_pending_subscription_is_told_as_such(us):
    us.subscriber.subscribe()
    us.notified("pending;expires=600", b"")
    assert us.told == [(PENDING, b"")]
    us.notified("active;expires=599")
    assert us.told[-1] == (ACTIVE, b"1")


# What does not come (4.1.2.4)


def test_without_a_notify_the_subscription_is_given_up_after_timer_n(us):
    us.subscriber.subscribe()
    us.is_answered(200)
    us.clock.advance(31.875)
    assert us.told == [200]
    us.clock.advance(0.125)
    assert us.told == [200, "no NOTIFY came"]
    assert us.subscriber.state is TERMINATED
    us.assert_idle()


def test_without_any_response_it_is_given_up_at_once(us):
    us.subscriber.subscribe()
    us.clock.advance(32)
    assert len(us.told) == 1
    assert us.subscriber.state is TERMINATED
    us.assert_idle()


@pytest.mark.parametrize("status", [401, 403, 404, 481, 489, 500, 603])
def test_refused_subscribe_leaves_nothing_and_may_be_sent_again(us, status):
    us.subscriber.subscribe()
    us.is_answered(status)
    assert us.told == [-status]
    assert us.subscriber.state is INIT
    assert len(us.agent.usages) == 0
    us.subscriber.subscribe((("authorization", "Authorization", "Digest x"),))
    again = us.wire.last
    assert (again.first("cseq"), again.call_id) == ("2 SUBSCRIBE", us.way.call_id)
    assert again.first("authorization") == "Digest x"
    us.notified()
    assert us.subscriber.state is ACTIVE


def test_interval_that_is_too_brief_is_lengthened(us):
    us.subscriber.subscribe()
    us.is_answered(423, more=[("min-expires", "Min-Expires", "1800")])
    assert us.wire.last.first("expires") == "1800"
    us.is_answered(423, more=[("min-expires", "Min-Expires", "1800")])
    assert us.told == [-423]


def test_what_cannot_be_read_in_a_response_is_as_if_it_had_not_come(us):
    us.subscriber.subscribe()
    us.is_answered(200, "soon")
    assert us.told == []
    us.notified()
    assert us.told == [(ACTIVE, b"1")]


# Refreshing (4.1.2.2)


@pytest.mark.parametrize(("lasting", "at"), [(600, 536), (3600, 3536), (100, 50), (60, 30)])
def test_subscription_is_refreshed_in_time(us, lasting, at):
    us.is_subscribed(f"active;expires={lasting}")
    us.clock.advance(at - 0.125)
    assert us.wire.sent == []
    us.clock.advance(0.125)
    refresh = us.wire.last
    assert (refresh.method, refresh.first("expires"), refresh.to_tag) == ("SUBSCRIBE", "600", "peer")
    us.is_answered(200)
    us.notified(f"active;expires={lasting}")
    us.wire.take()
    us.clock.advance(at)
    assert us.wire.take() == ["SUBSCRIBE"]
    assert us.told == [200, (ACTIVE, b"1")]


def test_notify_without_a_time_leaves_what_the_response_said(us):
    us.subscriber.subscribe()
    us.is_answered(200, "100")
    us.notified("active")
    us.wire.take()
    us.clock.advance(50)
    assert us.wire.take() == ["SUBSCRIBE"]


def test_refresh_without_a_notify_ends_the_subscription_after_timer_n(us):
    us.is_subscribed()
    us.clock.advance(536)
    us.is_answered(200)
    us.clock.advance(31.875)
    assert us.told == [200]
    us.clock.advance(0.125)
    assert us.told == [200, "no NOTIFY came"]
    us.assert_idle()


@pytest.mark.parametrize("status", sorted(ENDING))
def test_refresh_that_finds_no_subscription_ends_it(us, status):
    us.is_subscribed()
    us.clock.advance(536)
    us.is_answered(status)
    assert us.told == [-status]
    assert us.subscriber.state is TERMINATED
    us.assert_idle()


@pytest.mark.parametrize("status", [401, 403, 500, 503])
def test_other_refusals_leave_it_as_long_as_was_agreed_upon(us, status):
    us.is_subscribed()
    us.clock.advance(536)
    us.is_answered(status)
    assert (us.told, us.subscriber.state) == ([-status], ACTIVE)
    for left in (64, 32, 16):
        us.clock.advance(left / 2)
        us.is_answered(status)
    us.clock.advance(7.875)
    assert (us.told, us.wire.sent) == ([-status] * 4, [])
    us.clock.advance(0.125)
    assert us.told[-1] == "expired"


def test_refused_refresh_may_be_sent_again_at_once(us):
    us.is_subscribed()
    us.clock.advance(536)
    us.is_answered(401)
    us.subscriber.subscribe((("authorization", "Authorization", "Digest x"),))
    assert us.is_answered(200) == []
    us.notified()
    us.wire.take()
    us.clock.advance(535.875)
    assert us.wire.sent == []


def test_refresh_says_where_we_are_and_notify_where_the_notifier_is(us):
    us.is_subscribed()
    elsewhere = Wire(us.clock, remote=("192.0.2.77", 40000))
    us.notified(flow=elsewhere, contact="<sip:moved@192.0.2.77>")
    elsewhere.take()
    us.clock.advance(536)
    assert elsewhere.last.target == "sip:moved@192.0.2.77"


# The end


@pytest.mark.parametrize(
    ("state", "reason", "retry_after"),
    [
        ("terminated;reason=deactivated", "deactivated", 0),
        ("terminated;reason=probation;retry-after=60", "probation", 60),
        ("Terminated", "unsaid", 0),
    ],
)
def test_notifier_ends_the_subscription(us, state, reason, retry_after):
    us.is_subscribed()
    assert us.notified(state, b"last") == ["200 NOTIFY"]
    assert us.told == [(TERMINATED, b"last")]
    assert (us.subscriber.reason, us.subscriber.retry_after) == (reason, retry_after)
    assert us.notified() == ["481 NOTIFY"]
    us.assert_idle()
    with pytest.raises(InvalidState):
        us.subscriber.subscribe()


def test_we_unsubscribe_and_hear_no_more(us):
    us.is_subscribed()
    us.subscriber.unsubscribe()
    us.subscriber.unsubscribe()
    assert names(us.wire) == ["SUBSCRIBE"]
    assert us.wire.last.first("expires") == "0"
    us.is_answered(200, "0")
    assert us.notified("active;expires=10", b"crossing") == ["200 NOTIFY"]
    assert us.notified("terminated;reason=timeout") == ["200 NOTIFY"]
    assert us.told == []
    us.assert_idle()


@pytest.mark.parametrize("status", [200, 401, 481, 500])
def test_unsubscribing_ends_also_when_nobody_says_so(us, status):
    us.is_subscribed()
    us.subscriber.unsubscribe()
    us.is_answered(status)
    us.clock.advance(32)
    assert us.told == []
    us.assert_idle()


def test_subscription_that_is_given_up_before_its_notify_is_ended_with_it(us):
    us.subscriber.subscribe()
    us.is_answered(200)
    us.told.clear()
    us.subscriber.unsubscribe()
    assert us.wire.sent == []
    assert us.notified() == ["200 NOTIFY", "SUBSCRIBE"]
    assert us.wire.last.first("expires") == "0"
    us.is_answered(200, "0")
    us.notified("terminated;reason=timeout")
    assert us.told == []
    us.assert_idle()


def test_what_was_never_asked_for_is_given_up_at_once(us):
    us.subscriber.unsubscribe()
    assert us.subscriber.state is TERMINATED
    us.assert_idle()


def test_broken_way_before_the_notify_ends_it(us):
    us.subscriber.subscribe()
    us.layer.flow_failed(us.wire)
    assert us.told == ["the transport failed"]
    us.assert_idle()


def test_subscriber_shows_itself(us):
    us.is_subscribed()
    assert repr(us.subscriber) == f"<subscriber to reg {us.way.call_id} active, 600.0 s left>"


# Any state, any input

INPUTS = st.one_of(
    st.tuples(st.just("subscribe"), st.just(0)),
    st.tuples(st.just("unsubscribe"), st.just(0)),
    st.tuples(st.just("forgo"), st.just(0)),
    st.tuples(
        st.just("notify"),
        st.sampled_from(["active;expires=100", "active", "pending", "new", "terminated", "active;expires=0", "", ";"]),
    ),
    st.tuples(st.just("answer"), st.sampled_from([100, 200, 202, 401, 423, 481, 500, 603])),
    st.tuples(st.just("break"), st.just(0)),
    st.tuples(st.just("wait"), st.sampled_from([0.125, 1.0, 32.0, 61.0])),
)


@given(st.lists(INPUTS, max_size=25))
def test_any_input_in_any_state_leads_to_a_legal_one(inputs):
    us = Watcher()
    for what, how in inputs:
        if what == "subscribe":
            if us.subscriber.state is not TERMINATED:
                us.subscriber.subscribe()
        elif what == "unsubscribe":
            us.subscriber.unsubscribe()
        elif what == "forgo":
            us.subscriber.forgo()
        elif what == "notify":
            us.notified(how)
        elif what == "answer":
            if "SUBSCRIBE" in names(us.wire):
                us.is_answered(how, more=[("min-expires", "Min-Expires", "700")])
        elif what == "break":
            us.layer.flow_failed(us.wire)
        else:
            us.clock.advance(how)
        assert us.subscriber.state in State
        assert (us.subscriber.state in (INIT, TERMINATED)) == (len(us.agent.usages) == 0)
    us.subscriber.forgo()
    us.assert_idle()
