"""`pbx status` and `pbx registrations`, and what they say when the server does not answer as it should."""

from __future__ import annotations

import json
import os
import pty
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import Pbx

STATUS = {
    "version": "0.1.0",
    "uptime": 12,
    "listeners": ["udp:127.0.0.1:5060", "udp:[::1]:5060"],
    "calls": 1,
    "media_ports": 4,
    "drops": {"malformed datagrams": 3},
}
REGISTRATION = {
    "number": "1001",
    "contact": "sip:1001@127.0.0.1:5062",
    "transport": "UDP",
    "address": "127.0.0.1:5062",
    "expires_in": 3599,
    "registered_at": "2026-11-21T04:00:00+00:00",
    "reachable": True,
    "round_trip": 12.5,
    "instance": "",
    "reg_id": None,
    "path": "",
    "user_agent": "phone\x1b[2J 1.0",
}


@contextmanager
def server(folder: Path, answer: bytes | None, times: int = 1) -> Iterator[list[Any]]:
    """Answer so many questions, or close the connection without; give a list that takes the questions."""
    questions: list[Any] = []
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "pbx.sock"))
        listening.listen()

        def serve() -> None:
            for _ in range(times):
                client = listening.accept()[0]
                with client, client.makefile("rb") as lines:
                    questions.append(json.loads(lines.readline()))
                    if answer is not None:
                        client.sendall(answer)
            listening.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield questions
        thread.join(10)


def result(*rows: object) -> bytes:
    return json.dumps({"result": rows}).encode() + b"\n"


def test_status_is_one_row(pbx: Pbx, folder: Path) -> None:
    with server(folder, result(STATUS)) as questions:
        assert pbx("status", "--json").rows == [STATUS]
    assert questions == [{"command": "status", "arguments": {}}]


def test_status_for_people_is_a_line_for_each_figure(pbx: Pbx, folder: Path) -> None:
    with server(folder, result(STATUS)):
        assert pbx("status").out.splitlines() == [
            "version      0.1.0",
            "uptime       12",
            "listeners    udp:127.0.0.1:5060, udp:[::1]:5060",
            "calls        1",
            "media ports  4",
            "drops        malformed datagrams: 3",
        ]


def test_registrations_of_one_extension_are_asked_for(pbx: Pbx, folder: Path) -> None:
    with server(folder, result(REGISTRATION)) as questions:
        assert pbx("registrations", "1001", "--json").rows == [REGISTRATION]
    assert questions == [{"command": "registrations", "arguments": {"number": "1001"}}]


def test_what_a_phone_wrote_cannot_command_the_terminal(pbx: Pbx, folder: Path) -> None:
    with server(folder, result(REGISTRATION)):
        heading, row = pbx("registrations").out.splitlines()
    assert heading.split() == [name for name in REGISTRATION if name not in ("instance", "reg_id", "path")]
    assert row.endswith("phone?[2J 1.0")


REGISTER = {
    "number": "1001",
    "at": "2026-11-21T04:00:00+00:00",
    "status": 401,
    "why": "wrong password",
    "transport": "UDP",
    "address": "127.0.0.1:5062",
    "user_agent": "phone",
}


def test_last_register_says_why_it_was_refused(pbx: Pbx, folder: Path) -> None:
    with server(folder, result(REGISTER)) as questions:
        assert pbx("registrations", "1001", "--last", "--json").rows == [REGISTER]
    assert questions == [{"command": "last_register", "arguments": {"number": "1001"}}]
    (folder / "pbx.sock").unlink()
    with server(folder, result(REGISTER)):
        heading, row = pbx("registrations", "1001", "--last").out.splitlines()
    assert heading.split() == list(REGISTER) and "wrong password" in row


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--last",), "--last needs a NUMBER"),
        (("--watch",), "--watch is for people at a terminal"),
        (("1001", "--watch", "--json"), "--watch is for people at a terminal"),
    ],
)
def test_wrong_usage_of_registrations_is_one_sentence(
    pbx: Pbx, folder: Path, words: tuple[str, ...], complaint: str
) -> None:
    done = pbx("registrations", *words)
    assert done.status == 2 and complaint in done.sentence


@pytest.mark.timeout(60)
def test_watch_shows_the_table_again_and_again_on_a_terminal(folder: Path) -> None:
    terminal, screen = pty.openpty()
    try:
        with server(folder, result(REGISTRATION), times=2):
            command = [str(Path(sys.executable).parent / "pbx"), "registrations", "--watch"]
            done = subprocess.run(command, stdout=screen, stderr=subprocess.PIPE, timeout=30, check=False)
        shown = os.read(terminal, 65536).decode()
    finally:
        os.close(terminal)
        os.close(screen)
    assert shown.count("round_trip") == shown.count("12.5") == 2
    assert b"no server is running" in done.stderr


def test_long_answer_is_read_to_its_end(pbx: Pbx, folder: Path) -> None:
    rows = [{**REGISTRATION, "number": str(n)} for n in range(20_000)]
    with server(folder, result(*rows)):
        assert pbx("registrations", "--json").rows == rows


@pytest.mark.parametrize("command", ["status", "registrations"])
def test_without_a_server_it_says_so(pbx: Pbx, folder: Path, command: str) -> None:
    done = pbx(command)
    assert done.status == 1
    assert done.sentence == (
        f"no server is running: nobody answers at {folder}/pbx.sock; start it with "
        "`twistd -n --pidfile= pbx --config FILE`"
    )
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(folder / "pbx.sock"))
    assert "no server is running" in pbx(command).sentence


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b'{"error": "there is no such call; look at `pbx calls`"}\n', "there is no such call; look at `pbx calls`"),
        (None, "no answer; look into its log"),
        (b"SSH-2.0\n", "no answer"),
        (b"[1]\n", "is no pbx"),
        (b'{"error": 1}\n', "is no pbx"),
    ],
)
def test_answer_that_helps_nobody_is_one_sentence(pbx: Pbx, folder: Path, answer: bytes | None, words: str) -> None:
    with server(folder, answer):
        assert words in pbx("status").sentence


def test_server_that_keeps_silent_is_not_waited_for(pbx: Pbx, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pbx.cli.client.PATIENCE", 0.05)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(folder / "pbx.sock"))
        silent.listen()
        assert "the server does not answer" in pbx("status").sentence
