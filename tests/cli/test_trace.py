"""`pbx trace`: what it asks the running server, and what it makes of it."""

from __future__ import annotations

import io
from dataclasses import asdict
from pathlib import Path

import dpkt

from pbx.ladder import EXCHANGE, Step
from tests.cli.command import Pbx
from tests.cli.test_live import result, server

LADDER = [
    Step(0.0, "10.0.0.2:5060", EXCHANGE, "INVITE", "", "INVITE x SIP/2.0\r\n\r\n", "UDP", "10.0.0.1:5060", 9.0),
    Step(0.0, "", "", "calls 1002 for 20 s", "dialplan.py:14", moment=9.0),
    Step(0.5, EXCHANGE, "10.0.0.3:5060", "INVITE", "again: timer A", "INVITE", "UDP", "10.0.0.1:5060", 9.5),
]
ROWS = [{"call": "7f3a86d2", **asdict(step)} for step in LADDER]


def test_ladder_is_drawn_for_people(pbx: Pbx, folder: Path) -> None:
    with server(folder, result(*ROWS)) as questions:
        heading, first, note, again = pbx("trace", "7f").out.splitlines()
    assert questions == [{"command": "trace", "arguments": {"call": "7f"}}]
    assert heading.split() == ["10.0.0.2:5060", "exchange", "10.0.0.3:5060"]
    assert "INVITE" in first
    assert note.endswith("-- calls 1002 for 20 s (dialplan.py:14)")
    assert again.endswith("again: timer A")


def test_ladder_for_programs_is_rows(pbx: Pbx, folder: Path) -> None:
    with server(folder, result(*ROWS)):
        assert pbx("trace", "7f", "--json").rows == ROWS


def test_page_and_capture_are_files(sqlite: Pbx, folder: Path) -> None:
    with server(folder, result(*ROWS)):
        done = sqlite("trace", "7f", "--pcap", f"{folder}/call.pcap")
    assert (done.status, done.out) == (0, "")
    with (folder / "call.pcap").open("rb") as file:
        assert [moment for moment, _ in dpkt.pcap.Reader(io.BytesIO(file.read()))] == [9.0, 9.5]


def test_file_that_cannot_be_written_is_one_sentence(pbx: Pbx, folder: Path) -> None:
    with server(folder, result(*ROWS)):
        done = pbx("trace", "7f", "--pcap", f"{folder}/nowhere/call.pcap")
    assert done.status == 1 and "cannot be written" in done.sentence


def test_call_that_is_not_there_is_one_sentence(pbx: Pbx, folder: Path) -> None:
    with server(folder, b'{"error": "no call 9 is in the trace"}\n'):
        done = pbx("trace", "9")
    assert (done.status, done.sentence) == (1, "no call 9 is in the trace")
