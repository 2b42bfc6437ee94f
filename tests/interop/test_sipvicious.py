"""sipvicious, as it comes within minutes of the first night: it learns nothing, and the office goes on calling."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.exchange import Exchange, password
from tests.interop.office import SAMPLE
from tests.phones.sipp import Sipp
from tests.programs import program

# 20 of the 200 that are tried, with those of the sample dialplan.
NUMBERS = ["1001", "1002", *[str(number) for number in range(1010, 1190, 10)]]
CALLS = 20

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def exchange() -> Iterator[Exchange]:
    """An exchange with 20 extensions, at 127.0.0.1, from which the attacks come, too."""
    running = Exchange(SAMPLE)
    running.insert([(number, password(number)) for number in NUMBERS])
    with running:
        yield running


@pytest.fixture
def office(exchange: Exchange, tmp_path: Path) -> Iterator[Sipp]:
    """20 calls of a registered phone at 127.0.0.2 to another one, while a test attacks: none may fail."""
    if exchange.ask("bans"):
        exchange.command("bans", "remove", "127.0.0.1")
    caller, callee = [(number, password(number)) for number in NUMBERS[:2]]
    phones = []
    for account in (caller, callee):
        at = tmp_path / f"registers {account[0]}"
        with Sipp("registers", at, ip="127.0.0.2", server=exchange.address, accounts=[account]) as phone:
            phone.finish(5)
        phones.append(phone)
    with (
        Sipp("callee", tmp_path / "callee", ip="127.0.0.2", port=phones[1].port, calls=CALLS) as answering,
        Sipp("known_caller", tmp_path / "caller", ip="127.0.0.2", port=phones[0].port, server=exchange.address,
             calls=CALLS, rate=5, accounts=[(*caller, callee[0])]) as calling,
    ):  # fmt: skip
        yield calling
        tally = calling.finish(30)
        assert (tally.successful, tally.failed) == (CALLS, 0)
        assert answering.finish(5).successful == CALLS


def attack(exchange: Exchange, folder: Path, tool: str, *words: str) -> str:
    """All that a tool prints."""
    host, _, port = exchange.address.rpartition(":")
    done = subprocess.run(
        [program(tool), *words, host, "-p", port],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "HOME": str(folder)},
    )
    return done.stdout + done.stderr


def test_svmap_sees_a_name_and_no_version(exchange: Exchange, office: Sipp, tmp_path: Path) -> None:
    said = attack(exchange, tmp_path, "svmap")
    (row,) = [line for line in said.splitlines() if exchange.address in line]
    assert row.split("|")[2].strip() == "PBX", said


@pytest.mark.parametrize("method", ["REGISTER", "INVITE", "OPTIONS"])
def test_svwar_finds_no_extension(exchange: Exchange, office: Sipp, tmp_path: Path, method: str) -> None:
    said = attack(exchange, tmp_path, "svwar", "--force", "-m", method, "-e", "1000-1199")
    assert "found nothing" in said, said
    assert not [line for line in said.splitlines() if line.startswith("| 1")], said


def test_svwar_gives_up_by_itself(exchange: Exchange, office: Sipp, tmp_path: Path) -> None:
    said = attack(exchange, tmp_path, "svwar", "-e", "1000-1199")
    assert "found nothing" in said, said


def test_svcrack_never_reports_the_right_password(exchange: Exchange, office: Sipp, tmp_path: Path) -> None:
    words = [f"guess{n}" for n in range(100)]
    words[49] = password(NUMBERS[5])
    (tmp_path / "words").write_text("\n".join([*words, ""]))
    said = attack(exchange, tmp_path, "svcrack", "-u", NUMBERS[5], "-d", str(tmp_path / "words"))
    assert "found nothing" in said and words[49] not in said, said
    (ban,) = exchange.ask("bans")
    assert (ban["address"], ban["reason"]) == ("127.0.0.1", "wrong password")
