"""Holidays: the days of each calendar, and the moment that knows them.

A calendar that a plan names says nothing by itself. `call.now` is a moment that brings the exchange's calendars along,
so that an `Hours` that is made when the file is read needs no database.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta, tzinfo
from typing import Any, Self


class HolidayTable:
    """All calendars of an exchange, as the table `holidays` has them."""

    __slots__ = ("_days",)

    def __init__(self, days: Mapping[str, Iterable[date]] | None = None) -> None:
        self._days: dict[str, frozenset[date]] = {}
        self.replace(days or {})

    def replace(self, days: Mapping[str, Iterable[date]]) -> None:
        """Put these in the place of all that were here."""
        self._days = {calendar: frozenset(those) for calendar, those in days.items()}

    def has(self, calendar: str, day: date) -> bool:
        """Whether a day is in a calendar; one that nobody has heard of is empty."""
        return day in self._days.get(calendar, ())


class Moment(datetime):
    """A point in time that knows the holidays: `call.now`. It stays one when it is moved."""

    holidays: HolidayTable | None = None

    @classmethod
    def of(cls, when: datetime, holidays: HolidayTable | None) -> Self:
        """The same time, with these holidays."""
        moment = cls(
            *(when.year, when.month, when.day, when.hour, when.minute, when.second, when.microsecond),
            tzinfo=when.tzinfo,
            fold=when.fold,
        )
        moment.holidays = holidays
        return moment

    def astimezone(self, tz: tzinfo | None = None) -> Moment:
        """The same moment elsewhere."""
        return Moment.of(super().astimezone(tz), self.holidays)

    def __add__(self, other: timedelta) -> Moment:
        return Moment.of(super().__add__(other), self.holidays)

    def __sub__(self, other: Any) -> Any:
        difference = super().__sub__(other)
        return Moment.of(difference, self.holidays) if isinstance(difference, datetime) else difference


class Holidays:
    """The days on which nobody works: dates that the plan names, and those of calendars in the database.

    :param days: dates, as "2026-12-25" or as `datetime.date`.
    :raises ValueError: when one is no date.
    """

    __slots__ = ("calendars", "days")

    def __init__(self, *days: date | str) -> None:
        self.days = frozenset(date.fromisoformat(day) if isinstance(day, str) else day for day in days)
        self.calendars: tuple[str, ...] = ()

    @classmethod
    def from_db(cls, *calendars: str) -> Holidays:
        """The days of calendars in the table `holidays`: `pbx holiday add fr 2026-05-01`.

        :param calendars: their names.
        """
        for calendar in calendars:
            if not (isinstance(calendar, str) and calendar):
                raise TypeError(f'Holidays.from_db() takes names of calendars such as "fr", not {calendar!r}')
        holidays = cls()
        holidays.calendars = calendars
        return holidays

    def has(self, day: date, table: HolidayTable | None) -> bool:
        """Whether a day is one of them.

        :param table: the exchange's calendars; None where nobody knows them.
        :raises TypeError: when a calendar of the database is asked for and there are none.
        """
        if day in self.days:
            return True
        if self.calendars and table is None:
            raise TypeError("only call.now, and what is computed from it, knows the holidays in the database")
        return table is not None and any(table.has(calendar, day) for calendar in self.calendars)

    def __repr__(self) -> str:
        return f"<Holidays {', '.join([*self.calendars, *sorted(map(str, self.days))])}>"
