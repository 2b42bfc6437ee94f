"""What the tests of the transaction layer and of the stream transport are about."""

from __future__ import annotations

import pytest

from tests.sip.core import Core
from tests.sip.site import Site


@pytest.fixture
def core() -> Core:
    return Core()


@pytest.fixture
def site() -> Site:
    return Site()
