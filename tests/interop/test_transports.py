"""Two makes of real phones register and call over UDP, TCP and TLS, which each does in its own way."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.eventually import eventually
from tests.interop.exchange import REALM, Exchange, password
from tests.interop.office import FIRST_TONE, SAMPLE, SECOND_TONE, talk, two_phones
from tests.phones.baresip import Baresip
from tests.phones.linphone import Linphone

EXTENSIONS = ["1001", "1002", "1003"]


@pytest.fixture(scope="module")
def office() -> Iterator[Exchange]:
    """A running exchange that listens over all three."""
    with Exchange(SAMPLE, EXTENSIONS, streams=["tcp", "tls"]) as running:
        yield running


def transports(exchange: Exchange) -> dict[str, str]:
    """How each extension has registered."""
    return {row["number"]: row["transport"].lower() for row in exchange.registrations()}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_baresip_registers_and_calls(exchange: Exchange, transport: str) -> None:
    with two_phones(exchange, transport) as phones:
        assert transports(exchange) == {"1001": transport, "1002": transport}
        caller, callee = phones
        talk(phones)
        caller.hang_up()
        callee.sees("CALL_CLOSED")
        talk(phones)
        callee.hang_up()
        caller.sees("CALL_CLOSED")
    eventually(lambda: exchange.registered() == [], within=5)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_linphone_and_baresip_call_each_other(exchange: Exchange, transport: str) -> None:
    at, folder = exchange.addresses[transport], exchange.folder / f"linphone-{transport}"
    with (
        Linphone("1001", password("1001"), at, REALM, folder / "1001", tone=FIRST_TONE, transport=transport,
                 authority=exchange.folder / "certificate.pem") as linphone,
        Baresip("1002", password("1002"), exchange.address, folder / "1002", tone=SECOND_TONE) as baresip,
    ):  # fmt: skip
        eventually(lambda: linphone.registered and baresip.registered, within=10)
        assert transports(exchange) == {"1001": transport, "1002": "udp"}

        linphone.dial("1002")
        baresip.sees("CALL_INCOMING")
        baresip.accept()
        linphone.sees("Media streams established")
        eventually(lambda: sum(baresip.heard(FIRST_TONE)) >= 1, within=5)
        linphone.hang_up()
        baresip.sees("CALL_CLOSED")
        linphone.sees("ended")
        eventually(lambda: linphone.heard(SECOND_TONE) >= 0.5, within=3)

        baresip.forget()
        baresip.dial("1001")
        linphone.sees("Receiving new incoming call")
        linphone.accept()
        baresip.sees("CALL_ESTABLISHED")
        baresip.hang_up()
        linphone.sees("ended")
        eventually(lambda: baresip.idle, within=5)
    eventually(lambda: exchange.registered() == [], within=5)
