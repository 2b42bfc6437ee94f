"""pbx.store.aliases and pbx.store.permissions: rows beside the extensions, and none that makes no sense."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from pbx.faults import Fault
from pbx.store import accounts, aliases, permissions
from pbx.store.database import open_database


@pytest.fixture
def connection(url: str) -> Iterator[sa.Connection]:
    database = open_database(url)
    with database.begin() as connection:
        for number in ("1001", "1002"):
            accounts.add(connection, number, "r", "x", {})
        yield connection
    database.dispose()


def test_aliases_are_added_listed_and_removed(connection: sa.Connection) -> None:
    for name, number in (("sales", "1001"), ("+14155550100", "1001"), ("*77", "1002")):
        aliases.add(connection, name, number)
    names = [(row["name"], row["number"]) for row in aliases.listed(connection)]
    assert sorted(names) == [("*77", "1002"), ("+14155550100", "1001"), ("sales", "1001")]
    assert [row["name"] for row in aliases.listed(connection, "1002")] == ["*77"]
    assert aliases.remove(connection, "sales") == "1001"
    assert len(aliases.listed(connection)) == 2


@pytest.mark.parametrize(
    ("name", "number", "words"),
    [
        ("sales dept", "1001", "'sales dept' cannot be an alias; use up to 64"),
        ("", "1001", "cannot be an alias"),
        ("sales", "1009", "there is no extension 1009"),
        ("1002", "1001", "1002 is the number of an extension"),
        ("taken", "1002", "taken is an alias of extension 1001; remove it with `pbx alias remove taken`"),
        ("sales", "taken", "there is no extension taken"),
    ],
)
def test_alias_that_makes_no_sense_is_refused(connection: sa.Connection, name: str, number: str, words: str) -> None:
    aliases.add(connection, "taken", "1001")
    with pytest.raises(Fault) as caught:
        aliases.add(connection, name, number)
    assert words in str(caught.value)
    assert len(aliases.listed(connection)) == 1


def test_unknown_alias_cannot_be_removed(connection: sa.Connection) -> None:
    with pytest.raises(Fault, match="there is no alias sales; `pbx alias list` shows all"):
        aliases.remove(connection, "sales")


def test_permissions_are_added_listed_and_removed(connection: sa.Connection) -> None:
    permissions.add(connection, "1001", "1002")
    assert permissions.listed(connection) == [{"number": "1001", "may_register": "1002"}]
    assert permissions.listed(connection, "1002") == []
    permissions.remove(connection, "1001", "1002")
    assert permissions.listed(connection) == []


@pytest.mark.parametrize(
    ("number", "other", "words"),
    [
        ("1001", "1009", "there is no extension 1009"),
        ("1009", "1001", "there is no extension 1009"),
        ("1001", "1001", "extension 1001 may always register itself"),
        ("1001", "1002", "extension 1001 may register 1002 already"),
    ],
)
def test_permission_that_makes_no_sense_is_refused(
    connection: sa.Connection, number: str, other: str, words: str
) -> None:
    permissions.add(connection, "1001", "1002")
    with pytest.raises(Fault, match=words):
        permissions.add(connection, number, other)


def test_permission_that_is_not_there_cannot_be_removed(connection: sa.Connection) -> None:
    with pytest.raises(Fault, match="there is no permission of 1001 to register 1002; `pbx permission list`"):
        permissions.remove(connection, "1001", "1002")
