"""Hours: when somebody is there, as people write it on a door: `Hours("Mon-Fri 09:00-17:30", tz="Europe/Paris")`.

A moment is turned into the wall clock of the hours' own time zone and compared with what the door says. So the nights
on which clocks change need no rule: in autumn 02:30 comes twice, and is in the hours both times or neither; in spring
it does not come.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pbx.dialplan.holidays import Holidays, Moment

__all__ = ["Holidays", "Hours"]

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MINUTES = 24 * 60
_PART = re.compile(
    r"(?:([A-Za-z, -]*[A-Za-z])\s+)?(\d\d?:\d\d\s*-\s*\d\d?:\d\d(?:\s*,\s*\d\d?:\d\d\s*-\s*\d\d?:\d\d)*)"
)
_RANGE = re.compile(r"(\d\d?):(\d\d)\s*-\s*(\d\d?):(\d\d)")
_EXAMPLE = 'write for example "Mon-Fri 09:00-12:30,14:00-17:30; Sat 10:00-13:00"'


class _Range(NamedTuple):
    """Minutes of one weekday; an end beyond midnight belongs to the night that began on it."""

    weekday: int
    first: int
    end: int


class Hours:
    """The hours of a week.

    :param text: weekdays and times: "Mon-Fri 09:00-12:30,14:00-17:30; Sat 10:00-13:00". Without weekdays every day is
        meant; "Fri 22:00-06:00" ends on Saturday morning; the end itself is outside.
    :param tz: the time zone in which the clock on the wall is, "Europe/Paris" for example.
    :param closed: the holidays: no hours begin on one.
    :raises ValueError: when a text or a zone is none; the words say what to write.
    """

    __slots__ = ("_ranges", "closed", "text", "zone")

    def __init__(self, text: str, *, tz: str, closed: Holidays | None = None) -> None:
        self.text = text
        self.closed = Holidays() if closed is None else closed
        try:
            self.zone = ZoneInfo(tz)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f'Hours(): {tz!r} is no time zone; write for example tz="Europe/Paris"') from None
        self._ranges = tuple(_ranges(text))

    def __contains__(self, moment: datetime) -> bool:
        """Whether somebody is there: `call.now in OPEN`.

        :raises TypeError: when the moment has no time zone.
        """
        if not isinstance(moment, datetime) or moment.utcoffset() is None:
            raise TypeError(f"Hours contain moments with a time zone such as call.now, not {moment!r}")
        table = moment.holidays if isinstance(moment, Moment) else None
        here = moment.astimezone(self.zone)
        today, minute = here.date(), here.hour * 60 + here.minute
        yesterday = today - timedelta(days=1)
        for weekday, first, end in self._ranges:
            if weekday == today.weekday() and first <= minute < end and not self.closed.has(today, table):
                return True
            late = weekday == yesterday.weekday() and minute < end - _MINUTES
            if late and not self.closed.has(yesterday, table):
                return True
        return False

    def __repr__(self) -> str:
        return f"<Hours {self.text} {self.zone.key}>"


def _ranges(text: str) -> Iterator[_Range]:
    if not isinstance(text, str):
        raise TypeError(f"Hours() takes text, not {text!r}; {_EXAMPLE}")
    for part in text.split(";"):
        found = _PART.fullmatch(part.strip())
        if found is None:
            raise ValueError(f"Hours(): {part.strip()!r} is none; {_EXAMPLE}")
        days, times = found.groups()
        for weekday in _weekdays(days or "Mon-Sun"):
            for first, end in map(_minutes, _RANGE.finditer(times)):
                yield _Range(weekday, first, end)


def _minutes(found: re.Match[str]) -> tuple[int, int]:
    hour, minute, end_hour, end_minute = map(int, found.groups())
    first, end = hour * 60 + minute, end_hour * 60 + end_minute
    if minute > 59 or end_minute > 59 or first >= _MINUTES or end > _MINUTES or first == end:
        raise ValueError(f"Hours(): {found[0]!r} is no time of the day; {_EXAMPLE}")
    return first, end if end > first else end + _MINUTES


def _weekdays(text: str) -> Iterator[int]:
    for piece in text.split(","):
        first, dash, last = (word.strip() for word in piece.partition("-"))
        try:
            start, stop = _DAYS.index(first.lower()), _DAYS.index((last if dash else first).lower())
        except ValueError:
            raise ValueError(f"Hours(): {piece.strip()!r} is no weekday; {_EXAMPLE}") from None
        yield from ((start + step) % 7 for step in range((stop - start) % 7 + 1))
