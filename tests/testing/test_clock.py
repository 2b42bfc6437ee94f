from __future__ import annotations

import pytest

from pbx.testing.clock import VirtualClock


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(now=1000.0)


def test_time_stands_still_until_it_is_advanced(clock):
    assert clock.seconds() == 1000
    clock.advance(0.125)
    assert clock.seconds() == 1000.125


def test_calls_are_made_in_order_each_at_its_own_time(clock):
    made = []
    for delay in (3, 1, 2):
        clock.callLater(delay, lambda delay=delay: made.append((delay, clock.seconds())))
    clock.advance(2)
    assert made == [(1, 1001), (2, 1002)]
    clock.advance(1)
    assert made == [(1, 1001), (2, 1002), (3, 1003)]


def test_calls_of_one_time_are_made_in_the_order_in_which_they_were_asked_for(clock):
    made = []
    for number in range(20):
        clock.callLater(1, made.append, number)
    clock.advance(1)
    assert made == list(range(20))


def test_call_asked_for_by_a_call_is_made_in_the_same_advance_when_it_is_due(clock):
    made = []

    def again():
        made.append(clock.seconds())
        clock.callLater(0.5, again)

    clock.callLater(0, again)
    clock.advance(1)
    assert made == [1000, 1000.5, 1001]


def test_call_at_once_waits_for_time_to_go_on(clock):
    made = []
    clock.callLater(0, made.append, 1)
    assert made == []
    clock.advance(0)
    assert made == [1]


def test_cancelled_call_is_not_made(clock):
    made = []
    timer = clock.callLater(1, made.append, 1)
    assert clock.pending == [timer]
    timer.cancel()
    assert clock.pending == []
    clock.advance(10)
    assert made == []


def test_cancelling_what_was_made_or_cancelled_is_a_mistake(clock):
    made = clock.callLater(1, int)
    clock.advance(1)
    cancelled = clock.callLater(1, int)
    cancelled.cancel()
    for timer in (made, cancelled):
        with pytest.raises(RuntimeError):
            timer.cancel()


def test_call_cancels_another_of_the_same_time(clock):
    made = []
    others = []
    clock.callLater(1, lambda: others.pop().cancel())
    others.append(clock.callLater(1, made.append, 1))
    clock.advance(1)
    assert made == []


def test_past_is_no_time_for_a_call(clock):
    with pytest.raises(ValueError, match="past"):
        clock.callLater(-1, int)


def test_exception_of_a_call_leaves_the_clock_at_its_time_and_the_others_to_be_made(clock):
    made = []
    clock.callLater(1, lambda: 1 / 0)
    clock.callLater(2, made.append, 2)
    with pytest.raises(ZeroDivisionError):
        clock.advance(5)
    assert clock.seconds() == 1001
    clock.advance(1)
    assert made == [2]


def test_timer_says_when_and_what(clock):
    timer = clock.callLater(2.5, made_by_nobody)
    assert timer.time == 1002.5
    assert repr(timer) == "<timer at 1002.500 s: made_by_nobody>"


def made_by_nobody() -> None:
    """Give the timer a name."""


def test_time_goes_on_until_something_holds_and_no_further(clock):
    made = []
    for delay in (1, 2, 3):
        clock.callLater(delay, made.append, delay)
    assert clock.advance_until(lambda: len(made) == 2, within=64)
    assert clock.seconds() == 1002
    assert made == [1, 2]


def test_time_that_something_may_take_is_limited(clock):
    assert not clock.advance_until(lambda: False, within=2)
    assert clock.seconds() == 1002


def test_what_holds_already_takes_no_time(clock):
    clock.callLater(0, pytest.fail)
    assert clock.advance_until(lambda: True, within=64)
    assert clock.seconds() == 1000
