"""Trunks to a second exchange of ours, to Kamailio, and to SIPp with every way in which a provider can fail."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.eventually import eventually
from tests.interop.exchange import TRUSTING, Exchange, password
from tests.interop.office import FIRST_TONE, SECOND_TONE, hears
from tests.interop.stranger import status_of
from tests.phones.baresip import Baresip
from tests.phones.kamailio import KamailioProvider
from tests.phones.process import free_port
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


STRANGERS = """
from pbx.dialplan import Call, Plan, trunk
plan = Plan()

@plan.anonymous("<number:1XXX>")
async def outside(call: Call, number: str) -> None:
    await call.dial_first(trunk("acme").to(number), trunk("backup").to(number), progress_within=2, ring_for=3)
"""
BY_THE_NEXT = [
    ("refuses", "503 Service Unavailable"),
    ("fails_early", "503 Service Unavailable"),
    ("fails_early", "500 Server Internal Error"),
    ("stalls", ""),
]
BY_NO_OTHER = [("refuses", "486 Busy Here", 486), ("refuses", "603 Decline", 603), ("answers_late", "", 480)]


def providers(exchange: Exchange, acme: str, *options: str, backup: Sipp) -> None:
    """Adds the two trunks."""
    exchange.command("trunk", "add", "acme", "--host", acme, "--qualify", "0", *options)
    exchange.command("trunk", "add", "backup", "--host", backup.address, "--qualify", "0")


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("failing", "status"), BY_THE_NEXT)
def test_call_goes_out_by_the_next_trunk_when_a_provider_fails(tmp_path: Path, failing: str, status: str) -> None:
    exchange = Exchange(STRANGERS, security=TRUSTING)
    with Sipp(failing, tmp_path / "acme", status=status) as acme, Sipp("callee", tmp_path / "backup") as backup:
        providers(exchange, acme.address, backup=backup)
        with (
            exchange,
            Sipp("caller", tmp_path / "caller", ip="127.0.0.2", server=exchange.address, service="1002") as caller,
        ):
            caller.finish(within=20)
            backup.finish(within=10)
            acme.finish(within=10)


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("failing", "words", "ends"), BY_NO_OTHER)
def test_busy_declined_and_unanswered_calls_go_out_by_no_other_trunk(
    tmp_path: Path, failing: str, words: str, ends: int
) -> None:
    exchange = Exchange(STRANGERS, security=TRUSTING)
    with Sipp(failing, tmp_path / "acme", status=words) as acme, Sipp("callee", tmp_path / "backup") as backup:
        providers(exchange, acme.address, backup=backup)
        with exchange:
            assert status_of(exchange, "1002") == ends
            acme.finish(within=10)
            assert backup.tally().created == 0


@pytest.mark.timeout(120)
def test_provider_whose_answer_is_nonsense_is_hung_up(tmp_path: Path) -> None:
    exchange = Exchange(STRANGERS, security=TRUSTING)
    with Sipp("answers_nonsense", tmp_path / "acme") as acme, Sipp("callee", tmp_path / "backup") as backup:
        providers(exchange, acme.address, backup=backup)
        with exchange:
            assert status_of(exchange, "1002") == 488
            acme.finish(within=10)
            assert exchange.status()["calls"] == 0


@pytest.mark.timeout(120)
def test_provider_that_refuses_our_registration_is_passed_over_at_once(tmp_path: Path) -> None:
    exchange = Exchange(STRANGERS, security=TRUSTING)
    with (
        Sipp("refuses_registration", tmp_path / "acme", status="403 Forbidden") as acme,
        Sipp("callee", tmp_path / "backup") as backup,
    ):
        providers(exchange, acme.address, "--register", "--username", "us", "--password", "p", backup=backup)
        with exchange:
            acme.finish(within=10)
            eventually(lambda: "403 Forbidden" in exchange.ask("trunks")[0]["error"], within=5)
            with Sipp("caller", tmp_path / "caller", ip="127.0.0.2", server=exchange.address, service="1002") as caller:
                caller.finish(within=20)
            backup.finish(within=10)


@pytest.mark.timeout(120)
def test_provider_that_drops_the_connection_is_passed_over(tmp_path: Path) -> None:
    exchange = Exchange(STRANGERS, security=TRUSTING, streams=["tcp"])
    port = free_port()
    with (
        Sipp("stalls", tmp_path / "acme", port=port, transport="tcp") as acme,
        Sipp("callee", tmp_path / "backup") as backup,
    ):
        providers(exchange, acme.address, "--transport", "tcp", backup=backup)
        with (
            exchange,
            Sipp("caller", tmp_path / "caller", ip="127.0.0.2", server=exchange.address, service="1002") as caller,
        ):
            eventually(lambda: acme.tally().created == 1, within=10)
            acme.process.stop()
            caller.finish(within=20)
            backup.finish(within=10)


PASSWORD = "xyzzy-of-the-trunk"
KAMAILIO_OFFICE = """
from pbx.dialplan import Call, Plan, trunk, uri
plan = Plan()

@plan.anonymous("<number:1XXX>")
async def outside(call: Call, number: str) -> None:
    await call.dial(trunk("acme").to(number))

@plan.inbound(trunk("acme"))
async def inside(call: Call) -> None:
    await call.dial(uri("sip:desk@{desk}"))
"""


@pytest.mark.timeout(120)
def test_kamailio_as_a_provider_registers_us_asks_for_the_password_and_brings_calls(tmp_path: Path) -> None:
    with (
        Sipp("callee", tmp_path / "away", ip="127.0.0.3") as away,
        Sipp("callee", tmp_path / "desk", ip="127.0.0.4") as desk,
        KamailioProvider(away.address, tmp_path / "kamailio", "us", PASSWORD) as provider,
    ):
        exchange = Exchange(KAMAILIO_OFFICE.replace("{desk}", desk.address), security=TRUSTING)
        exchange.command(
            "trunk", "add", "acme", "--host", provider.address, "--register", "--username", "us", "--password", PASSWORD
        )
        with exchange:
            eventually(lambda: exchange.ask("trunks")[0]["state"] == "registered", within=10)
            with Sipp("caller", tmp_path / "out", ip="127.0.0.2", server=exchange.address, service="1002") as caller:
                caller.finish(within=20)
            away.finish(within=10)
            with Sipp("caller", tmp_path / "in", ip="127.0.0.5", server=provider.address, service="us") as caller:
                caller.finish(within=20)
            desk.finish(within=10)
            challenged = [line.partition(" ")[0] for line in provider.said("challenged")]
            assert challenged == ["REGISTER", "INVITE"]  # each once: the nonce serves until it is stale
            assert [line.split()[0] for line in provider.said("granted")] == ["REGISTER", "INVITE"]
            shown = [exchange.command("trunk", "test", "acme"), str((exchange.folder / "pbx.db").read_bytes())]
            for words in (("trunk", "list"), ("trunk", "show", "acme"), ("trunks",), ("status",), ("records",)):
                shown += [exchange.command(*words), exchange.command(*words, "--json")]
            calls = [row["id"] for row in exchange.ask("records")]
            assert len(calls) == 2
            shown += [exchange.command(command, call) for call in calls for command in ("trace", "doctor")]
            assert not any(PASSWORD in text for text in (*shown, exchange.log()))
        eventually(lambda: provider.said("granted")[-1].endswith(" for 0"), within=5)  # it has left
        begun, _, tested, _ = provider.said("granted")
        assert int(begun.rpartition(" ")[2]) > 0 and int(tested.rpartition(" ")[2]) > 0
