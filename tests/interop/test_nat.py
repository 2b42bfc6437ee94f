"""Real phones behind NATs of every kind, and an exchange behind one: they hear each other, with nothing configured for
it but the exchange's address outside.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

from pbx.media.g711 import RATE, ULAW
from pbx.testing.nat import FULL_CONE, KINDS, PORT_RESTRICTED, RESTRICTED, SYMMETRIC, PhoneNAT, StaticNAT
from tests.counts import FULL
from tests.eventually import eventually
from tests.interop.exchange import REALM, Exchange, password
from tests.interop.office import FIRST_TONE, SECOND_TONE
from tests.phones.baresip import Baresip
from tests.phones.linphone import Linphone
from tests.phones.network import Internet, Network
from tests.phones.sipp import Sipp
from tests.phones.tone import seconds_in, write_tone

DIALPLAN = """
from pbx.dialplan import Call, Plan, ext

plan = Plan()


@plan.internal("<number:1XXX>")
async def extension(call: Call, number: str) -> None:
    await call.dial(ext(number), timeout=20)


plan.anonymous("<number:1XXX>")(extension)
"""
EXTENSIONS = ["1001", "1002"]
PAIRS = list(product(KINDS, KINDS)) if FULL else [(SYMMETRIC, PORT_RESTRICTED), (RESTRICTED, FULL_CONE)]


@pytest.fixture(scope="module")
def internet() -> Iterator[Internet]:
    with Internet() as joining:
        yield joining


@pytest.fixture(scope="module")
def exchange(internet: Internet) -> Iterator[Exchange]:
    with Exchange(DIALPLAN, EXTENSIONS, network=internet.network("203.0.113.1")) as running:
        yield running


def homes(internet: Internet, *kinds: str) -> list[Network]:
    """Networks, each behind a NAT of its own."""
    found = []
    for kind in kinds:
        number = len(internet.delivered)
        internet.translators.append(PhoneNAT(f"198.51.100.{number}", kind, local=f"192.168.{number}."))
        found.append(internet.network(f"192.168.{number}.2"))
    return found


def assert_heard(server: str, near: Network, far: Network, folder: Path) -> None:
    """A baresip and a Linphone call each other in turn, and hear each other."""
    with (
        Baresip("1001", password("1001"), server, folder / "1001", tone=FIRST_TONE, network=near) as baresip,
        Linphone("1002", password("1002"), server, REALM, folder / "1002", tone=SECOND_TONE, plain=True,
                 network=far) as linphone,
    ):  # fmt: skip
        eventually(lambda: baresip.registered and linphone.registered, within=15)
        baresip.dial("1002")
        linphone.sees("Receiving new incoming call")
        linphone.accept()
        eventually(lambda: sum(baresip.heard(SECOND_TONE)) >= 1 and linphone.heard(FIRST_TONE) >= 1, within=10)
        linphone.hang_up()
        baresip.sees("CALL_CLOSED")
        heard = linphone.heard(FIRST_TONE)
        linphone.dial("1001")
        baresip.sees("CALL_INCOMING")
        baresip.accept()
        eventually(lambda: linphone.heard(FIRST_TONE) >= heard + 1, within=10)
        eventually(lambda: baresip.heard(SECOND_TONE)[-1] >= 1, within=10)
        baresip.hang_up()
        linphone.sees("ended")


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("callers", "callees"), PAIRS)
def test_two_phones_behind_nats_hear_each_other(
    exchange: Exchange, internet: Internet, tmp_path: Path, callers: str, callees: str
) -> None:
    assert_heard(exchange.address, *homes(internet, callers, callees), tmp_path)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("kind", KINDS if FULL else [PORT_RESTRICTED])
def test_two_phones_behind_the_same_nat_hear_each_other(
    exchange: Exchange, internet: Internet, tmp_path: Path, kind: str
) -> None:
    number = len(internet.delivered)
    internet.translators.append(PhoneNAT(f"198.51.100.{number}", kind, local=f"192.168.{number}."))
    phones = [internet.network(f"192.168.{number}.{own}") for own in (2, 3)]
    assert_heard(exchange.address, *phones, tmp_path)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("kind", KINDS if FULL else [SYMMETRIC])
def test_an_exchange_behind_a_static_nat_is_heard_when_it_knows_its_address(tmp_path: Path, kind: str) -> None:
    """One phone is at home and one beside the exchange: either is told the address that it can reach."""
    with Internet() as internet:
        internet.translators.append(StaticNAT("192.0.2.80", "10.0.0.1", "10."))
        internet.translators.append(PhoneNAT("198.51.100.9", kind, local="192.168."))
        inside = internet.network("10.0.0.1")
        with Exchange(DIALPLAN, EXTENSIONS, network=inside, advertise="192.0.2.80") as exchange:
            port = exchange.address.rpartition(":")[2]
            with (
                Baresip("1001", password("1001"), f"192.0.2.80:{port}", tmp_path / "1001", tone=FIRST_TONE,
                        network=internet.network("192.168.1.2")) as away,
                Baresip("1002", password("1002"), exchange.address, tmp_path / "1002", tone=SECOND_TONE,
                        network=internet.network("10.0.0.7")) as beside,
            ):  # fmt: skip
                eventually(lambda: away.registered and beside.registered, within=10)
                for count, caller, callee in ((1, away, beside), (2, beside, away)):
                    caller.forget()
                    callee.forget()
                    caller.dial(callee.number)
                    callee.sees("CALL_INCOMING")
                    callee.accept()
                    caller.sees("CALL_ESTABLISHED")
                    for phone, tone in ((away, SECOND_TONE), (beside, FIRST_TONE)):
                        eventually(lambda: sum(s >= 1 for s in phone.heard(tone)) == count, within=10)  # noqa: B023
                    callee.hang_up()
                    caller.sees("CALL_CLOSED")


@pytest.mark.timeout(120)
@pytest.mark.parametrize("kind", KINDS if FULL else [SYMMETRIC])
def test_sipp_behind_a_nat_hears_and_is_heard(
    exchange: Exchange, internet: Internet, tmp_path: Path, kind: str
) -> None:
    write_tone(tmp_path / "tone.wav", FIRST_TONE, seconds=5)
    sound = ULAW.encode((tmp_path / "tone.wav").read_bytes()[44:])
    near, far = homes(internet, kind, kind)
    with Baresip(
        "1001", password("1001"), exchange.address, tmp_path / "1001", tone=SECOND_TONE, network=far
    ) as baresip:
        eventually(lambda: baresip.registered, within=10)
        with Sipp("speaker", tmp_path / "sipp", server=exchange.address, service="1001", talk=3, sound=sound,
                  network=near) as sipp:  # fmt: skip
            baresip.sees("CALL_INCOMING")
            baresip.accept()
            eventually(lambda: sum(baresip.heard(FIRST_TONE)) >= 1, within=10)
            sipp.finish(within=20)
    packets = [packet for packet in internet.delivered[near.address] if packet[0] == 0x80]
    heard = array("h", ULAW.decode(b"".join(packet[12:] for packet in packets)))
    assert seconds_in(heard, RATE, SECOND_TONE) >= 1
