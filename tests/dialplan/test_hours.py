"""When somebody is there: weekdays, ranges, holidays, and the nights on which clocks change."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from pbx.dialplan.holidays import HolidayTable, Moment
from pbx.dialplan.hours import Holidays, Hours

PARIS = ZoneInfo("Europe/Paris")


def paris(text: str, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=PARIS, fold=fold)


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        (
            "Mon-Fri 09:00-17:30",
            ["2026-03-10 09:00", "2026-03-13 17:29:59"],
            ["2026-03-10 08:59:59", "2026-03-10 17:30"],
        ),
        ("Mon-Fri 09:00-17:30", [], ["2026-03-14 10:00", "2026-03-15 10:00"]),
        ("Mon-Fri 9:00-12:30, 14:00-17:30", ["2026-03-10 12:29", "2026-03-10 14:00"], ["2026-03-10 13:00"]),
        ("Mon,Wed 10:00-11:00; Sat 10:00-24:00", ["2026-03-11 10:30", "2026-03-14 23:59:59"], ["2026-03-10 10:30"]),
        ("Fri 22:00-06:00", ["2026-03-13 22:00", "2026-03-14 05:59"], ["2026-03-14 22:00", "2026-03-13 05:59"]),
        ("Sat-Mon 08:00-09:00", ["2026-03-14 08:00", "2026-03-15 08:00", "2026-03-16 08:00"], ["2026-03-17 08:00"]),
        ("12:00-13:00", ["2026-03-14 12:30", "2026-03-15 12:30"], ["2026-03-15 13:00"]),
    ],
)
def test_the_door_says_when(text: str, inside: list[str], outside: list[str]) -> None:
    hours = Hours(text, tz="Europe/Paris")
    assert [when for when in inside if paris(when) not in hours] == []
    assert [when for when in outside if paris(when) in hours] == []


def test_the_clock_on_that_wall_counts_wherever_the_moment_was_told() -> None:
    hours = Hours("Mon-Fri 09:00-17:30", tz="Europe/Paris")
    assert datetime(2026, 3, 10, 8, 0, tzinfo=UTC) in hours
    assert datetime(2026, 7, 10, 7, 0, tzinfo=UTC) in hours
    assert datetime(2026, 3, 10, 16, 30, tzinfo=UTC) not in hours


def test_the_nights_on_which_clocks_change() -> None:
    night = Hours("02:00-03:00", tz="Europe/Paris")
    minutes = [datetime(2026, 3, 29, 0, 0, tzinfo=UTC) + timedelta(minutes=minute) for minute in range(240)]
    assert sum(minute in night for minute in minutes) == 0  # in spring there is no such hour
    minutes = [datetime(2026, 10, 25, 0, 0, tzinfo=UTC) + timedelta(minutes=minute) for minute in range(240)]
    assert sum(minute in night for minute in minutes) == 120  # in autumn it comes twice
    late = Hours("Sat 22:00-06:00", tz="Europe/Paris")
    begin = datetime(2026, 3, 28, 12, 0, tzinfo=UTC)
    assert sum(begin + timedelta(minutes=minute) in late for minute in range(1440)) == 7 * 60
    begin = datetime(2026, 10, 24, 12, 0, tzinfo=UTC)
    assert sum(begin + timedelta(minutes=minute) in late for minute in range(1440)) == 9 * 60


def test_no_hours_begin_on_a_holiday_and_a_night_that_has_begun_goes_on() -> None:
    hours = Hours("Mon-Fri 09:00-17:30; Thu 22:00-06:00", tz="Europe/Paris", closed=Holidays("2026-05-01"))
    assert paris("2026-05-01 10:00") not in hours
    assert paris("2026-05-01 05:00") in hours
    assert paris("2026-04-30 10:00") in hours


def test_holidays_of_the_database_come_with_the_moment_and_change_at_once() -> None:
    hours = Hours("Mon-Fri 09:00-17:30", tz="Europe/Paris", closed=Holidays.from_db("fr", "house"))
    table = HolidayTable({"fr": [date(2026, 5, 1)], "de": [date(2026, 5, 4)]})
    now = Moment.of(paris("2026-05-01 10:00"), table)
    assert now not in hours
    assert now + timedelta(days=3) in hours
    assert (now + timedelta(days=3)).astimezone(UTC) - timedelta(days=3) not in hours
    assert now - paris("2026-05-01 09:00") == timedelta(hours=1)
    table.replace({"house": [date(2026, 5, 4)]})
    assert now in hours
    assert now + timedelta(days=3) not in hours
    with pytest.raises(TypeError, match=r"only call\.now"):
        paris("2026-05-01 10:00") in hours  # noqa: B015


@pytest.mark.parametrize(
    ("text", "tz", "words"),
    [
        ("Mon-Fri", "Europe/Paris", "'Mon-Fri' is none"),
        ("Mon-Fri 9-17", "Europe/Paris", "09:00-12:30"),
        ("Mo-Fr 09:00-17:30", "Europe/Paris", "'Mo-Fr' is no weekday"),
        ("Mon-Fri 09:00-25:00", "Europe/Paris", "no time of the day"),
        ("Mon 09:00-09:00", "Europe/Paris", "no time of the day"),
        ("Mon 09:61-10:00", "Europe/Paris", "no time of the day"),
        ("", "Europe/Paris", "is none"),
        ("Mon 09:00-10:00", "Europe/Pairs", "'Europe/Pairs' is no time zone"),
        ("Mon 09:00-10:00", "../../etc", "is no time zone"),
        ("Mon 09:00-10:00", "", "is no time zone"),
    ],
)
def test_a_mistake_is_one_sentence(text: str, tz: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Hours(text, tz=tz)


def test_a_moment_without_a_zone_and_holidays_that_are_none_are_refused() -> None:
    with pytest.raises(TypeError, match="with a time zone"):
        datetime(2026, 3, 10) in Hours("09:00-10:00", tz="Europe/Paris")  # noqa: B015
    with pytest.raises(ValueError, match="25-12-2026"):
        Holidays("25-12-2026")
    with pytest.raises(TypeError, match="names of calendars"):
        Holidays.from_db(3)  # type: ignore[arg-type]
