"""Kamailio stands between the phones and the exchange, and stays in every dialog (RFC 3261 16.6 step 4, 12.1)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.eventually import eventually
from tests.interop.exchange import Exchange
from tests.interop.office import SAMPLE, talk, two_phones
from tests.phones.kamailio import Kamailio


@pytest.fixture(scope="module")
def office() -> Iterator[Exchange]:
    """A running exchange, which the proxy reaches over UDP and TCP."""
    with Exchange(SAMPLE, ["1001", "1002"], streams=["tcp"]) as running:
        yield running


@pytest.mark.timeout(60)
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_calls_pass_through_a_proxy_that_records_its_route(exchange: Exchange, transport: str) -> None:
    server = exchange.addresses[transport]
    with (
        Kamailio(server, exchange.folder / f"kamailio-{transport}", transport) as proxy,
        two_phones(exchange, outbound=proxy.address) as phones,
    ):
        caller, callee = phones
        talk(phones)
        caller.hang_up()
        callee.sees("CALL_CLOSED")
        talk(phones)
        callee.hang_up()
        caller.sees("CALL_CLOSED")
        # Each call has two dialogs, and the proxy has seen the end of both; an ACK has no answer to wait for.
        eventually(lambda: proxy.passed("BYE") == 4 and proxy.passed("ACK") >= 4, within=5)
    eventually(lambda: exchange.registered() == [], within=5)
