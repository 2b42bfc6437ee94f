from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.sip.errors import InvalidState
from pbx.sip.headers import Field
from pbx.sip.server_transaction import InviteServerTransaction, NonInviteServerTransaction
from pbx.testing.clock import VirtualClock
from tests.sip.wire import Wire, request

RELIABLE = pytest.mark.parametrize("reliable", [False, True], ids=["unreliable", "reliable"])


class Server:
    """One server transaction."""

    def __init__(self, method: str = "INVITE", reliable: bool = False, more: Iterable[Field] = ()) -> None:
        self.clock = VirtualClock()
        self.wire = Wire(self.clock, reliable)
        self.ended: list[float] = []
        self.request = request(method, more=more)
        kind = InviteServerTransaction if method == "INVITE" else NonInviteServerTransaction
        self.start = self.clock.seconds()
        self.transaction = kind(self.request, "z9hG4bK1", self.wire, self.clock, self._ended)

    def _ended(self, transaction: object) -> None:
        assert transaction is self.transaction
        self.ended.append(self.clock.seconds() - self.start)

    @property
    def state(self) -> str:
        return self.transaction.state.value

    def answers(self, status: int) -> None:
        self.transaction.respond(self.request.response(status, "", "ours"))

    def gets_it_again(self) -> None:
        self.transaction.request_received()

    def gets_ack(self) -> None:
        self.transaction.ack_received()

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)


# INVITE (RFC 3261 17.2.1, RFC 6026 7.1)


