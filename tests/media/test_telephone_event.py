from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.media.telephone_event import NAMES, NONE, Events


def part(event: int, duration: int, end: bool = False) -> bytes:
    return bytes([event, 0x80 | 10 if end else 10]) + duration.to_bytes(2, "big")


def press(events: Events, event: int, start: int, updates: int = 5, ends: int = 3) -> list[int]:
    """A key that is held for `updates` packets of 20 ms. Returns what was told."""
    told = [events.heard(part(event, 160 * number), start, number == 1, 0.0) for number in range(1, updates + 1)]
    told += [events.heard(part(event, 160 * (updates + 1), end=True), start, False, 0.0) for _ in range(ends)]
    return [key for key in told if key != NONE]


def test_a_key_is_told_once_though_its_end_comes_three_times() -> None:
    assert press(Events(), 5, 1000) == [5]


def test_the_same_key_twice_is_two_keys() -> None:
    events = Events()
    assert press(events, 5, 1000) + press(events, 5, 3000) == [5, 5]


def test_all_sixteen_keys_and_the_flash_have_names() -> None:
    events = Events()
    codes = [key for code in range(17) for key in press(events, code, 2000 * code)]
    assert [NAMES[code] for code in codes] == [*"0123456789*#ABCD", "flash"]


def test_a_key_whose_end_is_lost_is_followed_by_the_next() -> None:
    events = Events()
    assert press(events, 1, 1000, ends=0) + press(events, 1, 3000) == [1, 1]


def test_what_is_late_of_an_earlier_key_is_not_that_key_again() -> None:
    events = Events()
    press(events, 1, 1000)
    press(events, 2, 3000)
    assert events.heard(part(1, 960, end=True), 1000, False, 0.0) == NONE


def test_a_long_key_comes_in_segments_and_is_one_key() -> None:
    events = Events()
    assert events.heard(part(7, 0xFFFF), 500, True, 0.0) == 7
    assert events.heard(part(7, 80), 500 + 0xFFFF, False, 0.0) == NONE
    assert events.heard(part(7, 160, end=True), 500 + 0xFFFF, False, 0.0) == NONE


def test_a_timestamp_that_runs_during_an_event_is_one_key() -> None:
    events = Events()
    told = [events.heard(part(7, 160 * number), 1000 + 160 * number, number == 1, 0.0) for number in range(1, 9)]
    assert [key for key in told if key != NONE] == [7]


def test_a_key_over_the_wrap_of_the_timestamp() -> None:
    events = Events()
    assert press(events, 1, 0xFFFFFF00) + press(events, 2, 0x900) == [1, 2]


@pytest.mark.parametrize("payload", [b"", b"\x01\x80\x00", part(17, 160, end=True), part(255, 0, end=True)])
def test_what_is_no_key_is_none(payload: bytes) -> None:
    events = Events()
    assert events.heard(payload, 0, True, 0.0) == NONE
    assert events.timestamp == NONE


def test_another_source_may_begin_with_an_earlier_timestamp() -> None:
    events = Events()
    press(events, 1, 90000)
    events.forget()
    assert press(events, 1, 1000) == [1]


@given(st.lists(st.booleans(), min_size=8, max_size=8).filter(any), st.integers(0, 2**32 - 1))
def test_whatever_is_lost_of_a_key_it_is_told_once(arrived: list[bool], start: int) -> None:
    events, told = Events(), list[int]()
    for number, comes in enumerate(arrived, 1):
        if comes:
            told.append(events.heard(part(3, 160 * min(number, 6), end=number >= 6), start, number == 1, 0.0))
    assert [key for key in told if key != NONE] == [3]


def test_no_more_keys_are_told_than_fingers_can_press() -> None:
    """Each wakes somebody: what a machine could send would keep the exchange busy."""
    events = Events()
    told = sum(
        events.heard(part(1, 160, end=True), 1000 * number, True, 1 + number / 1000) == 1 for number in range(3000)
    )
    assert told == pytest.approx(32 + 3 * 20, abs=1)
    assert events.heard(part(2, 160, end=True), 4_000_000, True, 5.0) == 2
