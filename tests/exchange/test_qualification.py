"""Phones are asked whether they are there: each as often as the others, evenly, and never too many at a time."""

from __future__ import annotations

from collections import Counter

import pytest

from pbx.exchange.binding import Binding
from pbx.exchange.destination import Destination
from pbx.exchange.location import Location
from pbx.exchange.qualification import MOST, Qualification
from tests.exchange.phones import Store
from tests.sip.endpoint import Endpoint
from tests.sip.wire import Wire, response

INTERVAL = 60


class House(Endpoint):
    """Many registered phones, all at the other end of one wire.

    :param silent: whether none of them answers.
    """

    def __init__(self, count: int, silent: bool = False) -> None:
        super().__init__()
        self.location = Location(self.clock, Store())
        self.phones = House.Phones(self, silent)
        self.qualification = Qualification(self.agent, self.location, INTERVAL)
        self.qualification.ways = self
        now = self.clock.seconds()
        self.bindings = [_binding(str(number), now) for number in range(count)]
        self.location.restore(self.bindings, lambda number: True)
        self.qualification.start()

    class Phones(Wire):
        """Their wire, which answers at once."""

        def __init__(self, house: House, silent: bool) -> None:
            super().__init__(house.clock)
            self.asked: list[tuple[float, str]] = []
            self._house = house
            self._silent = silent

        def send(self, packet: bytes, method: str = "") -> None:
            super().send(packet, method)
            request = self.messages[-1]
            self.sent.clear()
            self.asked.append((self._house.clock.seconds(), request.target))
            if not self._silent:
                answer = response(request, 405)
                self._house.clock.callLater(0.125, self._house.layer.message_received, self, answer)

    def destination(self, binding: Binding, target: object, secure: bool = False) -> Destination:
        return Destination(target, binding.contact, "<sip:us@192.0.2.1>", self.phones, neighbour=True)

    def ends(self) -> None:
        self.qualification.stop()
        self.location.stop()
        self.clock.advance(64)
        assert self.clock.pending == []


def _binding(number: str, now: float) -> Binding:
    contact = f"sip:{number}@192.0.2.9"
    return Binding(number, contact, 1.0, "c", 1, now + 7200, "UDP", "192.0.2.1", 5060, "192.0.2.9", 5060, "", now)


def test_ten_thousand_phones_do_not_burst():
    house = House(10_000)
    start = house.clock.seconds()
    house.clock.advance(INTERVAL + 1)
    asked = Counter(target for time, target in house.phones.asked if time <= start + INTERVAL)
    assert len(asked) >= 9_900 and set(asked.values()) == {1}
    each_second = Counter(int(time - start) for time, _ in house.phones.asked)
    assert max(each_second.values()) <= 1.5 * 10_000 / INTERVAL
    house.ends()


def test_every_answer_is_a_sign_of_life_and_its_time_is_taken():
    house = House(3)
    house.clock.advance(INTERVAL + 1)
    signs = [house.qualification.sign_of(binding) for binding in house.bindings]
    assert [(sign.reachable, sign.round_trip) for sign in signs if sign] == [(True, 0.125)] * 3
    house.ends()


def test_questions_without_an_answer_are_bounded():
    house = House(5 * MOST, silent=True)
    most = 0
    for _ in range(240):
        house.clock.advance(0.25)
        most = max(most, len(house.layer))
    assert most == MOST
    house.ends()


def test_silent_phones_are_known_and_forgotten_when_they_leave():
    house = House(2, silent=True)
    house.clock.advance(2 * INTERVAL)
    qualification = house.qualification
    assert all(qualification.is_silent(binding) for binding in house.bindings)
    sign = qualification.sign_of(house.bindings[0])
    assert sign is not None and sign.round_trip is None
    house.location.remove("0")
    assert qualification.sign_of(house.bindings[0]) is None
    assert not qualification.is_silent(house.bindings[0])
    house.ends()


@pytest.mark.parametrize("count", [0, 1])
def test_nothing_is_left_when_nobody_is_registered(count):
    house = House(count)
    house.clock.advance(1)
    house.location.remove("0")
    house.clock.advance(2 * INTERVAL)
    assert house.clock.pending == []
    house.ends()
