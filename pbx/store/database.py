"""How a database is opened, read and written. Whatever goes wrong in it leaves here as a `Fault` without a place.

SQLite by its own rules: every writing transaction says BEGIN IMMEDIATE, since a plain one that reads before it writes
fails at once with "database is locked" when another process is writing; reading ones do not, and never wait.

PostgreSQL may be on another machine, which may vanish: that is noticed within seconds, also in the midst of a query.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy import event, pool

from pbx.faults import Fault
from pbx.store.schema import REVISION

_SQLITE = "sqlite:///"

# Of libpq; what the URL itself says of these comes first. In seconds, the last one in milliseconds.
_PRESENCE = {"keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3, "tcp_user_timeout": 10_000}

_REMEDIES = {
    "database is locked": "end the program that is holding it, and try again",
    "file is not a database": "name another file, or restore a backup",
    "malformed": "restore a backup",
    "readonly database": "give this user the right to write the file and its folder",
    "unable to open database file": "give this user the right to read and write the file and its folder",
    "no such table": "run `pbx db upgrade`",
    "no such column": "run `pbx db upgrade`",
    "disk is full": "make room on the disk",
}


def file_of(url: str) -> Path | None:
    """Return the file of an SQLite database, None for a database elsewhere."""
    return Path(url.removeprefix(_SQLITE)) if url.startswith(_SQLITE) else None


def open_database(url: str, patience: float = 5.0) -> sa.Engine:
    """Return the database, not connected yet; an SQLite file is never made by opening it.

    :param patience: how many seconds a statement waits for another process to finish writing.
    :raises Fault: the URL is malformed, or the driver for this kind of database is not installed.
    """
    path = file_of(url)
    if path is None:
        with explained(url):
            return _postgresql(url, patience)
    place = f"file:{quote(str(path))}?mode=rw"

    def connect() -> sqlite3.Connection:
        # isolation_level None: the driver leaves BEGIN to us. Threads take turns, one at a time has the connection.
        connection = sqlite3.connect(place, timeout=patience, isolation_level=None, check_same_thread=False, uri=True)
        connection.execute("PRAGMA foreign_keys = ON")
        return connection

    # Named parameters as with PostgreSQL, for `in_sql`.
    database = sa.create_engine("sqlite://", creator=connect, poolclass=pool.QueuePool, paramstyle="named")

    def begin(connection: sa.Connection) -> None:
        reading = connection.get_execution_options().get("reading", False)
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    event.listen(database, "begin", begin)
    return database


def _postgresql(url: str, patience: float) -> sa.Engine:
    try:
        given = sa.make_url(url).query
    except (ValueError, sa.exc.ArgumentError) as error:
        # Its text is not passed on: there may be a password in it.
        remedy = 'write "postgresql://USER:PASSWORD@HOST/DATABASE", special characters as %HH'
        raise Fault("", 0, "the URL of the database cannot be read", remedy) from error
    options = {"connect_timeout": max(2, round(patience)), "application_name": "pbx", **_PRESENCE}
    arguments: dict[str, object] = {name: value for name, value in options.items() if name not in given}
    # Prepared statements would save nothing here, and do not outlive a pool such as PgBouncer between us.
    arguments["prepare_threshold"] = None
    # It warns of what it cannot clean up when a connection is lost; that it is lost, it raises.
    logging.getLogger("psycopg").setLevel(logging.CRITICAL)
    database = sa.create_engine(url, connect_args=arguments)

    def connected(connection: Any, record: object) -> None:
        connection.execute(f"SET lock_timeout = {max(1, round(1000 * patience))}")
        connection.commit()

    event.listen(database, "connect", connected)
    return database


@contextmanager
def reading(database: sa.Engine) -> Iterator[sa.Connection]:
    """Give a connection that sees one state of the database and blocks nobody."""
    with database.connect() as connection:
        if database.dialect.name == "sqlite":
            yield connection.execution_options(reading=True)
        else:
            yield connection.execution_options(isolation_level="REPEATABLE READ")


@contextmanager
def asking(database: sa.Engine) -> Iterator[Any]:
    """Give a cursor of the driver for one statement that reads: for what is asked again and again, since SQLAlchemy's
    part in it costs ten times as much as the database's.

    :raises sqlalchemy.exc.DBAPIError: whatever the driver raises inside.
    """
    dialect: Any = database.dialect
    try:
        with closing(database.raw_connection()) as connection:
            try:
                yield connection.cursor()
            except dialect.dbapi.Error as error:
                connection.invalidate(error)  # it may be lost,
                database.dispose()  # and those that wait in the pool were lost with it
                raise
    except dialect.dbapi.Error as error:
        raise sa.exc.DBAPIError(None, None, error) from error


@lru_cache(maxsize=64)
def in_sql(statement: sa.ClauseElement, dialect: sa.Dialect) -> str:
    """Return a statement as the driver takes it, with the names of its parameters.

    For rows by the hundred: SQLAlchemy looks at each parameter of each, which costs more than the database does.
    """
    return str(statement.compile(dialect=dialect))


@lru_cache(maxsize=64)
def in_places(statement: sa.Insert, dialect: sa.Dialect) -> str:
    """Return the same for rows that are tuples of all columns' values, in the order of the columns.

    The driver looks for no names then: for rows of many columns that halves its work.
    """
    kind: Any = type(dialect)
    places = kind(paramstyle="qmark" if dialect.name == "sqlite" else "format")
    return str(statement.compile(dialect=places))


@contextmanager
def explained(url: str) -> Iterator[None]:
    """Turn what SQLAlchemy and the drivers raise inside into a `Fault` that says what to do."""
    try:
        yield
    except (sa.exc.SQLAlchemyError, sqlite3.Error, OSError) as error:
        raise Fault("", 0, *_sentence(url, error)) from error
    except UnicodeEncodeError as error:
        raise Fault("", 0, f"{error.object!r} is no text that a database can hold", "write it in UTF-8") from error
    except ModuleNotFoundError as error:
        raise Fault("", 0, f"the driver {error.name} is not installed", "pip install 'txpbx[postgresql]'") from error


def reason(error: BaseException) -> str:
    """Return what the driver says, in one line."""
    cause = error.orig if isinstance(error, sa.exc.DBAPIError) and error.orig is not None else error
    lines = str(cause).splitlines()
    return lines[0].strip() if lines else type(cause).__name__


def _sentence(url: str, error: Exception) -> tuple[str, str]:
    path = file_of(url)
    if path is None:
        return f"PostgreSQL refuses: {reason(error)}", "check that it runs, and [database] url"
    if not path.exists():
        return f"there is no database {path}", "make it with `pbx db upgrade`"
    for part, remedy in _REMEDIES.items():
        if part in str(error):
            return f"the database {path} refuses: {reason(error)}", remedy
    return f"the database {path} refuses: {reason(error)}", "check [database] url"


def revision_of(connection: sa.Connection) -> str:
    """Return the number of the last migration that this database has seen, "" before the first."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return ""
    return connection.scalar(sa.text("SELECT version_num FROM alembic_version")) or ""


