"""The running exchange's clock, on a reactor whose time stands still until told otherwise."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from pbx.clock import LONG, SLACK, QueuedTimer, ReactorClock


def clock_and_reactor() -> tuple[ReactorClock, Clock]:
    reactor = Clock()
    reactor.advance(1000.0)
    return ReactorClock(reactor), reactor


def test_timers_fire_in_the_order_of_their_times_with_one_timer_of_the_reactor() -> None:
    clock, reactor = clock_and_reactor()
    fired: list[str] = []
    clock.callLater(2.0, fired.append, "second")
    clock.callLater(1.0, fired.append, "first")
    clock.callLater(2.0, fired.append, "third")
    assert len(reactor.getDelayedCalls()) == 1
    reactor.advance(1.0)
    assert fired == ["first"]
    reactor.advance(1.0)
    assert fired == ["first", "second", "third"]
    assert not reactor.getDelayedCalls()
    assert len(clock) == 0


def test_cancelled_timer_does_not_fire_and_is_gone_at_once() -> None:
    clock, reactor = clock_and_reactor()
    fired: list[int] = []
    timers = [clock.callLater(1.0, fired.append, number) for number in range(3)]
    timers[1].cancel()
    assert len(clock) == 2
    reactor.advance(1.0)
    assert fired == [0, 2]


def test_timer_set_by_a_timer_fires_in_its_turn() -> None:
    clock, reactor = clock_and_reactor()
    fired: list[float] = []

    def again() -> None:
        fired.append(clock.seconds())
        clock.callLater(0.5, lambda: fired.append(clock.seconds()))

    clock.callLater(1.0, again)
    reactor.advance(1.0)
    reactor.advance(0.5)
    assert fired == [1001.0, 1001.5]


def test_long_timers_wait_for_each_other_and_none_for_long() -> None:
    clock, reactor = clock_and_reactor()
    fired: list[float] = []
    for _ in range(3):
        reactor.advance(1 / 32)
        clock.callLater(LONG, lambda: fired.append(clock.seconds()))
    last = clock.seconds() + LONG
    while clock.seconds() < last + SLACK:
        reactor.advance(1 / 64)
    assert len(fired) == 3
    assert len(set(fired)) == 1
    assert last <= fired[0] <= last + SLACK


class Guest:
    """Something that lingers."""

    def __init__(self, clock: ReactorClock, gone: list[float], may_leave: bool = True) -> None:
        self._clock = clock
        self._gone = gone
        self._may_leave = may_leave

    def expired(self) -> None:
        if not self._may_leave:
            raise ValueError
        self._gone.append(self._clock.seconds())


def test_what_lingers_expires_together_with_one_timer_and_never_early() -> None:
    clock, reactor = clock_and_reactor()
    gone: list[float] = []
    for _ in range(8):
        reactor.advance(1 / 32)
        clock.linger(LONG, Guest(clock, gone))
    last = clock.seconds() + LONG
    assert len(clock) == 8
    while clock.seconds() < last + SLACK:
        reactor.advance(1 / 64)
    assert len(gone) == 8
    assert set(gone) == {last}
    assert len(clock) == 0


class Passing(Clock):
    """A reactor whose time goes on between two looks at it, as that of every real one."""

    def seconds(self) -> float:
        self.rightNow += 2.0**-20
        return self.rightNow


def test_what_lingers_is_late_by_the_slack_at_most_though_time_passes_while_it_is_set() -> None:
    reactor = Passing()
    reactor.advance(1000.0)
    clock = ReactorClock(reactor)
    gone: list[float] = []
    due = clock.seconds() + LONG
    clock.linger(LONG, Guest(clock, gone))
    while not gone:
        reactor.advance(1 / 64)
    assert due <= gone[0] <= due + SLACK + 1 / 64


def test_what_lingers_is_not_kept_by_one_that_raises() -> None:
    clock, reactor = clock_and_reactor()
    gone: list[float] = []
    for may_leave in (True, False, True):
        clock.linger(LONG, Guest(clock, gone, may_leave))
    with pytest.raises(ValueError):
        reactor.advance(LONG)
    reactor.advance(SLACK)
    assert len(gone) == 2
    assert len(clock) == 0


def test_timer_that_raises_does_not_keep_the_others_waiting() -> None:
    clock, reactor = clock_and_reactor()
    fired: list[str] = []
    clock.callLater(1.0, {}.__getitem__, "missing")
    clock.callLater(1.0, fired.append, "after")
    try:
        reactor.advance(1.0)
    except KeyError:
        reactor.advance(0.0)
    assert fired == ["after"]


def test_timer_cancelled_by_one_that_fires_with_it_does_not_fire() -> None:
    clock, reactor = clock_and_reactor()
    fired: list[str] = []
    timers: list[QueuedTimer] = []

    def cancel_second() -> None:
        timers[1].cancel()

    timers.append(clock.callLater(1.0, cancel_second))
    timers.append(clock.callLater(1.0, fired.append, "second"))
    timers.append(clock.callLater(1.0, fired.append, "third"))
    reactor.advance(1.0)
    assert fired == ["third"]
    assert len(clock) == 0


def test_timers_that_fire_together_are_sought_together(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = 0

    def time_of(timer: QueuedTimer) -> float:
        nonlocal looks
        looks += 1
        return timer.time

    monkeypatch.setattr("pbx.clock._time", time_of)
    clock, reactor = clock_and_reactor()
    fired: list[int] = []
    for number in range(1000):
        clock.callLater(LONG, fired.append, number)
    reactor.advance(LONG + SLACK)
    assert fired == list(range(1000))
    # A flood sets thousands of timers for one moment: a look at all of them for each would stop the exchange.
    assert looks < 5000
