"""Real phones forward: Linphone by its 302, baresip by a code and being busy; tones prove who hears whom."""

from __future__ import annotations

import pytest

from tests.eventually import eventually
from tests.interop.exchange import REALM, Exchange, password
from tests.interop.office import FIRST_TONE, SECOND_TONE, Phones, hears
from tests.phones.linphone import Linphone

THIRD_TONE = 800


@pytest.mark.timeout(120)
def test_linphone_sends_a_call_on_with_302(exchange: Exchange, phones: Phones) -> None:
    caller, callee = phones
    calls = len(caller.heard(SECOND_TONE))
    with Linphone("1003", password("1003"), exchange.address, REALM, exchange.folder / "302", tone=THIRD_TONE) as phone:
        eventually(lambda: phone.registered, within=10)
        caller.dial("1003")
        phone.sees("Receiving new incoming call", within=10)
        phone.redirect(1, f"sip:1002@{exchange.address}")
        callee.sees("CALL_INCOMING", within=10)
        callee.accept()
        caller.sees("CALL_ESTABLISHED")
        hears(caller, SECOND_TONE, calls)
        hears(callee, FIRST_TONE, calls)
        caller.hang_up()
        callee.sees("CALL_CLOSED")


@pytest.mark.timeout(120)
def test_linphone_forwards_all_its_calls_by_code(exchange: Exchange, phones: Phones) -> None:
    caller, callee = phones
    with Linphone(
        "1003", password("1003"), exchange.address, REALM, exchange.folder / "all", tone=THIRD_TONE, plain=True
    ) as phone:
        eventually(lambda: phone.registered, within=10)
        phone.dial("*21*1002#")
        phone.sees("ended", within=10)
        calls = len(caller.heard(SECOND_TONE))
        caller.dial("1003")
        callee.sees("CALL_INCOMING", within=10)
        callee.accept()
        caller.sees("CALL_ESTABLISHED")
        hears(caller, SECOND_TONE, calls)
        hears(callee, FIRST_TONE, calls)
        assert "Receiving new incoming call" not in phone.process.output()
        caller.hang_up()
        callee.sees("CALL_CLOSED")
        exchange.command("extension", "set", "1003", "--forward-always", "")


@pytest.mark.timeout(120)
def test_baresip_forwards_by_code_while_it_is_busy(exchange: Exchange, phones: Phones) -> None:
    caller, callee = phones
    with Linphone(
        "1003", password("1003"), exchange.address, REALM, exchange.folder / "code", tone=THIRD_TONE, plain=True
    ) as phone:
        eventually(lambda: phone.registered, within=10)
        callee.dial("*67*1003%23")
        callee.sees("CALL_CLOSED", within=10)
        callee.forget()
        calls = len(caller.heard(THIRD_TONE))
        caller.dial("1002")
        callee.sees("CALL_INCOMING")
        callee.hang_up()  # 486
        phone.sees("Receiving new incoming call", within=10)
        phone.accept()
        caller.sees("CALL_ESTABLISHED")
        hears(caller, THIRD_TONE, calls)
        eventually(lambda: phone.heard(FIRST_TONE) >= 1, within=10)
        caller.hang_up()
        eventually(lambda: caller.idle, within=5)
        # The administrator sees what the user has set, and ends it.
        eventually(lambda: "1003" in exchange.command("extension", "show", "1002"), within=5)
        exchange.command("extension", "set", "1002", "--forward-busy", "")
