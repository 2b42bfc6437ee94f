"""Real phones, and a real rtpengine between them: tones both ways, and what becomes of calls when it dies."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.eventually import eventually
from tests.interop.exchange import Exchange
from tests.interop.office import FIRST_TONE, SECOND_TONE, Phones, hears, talk, two_phones
from tests.phones.rtpengine import Rtpengine

PLAN = """
from pbx.dialplan import Call, Plan, ext, tone

plan = Plan()


@plan.internal("<number:1XXX>")
async def extension(call: Call, number: str) -> None:
    await call.dial(ext(number), timeout=20)


@plan.internal("9<number:1XXX>")
async def attended(call: Call, number: str) -> None:
    await call.play(tone("beep"))
    await call.dial(ext(number), timeout=20)


@plan.internal("600")
async def echo(call: Call) -> None:
    await call.echo()
"""


def exchange(*instances: Rtpengine) -> Exchange:
    places = ", ".join([f'"udp:{instance.address}"' for instance in instances])
    return Exchange(PLAN, ["1001", "1002"], engine="rtpengine", media=f"rtpengine = [{places}]")


def ends(phones: Phones) -> None:
    caller, callee = phones
    caller.hang_up()
    callee.sees("CALL_CLOSED")
    for phone in phones:
        phone.forget()


@pytest.mark.timeout(90)
def test_tones_go_through_rtpengine_both_ways(tmp_path: Path) -> None:
    with Rtpengine(tmp_path / "one", 40_000) as one, exchange(one) as running, two_phones(running) as phones:
        talk(phones)
        assert one.calls == 1 and running.figures()["media_ports"] == 0
        assert running.status()["engine"] == f"rtpengine: {one.address} answers"
        ends(phones)
        eventually(lambda: one.calls == 0, within=5)


@pytest.mark.timeout(90)
def test_call_goes_from_us_to_rtpengine_and_echo_is_ours(tmp_path: Path) -> None:
    with Rtpengine(tmp_path / "one", 40_100) as one, exchange(one) as running, two_phones(running) as phones:
        caller, callee = phones
        caller.dial("600")
        caller.sees("CALL_ESTABLISHED")
        hears(caller, FIRST_TONE, 0)
        assert one.calls == 0 and running.figures()["media_ports"] > 0
        caller.hang_up()
        eventually(lambda: running.figures()["media_ports"] == 0, within=5)
        caller.forget()
        caller.dial("91002")
        callee.sees("CALL_INCOMING")
        callee.accept()
        callee.sees("CALL_ESTABLISHED")
        hears(callee, FIRST_TONE, 0)
        hears(caller, SECOND_TONE, 1)
        assert one.calls == 1 and running.figures()["media_ports"] == 0
        ends(phones)


@pytest.mark.timeout(90)
def test_when_one_dies_new_calls_go_to_the_other(tmp_path: Path) -> None:
    with (
        Rtpengine(tmp_path / "one", 40_200) as one,
        Rtpengine(tmp_path / "two", 40_300) as two,
        exchange(one, two) as running,
        two_phones(running) as phones,
    ):
        one.kill()
        for _ in range(2):
            talk(phones)
            assert two.calls == 1
            ends(phones)
            eventually(lambda: two.calls == 0, within=5)
        status = running.status()["engine"]
        assert f"{one.address} is silent" in status and f"{two.address} answers" in status
