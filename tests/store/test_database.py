"""pbx.store.database: opening, reading beside writing, backup, and a sentence for everything that goes wrong."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from pbx.faults import Fault
from pbx.store import database, migration


def url_of(path: Path) -> str:
    return f"sqlite:///{path}"


@pytest.fixture
def url(tmp_path: Path) -> str:
    url = url_of(tmp_path / "pbx.db")
    migration.upgrade(url)
    return url


@contextmanager
def opened(url: str, patience: float = 5) -> Iterator[sa.Engine]:
    found = database.open_database(url, patience)
    try:
        yield found
    finally:
        found.dispose()


def refusal(url: str) -> str:
    with (
        pytest.raises(Fault) as caught,
        database.explained(url),
        opened(url, patience=0.01) as impatient,
        impatient.begin() as connection,
    ):
        database.require_current(connection)
    fault = caught.value
    assert (fault.path, fault.line) == ("", 0)
    return str(fault)


def test_database_that_is_not_there_is_not_made_by_opening_it(tmp_path: Path) -> None:
    path = tmp_path / "none.db"
    assert refusal(url_of(path)) == f"there is no database {path}; make it with `pbx db upgrade`"
    assert not path.exists()


def test_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pbx.db"
    path.write_bytes(b"a letter to my aunt\n" * 100)
    assert "file is not a database; name another file" in refusal(url_of(path))


def test_folder_is_refused(tmp_path: Path) -> None:
    assert "unable to open database file; give this user the right" in refusal(url_of(tmp_path))


def test_database_without_our_tables_is_told_to_upgrade(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "pbx.db").close()
    assert "at revision none" in refusal(url_of(tmp_path / "pbx.db"))


def test_database_of_a_newer_version_is_refused(url: str) -> None:
    with opened(url) as ours, ours.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    assert "newer version (revision 9999); install that version" in refusal(url)


def test_writer_who_waits_too_long_is_told_so_and_reader_does_not_wait(url: str) -> None:
    with opened(url) as ours, opened(url, patience=0.01) as theirs, ours.begin() as writing:
        writing.execute(sa.text("INSERT INTO extensions (number) VALUES ('1001')"))
        assert "database is locked; end the program that is holding it" in refusal(url)
        with database.reading(theirs) as connection:
            assert connection.scalar(sa.text("SELECT count(*) FROM extensions")) == 0


def test_two_writers_who_read_first_take_turns(url: str) -> None:
    # With a plain BEGIN the second would fail at once: "database is locked".
    look, count = sa.text("SELECT n FROM revision"), sa.text("UPDATE revision SET n = n + 1")
    with opened(url) as one, opened(url, patience=0.01) as two:
        with one.begin() as connection:
            assert connection.scalar(look) == 0
            with pytest.raises(sa.exc.OperationalError, match="locked"), two.begin():
                pytest.fail("two writers at once")
            connection.execute(count)
        with two.begin() as connection:
            assert connection.scalar(look) == 1
            connection.execute(count)


def test_postgresql_without_its_driver_says_what_to_install() -> None:
    try:
        import psycopg  # type: ignore[import-not-found]  # noqa: F401
    except ModuleNotFoundError:
        with pytest.raises(Fault, match=r"psycopg is not installed; pip install 'txpbx\[postgresql\]'"):
            database.open_database("postgresql://joe:secret@127.0.0.1:9/pbx")
    else:
        sentence = refusal("postgresql://joe:secret@127.0.0.1:9/pbx")
        assert sentence.startswith("PostgreSQL refuses: ")
        assert "secret" not in sentence


def test_backup_is_complete_private_and_taken_beside_a_writer(url: str, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    with opened(url) as ours, ours.begin() as connection:
        connection.execute(sa.text("INSERT INTO extensions (number) VALUES ('1001')"))
    with opened(url) as ours, ours.begin() as connection:
        connection.execute(sa.text("INSERT INTO extensions (number) VALUES ('1002')"))
        database.backup(url, target)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    with closing(sqlite3.connect(target)) as copy:
        assert copy.execute("SELECT number FROM extensions").fetchall() == [("1001",)]
    assert sorted(path.name for path in tmp_path.iterdir() if "copy" in path.name) == ["copy.db"]


def test_backup_never_overwrites(url: str, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    target.write_text("precious")
    with pytest.raises(Fault, match="exists already; name a new file"):
        database.backup(url, target)
    assert target.read_text() == "precious"


def test_backup_that_fails_leaves_nothing(url: str, tmp_path: Path) -> None:
    with pytest.raises(Fault, match="cannot be written: No such file"):
        database.backup(url, tmp_path / "none" / "copy.db")
    (tmp_path / "letter.db").write_bytes(b"a letter to my aunt\n" * 100)
    with pytest.raises(Fault, match="file is not a database"):
        database.backup(url_of(tmp_path / "letter.db"), tmp_path / "copy.db")
    with pytest.raises(Fault, match="there is no database"):
        database.backup(url_of(tmp_path / "none.db"), tmp_path / "copy.db")
    assert [name for name in os.listdir(tmp_path) if name.startswith("copy")] == []


@pytest.mark.parametrize("url", ["postgresql://joe:secret@[::/pbx", "postgresql://joe:secret@host:port/pbx"])
def test_url_that_cannot_be_read_is_refused_without_showing_its_password(url: str) -> None:
    with pytest.raises(Fault, match="cannot be read; write") as caught:
        database.open_database(url)
    assert "secret" not in str(caught.value)


def test_backup_of_postgresql_names_its_own_tool(tmp_path: Path) -> None:
    with pytest.raises(Fault, match="pg_dump"):
        database.backup("postgresql://host/pbx", tmp_path / "copy.db")


def test_connection_that_was_lost_while_it_was_asked_is_replaced(
    empty_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    migration.upgrade(empty_url)
    opened = database.open_database(empty_url)
    fatal = {
        "sqlite": "SELECT 1 FROM nowhere",
        "postgresql": "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()",
    }
    with database.asking(opened), database.asking(opened):
        pass  # now two connections wait in the pool, and both are lost
    with pytest.raises(sa.exc.DBAPIError), database.asking(opened) as cursor:
        cursor.execute(fatal[opened.dialect.name])
    with database.asking(opened) as cursor:
        assert cursor.execute("SELECT 1").fetchall() == [(1,)]
    opened.dispose()
    assert not caplog.records
