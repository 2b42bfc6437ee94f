"""Presence and text with real phones: who is there is seen, and who is away gets what was written when he comes back;
also when the exchange is killed meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.eventually import eventually
from tests.interop.exchange import Exchange, password
from tests.interop.office import SAMPLE
from tests.phones.baresip import Baresip


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    with Exchange(SAMPLE, ["1001", "1002"]) as running:
        yield running


def phone(exchange: Exchange, number: str, folder: Path, colleague: str = "") -> Baresip:
    return Baresip(number, password(number), exchange.address, folder, colleague=colleague)


def test_phone_shows_whether_its_colleague_is_there(exchange: Exchange, tmp_path: Path) -> None:
    with phone(exchange, "1001", tmp_path / "a", "1002") as alice:
        eventually(lambda: alice.presence == "Offline", within=10)
        with phone(exchange, "1002", tmp_path / "b") as bob:
            assert bob.answers
            eventually(lambda: alice.presence == "Online", within=10)
        eventually(lambda: alice.presence == "Offline", within=10)


def test_text_for_who_is_away_survives_a_kill_and_arrives_once(exchange: Exchange, tmp_path: Path) -> None:
    with phone(exchange, "1001", tmp_path / "a", "1002") as alice:
        assert alice.answers
        for number in range(1, 4):
            alice.write(f"message number {number}")
        eventually(lambda: exchange.status()["texts"] == 3, within=5)
        written = time.monotonic()
        eventually(lambda: time.monotonic() > written + 1, within=2)
        exchange.kill()
        exchange.start()
        assert exchange.status()["texts"] == 3
        with phone(exchange, "1002", tmp_path / "b", "1001") as bob:
            eventually(lambda: exchange.status()["texts"] == 0, within=10)
            assert bob.texts == [f"message number {number}" for number in range(1, 4)]
