"""A relay on real sockets, in Python and native, its phones, and an intruder; also what its sockets alone need."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from pbx.media import native
from tests.media.loopback import ALICE, BOB, HOST, MALLORY, Loopback, Phone, Turns

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


@pytest.fixture
def mallory(relay: Loopback) -> Phone:
    return relay.phone(MALLORY)


@pytest.fixture
def turns() -> Turns:
    return Turns()


@pytest.fixture
def phone() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
        phone.bind((HOST, 0))
        phone.setblocking(False)
        yield phone
