from __future__ import annotations

import pytest

from pbx.media.clip import FRAME, Clip
from pbx.media.collector import Collector
from tests.media.speaking import Speaking

QUESTION = Clip(b"\x10" * FRAME * 50)  # a second


class Asked:
    """One question."""

    def __init__(self, one: Speaking, most: int = 1, timeout: float = 5.0) -> None:
        self.answers: list[str] = []
        self.collector = Collector(one.voice, one.clock, [QUESTION], most, timeout)
        self.collector.keys.addCallback(self.answers.append)


@pytest.fixture
def one() -> Speaking:
    return Speaking()


def test_the_first_key_ends_the_question(one: Speaking) -> None:
    asked = Asked(one)
    one.clock.advance(0.31)
    one.presses("7")
    assert asked.answers == ["7"]
    one.clock.advance(2)
    assert len(one.sound) == 15 * FRAME


def test_nothing_pressed_is_the_timeout_after_the_whole_question(one: Speaking) -> None:
    asked = Asked(one)
    one.clock.advance(5.9375)
    assert asked.answers == [] and one.sound == QUESTION.sound
    one.clock.advance(0.25)
    assert asked.answers == [""]


def test_each_key_has_its_own_time(one: Speaking) -> None:
    asked = Asked(one, most=4)
    one.clock.advance(0.1)
    for number, key in enumerate("123"):
        one.presses(key, 8000 * number + 1000)
        one.clock.advance(4.5)
    assert asked.answers == []
    one.clock.advance(1)
    assert asked.answers == ["123"]


def test_hash_ends_what_is_shorter_and_is_an_answer_of_one_key(one: Speaking) -> None:
    asked = Asked(one, most=4)
    one.presses("12#")
    assert asked.answers == ["12"]
    asked = Asked(one)
    one.presses("#", 100_000)
    assert asked.answers == ["#"]


def test_keys_pressed_before_the_question_count(one: Speaking) -> None:
    one.presses("1234567")
    asked = Asked(one, most=4)
    assert asked.answers == ["1234"]
    asked = Asked(one, most=2)
    assert asked.answers == ["56"]
    assert "".join(one.voice.pressed) == "7"
    one.clock.advance(1)
    assert one.sound == b""


def test_a_question_that_is_taken_back_says_nothing_more(one: Speaking) -> None:
    asked = Asked(one)
    one.clock.advance(0.1)
    asked.collector.stop()
    asked.collector.stop()
    one.presses("1")
    one.clock.advance(10)
    assert asked.answers == [] and "".join(one.voice.pressed) == "1"
    assert len(one.sound) <= 5 * FRAME
    one.exchange.relay.close(one.side)
    assert not one.clock.pending
