"""The tasks of etc/examples with phones and providers that we did not write: three of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.eventually import eventually
from tests.interop.exchange import TRUSTING, Exchange, password
from tests.phones.baresip import Baresip
from tests.phones.sipp import Sipp

EXAMPLES = Path(__file__).parents[2] / "etc" / "examples"
PROVIDER = "127.0.0.6"  # from where acme calls


@pytest.fixture
def office(request: pytest.FixtureRequest) -> Iterator[Exchange]:
    """An office with the plan of a task, and two trunks that the tests point somewhere."""
    plan = (EXAMPLES / f"{request.param}.py").read_text()
    exchange = Exchange(plan, ["100", "101", "102"], security=TRUSTING, dialplan_options='country = "33"')
    exchange.command("extension", "set", "101", "--class-of-service", "international", "--caller-id", "+33142000101")
    exchange.command("switch", "add", "night", "--code", "*60")
    for name in ("sales", "office"):
        exchange.command("mailbox", "add", name)
    exchange.command("trunk", "add", "acme", "--host", PROVIDER, "--addresses", PROVIDER, "--qualify", "0")
    exchange.command("trunk", "add", "backup", "--host", "127.0.0.7", "--qualify", "0")
    with exchange:
        yield exchange


@pytest.fixture
def alice(office: Exchange, tmp_path: Path) -> Iterator[Baresip]:
    with Baresip("101", password("101"), office.address, tmp_path / "101", tone=440) as phone:
        eventually(lambda: phone.registered, within=10)
        yield phone


def at(office: Exchange, name: str, address: str) -> None:
    """Lets a trunk lead to an address, which the running exchange knows within a second."""
    office.command("trunk", "set", name, "--host", address)
    eventually(lambda: any(row["name"] == name and row["host"] == address for row in office.ask("trunks")), within=10)


@pytest.mark.timeout(90)
@pytest.mark.parametrize("office", ["task_1_two_phones"], indirect=True)
def test_task_1_a_caller_from_outside_is_answered_by_a_desk_phone(
    office: Exchange, alice: Baresip, tmp_path: Path
) -> None:
    with Sipp("caller", tmp_path / "caller", ip=PROVIDER, server=office.address, service="+14155550100") as caller:
        alice.sees("CALL_INCOMING")
        alice.accept()
        caller.finish(within=20)
    alice.sees("CALL_CLOSED")


@pytest.mark.timeout(90)
@pytest.mark.parametrize("office", ["task_3_hours"], indirect=True)
def test_task_3_the_night_button_sends_callers_to_the_mailbox(office: Exchange, alice: Baresip, tmp_path: Path) -> None:
    alice.dial("*60")
    alice.sees("CALL_CLOSED")
    eventually(lambda: [row["is_on"] for row in office.ask("switch", "list")] == [True], within=10)
    with Sipp(
        "caller", tmp_path / "caller", ip=PROVIDER, server=office.address, service="+14155550102", talk=2
    ) as caller:
        caller.finish(within=20)
    assert alice.idle


@pytest.mark.timeout(90)
@pytest.mark.parametrize("office", ["task_6_outbound"], indirect=True)
def test_task_6_a_call_goes_out_by_the_second_trunk_when_the_first_one_refuses(
    office: Exchange, alice: Baresip, tmp_path: Path
) -> None:
    with (
        Sipp("refuses", tmp_path / "acme", status="503 Service Unavailable") as acme,
        Sipp("callee", tmp_path / "backup", ip="127.0.0.7") as backup,
    ):
        at(office, "acme", acme.address)
        at(office, "backup", backup.address)
        alice.dial("00142255501")
        alice.sees("CALL_ESTABLISHED")
        alice.hang_up()
        acme.finish(within=10)
        backup.finish(within=10)
