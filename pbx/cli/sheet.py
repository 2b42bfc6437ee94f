"""`pbx extension import` and `export`: all extensions as a CSV file. FILE is - for standard input and output."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pbx.cli import output
from pbx.cli.settings import Settings, pass_settings
from pbx.faults import Fault

if TYPE_CHECKING:
    from pbx.store.sheet import Entry, Row, Taken


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--update", is_flag=True, help="Change extensions that exist; without it, they are a mistake.")
@output.as_json
@pass_settings
def import_(settings: Settings, file: Path, update: bool, as_json: bool) -> None:
    """Add the extensions in FILE, a CSV file.

    Its first line names the columns: number, and any of password, name, and the others that `pbx extension show` has.
    An empty cell stands for the column's default; a column that is not there is left as it is. If anything is wrong,
    its line is said and nothing is changed.
    """
    from pbx.store import sheet

    entries = sheet.parse(_content(file, sheet.LARGEST), str(file), settings.config.sip.realm)
    taken = _take(settings, entries, file, update)
    sentence = f"{taken.added} extensions added, {taken.changed} changed"
    if taken.without_password:
        sentence += f"; {taken.without_password} have no password yet and cannot register"
    output.say(sentence, taken._asdict(), as_json)


def _take(settings: Settings, entries: list[Entry], file: Path, update: bool) -> Taken:
    from pbx.store import sheet

    with settings.writing() as connection:
        if not sys.stderr.isatty():
            return sheet.take(connection, entries, str(file), update, lambda lines: None)
        with click.progressbar(length=len(entries), label="Writing", file=sys.stderr) as bar:
            return sheet.take(connection, entries, str(file), update, bar.update)


def _content(file: Path, largest: int) -> bytes:
    try:
        if str(file) == "-":
            return sys.stdin.buffer.read(largest + 1)
        with file.open("rb") as opened:
            return opened.read(largest + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise Fault(str(file), 0, f"cannot be read: {reason}", "name another file") from error


@click.command("export")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--hashes", is_flag=True, help="Write the hashes of the passwords too. Who has them can register.")
@output.as_json
@pass_settings
def export(settings: Settings, file: Path, hashes: bool, as_json: bool) -> None:
    """Write all extensions into FILE, a new CSV file.

    `pbx extension import` takes it again; without --hashes, the extensions that it adds have no password yet. Where a
    text begins with = + - or @, an apostrophe in front keeps spreadsheets from computing it; import takes it away.
    """
    from pbx.store import sheet

    with settings.reading() as connection:
        text = sheet.written(connection, hashes, _watched if sys.stderr.isatty() else iter)
    if str(file) == "-":
        click.echo(text, nl=False)
        return
    _write(file, text)
    output.say(f"the extensions are saved in {file}", {"file": str(file)}, as_json)


def _watched(rows: Sequence[Row]) -> Iterator[Row]:
    """Give the rows one by one, and show how far it is."""
    with click.progressbar(rows, label="Reading", file=sys.stderr) as bar:
        yield from bar


def _write(file: Path, text: str) -> None:
    """Make the file, for this user only; what is there is not overwritten, and nothing half done is left."""
    try:
        opened = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        raise Fault("", 0, f"{file} exists already", "name a new file") from None
    except OSError as error:
        raise Fault("", 0, f"{file} cannot be written: {error.strerror}", "name another file") from error
    try:
        with open(opened, "w", encoding="utf-8", newline="") as writing:
            writing.write(text)
    except OSError as error:
        file.unlink(missing_ok=True)
        raise Fault("", 0, f"{file} cannot be written: {error.strerror}", "make room on the disk") from error
