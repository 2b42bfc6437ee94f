from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.sip.occupancy import Occupancy, no_room


def test_one_address_cannot_take_what_others_need():
    house = Occupancy(5, 3)
    assert [house.enter("a") for _ in range(4)] == [True, True, True, False]
    assert [house.enter("b") for _ in range(3)] == [True, True, False]
    assert len(house) == 5


def test_room_is_there_again_when_somebody_leaves():
    house = Occupancy(2, 1)
    assert house.enter("a")
    assert not house.has_room("a")
    house.leave("a")
    assert house.has_room("a")
    assert len(house) == 0


def test_who_must_come_in_comes_in_and_counts():
    house = Occupancy(1, 1)
    assert [house.enter("a", anyhow=True) for _ in range(2)] == [True, True]
    house.leave("a")
    assert not house.enter("b")
    house.leave("a")
    assert house.enter("b")


def test_who_finds_no_room_is_told_when_to_come_again():
    refusal = no_room()
    assert (refusal.status, refusal.more) == (503, (("retry-after", "Retry-After", "5"),))


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=50))
def test_there_are_never_more_than_there_may_be(comings):
    house, here = Occupancy(4, 2), []
    for host, leaves in comings:
        if leaves and host in here:
            house.leave(host)
            here.remove(host)
        elif house.enter(host):
            here.append(host)
        assert len(house) == len(here) <= 4
        assert max(map(here.count, "abc")) <= 2
    for host in here:
        house.leave(host)
    with pytest.raises(KeyError):
        house.leave("a")
