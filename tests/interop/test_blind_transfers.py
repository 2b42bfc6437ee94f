"""Real phones send the other side on, hold and resume; tones prove who hears whom at each step."""

from __future__ import annotations

import pytest

from tests.eventually import eventually
from tests.interop.exchange import REALM, Exchange, password
from tests.interop.office import FIRST_TONE, SECOND_TONE
from tests.phones.baresip import Baresip
from tests.phones.linphone import Linphone

THIRD_TONE = 910


def linphone(exchange: Exchange, number: str, name: str, tone: int) -> Linphone:
    folder = exchange.folder / name / number
    return Linphone(number, password(number), exchange.address, REALM, folder, tone=tone, plain=True)


def baresip(exchange: Exchange, number: str, name: str, tone: int) -> Baresip:
    return Baresip(number, password(number), exchange.address, exchange.folder / name / number, tone=tone)


@pytest.mark.timeout(120)
def test_baresip_sends_the_caller_on(exchange: Exchange) -> None:
    name = "blind-baresip"
    with (
        baresip(exchange, "1001", name, FIRST_TONE) as caller,
        baresip(exchange, "1002", name, SECOND_TONE) as transferor,
        baresip(exchange, "1003", name, THIRD_TONE) as target,
    ):
        eventually(lambda: caller.registered and transferor.registered and target.registered, within=10)
        caller.dial("1002")
        transferor.sees("CALL_INCOMING")
        transferor.accept()
        caller.sees("CALL_ESTABLISHED")
        eventually(lambda: sum(caller.heard(SECOND_TONE)) >= 1, within=10)
        transferor.order("transfer", f"sip:1003@{exchange.address}")
        target.sees("CALL_INCOMING", within=10)
        target.accept()
        transferor.sees("CALL_CLOSED", within=10)
        eventually(lambda: sum(caller.heard(THIRD_TONE)) >= 1 and sum(target.heard(FIRST_TONE)) >= 1, within=10)
        assert sum(target.heard(SECOND_TONE)) == 0
        target.hang_up()
        caller.sees("CALL_CLOSED")
        eventually(lambda: exchange.figures()["media_ports"] == 0, within=10)


@pytest.mark.timeout(120)
def test_linphone_holds_resumes_and_sends_the_callee_on(exchange: Exchange) -> None:
    name = "blind-linphone"
    with (
        linphone(exchange, "1001", name, FIRST_TONE) as transferor,
        linphone(exchange, "1002", name, SECOND_TONE) as callee,
        baresip(exchange, "1003", name, THIRD_TONE) as target,
    ):
        eventually(lambda: transferor.registered and callee.registered and target.registered, within=10)
        transferor.dial("1002")
        callee.sees("Receiving new incoming call")
        callee.accept()
        transferor.sees("Media streams established")
        eventually(lambda: callee.heard(FIRST_TONE) >= 1 and transferor.heard(SECOND_TONE) >= 1, within=10)

        transferor.pause()
        transferor.sees("is now paused")
        callee.sees("has been paused")
        said = callee.heard(FIRST_TONE)
        transferor.resume(1)
        transferor.sees("resumed|Media streams established")
        eventually(lambda: callee.heard(FIRST_TONE) >= said + 1, within=10)

        transferor.process.tell(f"transfer 1 sip:1003@{exchange.address}")
        target.sees("CALL_INCOMING", within=10)
        target.accept()
        eventually(lambda: sum(target.heard(SECOND_TONE)) >= 1 and callee.heard(THIRD_TONE) >= 1, within=10)
        assert sum(target.heard(FIRST_TONE)) == 0
        target.hang_up()
        callee.sees("ended")
        eventually(lambda: exchange.figures()["media_ports"] == 0, within=10)
