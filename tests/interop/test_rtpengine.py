"""Real phones, and a real rtpengine between them: tones both ways, music on hold, what is known of a call's sound, and
what becomes of calls when it dies."""

from __future__ import annotations

import socket
import struct
from datetime import datetime
from pathlib import Path

import pytest

from tests.eventually import eventually
from tests.interop.exchange import REALM, Exchange, password
from tests.interop.office import FIRST_TONE, SECOND_TONE, Phones, hears, hold, resume, talk, tone_as_music, two_phones
from tests.phones.baresip import Baresip
from tests.phones.linphone import Linphone
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


def exchange(*instances: Rtpengine, prompts: Path | None = None) -> Exchange:
    places = ", ".join([f'"udp:{instance.address}"' for instance in instances])
    media = f"rtpengine = [{places}]" + (f'\nprompts = "{prompts}"' if prompts is not None else "")
    return Exchange(PLAN, ["1001", "1002"], engine="rtpengine", media=media)


def ends(phones: Phones) -> None:
    caller, callee = phones
    caller.hang_up()
    callee.sees("CALL_CLOSED")
    for phone in phones:
        phone.forget()


Stream = tuple[int, tuple[str, int]]


def report(sender: Stream, hearer: Stream, lost: int, jitter: float) -> None:
    """Tells rtpengine what one phone says of its sound, and another one of what comes of it (RFC 3550 6.4).

    :param lost: packets in all.
    :param jitter: in seconds, of sound at 8000 Hz.
    """
    then, (source, sender_at), (other, hearer_at) = 0x12345678, sender, hearer
    said = struct.pack("!BBHIIIIII", 0x80, 200, 6, source, then >> 16, then << 16 & 0xFFFFFFFF, 0, 0, 0)
    block = struct.pack("!IIIIII", source, lost, 1000, round(8000 * jitter), then, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
        phone.sendto(said, sender_at)
        phone.sendto(struct.pack("!BBHI", 0x81, 201, 7, other) + block, hearer_at)


@pytest.mark.timeout(90)
def test_tones_go_through_rtpengine_both_ways(tmp_path: Path) -> None:
    with Rtpengine(tmp_path / "one") as one, exchange(one) as running, two_phones(running) as phones:
        talk(phones)
        assert one.calls == 1 and running.figures()["media_ports"] == 0
        assert running.status()["engine"] == f"rtpengine: {one.address} answers"
        ends(phones)
        eventually(lambda: one.calls == 0, within=5)


@pytest.mark.timeout(90)
def test_call_goes_from_us_to_rtpengine_and_echo_is_ours(tmp_path: Path) -> None:
    with Rtpengine(tmp_path / "one") as one, exchange(one) as running, two_phones(running) as phones:
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
def test_who_is_on_hold_hears_music_and_both_talk_through_rtpengine_again(tmp_path: Path) -> None:
    with (
        Rtpengine(tmp_path / "one") as one,
        exchange(one, prompts=tone_as_music(tmp_path / "prompts")) as running,
        Baresip("1001", password("1001"), running.address, tmp_path / "1001", tone=FIRST_TONE) as holder,
        Linphone(
            "1002", password("1002"), running.address, REALM, tmp_path / "1002", tone=SECOND_TONE, plain=True
        ) as held,
    ):
        eventually(lambda: holder.registered and held.registered, within=10)
        holder.dial("1002")
        held.sees("Receiving new incoming call", within=10)
        held.accept()
        eventually(lambda: held.heard(FIRST_TONE) >= 1 and sum(holder.heard(SECOND_TONE)) >= 1, within=10)
        hold(holder, held)
        assert one.calls == 0
        resume(holder, held)
        assert one.calls == 1 and running.figures()["media_ports"] == 0
        holder.hang_up()
        held.sees("ended")
        eventually(lambda: one.calls == 0, within=5)


@pytest.mark.timeout(90)
def test_what_rtpengine_has_counted_and_phones_have_reported_is_in_the_record(tmp_path: Path) -> None:
    with Rtpengine(tmp_path / "one") as one, exchange(one) as running, two_phones(running) as phones:
        talk(phones)
        eventually(lambda: min(sum(phones[0].heard(SECOND_TONE)), sum(phones[1].heard(FIRST_TONE))) >= 7, within=20)
        first, second = one.streams

        def told() -> bool:
            report(first, second, lost=7, jitter=0.3)
            report(second, first, lost=7, jitter=0.3)
            return one.lost == [7, 7]

        eventually(told, within=5)
        ends(phones)
        (row,) = eventually(lambda: running.ask("records"), within=5)
    talked = (datetime.fromisoformat(row["ended_at"]) - datetime.fromisoformat(row["answered_at"])).total_seconds()
    assert row["codec"] == "PCMU"
    for party in ("caller", "callee"):
        assert 350 <= row[f"{party}_packets"] <= 50 * (talked + 1)
        assert row[f"{party}_lost"] == 7
        assert (
            0.05 <= row[f"{party}_jitter"] <= 0.3
        )  # the mean of all reports, and the phones' own say that there is none
        assert 1 < row[f"{party}_mos"] < 4.4
        assert row[f"{party}_media"].startswith("127.0.0.1:")


@pytest.mark.timeout(90)
def test_when_one_dies_new_calls_go_to_the_other(tmp_path: Path) -> None:
    with (
        Rtpengine(tmp_path / "one") as one,
        Rtpengine(tmp_path / "two") as two,
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
