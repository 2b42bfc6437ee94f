"""pbx.store.migration and migrations/: the schema is made, kept, compared, and counts what administrators change."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from pbx.faults import Fault
from pbx.store import migration
from pbx.store.database import file_of, open_database, reading
from pbx.store.schema import REVISION

Shell = sqlite3.Connection | psycopg.Connection


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "pbx.db"
    migration.upgrade(f"sqlite:///{path}")
    return path


def opened(url: str) -> Shell:
    """What an administrator has: plain SQL, each statement for itself."""
    if path := file_of(url):
        return sqlite3.connect(path, isolation_level=None)
    return psycopg.connect(url, autocommit=True)


@pytest.fixture(params=[("sqlite", "OFF"), ("sqlite", "ON"), ("postgresql", "")], ids=" ".join)
def shell(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shell]:
    """Give it on both databases; the sqlite3 shell leaves foreign keys off, other programs may not."""
    kind, foreign_keys = request.param
    url = f"sqlite:///{tmp_path}/pbx.db" if kind == "sqlite" else request.getfixturevalue("cluster").database()
    migration.upgrade(url)
    with closing(opened(url)) as shell:
        if foreign_keys:
            shell.execute(f"PRAGMA foreign_keys = {foreign_keys}")
        yield shell


def test_upgrade_makes_a_private_file_in_wal_mode_and_is_done_once(tmp_path: Path) -> None:
    path = tmp_path / "pbx.db"
    before = os.umask(0)
    try:
        assert migration.upgrade(f"sqlite:///{path}") == ("", REVISION)
    finally:
        os.umask(before)
    assert migration.upgrade(f"sqlite:///{path}") == (REVISION, REVISION)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_models_and_migrations_agree(url: str) -> None:
    migration.check(url)


def test_revision_of_the_program_is_the_newest_migration() -> None:
    settings = Config()
    settings.set_main_option("script_location", "pbx:migrations")
    scripts = ScriptDirectory.from_config(settings)
    assert scripts.get_heads() == [REVISION]
    assert [script.revision for script in scripts.walk_revisions()] == sorted(
        (script.revision for script in scripts.walk_revisions()), reverse=True
    )


def test_check_says_what_was_changed_by_hand(url: str) -> None:
    with closing(opened(url)) as shell:
        shell.execute("ALTER TABLE extensions ADD COLUMN colour TEXT")
    with pytest.raises(Fault, match=r"not those of this version .*colour") as caught:
        migration.check(url)
    assert "\n" not in str(caught.value)


def test_check_of_an_old_database_says_upgrade(empty_url: str) -> None:
    if path := file_of(empty_url):
        path.touch()
    with pytest.raises(Fault, match="run `pbx db upgrade`"):
        migration.check(empty_url)


def test_upgrade_without_its_folder_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(Fault, match="cannot be made: No such file or directory; make its folder"):
        migration.upgrade(f"sqlite:///{tmp_path}/none/pbx.db")
    assert os.listdir(tmp_path) == []


def test_upgrade_that_fails_leaves_an_old_database_as_it_was(empty_url: str) -> None:
    with closing(opened(empty_url)) as shell:
        # In the way of the second table of the first migration.
        shell.execute("CREATE VIEW bindings AS SELECT 1 AS one")
    with pytest.raises(Fault, match="already exists"):
        migration.upgrade(empty_url)
    database = open_database(empty_url)
    with reading(database) as connection:
        tables = sa.inspect(connection)
        assert (tables.get_table_names(), tables.get_view_names()) == ([], ["bindings"])
    database.dispose()


def test_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "places.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE places (name TEXT)")
    before = path.read_bytes()
    with pytest.raises(Fault, match="is the database of another program; name another file"):
        migration.upgrade(f"sqlite:///{path}")
    assert path.read_bytes() == before


def test_upgrade_refuses_a_newer_database(url: str) -> None:
    with closing(opened(url)) as shell:
        shell.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(Fault, match="newer version"):
        migration.upgrade(url)


def revision(shell: Shell, table: str = "extensions") -> int:
    return int(shell.execute(f"SELECT n FROM revision WHERE \"table\" = '{table}'").fetchone()[0])


def bind(shell: Shell, number: str) -> None:
    """Put a binding of an extension into the table."""
    shell.execute(
        f"""INSERT INTO bindings (number, contact, q, call_id, cseq, expires_at, transport, local_host, local_port,
        remote_host, remote_port, user_agent, registered_at)
        VALUES ('{number}', 'sip:a@b', 1, 'c', 1, 9e9, 'UDP', '127.0.0.1', 5060, '127.0.0.1', 5062, '', 0)"""
    )


def test_plain_sql_on_extensions_is_counted_and_needs_no_column_but_the_number(shell: Shell) -> None:
    assert revision(shell) == 0
    shell.execute("INSERT INTO extensions (number) VALUES ('1001')")
    assert revision(shell) == 1
    assert shell.execute("SELECT name, enabled, realm FROM extensions").fetchone() == ("", 1, "")
    shell.execute("UPDATE extensions SET enabled = false")
    assert revision(shell) == 2
    shell.execute("DELETE FROM extensions")
    assert revision(shell) == 3


@pytest.mark.parametrize("table", ["aliases", "permissions"])
def test_plain_sql_on_the_tables_beside_is_counted(shell: Shell, table: str) -> None:
    shell.execute("INSERT INTO extensions (number) VALUES ('1001'), ('1002')")
    first, others = revision(shell, table), revision(shell)
    shell.execute(f"INSERT INTO {table} VALUES ('1001', '1001')")
    assert revision(shell, table) == first + 1
    shell.execute(f"UPDATE {table} SET number = '1002'")
    assert revision(shell, table) == first + 2
    shell.execute(f"DELETE FROM {table}")
    assert revision(shell, table) == first + 3
    assert revision(shell) == others


def test_bindings_are_the_servers_own_and_not_counted(shell: Shell) -> None:
    shell.execute("INSERT INTO extensions (number) VALUES ('1001')")
    before = shell.execute("SELECT * FROM revision").fetchall()
    bind(shell, "1001")
    shell.execute("UPDATE bindings SET cseq = 2")
    shell.execute("DELETE FROM bindings")
    assert shell.execute("SELECT * FROM revision").fetchall() == before


def test_bindings_go_with_their_extension(shell: Shell) -> None:
    for number in ("1001", "1002", "1003"):
        shell.execute(f"INSERT INTO extensions (number) VALUES ('{number}')")
        bind(shell, number)
    shell.execute("DELETE FROM extensions WHERE number = '1001'")
    shell.execute("UPDATE extensions SET number = '2002' WHERE number = '1002'")
    shell.execute("UPDATE extensions SET name = 'Ann' WHERE number = '1003'")
    assert shell.execute("SELECT number FROM bindings").fetchall() == [("1003",)]


def test_aliases_and_permissions_follow_their_extension(shell: Shell) -> None:
    shell.execute("INSERT INTO extensions (number) VALUES ('1001'), ('1002'), ('1003')")
    shell.execute("INSERT INTO aliases VALUES ('ann', '1001'), ('bob', '1002'), ('carol', '1003')")
    shell.execute("INSERT INTO permissions VALUES ('1001', '1002'), ('1002', '1003'), ('1003', '1003')")
    shell.execute("UPDATE extensions SET number = '2002' WHERE number = '1002'")
    shell.execute("DELETE FROM extensions WHERE number = '1001'")
    assert shell.execute("SELECT * FROM aliases ORDER BY name").fetchall() == [("bob", "2002"), ("carol", "1003")]
    found = shell.execute("SELECT * FROM permissions ORDER BY number").fetchall()
    assert found == [("1003", "1003"), ("2002", "1003")]


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO aliases VALUES ('bob', '1002')",
        "UPDATE aliases SET number = '1002'",
        "INSERT INTO permissions VALUES ('1001', '1002')",
        "INSERT INTO permissions VALUES ('1002', '1001')",
        "UPDATE extensions SET max_contacts = 0",
        "UPDATE extensions SET max_calls = 'many'",
        "UPDATE extensions SET forward_no_answer_after = NULL",
    ],
)
def test_sql_that_makes_no_sense_is_refused(shell: Shell, statement: str) -> None:
    shell.execute("INSERT INTO extensions (number) VALUES ('1001')")
    shell.execute("INSERT INTO aliases VALUES ('ann', '1001')")
    with pytest.raises((sqlite3.IntegrityError, psycopg.Error)):
        shell.execute(statement)


def first_version(url: str) -> None:
    """Make a database as the first version left it, with an extension and its binding."""
    if path := file_of(url):
        path.touch()
    database = open_database(url)
    with database.begin() as connection:
        command.upgrade(migration._alembic(connection), "0001")
    database.dispose()
    with closing(opened(url)) as shell:
        shell.execute("INSERT INTO extensions VALUES ('1001', 'Ann', 'ab', 'cd', 'example.com', false)")
        bind(shell, "1001")


def test_schema_of_the_first_version_is_brought_up_with_all_that_is_in_it(empty_url: str) -> None:
    first_version(empty_url)
    assert migration.upgrade(empty_url) == ("0001", REVISION)
    migration.check(empty_url)
    with closing(opened(empty_url)) as shell:
        row = shell.execute("SELECT number, name, ha1_md5, enabled, max_contacts, voicemail FROM extensions").fetchone()
        assert row == ("1001", "Ann", "ab", 0, None, 1)
        kept = shell.execute("SELECT number, contact, aor, path, instance, reg_id FROM bindings").fetchall()
        assert kept == [("1001", "sip:a@b", "", "", "", 0)]
        assert revision(shell) == 1
        shell.execute("DELETE FROM extensions")
        assert revision(shell) == 2
        assert shell.execute("SELECT * FROM bindings").fetchall() == []
