"""`pbx calls` and `pbx hangup`: what they ask the running server, and what they say."""

from __future__ import annotations

from pathlib import Path

from tests.cli.command import Pbx
from tests.cli.test_live import result, server

CALL = {
    "call": "7f3a86d2c96e760e",
    "caller": "1001",
    "name": "Alice",
    "source": "internal",
    "number": "1002",
    "talks_to": "1002",
    "answered": True,
    "since": "2026-11-21T04:00:00+00:00",
    "seconds": 12,
    "address": "192.0.2.1",
}


def test_calls_are_listed(pbx: Pbx, folder: Path) -> None:
    with server(folder, result(CALL)) as questions:
        assert pbx("calls", "1002", "--json").rows == [CALL]
    assert questions == [{"command": "calls", "arguments": {"number": "1002"}}]


def test_calls_for_people_are_a_table(pbx: Pbx, folder: Path) -> None:
    with server(folder, result(CALL)):
        heading, row = pbx("calls").out.splitlines()
    assert heading.split() == list(CALL)
    assert "7f3a86d2c96e760e" in row


def test_call_is_ended(pbx: Pbx, folder: Path) -> None:
    with server(folder, result(CALL)) as questions:
        assert pbx("hangup", "7f3a").out == "the call of 1001 to 1002 is ended\n"
    assert questions == [{"command": "hang_up", "arguments": {"call": "7f3a"}}]


def test_call_that_there_is_not_is_said_to_be_none(pbx: Pbx, folder: Path) -> None:
    with server(folder, b'{"error": "there is no call 9; `pbx calls` shows those that there are"}\n'):
        done = pbx("hangup", "9")
    assert (done.status, done.sentence) == (1, "there is no call 9; `pbx calls` shows those that there are")
