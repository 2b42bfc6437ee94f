"""The table `holidays` as administrators use it: the days of each calendar on which nobody works."""

from __future__ import annotations

from datetime import date

import sqlalchemy as sa

from pbx.faults import Fault
from pbx.store.database import reading
from pbx.store.schema import holidays


def read_holidays(database: sa.Engine) -> dict[str, list[date]]:
    """Read the days of each calendar; to be called where blocking is allowed."""
    found: dict[str, list[date]] = {}
    with reading(database) as connection:
        for row in listed(connection):
            found.setdefault(row["calendar"], []).append(date.fromisoformat(row["day"]))
    return found


def listed(connection: sa.Connection, calendar: str | None = None) -> list[dict[str, str]]:
    """Return all days in their order, or those of one calendar."""
    columns = holidays.c
    query = sa.select(columns.calendar, columns.day, columns.name).order_by(columns.calendar, columns.day)
    if calendar is not None:
        query = query.where(columns.calendar == calendar)
    return [
        {"calendar": row.calendar, "day": row.day.isoformat(), "name": row.name} for row in connection.execute(query)
    ]


def add(connection: sa.Connection, calendar: str, day: str, name: str) -> None:
    """Add a day to a calendar, which begins with its first day.

    :param day: as "2026-12-25".
    :raises Fault: that is no day, or it is there already.
    """
    when = _day(day)
    if not (calendar and calendar.isprintable()):
        raise Fault("", 0, f"{calendar!r} cannot be the name of a calendar", "write for example fr")
    if any(row["day"] == when.isoformat() for row in listed(connection, calendar)):
        raise Fault("", 0, f"{when} is in the calendar {calendar} already", "`pbx holiday list` shows all")
    connection.execute(holidays.insert().values(calendar=calendar, day=when, name=name))


def remove(connection: sa.Connection, calendar: str, day: str) -> None:
    """Remove a day from a calendar.

    :raises Fault: it is not in it.
    """
    columns = holidays.c
    rows = holidays.delete().where(columns.calendar == calendar, columns.day == _day(day))
    if not connection.execute(rows).rowcount:
        raise Fault("", 0, f"{day} is not in the calendar {calendar}", "`pbx holiday list` shows all")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Fault("", 0, f"{text!r} is no day", "write it as 2026-12-25") from None
