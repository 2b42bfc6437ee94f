"""Floods at the highest rate that one processor can send: once the ban has struck, the office calls as if there was
none.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.machine import LOAD_CPU, Meter, memory_kib
from tests.counts import count
from tests.eventually import eventually
from tests.interop.exchange import Exchange, password
from tests.interop.office import SAMPLE
from tests.phones.flood import KINDS, Flood
from tests.phones.sipp import Sipp

SECONDS = count(3, 30)
RATE = 5
CALLS = RATE * (SECONDS - 1)
OFFICE = "127.0.0.2"
KIB = 16 * 1024  # of noise; a flood that is kept would bring hundreds of thousands of datagrams

pytestmark = pytest.mark.timeout(SECONDS + 120)


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    with Exchange(SAMPLE, ["1001", "1002"]) as running:
        yield running


def banned(exchange: Exchange) -> int:
    """What was dropped so far, by the exchange and by the kernel for it."""
    drops = exchange.status()["drops"]
    return drops.get("banned", 0) + drops.get("flooding datagrams", 0) + drops.get("by the kernel", 0)


@pytest.mark.parametrize("kind", KINDS)
def test_no_call_is_lost_once_the_flood_is_banned(exchange: Exchange, tmp_path: Path, kind: str) -> None:
    accounts = [(number, password(number)) for number in ("1001", "1002")]
    phones = []
    for account in accounts:
        at = tmp_path / account[0]
        with Sipp("registers", at, ip=OFFICE, server=exchange.address, accounts=[account]) as phone:
            phone.finish(5)
        phones.append(phone.port)
    # Longer than the calls, however busy the machine is: all of them are made while it goes on.
    flood = Flood(kind, exchange.address, SECONDS + 25, tmp_path / "flood.log", cpu=LOAD_CPU)
    try:
        eventually(lambda: "security: banned" in exchange.log(), within=10)
        before, meter = memory_kib(exchange.pid), Meter(exchange.pid)
        dropped = banned(exchange)
        with (
            Sipp("callee", tmp_path / "callee", ip=OFFICE, port=phones[1], calls=CALLS) as callee,
            Sipp("known_caller", tmp_path / "caller", ip=OFFICE, port=phones[0], server=exchange.address, calls=CALLS,
                 rate=RATE, accounts=[(*accounts[0], "1002")]) as caller,
        ):  # fmt: skip
            tally = caller.finish(SECONDS + 40)
            assert (tally.successful, tally.failed) == (CALLS, 0)
            assert callee.finish(10).successful == CALLS
        dropped = banned(exchange) - dropped
        wall, cpu, _ = meter.read()
        assert flood.goes_on
    finally:
        flood.stop()
    print(f"{kind}: {dropped} dropped in {wall:.1f} s: {dropped / cpu:.0f} per CPU second, calls and all")
    assert dropped > 0
    assert memory_kib(exchange.pid) < before + KIB
    assert {ban["address"] for ban in exchange.ask("bans")} <= {"127.0.0.1"}
