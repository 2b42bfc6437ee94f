"""Extensions as a CSV file, one line for each, as spreadsheets and other programs read and write it.

A file is taken in as a whole or not at all, and what is wrong is said with its line. No password ever comes out.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import sqlalchemy as sa

from pbx.faults import Fault
from pbx.store import accounts, columns
from pbx.store.schema import aliases, extensions

Row = Mapping[str, Any]

LARGEST = 64 * 2**20  # bytes
_AT_ONCE = 500  # rows in one statement

_COLUMNS = ("number", "password", *columns.SETTINGS, *columns.HASHES, "realm")

# A spreadsheet takes a cell that begins so for a formula, and computes it; an apostrophe in front makes it a text.
_FORMULA = re.compile("'*[=+@-]")
_GUARDED = re.compile("'+[=+@-]")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a file, found good.

    :param line: where it begins, counted from 1.
    :param values: what it sets, by column; a password has become its hashes.
    """

    line: int
    number: str
    values: dict[str, Any]


class Taken(NamedTuple):
    """What became of a file's lines.

    :ivar without_password: how many of those added cannot register yet.
    """

    added: int
    changed: int
    without_password: int


def parse(content: bytes, path: str, realm: str) -> list[Entry]:
    """Return the lines of a file.

    :param path: the file's name, for faults.
    :raises Fault: something in it is wrong; nothing else, whatever it holds.
    """
    rows = _rows(_text(content, path), path)
    first, header = next(rows, (1, []))
    names = [cell.strip().lower() for cell in header]
    for name in names:
        if name not in _COLUMNS:
            raise Fault(path, first, f"there is no column {name[:40]!r}", f"known are {', '.join(_COLUMNS)}")
        if names.count(name) > 1:
            raise Fault(path, first, f"the column {name} is there twice", "remove one of the two")
    if "number" not in names:
        raise Fault(path, first, "the first line names no column number", "write such as: number,password,name")
    entries: dict[str, Entry] = {}
    for line, row in rows:
        try:
            if len(row) != len(names):
                raise Fault("", 0, f"{len(row)} cells, and the first line has {len(names)}", "correct the line")
            entry = _entry(line, dict(zip(names, map(_plain, row), strict=True)), realm)
            if same := entries.get(entry.number):
                raise Fault("", 0, f"extension {entry.number} is on line {same.line} already", "remove one of the two")
        except Fault as fault:
            raise Fault(path, line, fault.what, fault.remedy) from None
        entries[entry.number] = entry
    return list(entries.values())


def _text(content: bytes, path: str) -> str:
    if len(content) > LARGEST:
        raise Fault(path, 0, f"more than {LARGEST >> 20} MiB", "split the file")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise Fault(path, 0, "this is UTF-16", "save the file as CSV in UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise Fault(path, line, "this is not UTF-8", "save the file as CSV in UTF-8") from None


def _rows(text: str, path: str) -> Iterator[tuple[int, list[str]]]:
    """Give each row that is not empty, with the number of its first line."""
    header = text.partition("\n")[0]
    # Where the comma stands in decimal fractions, spreadsheets write semicolons.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=header.count), strict=True)
    line = 1
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                yield line, row
            line = reader.line_num + 1
    except csv.Error as error:
        raise Fault(path, line, f"this is not CSV: {error}", "look for a quotation mark that is not closed") from None


def _plain(cell: str) -> str:
    return cell[1:] if _GUARDED.match(cell) else cell


def _guarded(cell: str) -> str:
    return f"'{cell}" if _FORMULA.match(cell) else cell


def _entry(line: int, cells: Mapping[str, str], realm: str) -> Entry:
    number = columns.number(cells["number"].strip())
    values = {name: columns.read(name, cells[name]) for name in columns.SETTINGS if name in cells}
    made = {name: columns.read(name, cells[name]) for name in columns.HASHES if cells.get(name)}
    made_for = cells.get("realm", "")
    if secret := cells.get("password"):
        if made:
            raise Fault("", 0, "there is a password and a hash of one", "give one of the two")
        values |= accounts.hashes(number, realm, columns.password(secret))
    elif made:
        if made_for not in {"", realm}:
            what = f"the hashes were made for the realm {made_for[:40]!r}, and ours is {realm!r}"
            raise Fault("", 0, what, "give a password instead")
        values |= {"ha1_md5": "", "ha1_sha256": "", **made, "realm": made_for}
    return Entry(line, number, values)


def take(
    connection: sa.Connection, entries: Iterable[Entry], path: str, update: bool, done: Callable[[int], object]
) -> Taken:
    """Write the lines of a file into the table; to be undone as a whole when it raises.

    :param update: whether extensions that exist are changed; else they are a fault.
    :param done: called with the number of lines, whenever some more are written.
    :raises Fault: a number is taken.
    """
    known = set(connection.scalars(sa.select(extensions.c.number)))
    names = {row.name: row.number for row in connection.execute(sa.select(aliases))}
    groups: dict[tuple[bool, tuple[str, ...]], list[dict[str, Any]]] = {}
    added = without_password = 0
    for entry in entries:
        exists = entry.number in known
        if exists and not update:
            remedy = "remove the line, or change those that exist with --update"
            raise Fault(path, entry.line, f"extension {entry.number} exists already", remedy)
        if not exists and entry.number in names:
            what = f"{entry.number} is an alias of extension {names[entry.number]}"
            raise Fault(path, entry.line, what, f"remove it with `pbx alias remove {entry.number}`")
        added += not exists
        without_password += not exists and "ha1_md5" not in entry.values
        groups.setdefault((exists, tuple(entry.values)), []).append({"_number": entry.number, **entry.values})
    changed = 0
    for (exists, written), rows in groups.items():
        changed += len(rows) if exists else 0
        for start in range(0, len(rows), _AT_ONCE):
            part = rows[start : start + _AT_ONCE]
            if written or not exists:
                connection.execute(_statement(exists, written), part)
            done(len(part))
    return Taken(added, changed, without_password)


def _statement(exists: bool, written: tuple[str, ...]) -> sa.Insert | sa.Update:
    number: sa.BindParameter[str] = sa.bindparam("_number")
    values: dict[str, sa.BindParameter[Any]] = {name: sa.bindparam(name) for name in written}
    if exists:
        return extensions.update().where(extensions.c.number == number).values(values)
    return extensions.insert().values(number=number, **values)


def written(
    connection: sa.Connection, with_hashes: bool, following: Callable[[Sequence[Row]], Iterable[Row]] = iter
) -> str:
    """Return all extensions as the text of a file that `parse` takes.

    :param with_hashes: whether the hashes of their passwords are in it: whoever reads them can register.
    :param following: gives the rows one by one, to whoever wants to see how far it is.
    """
    names = ["number", *columns.SETTINGS, *((*columns.HASHES, "realm") if with_hashes else ())]
    text = io.StringIO(newline="")
    sheet = csv.writer(text, lineterminator="\n")
    sheet.writerow(names)
    for row in following(accounts.listed(connection, also=tuple(columns.HASHES))):
        sheet.writerow([_guarded(_cell(row[name])) for name in names])
    return text.getvalue()


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)
