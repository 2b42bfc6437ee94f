"""`pbx extension`: what it prints, what it refuses, and how a password comes in."""

from __future__ import annotations

import io
import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pbx.store.accounts import hashes
from pbx.store.database import open_database
from tests.cli.command import Pbx

Sql = Callable[[str], list[Any]]


def stored(sql: Sql, number: str) -> tuple[str, ...]:
    (found,) = sql(f"SELECT ha1_md5, ha1_sha256, realm FROM extensions WHERE number = '{number}'")
    return tuple(found)


def expected(number: str, password: str) -> tuple[str, ...]:
    return tuple(hashes(number, "example.com", password).values())


ANN = {
    "number": "1001",
    "name": "Ann",
    "realm": "example.com",
    "enabled": True,
    "class_of_service": "",
    "caller_id": "",
    "max_contacts": None,
    "max_calls": None,
    "tls_only": False,
    "do_not_disturb": False,
    "voicemail": True,
    "forward_always": "",
    "forward_busy": "",
    "forward_no_answer": "",
    "forward_no_answer_after": 20,
    "forward_unreachable": "",
    "call_waiting": True,
    "pickup_group": "",
}


def test_add_with_a_password_stores_its_hashes_and_prints_none(upgraded: Pbx, folder: Path, sql: Sql) -> None:
    done = upgraded("extension", "add", "1001", "--name", "Ann", "--password", "wonderland")
    assert (done.status, done.out, done.err) == (0, "extension 1001 added\n", "")
    assert stored(sql, "1001") == expected("1001", "wonderland")
    everything = b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file())
    assert b"wonderland" not in everything


def test_add_reads_a_password_from_standard_input(upgraded: Pbx, sql: Sql) -> None:
    assert upgraded("extension", "add", "1001", "--password", "-", typed="wonder land\nmore\n").status == 0
    assert stored(sql, "1001") == expected("1001", "wonder land")


