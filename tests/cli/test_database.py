"""`pbx db`: upgrade, current, check and backup, as people and programs see them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

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


def test_check_is_content_until_something_was_changed_by_hand(upgraded: Pbx, folder: Path) -> None:
    assert upgraded("db", "check").out == "the database is as it should be\n"
    with closing(sqlite3.connect(folder / "pbx.db")) as file:
        file.execute("DROP TABLE revision")
        file.commit()
    done = upgraded("db", "check")
    assert done.status == 1
    assert "not those of this version" in done.sentence


def test_backup_is_a_database_that_works(upgraded: Pbx, folder: Path) -> None:
    upgraded("extension", "add", "1001", "--generate")
    assert upgraded("db", "backup", f"{folder}/copy.db").out == f"the database is saved in {folder}/copy.db\n"
    (folder / "copy.toml").write_text('[database]\nurl = "sqlite:///copy.db"\n')
    assert upgraded("--config", f"{folder}/copy.toml", "db", "check").status == 0
    (row,) = upgraded("--config", f"{folder}/copy.toml", "extension", "list", "--json").rows
    assert row["number"] == "1001"


def test_backup_never_overwrites(upgraded: Pbx, folder: Path) -> None:
    (folder / "copy.db").write_text("precious")
    assert "exists already" in upgraded("db", "backup", f"{folder}/copy.db").sentence
    assert (folder / "copy.db").read_text() == "precious"
