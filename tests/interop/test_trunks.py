"""Two exchanges of ours, one the other's trunk: it registers with its password, and phones of both hear each other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.eventually import eventually
from tests.interop.exchange import Exchange, password
from tests.interop.office import FIRST_TONE, SECOND_TONE, hears
from tests.phones.baresip import Baresip
from tests.phones.sipp import Sipp

OFFICE = """
from __future__ import annotations
from pbx.dialplan import Call, Plan, trunk
plan = Plan()

@plan.internal("0<number:1XXX>")
async def outside(call: Call, number: str) -> None:
    await call.dial_first(trunk("acme").to(number))
"""
PROVIDER = """
from __future__ import annotations
from pbx.dialplan import Call, Plan, ext
plan = Plan()

@plan.internal("<number:1XXX>")
async def extension(call: Call, number: str) -> None:
    await call.dial(ext(number), timeout=20)
"""


@pytest.fixture
def provider() -> Iterator[Exchange]:
    with Exchange(PROVIDER, ["1002", "1900"]) as exchange:
        yield exchange


@pytest.fixture
def office(provider: Exchange) -> Iterator[Exchange]:
    exchange = Exchange(OFFICE, ["1001"])
    exchange.command(
        "trunk", "add", "acme", "--host", provider.address, "--register", "--username", "1900",
        "--password", password("1900"), "--qualify", "0",
    )  # fmt: skip
    with exchange:
        yield exchange


@pytest.mark.timeout(180)
def test_tone_goes_through_two_exchanges(provider: Exchange, office: Exchange) -> None:
    eventually(lambda: provider.registered() == ["1900"], within=10)
    (row,) = office.ask("trunks")
    assert (row["name"], row["state"]) == ("acme", "registered")
    assert "acme is registered as sip:1900@127.0.0.1" in office.command("trunk", "test", "acme")
    with (
        Baresip("1001", password("1001"), office.address, office.folder / "1001", tone=FIRST_TONE) as caller,
        Baresip("1002", password("1002"), provider.address, provider.folder / "1002", tone=SECOND_TONE) as callee,
    ):
        eventually(lambda: caller.registered and callee.registered, within=10)
        caller.dial("01002")
        callee.sees("CALL_INCOMING")
        callee.accept()
        caller.sees("CALL_ESTABLISHED")
        hears(caller, SECOND_TONE, 0)
        hears(callee, FIRST_TONE, 0)
        caller.hang_up()
        callee.sees("CALL_CLOSED")
    eventually(lambda: office.ask("trunks")[0]["calls"] == 0, within=5)


FAILOVER = OFFICE.replace(
    'trunk("acme").to(number))', 'trunk("acme").to(number), trunk("backup").to(number), progress_within=2)'
)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("failing", ["refuses", "stalls"])
def test_call_goes_out_by_the_next_trunk_when_a_provider_fails(tmp_path: Path, failing: str) -> None:
    acme, backup = Sipp(failing, tmp_path / "acme"), Sipp("callee", tmp_path / "backup")
    exchange = Exchange(FAILOVER, ["1001"])
    for name, provider in (("acme", acme), ("backup", backup)):
        exchange.command("trunk", "add", name, "--host", provider.address, "--qualify", "0")
    with exchange, Baresip("1001", password("1001"), exchange.address, exchange.folder / "1001") as caller:
        eventually(lambda: caller.registered, within=10)
        caller.dial("01002")
        caller.sees("CALL_ESTABLISHED")
        caller.hang_up()
        backup.finish(within=20)
        if failing == "refuses":
            acme.finish(within=5)
    acme.process.stop()
