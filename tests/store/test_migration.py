"""pbx.store.migration and migrations/: the schema is made, kept, compared, and counts what administrators change."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from pbx.faults import Fault
from pbx.store import migration
from pbx.store.database import open_database
from pbx.store.schema import REVISION


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "pbx.db"
    migration.upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture
def shell(path: Path) -> Iterator[sqlite3.Connection]:
    """Give what an administrator has: plain SQL, and foreign keys off, as in the sqlite3 shell."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


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


def test_models_and_migrations_agree(path: Path) -> None:
    migration.check(f"sqlite:///{path}")


def test_revision_of_the_program_is_the_newest_migration() -> None:
    settings = Config()
    settings.set_main_option("script_location", "pbx:migrations")
    scripts = ScriptDirectory.from_config(settings)
    assert scripts.get_heads() == [REVISION]
    assert [script.revision for script in scripts.walk_revisions()] == sorted(
        (script.revision for script in scripts.walk_revisions()), reverse=True
    )


def test_check_says_what_was_changed_by_hand(path: Path, shell: sqlite3.Connection) -> None:
    shell.execute("ALTER TABLE extensions ADD COLUMN colour TEXT")
    with pytest.raises(Fault, match=r"not those of this version .*colour") as caught:
        migration.check(f"sqlite:///{path}")
    assert "\n" not in str(caught.value)


def test_check_of_an_old_database_says_upgrade(tmp_path: Path) -> None:
    (tmp_path / "pbx.db").touch()
    with pytest.raises(Fault, match="run `pbx db upgrade`"):
        migration.check(f"sqlite:///{tmp_path}/pbx.db")


def test_upgrade_without_its_folder_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(Fault, match="cannot be made: No such file or directory; make its folder"):
        migration.upgrade(f"sqlite:///{tmp_path}/none/pbx.db")
    assert os.listdir(tmp_path) == []


def test_upgrade_that_fails_leaves_an_old_database_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "pbx.db"
    with closing(sqlite3.connect(path)) as connection:
        # In the way of the second table of the first migration.
        connection.execute("CREATE VIEW bindings AS SELECT 1")
        connection.commit()
    with pytest.raises(Fault, match="already exists"):
        migration.upgrade(f"sqlite:///{path}")
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("bindings",)]


def test_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "places.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE places (name TEXT)")
    before = path.read_bytes()
    with pytest.raises(Fault, match="is the database of another program; name another file"):
        migration.upgrade(f"sqlite:///{path}")
    assert path.read_bytes() == before


def test_upgrade_refuses_a_newer_database(path: Path, shell: sqlite3.Connection) -> None:
    shell.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(Fault, match="newer version"):
        migration.upgrade(f"sqlite:///{path}")


def revision(shell: sqlite3.Connection) -> int:
    return int(shell.execute("SELECT n FROM revision WHERE \"table\" = 'extensions'").fetchone()[0])


BINDING = """INSERT INTO bindings (number, contact, q, call_id, cseq, expires_at, transport, local_host, local_port,
    remote_host, remote_port, user_agent, registered_at)
    VALUES (?, 'sip:a@b', 1, 'c', 1, 9e9, 'UDP', '127.0.0.1', 5060, '127.0.0.1', 5062, '', 0)"""


def test_plain_sql_on_extensions_is_counted_and_needs_no_column_but_the_number(shell: sqlite3.Connection) -> None:
    assert revision(shell) == 0
    shell.execute("INSERT INTO extensions (number) VALUES ('1001')")
    assert revision(shell) == 1
    assert shell.execute("SELECT name, enabled, realm FROM extensions").fetchone() == ("", 1, "")
    shell.execute("UPDATE extensions SET enabled = 0")
    assert revision(shell) == 2
    shell.execute("DELETE FROM extensions")
    assert revision(shell) == 3


