"""A relay on real sockets, once in Python and once native, and two phones."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pbx.media import native
from tests.media.loopback import ALICE, BOB, Loopback, Phone

ENGINES = [
    False,
    pytest.param(True, marks=pytest.mark.skipif(not native.is_there(), reason="the native relay is not built")),
]


@pytest.fixture(params=ENGINES, ids=["python", "native"])
def relay(request: pytest.FixtureRequest) -> Iterator[Loopback]:
    loopback = Loopback(request.param)
    yield loopback
    loopback.close()


@pytest.fixture
def alice(relay: Loopback) -> Phone:
    return relay.phone(ALICE)


@pytest.fixture
def bob(relay: Loopback) -> Phone:
    return relay.phone(BOB)
