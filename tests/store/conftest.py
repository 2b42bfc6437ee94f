"""A store, and what it logs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from twisted.logger import LogEvent, LogLevel, formatEvent, globalLogPublisher

from tests.store.house import House


@pytest.fixture
def house(url: str) -> Iterator[House]:
    house = House(url)
    yield house
    house.store._database.dispose()
    house.database.dispose()


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """Give the warnings and notes that are logged."""
    found: list[str] = []

    def observe(event: LogEvent) -> None:
        if event.get("log_level") in (LogLevel.info, LogLevel.warn):
            found.append(formatEvent(event))

    globalLogPublisher.addObserver(observe)
    yield found
    globalLogPublisher.removeObserver(observe)
