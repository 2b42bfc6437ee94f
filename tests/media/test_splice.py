"""Sequence numbers where packets go into a stream or out of it: whatever happens, the receiver sees one source."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.media.splice import Numbering


def numbering(newest: int = 0) -> Numbering:
    one = Numbering()
    one.begin(1, newest)
    return one


def test_what_nothing_went_into_keeps_its_numbers_even_late_and_twice() -> None:
    one = numbering(65533)
    assert [one.passes(number) for number in (65534, 65535, 1, 0, 0, 2)] == [65534, 65535, 1, 0, 0, 2]


def test_what_goes_in_moves_the_rest() -> None:
    one = numbering(65533)
    assert one.passes(65534) == 65534
    assert [one.inserts(), one.inserts()] == [65535, 0]
    assert [one.passes(65535), one.passes(1), one.passes(0)] == [1, 3, 2]


def test_what_goes_out_leaves_no_gap_nor_does_what_was_lost_before_it() -> None:
    one = numbering(10)
    one.takes(11)
    one.takes(14)
    assert [one.passes(number) for number in (15, 17, 16)] == [11, 13, 12]


@pytest.mark.parametrize("late", [9, 10])
def test_what_comes_too_late_has_no_place(late: int) -> None:
    one = numbering(10)
    one.inserts()
    assert one.passes(late) is None
    assert [one.passes(11), one.passes(late), one.passes(12)] == [12, None, 13]


def test_what_is_to_go_out_and_comes_late_changes_nothing() -> None:
    one = numbering(10)
    assert one.passes(12) == 12
    one.takes(11)
    assert one.passes(13) == 13


def test_a_source_that_begins_anew_goes_on() -> None:
    one = numbering(10)
    one.inserts()
    assert [one.passes(50000), one.passes(50001), one.passes(200), one.passes(201)] == [50001, 50002, 201, 202]


@given(st.integers(0, 65535), st.lists(st.sampled_from(["passes", "takes", "inserts"]), max_size=60))
def test_in_order_there_is_no_gap_and_no_number_twice(first: int, steps: list[str]) -> None:
    one, came, sent = numbering(first), first, []
    for step in steps:
        if step == "inserts":
            sent.append(one.inserts())
            continue
        came = came + 1 & 0xFFFF
        if step == "takes":
            one.takes(came)
        else:
            sent.append(one.passes(came))
    assert sent == [first + number & 0xFFFF for number in range(1, len(sent) + 1)]


@pytest.mark.parametrize("seed", range(20))
def test_lost_late_and_double_packets_never_share_a_number(seed: int) -> None:
    chance = random.Random(seed)
    one = numbering(0)
    given_to: dict[int, set[object]] = {}
    waiting: list[int] = []
    for number in range(1, 20_000):
        waiting.append(number)
        if chance.random() < 0.7:
            chance.shuffle(waiting)
            for late in waiting:
                step = chance.random()
                if step < 0.05:
                    continue
                if step < 0.15 and late % 50 < 10:
                    one.takes(late)
                elif (place := one.passes(late)) is not None:
                    given_to.setdefault(place, set()).add(late)
            waiting.clear()
        if chance.random() < 0.01:
            given_to.setdefault(one.inserts(), set()).add(f"own, after {number}")
    assert all(len(packets) == 1 for packets in given_to.values())
