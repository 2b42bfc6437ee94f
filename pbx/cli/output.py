"""What commands print: a table or a sentence for people, an array of objects for programs (`--json`)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

import click

Row = Mapping[str, object]

as_json = click.option("--json", "as_json", is_flag=True, help="Print an array of objects, for programs.")


def show(rows: Sequence[Row], columns: Iterable[str], as_json: bool) -> None:
    """Print one line a row."""
    names = list(columns)
    if as_json:
        _dump(rows)
        return
    lines = [names, *([_cell(row[name]) for name in names] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def show_one(row: Row, as_json: bool) -> None:
    """Print one line a column."""
    if as_json:
        _dump([row])
        return
    width = max(map(len, row))
    for name, value in row.items():
        click.echo(f"{name.replace('_', ' '):<{width}}  {_cell(value)}".rstrip())


def say(sentence: str, row: Row, as_json: bool) -> None:
    """Print what was done: the sentence, or the row that it is about."""
    if as_json:
        _dump([row])
    else:
        click.echo(sentence)


def printable(value: object) -> str:
    """What a phone or another program wrote must not reach the terminal as an escape sequence."""
    return "".join(letter if letter.isprintable() else "?" for letter in str(value))


def _dump(rows: Sequence[Row]) -> None:
    click.echo(json.dumps([dict(row) for row in rows], indent=2))


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case dict():
            return ", ".join(f"{_cell(key)}: {_cell(item)}" for key, item in value.items())
        case list():
            return ", ".join(map(_cell, value))
    return printable(value)
