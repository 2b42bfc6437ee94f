from __future__ import annotations

from pbx.media.beat import CATCH_UP, Beat
from pbx.testing.clock import VirtualClock


class Drummer:
    """Counts its turns.

    :ivar at: when each was.
    """

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.at: list[float] = []
        self.skipped = 0

    def beat(self, skipped: int) -> None:
        self.at.append(self.clock.seconds())
        self.skipped += skipped


class StallingClock(VirtualClock):
    """A clock whose process can be held up."""

    def stall(self, seconds: float) -> None:
        self._now += seconds


def test_ten_minutes_have_thirty_thousand_beats_and_no_drift() -> None:
    clock = VirtualClock(0)
    beat, drummer = Beat(clock), Drummer(clock)
    beat.join(drummer)
    clock.advance(600.01)
    assert len(drummer.at) == 30_000
    assert max(abs(time - 0.02 * number) for number, time in enumerate(drummer.at, 1)) < 0.001


def test_all_have_their_turn_by_one_timer() -> None:
    clock = VirtualClock(0)
    beat, drummers = Beat(clock), [Drummer(clock) for _ in range(100)]
    for drummer in drummers:
        beat.join(drummer)
    assert len(clock.pending) == 1
    clock.advance(1.01)
    assert {len(drummer.at) for drummer in drummers} == {50}


def test_nobody_there_means_no_timer() -> None:
    clock = VirtualClock()
    beat, drummer = Beat(clock), Drummer(clock)
    beat.join(drummer)
    clock.advance(1)
    beat.leave(drummer)
    beat.leave(drummer)
    assert not clock.pending and len(beat) == 0
    beat.join(drummer)
    clock.advance(0.125)
    beat.leave(drummer)
    assert not clock.pending


def test_short_delay_is_made_up_for() -> None:
    clock = StallingClock(0)
    beat, drummer = Beat(clock), Drummer(clock)
    beat.join(drummer)
    clock.stall(0.085)
    clock.advance(0.02)
    assert len(drummer.at) == 5 and drummer.skipped == 0


def test_long_delay_causes_no_burst_and_is_told() -> None:
    clock = StallingClock(0)
    beat, drummer = Beat(clock), Drummer(clock)
    beat.join(drummer)
    clock.stall(2.01)
    clock.advance(0.001)
    assert len(drummer.at) == CATCH_UP
    assert drummer.skipped == 100 - CATCH_UP
    clock.advance(1)
    assert len(drummer.at) + drummer.skipped == 150


def test_clock_that_is_set_far_forward_is_no_delay() -> None:
    clock = StallingClock(1_000_000)
    beat, drummer = Beat(clock), Drummer(clock)
    beat.join(drummer)
    clock.stall(86400)
    clock.advance(1.01)
    assert len(drummer.at) in (50, 51)
    assert drummer.skipped == 0


def test_one_who_fails_is_silenced_and_the_others_go_on(logged_errors) -> None:
    class Broken:
        def beat(self, skipped: int) -> None:
            raise RuntimeError("broken")

    clock = VirtualClock(0)
    beat, drummer = Beat(clock), Drummer(clock)
    beat.join(Broken())
    beat.join(drummer)
    clock.advance(0.1)
    assert len(logged_errors()) == 1
    assert len(drummer.at) >= 4


def test_one_who_leaves_during_a_beat_has_no_turn_in_it() -> None:
    clock = VirtualClock(0)
    beat, drummer = Beat(clock), Drummer(clock)

    class Bouncer:
        def beat(self, skipped: int) -> None:
            beat.leave(drummer)

    beat.join(Bouncer())
    beat.join(drummer)
    clock.advance(0.1)
    assert drummer.at == []
