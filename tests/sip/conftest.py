"""What the tests of the transaction layer are about."""

from __future__ import annotations

import pytest

from tests.sip.core import Core


@pytest.fixture
def core() -> Core:
    return Core()