def test_bindings_are_the_servers_own_and_not_counted(shell: sqlite3.Connection) -> None:
    shell.execute("INSERT INTO extensions (number) VALUES ('1001')")
    shell.execute(BINDING, ["1001"])
    shell.execute("UPDATE bindings SET cseq = 2")
    shell.execute("DELETE FROM bindings")
    assert revision(shell) == 1


@pytest.mark.parametrize("foreign_keys", ["ON", "OFF"])
def test_bindings_go_with_their_extension(shell: sqlite3.Connection, foreign_keys: str) -> None:
    shell.execute(f"PRAGMA foreign_keys = {foreign_keys}")
    for number in ("1001", "1002", "1003"):
        shell.execute("INSERT INTO extensions (number) VALUES (?)", [number])
        shell.execute(BINDING, [number])
    shell.execute("DELETE FROM extensions WHERE number = '1001'")
    shell.execute("UPDATE extensions SET number = '2002' WHERE number = '1002'")
    shell.execute("UPDATE extensions SET name = 'Ann' WHERE number = '1003'")
    assert shell.execute("SELECT number FROM bindings").fetchall() == [("1003",)]


def test_schema_of_the_first_version_is_brought_up_with_all_that_is_in_it(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/pbx.db"
    first_version(tmp_path / "pbx.db")
    assert migration.upgrade(url) == ("0001", REVISION)
    migration.check(url)
    with closing(sqlite3.connect(tmp_path / "pbx.db")) as shell:
        row = shell.execute("SELECT number, name, ha1_md5, enabled, max_contacts, voicemail FROM extensions").fetchone()
        assert row == ("1001", "Ann", "ab", 0, None, 1)
        assert shell.execute("SELECT number, contact FROM bindings").fetchall() == [("1001", "sip:a@b")]
        assert shell.execute("SELECT n FROM revision WHERE \"table\" = 'extensions'").fetchone() == (1,)


def first_version(path: Path) -> None:
    """Make a database as the first version left it, with an extension and its binding."""
    path.touch()
    database = open_database(f"sqlite:///{path}")
    with database.begin() as connection:
        command.upgrade(migration._alembic(connection), "0001")
        connection.execute(sa.text("INSERT INTO extensions VALUES ('1001', 'Ann', 'ab', 'cd', 'example.com', 0)"))
        connection.exec_driver_sql(BINDING, ("1001",))
    database.dispose()


@pytest.mark.parametrize("foreign_keys", ["ON", "OFF"])
def test_aliases_and_permissions_follow_their_extension(shell: sqlite3.Connection, foreign_keys: str) -> None:
    shell.execute(f"PRAGMA foreign_keys = {foreign_keys}")
    shell.execute("INSERT INTO extensions (number) VALUES ('1001'), ('1002'), ('1003')")
    shell.execute("INSERT INTO aliases VALUES ('ann', '1001'), ('bob', '1002'), ('carol', '1003')")
    shell.execute("INSERT INTO permissions VALUES ('1001', '1002'), ('1002', '1003'), ('1003', '1003')")
    shell.execute("UPDATE extensions SET number = '2002' WHERE number = '1002'")
    shell.execute("DELETE FROM extensions WHERE number = '1001'")
    assert shell.execute("SELECT * FROM aliases ORDER BY name").fetchall() == [("bob", "2002"), ("carol", "1003")]
    found = shell.execute("SELECT * FROM permissions ORDER BY number").fetchall()
    assert found == [("1003", "1003"), ("2002", "1003")]


@pytest.mark.parametrize("foreign_keys", ["ON", "OFF"])
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
def test_sql_that_makes_no_sense_is_refused(shell: sqlite3.Connection, foreign_keys: str, statement: str) -> None:
    shell.execute(f"PRAGMA foreign_keys = {foreign_keys}")
    shell.execute("INSERT INTO extensions (number) VALUES ('1001')")
    shell.execute("INSERT INTO aliases VALUES ('ann', '1001')")
    with pytest.raises(sqlite3.IntegrityError):
        shell.execute(statement)
