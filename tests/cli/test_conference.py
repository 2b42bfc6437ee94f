"""`pbx conferences` and `pbx conference`: what they ask the running server, and what they say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import Pbx
from tests.cli.test_live import result, server

PARTY = {
    "room": "sales",
    "party": 2,
    "number": "1002",
    "name": "Bob",
    "source": "internal",
    "since": "2026-11-21T04:00:00+00:00",
    "talks": True,
    "muted": False,
    "leader": False,
    "locked": False,
    "recording": "/var/lib/pbx/recordings/sales.wav",
}


def test_parties_are_listed(pbx: Pbx, folder: Path) -> None:
    with server(folder, result(PARTY)) as questions:
        assert pbx("conferences", "--json").rows == [PARTY]
    assert questions == [{"command": "conferences", "arguments": {"room": None}}]


def test_list_for_people_is_a_table(pbx: Pbx, folder: Path) -> None:
    with server(folder, result(PARTY)):
        heading, row = pbx("conferences", "sales").out.splitlines()
    assert heading.split() == list(PARTY)
    assert row.split()[:4] == ["sales", "2", "1002", "Bob"]


@pytest.mark.parametrize(
    ("words", "command", "arguments", "sentence"),
    [
        ("kick sales 1002", "kick", {"party": "1002"}, "1002 is removed from sales"),
        ("lock sales", "lock", {"locked": True}, "sales is locked"),
        ("unlock sales", "lock", {"locked": False}, "sales is open"),
        ("record sales", "record", {"wanted": True}, "sales is recorded into /var/lib/pbx/recordings/sales.wav"),
        ("record sales --stop", "record", {"wanted": False}, "sales is not recorded any more"),
        ("end sales", "end", {}, "the conference in sales is over"),
    ],
)
def test_what_is_done_is_said(
    pbx: Pbx, folder: Path, words: str, command: str, arguments: dict[str, Any], sentence: str
) -> None:
    with server(folder, result(PARTY)) as questions:
        assert pbx("conference", *words.split()).out == f"{sentence}\n"
    assert questions == [{"command": f"conference_{command}", "arguments": {"room": "sales", **arguments}}]


@pytest.mark.parametrize(("word", "muted"), [("mute", True), ("unmute", False)])
@pytest.mark.parametrize("party", [None, "2"])
def test_muting_one_or_all_shows_whom(pbx: Pbx, folder: Path, word: str, muted: bool, party: str | None) -> None:
    with server(folder, result(PARTY)) as questions:
        assert pbx("conference", word, "sales", *([party] if party else []), "--json").rows == [PARTY]
    arguments = {"room": "sales", "party": party, "muted": muted}
    assert questions == [{"command": "conference_mute", "arguments": arguments}]


def test_room_in_which_nobody_is(pbx: Pbx, folder: Path) -> None:
    sentence = "nobody is in a room sales; `pbx conferences` shows who is where"
    with server(folder, f'{{"error": "{sentence}"}}\n'.encode()):
        done = pbx("conference", "end", "sales")
    assert (done.status, done.sentence) == (1, sentence)
