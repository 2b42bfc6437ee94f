"""What a dialplan can play: the words of numbers, times and dates, and the prompts that they need."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from twisted.internet.defer import Deferred

from pbx.media.library import Library
from pbx.media.sounds import clips, clock_time, date, digits, number, prompt, tone
from tests.media.network import result

NOW = datetime(2026, 3, 10, 10, 0)


def words(names: tuple[str, ...]) -> str:
    return " ".join(name.partition("/")[2] for name in names)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0, "0"),
        (7, "7"),
        (20, "20"),
        (21, "20 1"),
        (99, "90 9"),
        (100, "1 hundred"),
        (115, "1 hundred 15"),
        (1000, "1 thousand"),
        (20_340, "20 thousand 3 hundred 40"),
        (1_000_001, "1 million 1"),
        (999_999_999_999, "9 hundred 90 9 billion 9 hundred 90 9 million 9 hundred 90 9 thousand 9 hundred 90 9"),
        (-3, "minus 3"),
    ],
)
def test_numbers_are_said_in_words(value: int, said: str) -> None:
    assert words(number(value).names) == said


@pytest.mark.parametrize("value", [10**12, -(10**12)])
def test_numbers_that_nobody_says_are_refused(value: int) -> None:
    with pytest.raises(ValueError, match="twelve digits"):
        number(value)


@pytest.mark.parametrize("value", ["3", 1.5, True, None])
def test_what_is_no_number_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="whole number"):
        number(value)  # type: ignore[arg-type]


def test_digits_are_said_one_by_one() -> None:
    assert words(digits("+49 30-12*#").names) == "plus 4 9 3 0 1 2 star hash"
    with pytest.raises(ValueError, match="not 'a'"):
        digits("10a")
    with pytest.raises(ValueError, match="not"):
        digits("٣")
    with pytest.raises(TypeError, match=r'digits\("101"\)'):
        digits(101)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("hour", "minute", "said"),
    [(0, 0, "12 oclock am"), (9, 5, "9 oh 5 am"), (12, 30, "12 30 pm"), (21, 42, "9 40 2 pm")],
)
def test_times_are_said(hour: int, minute: int, said: str) -> None:
    assert words(clock_time(datetime(2026, 3, 10, hour, minute)).names) == said


@pytest.mark.parametrize(
    ("days", "said"), [(0, "today"), (1, "yesterday"), (2, "sunday march 8"), (-1, "wednesday march 11")]
)
def test_dates_are_said(days: int, said: str) -> None:
    assert words(date(NOW - timedelta(days=days), NOW).names) == said


def test_every_word_that_can_be_said_has_its_prompt() -> None:
    library = Library()
    values = [number(value) for value in (*range(101), 1000, 10**6, 10**9, -1)]
    values += [clock_time(datetime(2026, 3, 10, hour, minute)) for hour in range(24) for minute in range(60)]
    values += [date(NOW + timedelta(days=days), NOW) for days in range(-1, 366)]
    values.append(digits("0123456789*#+"))
    for name in {name for phrase in values for name in phrase.names}:
        assert 0.1 < library.prompt(name).seconds < 3, name


def test_what_cannot_be_played_says_so() -> None:
    with pytest.raises(TypeError, match="can be played, not 'welcome'"):
        result(Deferred.fromCoroutine(clips(Library(), ["welcome"])))  # type: ignore[list-item]
    with pytest.raises(ValueError, match="tone\\(\\) knows ringback"):
        tone("bang")
    with pytest.raises(TypeError, match="name of a sound as text"):
        prompt(3)  # type: ignore[arg-type]
