"""pbx.store.accounts: extensions are added, changed and removed, and no password is ever stored."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from pbx.faults import Fault
from pbx.store import accounts, aliases, columns
from pbx.store.database import open_database
from pbx.store.schema import extensions


@pytest.fixture
def connection(url: str) -> Iterator[sa.Connection]:
    database = open_database(url)
    with database.begin() as connection:
        yield connection
    database.dispose()


def stored(connection: sa.Connection, number: str) -> dict[str, object]:
    row = connection.execute(sa.text("SELECT * FROM extensions WHERE number = :n"), {"n": number}).one()
    return dict(row._mapping)


def test_only_hashes_are_stored(connection: sa.Connection) -> None:
    accounts.add(connection, "1001", "example.com", "wonderland", {"name": "Ann"})
    row = stored(connection, "1001")
    assert {key: row[key] for key in ("number", "name", "ha1_md5", "ha1_sha256", "realm", "enabled")} == {
        "number": "1001",
        "name": "Ann",
        "ha1_md5": hashlib.md5(b"1001:example.com:wonderland").hexdigest(),
        "ha1_sha256": hashlib.sha256(b"1001:example.com:wonderland").hexdigest(),
        "realm": "example.com",
        "enabled": 1,
    }


def test_password_is_any_text_in_utf8(connection: sa.Connection) -> None:
    accounts.add(connection, "1001", "r", "pä:ss wörd", {})
    assert stored(connection, "1001")["ha1_md5"] == hashlib.md5("1001:r:pä:ss wörd".encode()).hexdigest()


def test_list_is_in_order_and_shows_no_hash(connection: sa.Connection) -> None:
    accounts.add(connection, "1002", "r", "x", {"name": "Bob"})
    accounts.add(connection, "1001", "r", "x", {"name": "Ann"})
    one, other = accounts.listed(connection)
    assert [(row["number"], row["name"], row["realm"]) for row in (one, other)] == [
        ("1001", "Ann", "r"),
        ("1002", "Bob", "r"),
    ]
    assert accounts.shown(connection, "1002") == other
    assert list(one) == [column.name for column in extensions.columns if not column.name.startswith("ha1")]


def test_existing_extension_is_not_added_again(connection: sa.Connection) -> None:
    accounts.add(connection, "1001", "r", "x", {"name": "Ann"})
    with pytest.raises(Fault, match="extension 1001 exists already; change it with `pbx extension set 1001`"):
        accounts.add(connection, "1001", "r", "y", {"name": "Eve"})
    assert stored(connection, "1001")["name"] == "Ann"


@pytest.mark.parametrize(
    "number", ["", " 1001", "10 01", "1001\n", "sip:1001", "1001@example.com", "-1", "é", "1" * 65]
)
def test_number_that_a_uri_or_a_keypad_cannot_write_is_refused(connection: sa.Connection, number: str) -> None:
    with pytest.raises(Fault, match="cannot be an extension number; use up to 64 letters"):
        accounts.add(connection, number, "r", "x", {})


@pytest.mark.parametrize("number", ["1", "1001", "ann", "ann.b-c_d", "1" * 64])
def test_number_may_hold_letters_and_a_few_marks(connection: sa.Connection, number: str) -> None:
    accounts.add(connection, number, "r", "x", {})
    assert accounts.shown(connection, number)["number"] == number


@pytest.mark.parametrize(
    ("name", "password", "words"),
    [("a\nb", "x", "name"), ("a" * 129, "x", "name"), ("Ann", "", "password"), ("Ann", "x\n", "password")],
)
def test_name_and_password_that_cannot_be_used_are_refused(
    connection: sa.Connection, name: str, password: str, words: str
) -> None:
    with pytest.raises(Fault, match=words):
        accounts.add(connection, "1001", "r", password, {"name": name})
    accounts.add(connection, "1001", "r", "x", {"name": "Ann"})
    with pytest.raises(Fault, match=words):
        accounts.change(connection, "1001", "r", password, {"name": name})


def test_change_touches_what_it_is_given_and_nothing_else(connection: sa.Connection) -> None:
    accounts.add(connection, "1001", "old", "x", {"name": "Ann"})
    before = stored(connection, "1001")
    accounts.change(connection, "1001", "new", None, {"enabled": "no"})
    assert stored(connection, "1001") == {**before, "enabled": 0}
    accounts.change(connection, "1001", "new", None, {"name": "Anna", "enabled": "yes"})
    assert stored(connection, "1001") == {**before, "name": "Anna"}
    accounts.change(connection, "1001", "new", "y", {})
    assert stored(connection, "1001") == {**before, "name": "Anna", **accounts.hashes("1001", "new", "y")}


def test_everything_that_can_be_set_comes_back_and_goes_back_to_its_default(connection: sa.Connection) -> None:
    accounts.add(connection, "1001", "r", "x", {})
    before = accounts.shown(connection, "1001")
    texts = {
        "name": "Ann",
        "enabled": "no",
        "class_of_service": "international  transfer-out international",
        "caller_id": "+14155550100",
        "max_contacts": "3",
        "max_calls": "4",
        "tls_only": "yes",
        "do_not_disturb": "yes",
        "voicemail": "no",
        "forward_always": "1002",
        "forward_busy": "sales",
        "forward_no_answer": "*60",
        "forward_no_answer_after": "30",
        "forward_unreachable": "+14155550101",
        "call_waiting": "no",
        "pickup_group": "sales",
    }
    assert list(texts) == list(columns.SETTINGS)
    accounts.change(connection, "1001", "r", None, texts)
    after = accounts.shown(connection, "1001")
    assert after == {
        **before,
        **texts,
        "enabled": False,
        "class_of_service": "international transfer-out",
        "max_contacts": 3,
        "max_calls": 4,
        "tls_only": True,
        "do_not_disturb": True,
        "voicemail": False,
        "forward_no_answer_after": 30,
        "call_waiting": False,
    }
    accounts.change(connection, "1001", "r", None, dict.fromkeys(texts, ""))
    assert accounts.shown(connection, "1001") == before


def test_number_that_is_an_alias_is_taken(connection: sa.Connection) -> None:
    accounts.add(connection, "1001", "r", "x", {})
    aliases.add(connection, "77", "1001")
    with pytest.raises(Fault, match="77 is an alias of extension 1001; remove it with `pbx alias remove 77`"):
        accounts.add(connection, "77", "r", "x", {})


def test_unknown_extension_is_said_to_be_unknown(connection: sa.Connection) -> None:
    for attempt in (
        lambda: accounts.change(connection, "1001", "r", None, {"name": "Ann"}),
        lambda: accounts.remove(connection, "1001"),
        lambda: accounts.shown(connection, "1001"),
    ):
        with pytest.raises(Fault, match="there is no extension 1001; `pbx extension list` shows all"):
            attempt()


def test_removed_extension_is_gone(connection: sa.Connection) -> None:
    accounts.add(connection, "1001", "r", "x", {"name": "Ann"})
    accounts.remove(connection, "1001")
    assert accounts.listed(connection) == []


def test_changed_realm_names_the_accounts_that_need_a_new_password(connection: sa.Connection) -> None:
    accounts.add(connection, "1001", "old", "x", {})
    accounts.add(connection, "1002", "new", "x", {})
    accounts.add(connection, "1003", "older", "x", {})
    connection.execute(sa.text("INSERT INTO extensions (number) VALUES ('1004')"))
    with pytest.raises(Fault, match='the realm is "new", and the passwords of 1001, 1003 were set for another; set'):
        accounts.require_realm(connection, "new")
    for number in ("1001", "1003"):
        accounts.change(connection, number, "new", "x", {})
    accounts.require_realm(connection, "new")


def test_many_accounts_of_another_realm_still_make_one_sentence(connection: sa.Connection) -> None:
    for number in range(1000, 1100):
        accounts.add(connection, str(number), "old", "x", {})
    with pytest.raises(Fault, match="1019 and 80 more were set for another"):
        accounts.require_realm(connection, "new")


def test_generated_passwords_are_long_legible_and_differ() -> None:
    passwords = {accounts.generated_password() for _ in range(50)}
    assert len(passwords) == 50
    assert all(len(password) == 16 and not set(password) & set("lI1O0o ") for password in passwords)
