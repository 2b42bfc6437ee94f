"""`pbx holiday`: the days on which nobody works. The running server sees a change within a second."""

from __future__ import annotations

import click

from pbx.cli import output
from pbx.cli.settings import Settings, pass_settings

COLUMNS = ("calendar", "day", "name")


@click.group()
def holiday() -> None:
    """Add, list and remove holidays.

    A dialplan asks for those of a calendar with `Holidays.from_db("fr")`.

    A running server sees a change within a second.
    """


@holiday.command()
@click.argument("calendar")
@click.argument("day")
@click.argument("name", default="")
@output.as_json
@pass_settings
def add(settings: Settings, calendar: str, day: str, name: str, as_json: bool) -> None:
    """Add DAY, written as 2026-12-25, to CALENDAR; NAME is for people."""
    from pbx.store import holidays

    with settings.writing() as connection:
        holidays.add(connection, calendar, day, name)
    output.say(f"{day} is in the calendar {calendar}", {"calendar": calendar, "day": day, "name": name}, as_json)


@holiday.command("list")
@click.argument("calendar", required=False)
@output.as_json
@pass_settings
def list_(settings: Settings, calendar: str | None, as_json: bool) -> None:
    """List all holidays, or those of one calendar."""
    from pbx.store import holidays

    with settings.reading() as connection:
        rows = holidays.listed(connection, calendar)
    output.show(rows, COLUMNS, as_json)


@holiday.command()
@click.argument("calendar")
@click.argument("day")
@output.as_json
@pass_settings
def remove(settings: Settings, calendar: str, day: str, as_json: bool) -> None:
    """Remove DAY from CALENDAR."""
    from pbx.store import holidays

    with settings.writing() as connection:
        holidays.remove(connection, calendar, day)
    output.say(f"{day} is no holiday in {calendar} any more", {"calendar": calendar, "day": day}, as_json)
