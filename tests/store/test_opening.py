"""pbx.store.opening: a server looks before it changes anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from pbx.faults import Fault
from pbx.store import migration, opening
from pbx.store.database import open_database
from tests.postgresql import Cluster


def test_looking_at_what_is_not_there_makes_nothing(tmp_path: Path) -> None:
    assert opening.numbers(f"sqlite:///{tmp_path}/pbx.db") == frozenset()
    assert list(tmp_path.iterdir()) == []


def test_looking_at_a_new_file_leaves_it_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "pbx.db").touch()
    assert opening.numbers(f"sqlite:///{tmp_path}/pbx.db") == frozenset()
    assert (tmp_path / "pbx.db").read_bytes() == b""


def execute(url: str, *statements: str) -> None:
    database = open_database(url)
    with database.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    database.dispose()


def test_numbers_are_those_of_all_extensions_and_their_aliases(url: str) -> None:
    execute(
        url,
        "INSERT INTO extensions (number, enabled) VALUES ('1001', true), ('1002', false)",
        "INSERT INTO aliases VALUES ('sales', '1001')",
    )
    assert opening.numbers(url) == {"1001", "1002", "sales"}


def test_secret_is_made_once_and_stays(url: str) -> None:
    first = opening.secret(url, "gruu")
    assert len(first) == 32
    assert opening.secret(url, "gruu") == first
    assert opening.secret(url, "another") != first


def test_contents_come_from_a_database_that_is_made_for_them(tmp_path: Path) -> None:
    assert opening.contents(f"sqlite:///{tmp_path}/pbx.db", "example.com", 0.0) == (([], {}, frozenset(), []), [])
    migration.check(f"sqlite:///{tmp_path}/pbx.db")


def test_postgresql_is_not_upgraded_by_looking_at_it(cluster: Cluster) -> None:
    url = cluster.database()
    for look in (lambda: opening.numbers(url), lambda: opening.contents(url, "example.com", 0.0)):
        with pytest.raises(Fault, match="the database is at revision none, and this version needs"):
            look()


def test_passwords_of_another_realm_are_refused(url: str) -> None:
    execute(url, "INSERT INTO extensions (number, realm) VALUES ('1001', 'old')")
    with pytest.raises(Fault, match='the realm is "new", and the passwords of 1001'):
        opening.contents(url, "new", 0.0)