@pytest.mark.parametrize("status", [301, 404, 486, 500, 603])
def test_refusal_is_sent_again_after_intervals_that_double_up_to_t2_until_timer_h(status):
    server = Server()
    server.answers(status)
    assert server.state == "completed"
    server.advance(100)
    assert server.wire.times == [0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert {packet for _, packet in server.wire.sent} == {bytes(server.request.response(status, "", "ours"))}
    assert server.ended == [32]
    assert server.clock.pending == []


def test_reliable_transport_carries_a_refusal_once_and_waits_for_its_ack_all_the_same():
    server = Server(reliable=True)
    server.answers(486)
    server.advance(100)
    assert server.wire.times == [0]
    assert server.ended == [32]


def test_ack_ends_the_retransmission_and_its_copies_are_absorbed_for_timer_i():
    server = Server()
    server.answers(486)
    server.advance(2)
    server.gets_ack()
    assert server.state == "confirmed"
    server.advance(4.75)
    server.gets_ack()
    server.gets_it_again()
    assert server.wire.times == [0, 0.5, 1.5]
    server.advance(1)
    assert server.ended == [7]
    assert server.clock.pending == []


def test_reliable_transport_ends_with_the_ack():
    server = Server(reliable=True)
    server.answers(486)
    server.advance(2)
    server.gets_ack()
    assert server.ended == [2]
    assert server.clock.pending == []


def test_invite_that_comes_again_gets_the_latest_provisional_response():
    server = Server()
    server.gets_it_again()
    server.gets_it_again()
    server.answers(180)
    server.gets_it_again()
    assert server.wire.take() == ["100 INVITE", "100 INVITE", "180 INVITE", "180 INVITE"]
    server.advance(1000)
    assert server.wire.take() == []
    assert server.state == "proceeding"


def test_invite_that_comes_again_gets_its_refusal_again():
    server = Server()
    server.answers(486)
    server.advance(0.125)
    server.gets_it_again()
    server.advance(0.5)
    assert server.wire.times == [0, 0.125, 0.5]


@RELIABLE
def test_2xx_goes_out_once_and_copies_of_the_invite_are_absorbed_for_timer_l(reliable):
    server = Server(reliable=reliable)
    server.answers(180)
    server.answers(200)
    assert server.state == "accepted"
    server.advance(31.75)
    server.gets_it_again()
    server.gets_ack()
    assert server.wire.take() == ["180 INVITE", "200 INVITE"]
    assert server.state == "accepted"
    server.advance(1)
    assert server.ended == [32]
    assert server.clock.pending == []


# Other methods (RFC 3261 17.2.2)


@pytest.mark.parametrize("status", [200, 302, 404, 500, 603])
@pytest.mark.parametrize("early", [(), (100,)])
def test_request_that_comes_again_gets_its_response_again_for_timer_j(status, early):
    server = Server("OPTIONS")
    server.gets_it_again()
    assert server.wire.times == []
    for provisional in early:
        server.answers(provisional)
        server.gets_it_again()
    server.wire.take()
    server.answers(status)
    server.advance(31.75)
    server.gets_it_again()
    assert server.wire.times == [0, 31.75]
    assert server.wire.take() == [f"{status} OPTIONS", f"{status} OPTIONS"]
    server.advance(1)
    assert server.ended == [32]
    assert server.clock.pending == []


def test_reliable_transport_ends_a_request_with_its_response():
    server = Server("OPTIONS", reliable=True)
    server.answers(200)
    assert server.wire.take() == ["200 OPTIONS"]
    assert server.ended == [0]
    assert server.clock.pending == []


# Both


@pytest.mark.parametrize(("method", "status"), [("INVITE", 200), ("INVITE", 486), ("OPTIONS", 200)])
@pytest.mark.parametrize("second", [100, 180, 200, 486])
def test_second_final_response_is_our_own_mistake(method, status, second):
    server = Server(method)
    server.answers(status)
    server.wire.take()
    state = server.state
    with pytest.raises(InvalidState, match=str(second)):
        server.answers(second)
    assert server.state == state
    assert server.wire.take() == []


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS"])
@pytest.mark.parametrize("statuses", [(), (100,), (200,), (486,)])
def test_it_can_be_forgotten_in_every_state(method, statuses):
    server = Server(method)
    for status in statuses:
        server.answers(status)
    server.transaction.forget()
    server.transaction.forget()
    server.transaction.expired()  # what lingers with others may expire though it was forgotten
    assert server.ended == [0]
    assert server.clock.pending == []


def test_repr_says_which_one_it_is_and_how_far():
    server = Server()
    assert repr(server.transaction) == "<INVITE server transaction z9hG4bK1 proceeding>"
    server.answers(486)
    server.advance(2)
    assert repr(server.transaction) == "<INVITE server transaction z9hG4bK1 completed, 30.0 s left>"
    other = Server("BYE")
    assert repr(other.transaction) == "<BYE server transaction z9hG4bK1 trying>"
    other.answers(200)
    assert repr(other.transaction) == "<BYE server transaction z9hG4bK1 completed, 32.0 s left>"


# What may follow what: figures 7 and 8 of RFC 3261, and figure 7 of RFC 6026.

INVITE_FIGURE = {
    ("proceeding", 1): "proceeding",
    ("proceeding", 2): "accepted",
    ("proceeding", 3): "completed",
    ("completed", "ack"): "confirmed",
    ("completed", "time"): "completed terminated",
    ("confirmed", "time"): "confirmed terminated",
    ("accepted", "time"): "accepted terminated",
}
OTHER_FIGURE = {
    ("trying", 1): "proceeding",
    ("trying", 2): "completed",
    ("trying", 3): "completed",
    ("proceeding", 1): "proceeding",
    ("proceeding", 2): "completed",
    ("proceeding", 3): "completed",
    ("completed", "time"): "completed terminated",
}
INPUTS = st.sampled_from([100, 180, 200, 202, 301, 486, 500, 603, "again", "again", "ack", "forget"]) | st.integers(
    1, 320
).map(lambda eighths: eighths / 8)


@RELIABLE
@pytest.mark.parametrize("method", ["INVITE", "REGISTER"])
@given(inputs=st.lists(INPUTS, max_size=12))
def test_any_input_in_any_state_is_followed_by_a_state_of_the_figure(method, reliable, inputs):
    server = Server(method, reliable=reliable)
    figure = INVITE_FIGURE if method == "INVITE" else OTHER_FIGURE
    for step in inputs:
        before = server.state
        kind, misused = step, False
        if step == "again":
            server.gets_it_again()
        elif step == "forget":
            server.transaction.forget()
        elif step == "ack":
            if method != "INVITE":
                continue
            server.gets_ack()
        elif isinstance(step, float):
            server.advance(step)
            kind = "time"
        else:
            kind = min(step // 100, 3)
            misused = before not in ("trying", "proceeding")
            if misused:
                with pytest.raises(InvalidState):
                    server.answers(step)
            else:
                server.answers(step)
        expected = "terminated" if step == "forget" else figure.get((before, kind), before)
        if reliable and (expected == "confirmed" or (expected == "completed" and method != "INVITE")):
            expected = "terminated"  # timers I and J are zero
        assert server.state in (before if misused else expected).split()
        if server.state == "terminated":
            assert server.clock.pending == []
            assert len(server.ended) == 1
        else:
            assert server.ended == []
    server.advance(64)
    assert server.state in ("terminated", "trying", "proceeding")
    assert server.clock.pending == []
    assert len(server.ended) == (server.state == "terminated")


@pytest.mark.parametrize(
    ("given", "waits", "told"),
    [("54.21", 0, "54.21"), ("54.21", 0.125, "54.21 0.125"), ("54.21 9", 1.5, "54.21 1.500"), ("", 1, None)],
)
def test_100_repeats_the_timestamp_and_says_how_long_it_took(given, waits, told):
    """RFC 3261 8.2.6.1."""
    server = Server(more=[("timestamp", "Timestamp", given)] if given else ())
    server.clock.advance(waits)
    server.answers(100)
    server.answers(180)
    trying, ringing = server.wire.messages
    assert trying.first("timestamp") == told
    assert ringing.first("timestamp") is None