def test_add_makes_up_a_password_and_prints_it_once(upgraded: Pbx, sql: Sql) -> None:
    (row,) = upgraded("extension", "add", "1001", "--name", "Ann", "--generate", "--json").rows
    assert row == {**ANN, "password": row["password"]}
    assert stored(sql, "1001") == expected("1001", row["password"])
    out = upgraded("extension", "add", "1002", "--generate").out
    assert out.startswith("extension 1002 added; its password is ")
    assert stored(sql, "1002") == expected("1002", out.split()[-1])


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("options", [[], ["--password", "-"]])
def test_add_asks_for_the_password_on_a_terminal(
    upgraded: Pbx, sql: Sql, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    asked: list[tuple[object, object]] = []

    def prompt(text: str, hide_input: bool, confirmation_prompt: bool, err: bool) -> str:
        asked.append((hide_input, confirmation_prompt))
        return "wonderland"

    monkeypatch.setattr("click.prompt", prompt)
    monkeypatch.setattr("io.StringIO", Terminal)
    assert upgraded("extension", "add", "1001", *options).status == 0
    assert asked == [(True, True)]
    assert stored(sql, "1001") == expected("1001", "wonderland")


def test_list_and_show_are_tables_for_people_and_arrays_for_programs(upgraded: Pbx) -> None:
    heading = "number  name  enabled  class_of_service  caller_id  do_not_disturb  forward_always"
    assert upgraded("extension", "list").out == f"{heading}\n"
    assert upgraded("extension", "list", "--json").rows == []
    upgraded("extension", "add", "1002", "--name", "Bob", "--generate")
    upgraded("extension", "add", "1001", "--name", "Ann", "--generate")
    assert upgraded("extension", "list").out.splitlines() == [
        heading,
        "1001    Ann   yes                                   no",
        "1002    Bob   yes                                   no",
    ]
    assert upgraded("extension", "list", "--json").rows == [ANN, {**ANN, "number": "1002", "name": "Bob"}]
    lines = upgraded("extension", "show", "1001").out.splitlines()
    assert [" ".join(line.split()) for line in lines[:4]] == [
        "number 1001",
        "name Ann",
        "realm example.com",
        "enabled yes",
    ]
    assert [line.rstrip().replace(" ", "_") for line in lines[4:7]] == ["class_of_service", "caller_id", "max_contacts"]
    assert upgraded("extension", "show", "1001", "--json").rows == [ANN]


def test_set_changes_what_it_is_given(upgraded: Pbx, sql: Sql) -> None:
    upgraded("extension", "add", "1001", "--name", "Ann", "--password", "a")
    assert upgraded("extension", "set", "1001", "--name", "Anna").out == "extension 1001 changed\n"
    assert upgraded("extension", "set", "1001", "--disable", "--json").rows == [
        {**ANN, "name": "Anna", "enabled": False}
    ]
    assert stored(sql, "1001") == expected("1001", "a")
    upgraded("extension", "set", "1001", "--enable", "--password", "-", typed="b")
    assert stored(sql, "1001") == expected("1001", "b")
    (row,) = upgraded("extension", "set", "1001", "--generate", "--json").rows
    assert stored(sql, "1001") == expected("1001", row["password"])
    assert row["enabled"] is True


def test_everything_can_be_set_and_goes_back_to_its_default(upgraded: Pbx) -> None:
    options = ["--class-of-service", "international transfer-out", "--caller-id", "+14155550100", "--max-contacts", "3"]
    options += ["--max-calls", "4", "--tls-only", "--do-not-disturb", "--no-voicemail", "--forward-always", "1002"]
    options += ["--forward-busy", "sales", "--forward-no-answer", "*60", "--forward-no-answer-after", "30"]
    options += ["--forward-unreachable", "+14155550101"]
    expected = {
        **ANN,
        "class_of_service": "international transfer-out",
        "caller_id": "+14155550100",
        "max_contacts": 3,
        "max_calls": 4,
        "tls_only": True,
        "do_not_disturb": True,
        "voicemail": False,
        "forward_always": "1002",
        "forward_busy": "sales",
        "forward_no_answer": "*60",
        "forward_no_answer_after": 30,
        "forward_unreachable": "+14155550101",
    }
    (row,) = upgraded("extension", "add", "1001", "--name", "Ann", "--generate", *options, "--json").rows
    assert row == {**expected, "password": row["password"]}
    back = [option if option.startswith("--") else "" for option in options]
    back = [{"--tls-only": "--no-tls-only", "--do-not-disturb": "--no-do-not-disturb"}.get(word, word) for word in back]
    back[back.index("--no-voicemail")] = "--voicemail"
    assert upgraded("extension", "set", "1001", *back, "--json").rows == [ANN]


def test_remove_removes(upgraded: Pbx) -> None:
    upgraded("extension", "add", "1001", "--name", "Ann", "--generate")
    upgraded("extension", "add", "1002", "--generate")
    assert upgraded("extension", "remove", "1001", "--json").rows == [ANN]
    assert upgraded("extension", "remove", "1002").out == "extension 1002 removed\n"
    assert upgraded("extension", "list", "--json").rows == []


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("add", "10 01", "--generate"), 1, "'10 01' cannot be an extension number"),
        (("add", "1001", "--generate"), 1, "extension 1001 exists already"),
        (("add", "1003", "--password", ""), 1, "the password is empty"),
        (("add", "1003", "--password", "-"), 1, "the password is empty"),
        (("add", "1003", "--name", "a\nb", "--generate"), 1, "the name has control characters"),
        (("add", "1003", "--max-calls", "0", "--generate"), 1, "max_calls is '0'; write a whole number from 1 to 1000"),
        (("set", "1001", "--caller-id", "my own"), 1, "'my own' cannot be what caller_id holds"),
        (("add", "1003"), 2, "there is no terminal to ask for the password"),
        (("add", "1003", "--password", "x", "--generate"), 2, "exclude each other"),
        (("set", "1001"), 2, "nothing to change"),
        (("set", "1003", "--disable"), 1, "there is no extension 1003"),
        (("show", "1003"), 1, "there is no extension 1003"),
        (("remove", "1003"), 1, "there is no extension 1003"),
    ],
)
def test_what_cannot_be_done_is_said_and_changes_nothing(
    upgraded: Pbx, arguments: tuple[str, ...], status: int, words: str
) -> None:
    upgraded("extension", "add", "1001", "--generate")
    before = upgraded("extension", "list", "--json").rows
    done = upgraded("extension", *arguments)
    assert done.status == status
    assert words in done.sentence
    assert upgraded("extension", "list", "--json").rows == before


def test_without_a_database_it_says_how_to_make_one(pbx: Pbx, folder: Path) -> None:
    done = pbx("extension", "add", "1001", "--generate")
    assert done.sentence == f"there is no database {folder}/pbx.db; make it with `pbx db upgrade`"
    assert not (folder / "pbx.db").exists()


def test_locked_database_is_said_to_be_locked(sqlite: Pbx, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pbx.store.database.open_database", partial(open_database, patience=0.01))
    with closing(sqlite3.connect(folder / "pbx.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert "database is locked; end the program" in sqlite("extension", "add", "1", "--generate").sentence
        # Looking waits for nobody.
        assert sqlite("extension", "list").status == 0


def test_file_that_is_no_database_is_said_to_be_none(pbx: Pbx, folder: Path) -> None:
    (folder / "pbx.db").write_bytes(b"a letter to my aunt\n" * 100)
    assert "file is not a database" in pbx("extension", "list").sentence


@pytest.mark.parametrize("words", [("show", "\udcff"), ("remove", "\udcff"), ("set", "\udcff", "--name", "x")])
def test_number_that_is_not_utf8_is_one_sentence(upgraded: Pbx, words: tuple[str, ...]) -> None:
    done = upgraded("extension", *words)
    assert (done.status, done.sentence) == (1, r"'\udcff' is no text that a database can hold; write it in UTF-8")
