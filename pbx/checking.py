"""All that can be said of a dialplan before anybody calls: what would keep it from being loaded, what is hardly meant,
what its types say where mypy is installed, and how it fits the database.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import sqlalchemy as sa

from pbx.config import Config
from pbx.dialplan import loading
from pbx.dialplan.ways import FORWARDS, circles
from pbx.faults import Fault
from pbx.media.library import Library
from pbx.store import opening
from pbx.store.database import explained, file_of, open_database, reading
from pbx.store.schema import aliases, extensions

Known = Callable[[str], bool]

_MYPY_LINE = re.compile(r"(?P<path>.*?):(?P<line>\d+): error: (?P<what>.*?)(?:  \[(?P<code>[\w-]+)\])?")


class Finding(NamedTuple):
    """Something that is wrong.

    :ivar fatal: whether it keeps the dialplan from being loaded.
    """

    fault: Fault
    fatal: bool = False


def check(config: Config, file: Path, names: bool = True) -> Iterator[Finding]:
    """Yield what is wrong with a dialplan.

    :param file: it, or another than that of the configuration.
    :param names: whether extensions, trunks and mailboxes are looked up in the database, and where calls are forwarded.
    :raises Fault: the database cannot be read.
    """
    url = config.database.url
    library = Library(config.media.prompts, config.dialplan.country, config.media.recordings)
    extension: Known = _any
    mailbox: Known = _any
    trunk: Known = _any
    if names:
        found = opening.names(url)
        extension, trunk = found.extensions.__contains__, found.trunks.__contains__
        mailbox = opening.mailbox_names(url).__contains__
    try:
        plan = loading.load(file, extension, library, mailbox, trunk, config.dialplan.numbering)
    except Fault as fault:
        yield Finding(fault, fatal=True)
    else:
        yield from map(Finding, loading.doubtful(str(file), plan))
    yield from map(Finding, _types(file))
    if names:
        yield from map(Finding, circles(_forwards(url)))


def _any(name: str) -> bool:
    """There is whatever is named."""
    return True


def _forwards(url: str) -> dict[str, dict[str, str]]:
    """Where each extension forwards calls to, by column."""
    path = file_of(url)
    if path is not None and not path.exists():
        return {}
    database = open_database(url)
    columns = [extensions.c[name] for name in FORWARDS]
    try:
        with explained(url), reading(database) as connection:
            rows = connection.execute(sa.select(extensions.c.number, *columns).order_by(extensions.c.number)).all()
            names = {row.name: row.number for row in connection.execute(sa.select(aliases.c.name, aliases.c.number))}
    finally:
        database.dispose()
    return {
        number: {column: names.get(to, to) for column, to in zip(FORWARDS, targets, strict=True) if to}
        for number, *targets in rows
    }


def _types(file: Path) -> Iterator[Fault]:
    """What mypy says; nothing where it is not installed."""
    if importlib.util.find_spec("mypy") is None:
        return
    options = ("--strict", "--no-error-summary", "--no-pretty", "--hide-error-context", "--config-file=")
    cache = f"--cache-dir={os.devnull}"  # else it would leave one beside the dialplan
    argv = [sys.executable, "-m", "mypy", *options, cache, "--", file.name]
    done = subprocess.run(argv, cwd=file.parent, capture_output=True, text=True, check=False)
    for line in done.stdout.splitlines():
        found = _MYPY_LINE.fullmatch(line)
        if found is not None and found["path"] == file.name:
            yield Fault(str(file), int(found["line"]), found["what"], f"mypy: {found['code'] or 'error'}")
