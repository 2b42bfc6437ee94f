"""`pbx mailbox` and `pbx voicemail`, with no server running."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pbx.features.voicemail.mailbox import Message
from pbx.features.voicemail.pin import matches
from pbx.media.g711 import ULAW
from pbx.media.wav import Writer, load
from pbx.store.message_files import MessageFiles
from tests.cli.command import Pbx

Sql = Callable[[str], list[tuple[object, ...]]]


@pytest.fixture
def office(upgraded: Pbx) -> Pbx:
    upgraded("extension", "add", "1001", "--generate")
    return upgraded


@pytest.fixture
def files(folder: Path) -> MessageFiles:
    return MessageFiles(folder / "voicemail")


def leave(files: MessageFiles, sql: Sql, id: str, mailbox: str = "1001") -> Message:
    message = Message(id, mailbox, "1002", "Bob", 1_000_000.0, 1.0)
    writer = Writer(files.begin(message))
    writer.append(ULAW.nothing * 50)
    writer.close()
    files.finish(message)
    files.settle(message)
    sql(f"INSERT INTO messages VALUES ('{id}', '{mailbox}', '1002', 'Bob', 1000000.0, 1.0, 'new', false, '', '')")
    return message


def test_mailbox_is_added_listed_changed_and_removed(office: Pbx, sql: Sql) -> None:
    done = office("mailbox", "add", "sales", "--extension", "1001", "--pin", "-", "--email", "a@b.org", typed="2468\n")
    assert done.out == "mailbox sales added\n"
    [(hash,)] = sql("SELECT pin FROM mailboxes")
    assert matches("2468", str(hash)) and "2468" not in str(hash)
    row = {"name": "sales", "extension": "1001", "has_pin": True, "email": "a@b.org",
           "max_messages": None, "max_seconds": None}  # fmt: skip
    assert office("mailbox", "list", "--json").rows == [row]
    changed = {**row, "has_pin": False, "max_messages": 7, "email": ""}
    assert office("mailbox", "set", "sales", "--pin", "", "--max-messages", "7", "--email", "", "--json").rows == [
        changed
    ]
    assert office("mailbox", "remove", "sales").out == "mailbox sales removed\n"
    assert office("mailbox", "list", "--json").rows == []


def test_mailbox_of_an_extension_is_changed_without_being_added(office: Pbx) -> None:
    [row] = office("mailbox", "set", "1001", "--max-seconds", "60", "--json").rows
    assert (row["name"], row["max_seconds"]) == ("1001", 60)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("add", "a/b"), "'a/b' cannot be the name of a mailbox"),
        (("add", "sales", "--extension", "1009"), "there is no extension 1009"),
        (("add", "sales", "--pin", "1111"), "this cannot be a PIN"),
        (("add", "sales", "--email", "nobody"), "'nobody' is no e-mail address"),
        (("add", "sales", "--max-messages", "0"), "max_messages is '0'"),
        (("set", "sales", "--max-seconds", "9"), "there is no mailbox sales"),
        (("remove", "sales"), "there is no mailbox sales"),
    ],
)
def test_what_makes_no_sense_is_one_sentence(office: Pbx, words: tuple[str, ...], sentence: str) -> None:
    done = office("mailbox", *words)
    assert done.status == 1 and sentence in done.sentence


def test_mailbox_with_messages_is_not_removed(office: Pbx, files: MessageFiles, sql: Sql) -> None:
    office("mailbox", "add", "sales")
    assert "exists already" in office("mailbox", "add", "sales").sentence
    leave(files, sql, "abc", "sales")
    assert "`pbx voicemail remove --all sales`" in office("mailbox", "remove", "sales").sentence
    assert office("voicemail", "remove", "--all", "sales", "--json").rows == [{"id": "abc"}]
    assert office("mailbox", "remove", "sales").status == 0


def test_messages_are_listed_exported_and_removed(office: Pbx, files: MessageFiles, sql: Sql, tmp_path: Path) -> None:
    one, other = leave(files, sql, "abc123"), leave(files, sql, "abd456", "sales")
    assert [row["id"] for row in office("voicemail", "list", "--json").rows] == ["abc123", "abd456"]
    [row] = office("voicemail", "list", "sales", "--json").rows
    assert (row["caller"], row["left_at"]) == ("1002", "1970-01-12T13:46:40+00:00")
    assert office("voicemail", "export", "abc", str(tmp_path / "one.wav")).status == 0
    assert load(tmp_path / "one.wav") == load(files.path_of(one))
    assert "name a new file" in office("voicemail", "export", "abc", str(tmp_path / "one.wav")).sentence
    assert office("voicemail", "remove", "abc").out == "1 messages removed\n"
    assert not files.path_of(one).exists() and files.path_of(other).exists()
    assert [row["id"] for row in office("voicemail", "list", "--json").rows] == ["abd456"]


def test_message_that_is_not_there_is_one_sentence(office: Pbx, files: MessageFiles, sql: Sql) -> None:
    one = leave(files, sql, "abc123")
    leave(files, sql, "abd456")
    for words, sentence in (
        (("export", "x", "y"), "there is no message x"),
        (("export", "ab", "y"), "the ids of 2 messages begin with 'ab'"),
        (("remove", "%"), "there is no message %"),
    ):
        assert sentence in office("voicemail", *words).sentence
    files.path_of(one).unlink()
    assert "there is no sound of message abc123" in office("voicemail", "play", "abc123").sentence
    assert office("voicemail", "remove").status == 2


def test_message_is_played_by_what_is_there(
    office: Pbx, files: MessageFiles, sql: Sql, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(files, sql, "abc123")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "there is no program here that plays sound" in office("voicemail", "play", "abc").sentence
    player = tmp_path / "aplay"
    player.write_text(f'#!/bin/sh\necho "$2" > {tmp_path}/played\n')
    player.chmod(0o755)
    assert office("voicemail", "play", "abc").status == 0
    assert (tmp_path / "played").read_text().strip().endswith("1001/abc123.wav")
    player.write_text("#!/bin/sh\necho no device >&2\nexit 1\n")
    assert "aplay cannot play it: no device" in office("voicemail", "play", "abc").sentence
