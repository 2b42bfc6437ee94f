"""A relay on a network in memory, and phones beside it."""

from __future__ import annotations

import pytest

from tests.media.network import Exchange, Phone


@pytest.fixture
def exchange() -> Exchange:
    return Exchange()


@pytest.fixture
def alice(exchange: Exchange) -> Phone:
    return exchange.phone("198.51.100.1")


@pytest.fixture
def bob(exchange: Exchange) -> Phone:
    return exchange.phone("198.51.100.2")


@pytest.fixture
def carol(exchange: Exchange) -> Phone:
    return exchange.phone("198.51.100.3")