def require_current(connection: sa.Connection) -> None:
    """Check that the database has the schema of this version.

    :raises Fault: it is older or newer.
    """
    found = revision_of(connection)
    if found > REVISION:
        raise Fault("", 0, f"the database is of a newer version (revision {found})", "install that version")
    if found != REVISION:
        what = f"the database is at revision {found or 'none'}, and this version needs {REVISION}"
        raise Fault("", 0, what, "run `pbx db upgrade`")


def backup(url: str, target: Path) -> None:
    """Copy an SQLite database into a new file while the server goes on; the copy is complete or not there.

    :raises Fault: the file exists already, the database cannot be read, or it is not SQLite.
    """
    source = file_of(url)
    if source is None:
        raise Fault("", 0, "the database is PostgreSQL's", "use pg_dump")
    if target.exists():
        raise Fault("", 0, f"{target} exists already", "name a new file")
    partial = target.with_name(f"{target.name}.partial")
    try:
        os.close(os.open(partial, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600))
    except OSError as error:
        raise Fault("", 0, f"{target} cannot be written: {error.strerror}", "name another file") from error
    try:
        with explained(url):
            place = f"file:{quote(str(source))}?mode=ro"
            with closing(sqlite3.connect(place, uri=True)) as old, closing(sqlite3.connect(partial)) as new:
                old.backup(new)
                new.execute("PRAGMA journal_mode = DELETE")
            os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)
