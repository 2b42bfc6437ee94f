from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.sip.errors import Malformed
from pbx.sip.parser import parse
from pbx.sip.reliable import Receipts, Reliable, is_reliable
from pbx.testing.clock import VirtualClock
from tests.sip.wire import SDP, Wire, request, response

INVITE = request()


class Ringing:
    """An INVITE that gets reliable responses, and when they were given up."""

    def __init__(self, first: int = 7) -> None:
        self.clock = VirtualClock(now=0.0)
        self.wire = Wire(self.clock)
        self.lost: list[float] = []
        self.machine = Reliable(
            1,
            first,
            self.wire,
            self.clock,
            lambda response: self.wire.send(bytes(response)),
            lambda: self.lost.append(self.clock.seconds()),
        )

    def send(self, status: int = 180, sdp: bytes = b"") -> None:
        self.machine.send(response(INVITE, status, sdp=sdp))

    def prack(self, number: int, cseq: int = 1, method: str = "INVITE") -> None:
        self.machine.acknowledged(
            request("PRACK", cseq=2, branch="z9hG4bK2", more=[("rack", "RAck", f"{number} {cseq} {method}")])
        )

    @property
    def numbers(self) -> list[tuple[int, str | None]]:
        return [(message.status, message.first("rseq")) for message in self.wire.messages]


def test_response_is_sent_again_after_intervals_that_double_until_it_is_given_up_after_64_t1():
    """RFC 3262 section 3: T1 doubled, without the limit of T2."""
    ringing = Ringing()
    ringing.send()
    ringing.clock.advance(100)
    assert ringing.wire.times == [0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
    assert len({packet for _, packet in ringing.wire.sent}) == 1
    assert ringing.lost == [32]
    assert ringing.clock.pending == []


def test_response_says_that_it_wants_a_prack_and_is_well_formed():
    ringing = Ringing()
    ringing.send(183, SDP)
    sent = ringing.wire.last
    assert (sent.first("require"), sent.first("rseq"), sent.body) == ("100rel", "7", SDP)
    assert is_reliable(sent)
    assert ringing.machine.described


@pytest.mark.parametrize("after", [0, 0.25, 2, 31.75])
def test_prack_ends_it(after):
    ringing = Ringing()
    ringing.send(183, SDP)
    ringing.clock.advance(after)
    ringing.prack(7)
    assert ringing.clock.pending == []
    assert not ringing.machine.described
    assert ringing.lost == []


def test_next_response_waits_for_the_prack_of_the_one_before_and_is_numbered_one_higher():
    ringing = Ringing()
    ringing.send(180)
    ringing.send(183, SDP)
    ringing.send(180)
    assert ringing.numbers == [(180, "7")]
    ringing.prack(7)
    ringing.machine.proceed()
    assert ringing.numbers[1:] == [(183, "8")]
    ringing.prack(8)
    ringing.machine.proceed()
    assert ringing.numbers[2:] == [(180, "9")]
    ringing.prack(9)
    ringing.machine.proceed()
    assert len(ringing.numbers) == 3
    assert ringing.clock.pending == []


@pytest.mark.parametrize("wrong", [(8, 1, "INVITE"), (7, 2, "INVITE"), (7, 1, "UPDATE")])
def test_prack_of_something_else_is_481_and_changes_nothing(wrong):
    ringing = Ringing()
    ringing.send()
    with pytest.raises(Malformed) as caught:
        ringing.prack(*wrong)
    assert caught.value.status == 481
    ringing.clock.advance(0.5)
    assert len(ringing.wire.sent) == 2


def test_second_prack_is_481():
    ringing = Ringing()
    ringing.send()
    ringing.prack(7)
    with pytest.raises(Malformed) as caught:
        ringing.prack(7)
    assert caught.value.status == 481


def test_prack_without_rack_is_400():
    ringing = Ringing()
    ringing.send()
    with pytest.raises(Malformed) as caught:
        ringing.machine.acknowledged(request("PRACK"))
    assert caught.value.status == 400


def test_after_the_final_response_nothing_is_sent_again_and_a_prack_is_still_taken():
    ringing = Ringing()
    ringing.send()
    ringing.send(183)
    ringing.machine.stop()
    ringing.clock.advance(100)
    assert len(ringing.wire.sent) == 1
    assert ringing.lost == []
    ringing.prack(7)
    ringing.machine.proceed()
    assert len(ringing.wire.sent) == 1


@given(st.lists(st.sampled_from(["send", "describe", "prack", "old", "proceed", "stop", 0.25, 4, 40]), max_size=25))
def test_any_input_in_any_state_leaves_at_most_one_unacknowledged_and_nothing_behind(inputs):
    ringing = Ringing()
    acknowledged = 0
    for step in inputs:
        if step in ("send", "describe"):
            ringing.send(183, SDP if step == "describe" else b"")
        elif step in ("prack", "old"):
            try:
                ringing.prack(7 + acknowledged - (step == "old"))
                acknowledged += 1
            except Malformed as fault:
                assert fault.status == 481
        elif isinstance(step, str):
            getattr(ringing.machine, step)()
        else:
            ringing.clock.advance(step)
        numbers = [int(parse(packet).first("rseq")) for _, packet in ringing.wire.sent]
        assert numbers == sorted(numbers)
        assert max(numbers, default=7) <= 7 + acknowledged
        assert len(ringing.clock.pending) in (0, 2)
        assert repr(ringing.machine)
    ringing.clock.advance(64)
    assert ringing.clock.pending == []


# As the client (RFC 3262 section 4)


def came(number: str, status: int = 180):
    more = [("require", "Require", "100rel"), *([("rseq", "RSeq", number)] if number else [])]
    return response(INVITE, status, more=more)


def test_responses_are_taken_in_order_only():
    receipts = Receipts()
    assert receipts.take(came("41")) == ("rack", "RAck", "41 1 INVITE")
    assert receipts.take(came("41")) is None
    assert receipts.take(came("43")) is None
    assert receipts.take(came("42")) == ("rack", "RAck", "42 1 INVITE")
    assert receipts.take(came("41")) is None
    assert receipts.last == 42


@pytest.mark.parametrize("number", ["", "0", "x", "4294967296"])
def test_response_without_a_number_is_malformed(number):
    with pytest.raises(Malformed):
        Receipts().take(came(number))


@pytest.mark.parametrize(("status", "wants"), [(100, False), (101, True), (199, True), (200, False), (486, False)])
def test_provisional_responses_but_100_may_want_a_prack(status, wants):
    assert is_reliable(came("1", status)) is wants
    assert not is_reliable(response(INVITE, status))
