"""`pbx records`: the calls that are over, from the database."""

from __future__ import annotations

import csv
import re
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from pbx.cli import output
from pbx.cli.settings import Settings, pass_settings

COLUMNS = ("id", "began_at", "caller", "dialled", "reached", "seconds", "code", "cause", "sentence")

_AGO = re.compile(r"(\d{1,6})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
# How a formula begins, which a caller may have written as its name; also in full width, which some spreadsheets take.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


class Moment(click.ParamType[datetime]):
    """A moment in UTC, or so long ago."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read it."""
        found = _AGO.fullmatch(value)
        if found:
            return datetime.now(UTC).replace(tzinfo=None) - timedelta(**{_UNITS[found[2]]: int(found[1])})
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no moment: write 2026-03-10T14:30 (UTC), or 2h for two hours ago", param, ctx)
        return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


@click.command()
@click.argument("number", required=False)
@click.option("--from", "caller", metavar="NUMBER", help="Only calls that NUMBER made.")
@click.option("--to", "called", metavar="NUMBER", help="Only calls for which NUMBER was dialled, or has answered.")
@click.option("--since", type=Moment(), help="Only calls from then on: 2026-03-10T14:30 (UTC), or 2h, 7d ago.")
@click.option("--until", type=Moment(), help="Only calls before that.")
@click.option("--trunk", metavar="NAME", help="Only calls that came or went by this trunk.")
@click.option("--cause", metavar="NAME", help="Only calls that ended so; docs/operating lists the causes.")
@click.option("--answered/--unanswered", default=None, help="Only calls that were answered, or were not.")
@click.option("--limit", default=100, type=click.IntRange(1, 10**6), help="How many at most, the last ones. [100]")
@click.option("--csv", "as_csv", is_flag=True, help="Print all columns as CSV, for spreadsheets.")
@output.as_json
@pass_settings
def records(settings: Settings, /, as_csv: bool, as_json: bool, **wanted: Any) -> None:
    """List calls that are over.

    With NUMBER, those in which it called, was dialled, has answered or was transferred. The last column says in words
    why each ended.

    Moments are in UTC. --json and --csv have all columns of the table `calls`.
    """
    from pbx.store.records import Wanted, read_records

    if as_csv and as_json:
        raise click.UsageError("give --csv or --json, not both")
    with settings.reading() as connection:
        found = read_records(connection, Wanted(**wanted))
    rows = [{name: shown(value) for name, value in row.items()} for row in found]
    if as_csv:
        _write_csv(rows)
    elif as_json:
        output.show(rows, (), True)
    else:
        talked = [{**row, "seconds": _seconds(plain)} for row, plain in zip(rows, found, strict=True)]
        output.show(talked, COLUMNS, False)


def shown(value: object) -> object:
    """A value of a row as it is printed: moments with their zone, fractions without noise."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC).isoformat(timespec="milliseconds")
    return round(value, 6) if isinstance(value, float) else value


def _seconds(row: dict[str, Any]) -> int | None:
    """How long they talked."""
    return None if row["answered_at"] is None else round((row["ended_at"] - row["answered_at"]).total_seconds())


def _write_csv(rows: list[dict[str, object]]) -> None:
    from pbx.store.schema import calls

    writer = csv.writer(sys.stdout, lineterminator="\n")
    names = [column.name for column in calls.columns]
    writer.writerow(names)
    for row in rows:
        writer.writerow([_cell(row[name]) for name in names])


def _cell(value: object) -> object:
    """What a spreadsheet takes for a formula is marked as text; a telephone number is none. No terminal has to obey."""
    if not isinstance(value, str):
        return value
    is_formula = value.startswith(_FORMULA) and not value[1:].isdigit()
    return f"'{output.printable(value)}" if is_formula else output.printable(value)
