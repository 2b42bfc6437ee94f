"""Intercom: a real phone answers by itself where the dialplan asks it to, and only there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.eventually import eventually
from tests.interop.exchange import REALM, Exchange, password
from tests.interop.office import FIRST_TONE, SECOND_TONE
from tests.phones.baresip import Baresip
from tests.phones.linphone import Linphone

DIALPLAN = """
from pbx.dialplan import Call, Plan, ext

plan = Plan()


@plan.internal("<number:1XXX>")
async def extension(call: Call, number: str) -> None:
    await call.dial(ext(number), timeout=20)


@plan.internal("*80<number:1XXX>")
async def intercom(call: Call, number: str) -> None:
    await call.dial(ext(number), timeout=20, intercom=True)
"""


@pytest.fixture(scope="module")
def exchange() -> Iterator[Exchange]:
    with Exchange(DIALPLAN, ["1001", "1002"]) as running:
        yield running


@pytest.mark.timeout(120)
def test_a_linphone_answers_by_itself_and_both_are_heard(exchange: Exchange, tmp_path: Path) -> None:
    place = exchange.address
    with (
        Baresip("1001", password("1001"), place, tmp_path / "1001", tone=FIRST_TONE) as caller,
        Linphone("1002", password("1002"), place, REALM, tmp_path / "1002", tone=SECOND_TONE, obeys=True) as callee,
    ):
        eventually(lambda: caller.registered and callee.registered, within=10)
        caller.dial("1002")
        caller.sees("CALL_RINGING")
        callee.process.tell("status register")
        callee.sees("registered, identity")  # it has had its time to answer
        caller.hang_up()
        caller.sees("CALL_CLOSED")
        assert not caller.saw("CALL_ESTABLISHED")

        caller.dial("*801002")
        caller.sees("CALL_ESTABLISHED")
        callee.sees("answered by itself")
        eventually(lambda: sum(caller.heard(SECOND_TONE)) >= 3, within=15)
        caller.hang_up()
        eventually(lambda: exchange.figures()["calls"] == 0, within=10)
    assert callee.heard(FIRST_TONE) >= 1
    assert [field for field in invited(exchange) if field.startswith(("Call-Info", "Alert-Info", "Answer-Mode"))] == [
        f"Call-Info: <sip:{place}>;answer-after=0",
        f"Alert-Info: <http://{place}/intercom>;info=alert-autoanswer;delay=0",
        "Answer-Mode: Auto",
    ]


def invited(exchange: Exchange) -> list[str]:
    """The lines of the INVITE that the exchange has sent in its last call."""

    def call() -> str:
        found = [one["id"] for one in json.loads(exchange.command("records", "--json")) if one["dialled"] == "*801002"]
        return str(found[-1]) if found else ""

    told = json.loads(exchange.command("trace", eventually(call, within=10), "--json"))
    sent = [one["text"] for one in told if one["source"] == "exchange" and one["label"].startswith("INVITE")]
    return str(sent[-1]).split("\r\n")
