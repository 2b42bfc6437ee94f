"""Rooms, as dialplans name them."""

from __future__ import annotations

from typing import Any

import pytest

from pbx.features.conference.room import Room, checked_pin, room


def test_room_has_what_was_said_about_it() -> None:
    assert room("sales", pin="0815", recording=True, max=5) == Room("sales", "0815", True, 5)
    assert room("sales") == Room("sales", "", False, 32)


@pytest.mark.parametrize(
    "name", ["", "sales team", "sip:sales", "../sales", "-sales", "s" * 65, "sales\n", "sälés", 800]
)
def test_what_cannot_be_a_name(name: Any) -> None:
    with pytest.raises(ValueError, match="room"):
        room(name)


@pytest.mark.parametrize("most", [0, 33, -1, True, 2.5, "8"])
def test_what_cannot_be_a_number_of_parties(most: Any) -> None:
    with pytest.raises(ValueError, match="1 to 32"):
        room("sales", max=most)


@pytest.mark.parametrize("pin", ["12a", "*", "1" * 33, "٣", 4711])
def test_what_cannot_be_a_pin(pin: Any) -> None:
    with pytest.raises(ValueError, match="digits"):
        room("sales", pin=pin)
    with pytest.raises(ValueError, match=r"conference\(\)"):
        checked_pin("conference", pin)
