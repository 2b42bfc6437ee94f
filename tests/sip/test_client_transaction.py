from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.sip.client_transaction import InviteClientTransaction, NonInviteClientTransaction
from pbx.sip.headers import ROUTE
from pbx.sip.message import Request
from pbx.testing.clock import VirtualClock
from tests.sip.wire import SDP, Wire, request, response

RELIABLE = pytest.mark.parametrize("reliable", [False, True], ids=["unreliable", "reliable"])


class Client:
    """One client transaction, and its user, who writes down what it is told and when."""

    def __init__(self, method: str = "INVITE", reliable: bool = False, **parts: object) -> None:
        self.clock = VirtualClock()
        self.wire = Wire(self.clock, reliable)
        self.told: list[tuple[float, int]] = []
        self.ended: list[float] = []
        self.request = request(method, **parts)
        kind = InviteClientTransaction if method == "INVITE" else NonInviteClientTransaction
        self.start = self.clock.seconds()
        self.transaction = kind(self.request, "z9hG4bK1", self.wire, self.clock, self, self._ended)

    def _ended(self, transaction: object) -> None:
        assert transaction is self.transaction
        self.ended.append(self.now)

    @property
    def now(self) -> float:
        return self.clock.seconds() - self.start

    @property
    def state(self) -> str:
        return self.transaction.state.value

    def gets(self, status: int) -> None:
        self.transaction.response_received(response(self.request, status))

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)

    def response_received(self, response) -> None:
        self.told.append((self.now, response.status))

    def transaction_failed(self, method: str, status: int, reason: str) -> None:
        assert method == self.request.method
        assert reason
        self.told.append((self.now, status))


# INVITE (RFC 3261 17.1.1, RFC 6026 7.2)


