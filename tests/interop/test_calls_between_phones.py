"""Two real phones call each other through the exchange; tones prove that both are heard."""

from __future__ import annotations

import pytest

from tests.eventually import eventually
from tests.interop.exchange import REALM, Exchange, password
from tests.interop.office import FIRST_TONE, SECOND_TONE, Phones, hears, talk
from tests.phones.baresip import Baresip
from tests.phones.linphone import Linphone


@pytest.mark.timeout(180)
def test_phones_hear_each_other_and_a_call_leaves_nothing_behind(exchange: Exchange, phones: Phones) -> None:
    caller, callee = phones
    assert exchange.registered() == ["1001", "1002"]
    before = exchange.at_rest()

    talk(phones)
    assert exchange.figures()["calls"] == before["calls"] + 1
    caller.hang_up()
    callee.sees("CALL_CLOSED")

    talk(phones)
    callee.hang_up()
    caller.sees("CALL_CLOSED")

    eventually(lambda: caller.idle and callee.idle, within=5)
    exchange.comes_back(before)


def test_caller_who_gives_up_silences_the_callee(phones: Phones) -> None:
    caller, callee = phones
    caller.dial("1002")
    callee.sees("CALL_INCOMING")
    caller.sees("CALL_RINGING")
    caller.hang_up()
    callee.sees("CALL_CLOSED")
    eventually(lambda: caller.idle and callee.idle, within=5)


def test_callee_who_refuses_is_busy(phones: Phones) -> None:
    caller, callee = phones
    caller.dial("1002")
    callee.sees("CALL_INCOMING")
    callee.hang_up()
    assert caller.sees("CALL_CLOSED").startswith("486 ")


def test_linphone_in_its_only_call_is_busy_and_talks_on(exchange: Exchange, phones: Phones) -> None:
    caller, other = phones
    with Linphone(
        "1003", password("1003"), exchange.address, REALM, exchange.folder / "busy", tone=800, plain=True, calls=1
    ) as phone:
        eventually(lambda: phone.registered, within=10)
        before = len(other.heard(800))
        other.dial("1003")
        phone.sees("Receiving new incoming call", within=10)
        phone.accept()
        other.sees("CALL_ESTABLISHED")
        hears(other, 800, before)
        caller.dial("1003")
        assert caller.sees("CALL_CLOSED").startswith("486 ")
        said, heard = phone.heard(SECOND_TONE), other.heard(800)[-1]
        eventually(lambda: phone.heard(SECOND_TONE) >= said + 1 and other.heard(800)[-1] >= heard + 1, within=10)
        assert phone.heard(FIRST_TONE) == 0
        other.hang_up()
        phone.sees("ended")


@pytest.mark.parametrize(
    ("number", "status"),
    [
        pytest.param("1003", "480", id="nobody has registered it"),
        pytest.param("1999", "404", id="no such extension"),
        pytest.param("777", "404", id="no route"),
    ],
)
def test_number_that_cannot_be_reached(phones: Phones, number: str, status: str) -> None:
    caller, _ = phones
    caller.dial(number)
    assert caller.sees("CALL_CLOSED").startswith(f"{status} ")


def test_echo_lets_callers_hear_themselves(phones: Phones) -> None:
    caller, _ = phones
    calls = len(caller.heard(FIRST_TONE))
    caller.dial("600")
    caller.sees("CALL_ESTABLISHED")
    hears(caller, FIRST_TONE, calls)
    caller.hang_up()
    eventually(lambda: caller.idle, within=5)


def test_wrong_password_never_registers(exchange: Exchange) -> None:
    with Baresip("1003", password("1002"), exchange.address, exchange.folder / "wrong") as stranger:
        eventually(lambda: stranger.refused, within=5)
        # It answers challenges for as long as there is another, and shows its user what it was told last.
        assert "403 Too many wrong passwords" in stranger.process.output()
    assert "1003" not in exchange.registered()
