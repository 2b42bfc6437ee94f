"""An office, and one phone of it that has not registered yet."""

from __future__ import annotations

import pytest

from tests.exchange.phones import Office, Phone


@pytest.fixture
def office() -> Office:
    return Office()


@pytest.fixture
def phone(office: Office) -> Phone:
    return Phone(office)
