"""Usages that share a dialog with a session, and with each other (RFC 5057, RFC 6665 4.5.2)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.sip.interval import Interval
from pbx.sip.message import Request
from pbx.sip.notifier import Notifier
from pbx.sip.subscriber import Subscriber
from tests.sip.endpoint import Endpoint, names
from tests.sip.wire import name, request, response


class Both(Endpoint):
    """An endpoint in a call: it watches the peer, and the peer watches it, in the dialog of that call."""

    def __init__(self) -> None:
        super().__init__()
        dialog = self.in_a_call().dialog
        self.notifiers = [Notifier(self.agent, self, dialog, ("dialog", str(number)), Interval()) for number in (1, 2)]
        for notifier in self.notifiers:
            notifier.begin(600)
            self.is_answered()
        self.subscriber = Subscriber(self.agent, self, ("reg", ""), dialog, 600)
        self.subscriber.subscribe()
        self.wire.take()

    def is_answered(self) -> None:
        """The last NOTIFY is answered."""
        notify = [message for message in self.wire.messages if name(message) == "NOTIFY"][-1]
        self.wire.take()
        self.layer.message_received(self.wire, response(notify, 200))

    def is_subscribed(self, cseq: int, event: str, expires: str = "600") -> list[str]:
        """A SUBSCRIBE comes; returned is what went back."""
        more = [("event", "Event", event), ("expires", "Expires", expires)]
        self.layer.message_received(self.wire, self.within("SUBSCRIBE", cseq, more=more))
        return names(self.wire)

    def is_notified(self, cseq: int, event: str = "reg", state: str = "active;expires=600") -> list[str]:
        """A NOTIFY comes; returned is what went back."""
        more = [("event", "Event", event), ("subscription-state", "Subscription-State", state)]
        return self.receive(self.within("NOTIFY", cseq, more=more, body=b"x"))

    def state_of(self, notifier):
        return "text/plain", notifier.event[1].encode()

    def subscription_ended(self, usage, reason):
        self.told.append((usage.event, reason))

    def subscription_accepted(self, subscriber, response):
        self.told.append(response.status)

    def subscription_refused(self, subscriber, response):
        self.told.append(response.status)

    def subscription_notified(self, subscriber, notify):
        self.told.append(notify.body)


@pytest.fixture
def us() -> Both:
    return Both()


def test_all_share_the_dialog_and_its_numbers(us):
    assert (len(us.agent.usages), us.agent.dialogs, len(us.agent.sessions)) == (3, 1, 1)
    us.notifiers[0].notify()
    us.session.offer(b"v=0\r\n")
    assert [(name(message), message.cseq) for message in us.wire.messages] == [("NOTIFY", 4), ("INVITE", 5)]


def test_each_gets_what_is_for_it(us):
    assert us.is_subscribed(2, "dialog;id=2") == ["200 SUBSCRIBE", "NOTIFY"]
    assert us.wire.last.body == b"2"
    us.is_answered()
    assert us.is_notified(3) == ["200 NOTIFY"]
    assert us.told == [b"x"]


@pytest.mark.parametrize("event", ["dialog", "dialog;id=3", "reg"])
def test_subscribe_for_none_of_them_is_481(us, event):
    assert us.is_subscribed(2, event) == ["481 SUBSCRIBE"]


@pytest.mark.parametrize("event", ["dialog;id=1", "reg;id=1"])
def test_notify_for_none_of_them_is_481(us, event):
    assert us.is_notified(2, event) == ["481 NOTIFY"]
    assert us.told == []


def test_request_without_an_event_is_for_nobody(us):
    assert us.receive(us.within("SUBSCRIBE", 2), us.within("NOTIFY", 3)) == ["481 SUBSCRIBE", "481 NOTIFY"]


def test_numbers_must_rise_whomever_a_request_is_for(us):
    us.is_notified(5)
    assert us.is_subscribed(4, "dialog;id=1") == ["500 SUBSCRIBE"]


def test_end_of_one_leaves_the_others(us):
    us.is_subscribed(2, "dialog;id=1", "0")
    us.is_answered()
    assert us.told == [(("dialog", "1"), "unsubscribed")]
    us.notifiers[1].notify()
    assert names(us.wire) == ["NOTIFY"]
    assert len(us.agent.usages) == 2


def test_dialog_lives_as_long_as_any_of_them(us):
    us.is_notified(2)
    assert us.receive(us.within("BYE", 3)) == ["200 BYE"]
    assert (us.agent.dialogs, us.agent.sessions) == (1, set())
    assert us.is_notified(4) == ["200 NOTIFY"]
    assert us.is_notified(3, "other") == ["500 NOTIFY"]
    assert us.receive(us.within("INFO", 5), us.within("BYE", 6)) == ["481 INFO", "481 BYE"]
    for number, event in ((7, "dialog;id=1"), (8, "dialog;id=2")):
        us.wire.take()
        us.is_subscribed(number, event, "0")
        us.is_answered()
    assert us.agent.dialogs == 1
    us.is_notified(9, state="terminated")
    assert us.agent.dialogs == 0
    us.assert_idle()


def test_leaving_twice_is_leaving_once(us):
    us.agent.usages.leave(us.notifiers[0])
    us.agent.usages.leave(us.notifiers[0])
    assert len(us.agent.usages) == 2


@pytest.mark.parametrize("method", ["SUBSCRIBE", "NOTIFY", "REFER", "MESSAGE", "PUBLISH"])
def test_outside_dialogs_the_exchange_is_asked(method):
    us = Endpoint()
    us.receive(request(method))
    if method == "NOTIFY":
        assert us.told == []
    else:
        assert us.told == [method]


STEPS = st.one_of(
    st.tuples(
        st.sampled_from(["SUBSCRIBE", "NOTIFY"]), st.sampled_from(["dialog;id=1", "dialog;id=2", "reg", "x", ""])
    ),
    st.tuples(st.sampled_from(["BYE", "OPTIONS", "UPDATE"]), st.just("")),
    st.tuples(st.sampled_from([200, 404, 481, 503]), st.just("")),
    st.tuples(st.just("time"), st.sampled_from(["0.5", "32", "300"])),
    st.tuples(st.sampled_from(["notify", "end", "hang_up"]), st.just("")),
)


@given(st.lists(STEPS, max_size=20), st.sampled_from(["0", "60", "600"]), st.sampled_from(["active", "terminated"]))
def test_whatever_shares_a_dialog_leaves_nothing_behind(steps, expires, state):
    us = Both()
    sent: list[Request] = []
    for number, (step, detail) in enumerate(steps, 2):
        if step == "time":
            us.clock.advance(float(detail))
        elif isinstance(step, int):
            for one in sent[-1:]:
                us.layer.message_received(us.wire, response(one, step))
        elif step in ("notify", "end"):
            notifier = us.notifiers[number % 2]
            notifier.notify() if step == "notify" else notifier.end("noresource")
        elif step == "hang_up":
            us.session.hang_up()
        else:
            more = [("event", "Event", detail)] if detail else []
            more += [("expires", "Expires", expires), ("subscription-state", "Subscription-State", state)]
            us.layer.message_received(us.wire, us.within(step, number, more=more))
        sent += [message for message in us.wire.messages if isinstance(message, Request)]
        us.wire.sent.clear()
        assert us.layer.counts["failures"] == 0
        assert us.agent.dialogs <= 1
    us.session.hang_up()
    us.clock.advance(2000)
    assert len(us.agent.usages) == 0
    us.assert_idle()
