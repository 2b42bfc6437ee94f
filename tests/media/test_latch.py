from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.media.latch import PATIENCE, WINDOW, Latch
from pbx.testing.clock import VirtualClock

SIGNALLED = ("198.51.100.1", 4000)
MAPPED = ("203.0.113.5", 61000)  # the phone as its NAT shows it
REMAPPED = ("203.0.113.5", 61999)
STRANGER = ("203.0.113.66", 666)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def latch(clock: VirtualClock) -> Latch:
    latch = Latch(clock, MAPPED[0])
    latch.signal(SIGNALLED)
    return latch


def test_until_a_packet_comes_the_signalled_address_is_the_target(latch: Latch) -> None:
    assert (latch.source, latch.target) == (None, SIGNALLED)


@pytest.mark.parametrize("source", [SIGNALLED, MAPPED, (SIGNALLED[0], 5000)])
def test_the_first_source_that_signalling_knows_latches_at_once(
    latch: Latch, clock: VirtualClock, source: tuple[str, int]
) -> None:
    clock.advance(8)
    assert latch.admits(source, 0)
    assert (latch.source, latch.target, latch.since) == (source, source, clock.seconds())


def test_a_stranger_latches_when_nothing_better_comes(latch: Latch, clock: VirtualClock) -> None:
    assert not latch.admits(STRANGER, 0)
    clock.advance(PATIENCE - 0.125)
    assert not latch.admits(STRANGER, 0)
    assert latch.target == SIGNALLED
    clock.advance(0.125)
    assert latch.admits(STRANGER, 0)
    assert latch.target == STRANGER


def test_where_nothing_is_expected_no_stranger_latches_and_the_phone_does(latch: Latch, clock: VirtualClock) -> None:
    for _ in range(50):
        clock.advance(PATIENCE)
        assert not latch.admits(STRANGER, 0, False)
    assert latch.target == SIGNALLED
    assert latch.admits(MAPPED, 0, False)


def test_a_stranger_that_was_first_does_not_keep_the_phone_out(latch: Latch, clock: VirtualClock) -> None:
    assert not latch.admits(STRANGER, 0)
    assert latch.admits(MAPPED, 0)
    clock.advance(8)
    assert not latch.admits(STRANGER, 1)
    assert latch.source == MAPPED


@pytest.mark.parametrize(("first", "better"), [(STRANGER, MAPPED), (STRANGER, SIGNALLED), (MAPPED, SIGNALLED)])
def test_a_better_source_takes_over_in_the_window(
    latch: Latch, clock: VirtualClock, first: tuple[str, int], better: tuple[str, int]
) -> None:
    latch.admits(first, 0)
    clock.advance(PATIENCE)
    if first == STRANGER:
        assert latch.admits(first, 0)
    clock.advance(WINDOW - PATIENCE - 0.125)
    assert latch.admits(better, 99)
    assert latch.source == better


@pytest.mark.parametrize("phone", [SIGNALLED, MAPPED, REMAPPED])
def test_a_stranger_that_latched_while_the_phone_was_silent_gives_way_to_it(
    latch: Latch, clock: VirtualClock, phone: tuple[str, int]
) -> None:
    latch.admits(STRANGER, 0)
    clock.advance(PATIENCE)
    assert latch.admits(STRANGER, 0)
    clock.advance(60)
    assert latch.admits(phone, 3000)
    assert not latch.admits(STRANGER, 3001)
    assert latch.source == phone


def test_after_the_window_not_even_the_signalled_address_takes_over(latch: Latch, clock: VirtualClock) -> None:
    assert latch.admits(MAPPED, 0)
    clock.advance(WINDOW)
    assert not latch.admits(SIGNALLED, 99)
    assert latch.source == MAPPED


@pytest.mark.parametrize("worse", [MAPPED, REMAPPED, STRANGER])
def test_no_worse_source_takes_over_in_the_window(latch: Latch, worse: tuple[str, int]) -> None:
    assert latch.admits(SIGNALLED, 0)
    assert not latch.admits(worse, 1)
    assert latch.source == SIGNALLED


def test_a_stranger_never_gets_in_after_silence(latch: Latch, clock: VirtualClock) -> None:
    assert latch.admits(MAPPED, 0)
    for _ in range(50):
        clock.advance(PATIENCE)
        assert not latch.admits(STRANGER, 1)
    assert latch.source == MAPPED


def test_another_port_of_the_phones_host_follows_silence(latch: Latch, clock: VirtualClock) -> None:
    assert latch.admits(MAPPED, 0)
    clock.advance(WINDOW)
    assert not latch.admits(REMAPPED, 7)
    clock.advance(PATIENCE - 0.125)
    assert not latch.admits(REMAPPED, 7)
    clock.advance(0.125)
    assert latch.admits(REMAPPED, 7)
    assert latch.source == REMAPPED


def test_while_the_phone_sends_no_other_port_of_its_host_gets_in(latch: Latch, clock: VirtualClock) -> None:
    assert latch.admits(MAPPED, 0)
    for heard in range(1, 50):
        clock.advance(PATIENCE)
        assert not latch.admits(REMAPPED, heard)


def test_the_host_of_a_source_that_signalling_did_not_know_may_follow_itself(clock: VirtualClock) -> None:
    latch = Latch(clock, "")
    assert not latch.admits(MAPPED, 0)
    clock.advance(PATIENCE)
    assert latch.admits(MAPPED, 0)
    clock.advance(WINDOW)
    assert not latch.admits(REMAPPED, 1)
    clock.advance(PATIENCE)
    assert not latch.admits(STRANGER, 1)
    assert latch.admits(REMAPPED, 1)


def test_signalling_that_repeats_the_address_changes_nothing(latch: Latch) -> None:
    assert latch.admits(MAPPED, 0)
    latch.signal(SIGNALLED)
    assert latch.source == MAPPED


def test_signalling_another_address_opens_the_latch(latch: Latch, clock: VirtualClock) -> None:
    assert latch.admits(MAPPED, 0)
    clock.advance(8)
    moved = ("198.51.100.1", 5000)
    latch.signal(moved)
    assert (latch.source, latch.target) == (None, moved)
    assert latch.admits(moved, 9)


def test_what_still_comes_from_the_former_address_gives_way_to_anything(latch: Latch, clock: VirtualClock) -> None:
    assert latch.admits(MAPPED, 0)
    clock.advance(8)
    latch.signal(("198.51.100.1", 5000))
    assert latch.admits(MAPPED, 9)
    assert latch.admits(REMAPPED, 10)
    assert not latch.admits(MAPPED, 11)
    assert latch.source == REMAPPED


ADDRESSES = st.sampled_from([SIGNALLED, MAPPED, REMAPPED, STRANGER])


@given(st.lists(st.tuples(ADDRESSES, st.sampled_from([0, 0.125, 1, 3])), max_size=40))
def test_once_the_phone_is_latched_a_stranger_never_is(steps: list[tuple[tuple[str, int], float]]) -> None:
    clock = VirtualClock()
    latch = Latch(clock, MAPPED[0])
    latch.signal(SIGNALLED)
    heard, latched = 0, False
    for source, pause in steps:
        clock.advance(pause)
        heard += source == latch.source or latch.admits(source, heard)
        assert not (latched and latch.source == STRANGER)
        latched = latch.source not in {None, STRANGER}
