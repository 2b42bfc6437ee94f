"""`pbx db`: upgrade, current, check and backup, as people and programs see them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from pbx.store.schema import REVISION
from tests.cli.command import Pbx


def test_upgrade_makes_the_database_and_may_be_repeated(pbx: Pbx, folder: Path) -> None:
    assert pbx("db", "upgrade").out == f"the database is at revision {REVISION}\n"
    assert pbx("db", "upgrade").out == f"the database is at revision {REVISION}, as before\n"
    assert pbx("db", "upgrade", "--json").rows == [{"before": REVISION, "revision": REVISION}]
    assert (folder / "pbx.db").exists()


def test_upgrade_says_why_it_cannot(pbx: Pbx, folder: Path) -> None:
    (folder / "pbx.toml").write_text('[database]\nurl = "sqlite:///none/pbx.db"\n')
    assert "cannot be made: No such file or directory; make its folder" in pbx("db", "upgrade").sentence


def test_current_shows_what_is_there_and_what_is_needed(pbx: Pbx, folder: Path) -> None:
    assert "there is no database" in pbx("db", "current").sentence
    sqlite3.connect(folder / "pbx.db").close()
    assert pbx("db", "current", "--json").rows == [{"revision": "", "needed": REVISION}]
    pbx("db", "upgrade")
    assert pbx("db", "current").out.split() == ["revision", REVISION, "needed", REVISION]


def test_check_is_content_until_something_was_changed_by_hand(upgraded: Pbx, sql: Callable[[str], object]) -> None:
    assert upgraded("db", "check").out == "the database is as it should be\n"
    sql("DROP TABLE revision")
    done = upgraded("db", "check")
    assert done.status == 1
    assert "not those of this version" in done.sentence


def test_upgrade_and_current_are_the_same_on_both(upgraded: Pbx) -> None:
    assert upgraded("db", "upgrade").out == f"the database is at revision {REVISION}, as before\n"
    assert upgraded("db", "current", "--json").rows == [{"revision": REVISION, "needed": REVISION}]


def test_backup_is_a_database_that_works(sqlite: Pbx, folder: Path) -> None:
    sqlite("extension", "add", "1001", "--generate")
    assert sqlite("db", "backup", f"{folder}/copy.db").out == f"the database is saved in {folder}/copy.db\n"
    (folder / "copy.toml").write_text('[database]\nurl = "sqlite:///copy.db"\n')
    assert sqlite("--config", f"{folder}/copy.toml", "db", "check").status == 0
    (row,) = sqlite("--config", f"{folder}/copy.toml", "extension", "list", "--json").rows
    assert row["number"] == "1001"


def test_backup_never_overwrites(sqlite: Pbx, folder: Path) -> None:
    (folder / "copy.db").write_text("precious")
    assert "exists already" in sqlite("db", "backup", f"{folder}/copy.db").sentence
    assert (folder / "copy.db").read_text() == "precious"


def test_backup_of_postgresql_names_its_own_tool(pbx: Pbx, folder: Path) -> None:
    (folder / "pbx.toml").write_text('[database]\nurl = "postgresql://pbx@127.0.0.1:9/pbx"\n')
    assert "pg_dump" in pbx("db", "backup", f"{folder}/copy.db").sentence


@pytest.mark.parametrize("command", [("db", "upgrade"), ("db", "current"), ("extension", "list")])
def test_postgresql_that_is_not_there_is_one_sentence(pbx: Pbx, folder: Path, command: tuple[str, ...]) -> None:
    (folder / "pbx.toml").write_text('[database]\nurl = "postgresql://pbx:secret@127.0.0.1:9/pbx"\n')
    sentence = pbx(*command).sentence
    assert sentence.startswith("PostgreSQL refuses: ") and "secret" not in sentence
