"""Which servers are put aside, and for how long."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.sip.hops import Hop
from pbx.sip.outages import LONGEST_REST, SILENCE, Outages
from pbx.testing.clock import VirtualClock
from tests.sip.wire import Wire, request, response

HOPS = [Hop("UDP", f"192.0.2.{number}", 5060, "example.com") for number in (1, 2, 3)]


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(now=0.0)


@pytest.fixture
def outages(clock) -> Outages:
    return Outages(clock)


def flow_to(clock: VirtualClock, hop: Hop) -> Wire:
    return Wire(clock, remote=(hop.host, hop.port))


def overloaded(retry_after: str):
    return response(request(), 503, more=[("retry-after", "Retry-After", retry_after)] if retry_after else [])


def test_server_that_asks_for_a_rest_is_left_alone_for_as_long(clock, outages):
    flow = flow_to(clock, HOPS[0])
    outages.refused(flow, overloaded("120"))
    assert outages.rests(flow)
    assert outages.preferred(HOPS) == HOPS[1:]
    clock.advance(119)
    assert outages.preferred(HOPS) == HOPS[1:]
    clock.advance(1)
    assert outages.preferred(HOPS) == HOPS
    assert not outages.rests(flow)


@pytest.mark.parametrize("words", ["18 (in maintenance)", "18;duration=3600", " 18"])
def test_rest_is_read_as_the_grammar_has_it(clock, outages, words):
    flow = flow_to(clock, HOPS[0])
    outages.refused(flow, overloaded(words))
    clock.advance(17)
    assert outages.rests(flow)
    clock.advance(1)
    assert not outages.rests(flow)


@pytest.mark.parametrize("words", ["", "soon", "-5", "\u0665"])
def test_503_that_names_no_time_puts_nobody_aside(clock, outages, words):
    outages.refused(flow_to(clock, HOPS[0]), overloaded(words))
    assert outages.preferred(HOPS) == HOPS


def test_nobody_can_ask_for_more_than_an_hour(clock, outages):
    flow = flow_to(clock, HOPS[0])
    outages.refused(flow, overloaded("999999999"))
    clock.advance(LONGEST_REST)
    assert not outages.rests(flow)


def test_silent_server_is_tried_last_for_a_while(clock, outages):
    outages.silent(flow_to(clock, HOPS[0]))
    assert outages.preferred(HOPS) == [*HOPS[1:], HOPS[0]]
    clock.advance(SILENCE)
    assert outages.preferred(HOPS) == HOPS


def test_server_that_answers_is_no_longer_silent(clock, outages):
    flow = flow_to(clock, HOPS[0])
    outages.silent(flow)
    outages.answered(flow)
    assert outages.preferred(HOPS) == HOPS
    outages.answered(flow)


def test_table_forgets_the_oldest(clock):
    outages = Outages(clock, bound=2)
    for hop in HOPS:
        outages.refused(flow_to(clock, hop), overloaded("60"))
    assert outages.preferred(HOPS) == HOPS[:1]


STEPS = st.tuples(
    st.sampled_from(["refused", "silent", "answered", "time"]),
    st.sampled_from(HOPS),
    st.sampled_from(["", "1", "60", "99999", "soon", "60;duration=1"]),
    st.sampled_from([0.5, 30.0, 4000.0]),
)


@given(st.lists(STEPS, max_size=25))
def test_whatever_servers_do_nobody_is_lost_or_put_aside_for_ever(steps):
    clock = VirtualClock(now=0.0)
    outages = Outages(clock, bound=2)
    for step, hop, words, seconds in steps:
        flow = flow_to(clock, hop)
        if step == "refused":
            outages.refused(flow, overloaded(words))
        elif step == "time":
            clock.advance(seconds)
        else:
            getattr(outages, step)(flow)
        preferred = outages.preferred(HOPS)
        assert preferred == sorted(preferred, key=lambda one: (preferred.index(one), HOPS.index(one)))
        assert set(HOPS) - set(preferred) == {one for one in HOPS if outages.rests(flow_to(clock, one))}
    clock.advance(LONGEST_REST)
    assert outages.preferred(HOPS) == HOPS
