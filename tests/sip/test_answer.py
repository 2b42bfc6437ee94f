from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.sip.answer import Answer
from pbx.testing.clock import VirtualClock
from tests.sip.wire import Wire


class Sent:
    """A 2xx that was sent, and when it was given up."""

    def __init__(self, reliable: bool = False) -> None:
        self.clock = VirtualClock(now=0.0)
        self.wire = Wire(self.clock, reliable)
        self.lost: list[float] = []
        self.answer = Answer(7, b"2xx", self.wire, self.clock, lambda: self.lost.append(self.clock.seconds()))


@pytest.mark.parametrize("reliable", [False, True])
def test_2xx_is_sent_again_after_intervals_that_double_up_to_t2_until_it_is_given_up(reliable):
    """RFC 3261 13.3.1.4: over reliable transports too."""
    sent = Sent(reliable)
    sent.clock.advance(100)
    assert sent.wire.times == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert {packet for _, packet in sent.wire.sent} == {b"2xx"}
    assert sent.lost == [32]
    assert sent.clock.pending == []


@pytest.mark.parametrize("after", [0, 0.25, 2, 31.75])
def test_ack_ends_it(after):
    sent = Sent()
    sent.clock.advance(after)
    sent.answer.acknowledged()
    assert sent.clock.pending == []
    before = len(sent.wire.sent)
    sent.clock.advance(100)
    assert len(sent.wire.sent) == before
    assert sent.lost == []
    assert sent.answer.cseq == 7


@given(st.booleans(), st.lists(st.sampled_from(["ack", 0.125, 0.5, 4.0, 16.0]), max_size=15))
def test_any_input_at_any_time_ends_it_once(reliable, inputs):
    sent = Sent(reliable)
    acknowledged = None
    for step in inputs:
        if step != "ack":
            sent.clock.advance(step)
        elif acknowledged is None and not sent.lost:
            sent.answer.acknowledged()
            acknowledged = sent.clock.seconds()
    sent.clock.advance(64)
    assert sent.lost == ([32] if acknowledged is None else [])
    assert all(time <= (32 if acknowledged is None else acknowledged) for time in sent.wire.times)
    assert sent.clock.pending == []