def test_invite_is_sent_again_after_intervals_that_double_without_limit_until_timer_b():
    client = Client()
    client.advance(100)
    assert client.wire.times == [0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
    assert {packet for _, packet in client.wire.sent} == {bytes(client.request)}
    assert client.told == [(32, 408)]
    assert client.ended == [32]
    assert client.clock.pending == []


def test_reliable_transport_carries_invite_once():
    client = Client(reliable=True)
    client.advance(100)
    assert client.wire.times == [0]
    assert client.told == [(32, 408)]
    assert client.ended == [32]


@RELIABLE
def test_provisional_response_ends_retransmission_and_lets_ring_for_ever(reliable):
    client = Client(reliable=reliable)
    client.advance(0.25)
    client.gets(100)
    client.gets(180)
    client.advance(1000)
    client.gets(180)
    assert client.wire.times == [0]
    assert client.told == [(0.25, 100), (0.25, 180), (1000.25, 180)]
    assert client.state == "proceeding"
    assert client.clock.pending == []


@RELIABLE
@pytest.mark.parametrize("early", [(), (100,), (180, 183)])
def test_every_2xx_goes_up_for_timer_m_and_the_user_acknowledges_it(reliable, early):
    client = Client(reliable=reliable)
    for status in early:
        client.gets(status)
    client.gets(200)
    client.advance(31.75)
    client.gets(200)
    client.gets(180)
    client.gets(486)
    assert client.told == [(0, status) for status in (*early, 200)] + [(31.75, 200)]
    assert client.wire.times == [0]
    assert client.state == "accepted"
    client.advance(1)
    assert client.ended == [32]
    assert client.clock.pending == []


@pytest.mark.parametrize("status", [300, 401, 486, 503, 603, 699])
def test_refusal_is_acknowledged_as_often_as_it_comes_until_timer_d(status):
    client = Client()
    client.gets(180)
    client.gets(status)
    client.advance(31.75)
    client.gets(status)
    client.gets(200)
    client.gets(180)
    assert client.told == [(0, 180), (0, status)]
    assert client.wire.times == [0, 0, 31.75]
    assert client.wire.sent[1][1] == client.wire.sent[2][1]
    client.advance(1)
    assert client.ended == [32]
    assert client.clock.pending == []


def test_reliable_transport_acknowledges_a_refusal_once_and_ends_at_once():
    client = Client(reliable=True)
    client.gets(486)
    assert client.wire.messages[1].method == "ACK"
    assert client.told == [(0, 486)]
    assert client.ended == [0]
    assert client.clock.pending == []


def test_ack_of_a_refusal_is_made_of_the_invite_and_of_the_response_s_to():
    """RFC 3261 17.1.1.3."""
    route = ROUTE.field("<sip:proxy.example.com;lr>")
    client = Client(more=(route, ("subject", "Subject", "private")), cseq=7, sdp=SDP)
    client.transaction.response_received(response(client.request, 486, "theirs"))
    ack = client.wire.last
    assert isinstance(ack, Request)
    assert (ack.method, ack.target) == ("ACK", client.request.target)
    assert [name for name, _, _ in ack.fields] == [
        "via",
        "max-forwards",
        "from",
        "call-id",
        "route",
        "to",
        "cseq",
        "content-length",
    ]
    assert str(ack.via) == str(client.request.via)
    assert ack.first("to") == "<sip:1001@192.0.2.1>;tag=theirs"
    assert ack.first("from") == client.request.first("from")
    assert ack.first("route") == "<sip:proxy.example.com;lr>"
    assert ack.first("cseq") == "7 ACK"
    assert ack.body == b""


@RELIABLE
def test_abandoned_invite_is_over_after_64_t1_though_provisional_responses_go_on(reliable):
    """RFC 3261 9.1."""
    client = Client(reliable=reliable)
    client.gets(180)
    client.advance(100)
    client.transaction.abandon()
    client.advance(31.75)
    client.gets(180)
    client.transaction.abandon()
    assert client.state == "proceeding"
    client.advance(0.25)
    assert client.told[-1] == (132, 408)
    assert client.ended == [132]
    assert client.clock.pending == []


def test_invite_abandoned_before_any_response_is_over_after_64_t1_too():
    client = Client()
    client.advance(30)
    client.transaction.abandon()
    client.gets(100)
    client.advance(31.75)
    assert client.state == "proceeding"
    client.advance(0.25)
    assert client.ended == [62]


def test_abandoned_invite_that_is_answered_after_all_lingers_as_any_other():
    client = Client()
    client.gets(180)
    client.transaction.abandon()
    client.advance(20)
    client.gets(487)
    client.transaction.abandon()
    client.advance(31.75)
    assert client.ended == []
    client.advance(0.25)
    assert client.ended == [52]
    assert client.told == [(0, 180), (20, 487)]


# Other methods (RFC 3261 17.1.2)


def test_request_is_sent_again_after_intervals_that_double_up_to_t2_until_timer_f():
    client = Client("BYE")
    client.advance(100)
    assert client.wire.times == [0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert {packet for _, packet in client.wire.sent} == {bytes(client.request)}
    assert client.told == [(32, 408)]
    assert client.ended == [32]
    assert client.clock.pending == []


def test_reliable_transport_carries_a_request_once():
    client = Client("BYE", reliable=True)
    client.advance(100)
    assert client.wire.times == [0]
    assert client.told == [(32, 408)]


def test_provisional_response_slows_retransmission_to_t2_and_timer_f_goes_on():
    client = Client("OPTIONS")
    client.advance(0.75)
    client.gets(100)
    client.advance(100)
    # The timer that runs when it comes fires at its own time: 1.5 s (RFC 3261 17.1.2.2).
    assert client.wire.times == [0, 0.5, 1.5, 5.5, 9.5, 13.5, 17.5, 21.5, 25.5, 29.5]
    assert client.told == [(0.75, 100), (32, 408)]
    assert client.ended == [32]


@pytest.mark.parametrize("status", [200, 302, 404, 500, 603])
@pytest.mark.parametrize("early", [(), (100,)])
def test_final_response_goes_up_once_and_its_copies_are_absorbed_for_timer_k(status, early):
    client = Client("BYE")
    for provisional in early:
        client.gets(provisional)
    client.advance(1)
    client.gets(status)
    client.advance(4.75)
    for late in (status, 100, 500):
        client.gets(late)
    assert client.told == [(0, provisional) for provisional in early] + [(1, status)]
    assert client.wire.times == [0, 0.5]
    assert client.state == "completed"
    client.advance(1)
    assert client.ended == [6]
    assert client.clock.pending == []


def test_reliable_transport_ends_a_request_with_its_response():
    client = Client("BYE", reliable=True)
    client.gets(200)
    assert client.told == [(0, 200)]
    assert client.ended == [0]
    assert client.clock.pending == []


# Both


@pytest.mark.parametrize("method", ["INVITE", "BYE"])
@RELIABLE
def test_transport_that_fails_ends_an_unanswered_request_with_503(method, reliable):
    client = Client(method, reliable=reliable)
    client.transaction.transport_failed()
    assert client.told == [(0, 503)]
    assert client.ended == [0]
    client.transaction.transport_failed()
    client.gets(200)
    client.advance(100)
    assert len(client.told) == 1
    assert client.ended == [0]
    assert client.wire.times == [0]


@pytest.mark.parametrize("method", ["INVITE", "BYE"])
def test_request_that_has_arrived_may_be_answered_over_another_connection(method):
    """RFC 3261 18.2.2: its final response comes over a new one, when the old one is gone."""
    client = Client(method, reliable=True)
    client.gets(180)
    client.transaction.transport_failed()
    client.gets(200)
    assert client.told == [(0, 180), (0, 200)]


@pytest.mark.parametrize("method", ["INVITE", "BYE"])
def test_request_is_retried_over_another_flow_with_its_timers(method):
    client = Client(method, reliable=True)
    other = Wire(client.clock)
    client.advance(1)
    client.transaction.retry(other, b"the same for another transport")
    client.advance(3)
    assert other.times == [1, 1.5, 2.5]
    assert other.sent[0][1] == b"the same for another transport"
    assert client.transaction.flow is other
    client.gets(486)
    assert client.told == [(4, 486)]
    assert len(other.sent) == (4 if method == "INVITE" else 3)  # with the ACK, which takes the same way


def test_ack_of_a_request_that_was_retried_has_its_new_via():
    client = Client(reliable=True)
    other = Wire(client.clock)
    client.transaction.retry(other, b"INVITE")
    client.gets(486)
    assert str(other.last.via) == "SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bK1"


@pytest.mark.parametrize("method", ["INVITE", "BYE"])
def test_request_that_has_arrived_is_not_retried(method):
    client = Client(method, reliable=True)
    other = Wire(client.clock)
    client.gets(180)
    client.transaction.retry(other, b"")
    assert other.sent == []
    reliable = Wire(client.clock, reliable=True)
    late = Client(method, reliable=True)
    late.transaction.retry(reliable, b"once")
    late.clock.advance(8)
    assert reliable.sent == [(0, b"once")]


@pytest.mark.parametrize(("method", "status"), [("INVITE", 200), ("INVITE", 486), ("BYE", 200)])
def test_transport_that_fails_after_the_final_response_changes_nothing(method, status):
    client = Client(method)
    client.gets(status)
    state = client.state
    client.transaction.transport_failed()
    assert client.state == state
    assert client.told == [(0, status)]


def test_repr_says_which_one_it_is_and_how_far():
    client = Client()
    client.advance(2)
    assert repr(client.transaction) == "<INVITE client transaction z9hG4bK1 calling, 30.0 s left>"
    client.gets(180)
    assert repr(client.transaction) == "<INVITE client transaction z9hG4bK1 proceeding>"
    other = Client("BYE")
    assert repr(other.transaction) == "<BYE client transaction z9hG4bK1 trying>"  # until it is sent again
    other.advance(2)
    assert repr(other.transaction) == "<BYE client transaction z9hG4bK1 trying, 30.0 s left>"


# What may follow what: figures 5 and 6 of RFC 3261, and figure 5 of RFC 6026. `_` is time, which may bring any timer.

INVITE_FIGURE = {
    ("calling", 1): "proceeding",
    ("calling", 2): "accepted",
    ("calling", 3): "completed",
    ("calling", "failure"): "terminated",
    ("calling", "time"): "calling terminated",
    ("proceeding", 1): "proceeding",
    ("proceeding", 2): "accepted",
    ("proceeding", 3): "completed",
    ("proceeding", "time"): "proceeding terminated",  # once it is abandoned
    ("accepted", "time"): "accepted terminated",
    ("completed", "time"): "completed terminated",
}
OTHER_FIGURE = {
    ("trying", 1): "proceeding",
    ("trying", 2): "completed",
    ("trying", 3): "completed",
    ("trying", "failure"): "terminated",
    ("trying", "time"): "trying terminated",
    ("proceeding", 1): "proceeding",
    ("proceeding", 2): "completed",
    ("proceeding", 3): "completed",
    ("proceeding", "time"): "proceeding terminated",
    ("completed", "time"): "completed terminated",
}
INPUTS = st.sampled_from([100, 180, 199, 200, 299, 300, 401, 486, 503, 600, 699, "failure", "abandon"]) | st.integers(
    1, 320
).map(lambda eighths: eighths / 8)


@RELIABLE
@pytest.mark.parametrize("method", ["INVITE", "REGISTER"])
@given(inputs=st.lists(INPUTS, max_size=12))
def test_any_input_in_any_state_is_followed_by_a_state_of_the_figure(method, reliable, inputs):
    client = Client(method, reliable=reliable)
    figure = INVITE_FIGURE if method == "INVITE" else OTHER_FIGURE
    for step in inputs:
        before = client.state
        if step == "failure":
            client.transaction.transport_failed()
            kind = step
        elif step == "abandon":
            if method == "INVITE":
                client.transaction.abandon()
            kind = step
        elif isinstance(step, float):
            client.advance(step)
            kind = "time"
        else:
            client.gets(step)
            kind = min(step // 100, 3)
        expected = figure.get((before, kind), before)
        if reliable and expected == "completed":
            expected = "terminated"  # timers D and K are zero
        assert client.state in expected.split()
        if client.state == "terminated":
            assert client.clock.pending == []
            assert len(client.ended) == 1
        else:
            assert client.ended == []
    final = [status for _, status in client.told if status >= 300]
    assert len(final) <= 1
    if method == "INVITE":
        client.transaction.abandon()
    client.advance(64)
    assert client.state == "terminated"
    assert client.clock.pending == []
    assert len(client.ended) == 1
