"""`pbx bans`: what it asks the running server, and what it says."""

from __future__ import annotations

from pathlib import Path

from tests.cli.command import Pbx
from tests.cli.test_live import result, server

BAN = {
    "address": "192.0.2.9",
    "reason": "wrong password",
    "since": "2026-11-21T04:00:00+00:00",
    "until": "2026-11-21T04:01:00+00:00",
    "ends_in": 59,
    "times": 1,
}


def test_bans_are_listed(pbx: Pbx, folder: Path) -> None:
    with server(folder, result(BAN)) as questions:
        assert pbx("bans", "--json").rows == [BAN]
    assert questions == [{"command": "bans", "arguments": {}}]


def test_bans_for_people_are_a_table(pbx: Pbx, folder: Path) -> None:
    with server(folder, result(BAN)):
        heading, row = pbx("bans").out.splitlines()
    assert heading.split() == list(BAN)
    assert "wrong password" in row


def test_ban_is_removed(pbx: Pbx, folder: Path) -> None:
    with server(folder, result({"address": "192.0.2.9"})) as questions:
        assert pbx("bans", "remove", "192.0.2.9").out == "192.0.2.9 is not banned any more\n"
    assert questions == [{"command": "lift", "arguments": {"address": "192.0.2.9"}}]


def test_ban_that_there_is_not_is_said_to_be_none(pbx: Pbx, folder: Path) -> None:
    with server(folder, b'{"error": "192.0.2.9 is not banned; `pbx bans` shows who is"}\n'):
        done = pbx("bans", "remove", "192.0.2.9")
    assert (done.status, done.sentence) == (1, "192.0.2.9 is not banned; `pbx bans` shows who is")
