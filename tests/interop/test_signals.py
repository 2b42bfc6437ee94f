"""How the exchange ends: SIGINT ends the calls too, SIGTERM waits for them."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tests.eventually import eventually
from tests.interop.exchange import Exchange
from tests.interop.office import FIRST_TONE, SAMPLE, Phones, talk, two_phones


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    """An exchange of its own for each test, since each test ends it."""
    with Exchange(SAMPLE, ["1001", "1002"]) as exchange:
        yield exchange
        print(exchange.log())


@pytest.fixture
def phones(exchange: Exchange) -> Iterator[Phones]:
    with two_phones(exchange) as phones:
        yield phones


def test_sigint_hangs_up_and_ends_within_two_seconds(exchange: Exchange, phones: Phones) -> None:
    talk(phones)
    exchange.send(signal.SIGINT)
    assert exchange.wait(2) == 0
    for phone in phones:
        phone.sees("CALL_CLOSED", within=1)
    assert exchange.complaints() == []


def test_sigterm_waits_for_the_call_to_end(exchange: Exchange, phones: Phones) -> None:
    caller, callee = phones
    talk(phones)
    exchange.send(signal.SIGTERM)
    # The call goes on: its audio passes for another second.
    heard = callee.heard(FIRST_TONE)[-1]
    eventually(lambda: callee.heard(FIRST_TONE)[-1] >= heard + 1, within=3)
    assert exchange.process and exchange.process.status is None
    caller.hang_up()
    callee.sees("CALL_CLOSED")
    assert exchange.wait(3) == 0
    assert exchange.complaints() == []


def test_sigterm_without_calls_ends_at_once(exchange: Exchange) -> None:
    exchange.send(signal.SIGTERM)
    assert exchange.wait(2) == 0
    assert exchange.complaints() == []
