"""Real phones speak SRTP over TLS: to each other, and to one that does not."""

from __future__ import annotations

import pytest

from tests.eventually import eventually
from tests.interop.exchange import REALM, Exchange, password
from tests.interop.office import FIRST_TONE, SAMPLE, SECOND_TONE, hears, talk, two_phones
from tests.phones.baresip import Baresip
from tests.phones.linphone import Linphone


@pytest.mark.timeout(90)
@pytest.mark.parametrize("mode", ["accept", "require", "pass"])
def test_two_phones_on_tls_talk_by_srtp(mode: str) -> None:
    with (
        Exchange(SAMPLE, ["1001", "1002"], streams=["tls"], media=f'srtp = "{mode}"') as exchange,
        two_phones(exchange, "tls", srtp=("srtp-mand", "srtp-mand")) as phones,
    ):
        talk(phones)
        caller, callee = phones
        callee.hang_up()
        caller.sees("CALL_CLOSED")
        eventually(lambda: exchange.figures()["media_ports"] == 0, within=5)


@pytest.mark.timeout(90)
@pytest.mark.parametrize("srtp", ["srtp-mand", "srtp"])
def test_srtp_of_one_phone_ends_with_the_exchange(srtp: str) -> None:
    """The other one is on UDP and speaks plain RTP; either may call."""
    with (
        Exchange(SAMPLE, ["1001", "1002"], streams=["tls"]) as exchange,
        Baresip("1001", password("1001"), exchange.addresses["tls"], exchange.folder / "1001", tone=FIRST_TONE,
                transport="tls", srtp=srtp) as sealed,
        Baresip("1002", password("1002"), exchange.address, exchange.folder / "1002", tone=SECOND_TONE) as plain,
    ):  # fmt: skip
        eventually(lambda: sealed.registered and plain.registered, within=5)
        talk((sealed, plain))
        sealed.hang_up()
        plain.sees("CALL_CLOSED")
        if srtp == "srtp":
            plain.forget()
            sealed.forget()
            plain.dial("1001")
            sealed.sees("CALL_INCOMING")
            sealed.accept()
            hears(plain, FIRST_TONE, 1)
            hears(sealed, SECOND_TONE, 1)
            plain.hang_up()
            sealed.sees("CALL_CLOSED")


@pytest.mark.timeout(90)
@pytest.mark.parametrize("sealed", [True, False], ids=["both on TLS", "one on UDP"])
def test_a_linphone_that_takes_nothing_but_srtp_talks_to_a_baresip(sealed: bool) -> None:
    with Exchange(SAMPLE, ["1001", "1002"], streams=["tls"]) as exchange:
        folder, transport = exchange.folder, "tls" if sealed else "udp"
        with (
            Linphone("1001", password("1001"), exchange.addresses["tls"], REALM, folder / "1001", tone=FIRST_TONE,
                     transport="tls", authority=folder / "certificate.pem", srtp=True, plain=True) as linphone,
            Baresip("1002", password("1002"), exchange.addresses[transport], folder / "1002", tone=SECOND_TONE,
                    transport=transport, srtp="srtp-mand" if sealed else "") as baresip,
        ):  # fmt: skip
            eventually(lambda: linphone.registered and baresip.registered, within=15)
            linphone.dial("1002")
            baresip.sees("CALL_INCOMING")
            baresip.accept()
            linphone.sees("Media streams established")
            eventually(lambda: sum(baresip.heard(FIRST_TONE)) >= 1 and linphone.heard(SECOND_TONE) >= 1, within=10)
            linphone.hang_up()
            baresip.sees("CALL_CLOSED")
