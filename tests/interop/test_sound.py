"""Real phones press keys, in each form that they have, and hear what the exchange says: word for word."""

from __future__ import annotations

import re
import wave
from array import array
from collections.abc import Iterator
from operator import mul
from pathlib import Path
from typing import Protocol

import pytest

from pbx.media import dtmf, wav
from pbx.media.g711 import RATE, ULAW
from pbx.media.library import Library
from tests.eventually import eventually
from tests.interop.exchange import REALM, Exchange, password
from tests.phones.baresip import Baresip
from tests.phones.linphone import Linphone
from tests.phones.sipp import Sipp

DIALPLAN = """
from pbx.dialplan import Call, Plan, digits, prompt, tone

plan = Plan()


@plan.internal("700")
async def menu(call: Call) -> None:
    keys = await call.ask(prompt("main-menu"), prompt("main-menu"), digits=6, timeout=8)
    call.log("pressed", keys=keys)
    await call.play(tone("dial"), tone("dial"), tone("dial"))


plan.anonymous("700")(menu)


@plan.internal("701")
async def announcement(call: Call) -> None:
    await call.play(prompt("main-menu"), digits("1001"))


@plan.internal("702")
async def memo(call: Call) -> None:
    recording = await call.record(max=3, silence=3)
    call.log("recorded", seconds=recording.seconds)
    await call.play(recording)


@plan.internal("703")
async def early(call: Call) -> None:
    await call.play(prompt("closed"), tone("dial"), tone("dial"), early=True)
    await call.reject(480)
"""
DIAL_TONE = 425
SNIPPET = 400  # samples that are looked for


class Phone(Protocol):
    """What presses keys."""

    def dial(self, number: str) -> None: ...
    def press(self, keys: str) -> None: ...


@pytest.fixture(scope="module")
def exchange() -> Iterator[Exchange]:
    with Exchange(DIALPLAN, ["1001", "1002"]) as running:
        yield running


@pytest.fixture
def phone(exchange: Exchange, tmp_path: Path) -> Iterator[Baresip]:
    with Baresip("1001", password("1001"), exchange.address, tmp_path / "1001") as phone:
        eventually(lambda: phone.registered, within=5)
        yield phone


def presses(phone: Phone, exchange: Exchange, keys: str) -> None:
    """A phone that is asked presses keys, each of which arrives once and in order."""
    before = len(exchange.log())
    phone.press(keys)

    def arrived() -> str:
        found = re.search(r"pressed keys=(\S+)", exchange.log()[before:])
        return found[1] if found else ""

    assert eventually(arrived, within=12) == keys


def likeness(heard: array[int], place: int, said: array[int]) -> float:
    """How much some sound is like another, from some place on: 1 for the same, whatever its loudness."""
    piece = heard[place : place + len(said)]
    power = (sum(map(mul, piece, piece)) * sum(map(mul, said, said))) ** 0.5
    return sum(map(mul, piece, said)) / power if power else 0.0


def hears_prompt(recording: Path, name: str) -> bool:
    """Whether a prompt is in a recording, whole: pieces of it are where they belong to a few samples."""
    heard = array("h", wav.read(recording.read_bytes()))
    said = array("h", ULAW.decode(Library().prompt(name).sound))
    loud = [
        start
        for start in range(0, len(said) - SNIPPET, SNIPPET)
        if max(said[start : start + SNIPPET]) > 6000  # quiet pieces are alike
    ]
    pieces = loud[:: max(1, len(loud) // 6)]
    first = said[pieces[0] : pieces[0] + SNIPPET]
    offset = max(range(len(heard) - SNIPPET), key=lambda place: likeness(heard, place, first)) - pieces[0]
    for start in pieces:
        near = range(max(0, offset + start - 8), offset + start + 9)
        if max(likeness(heard, place, said[start : start + SNIPPET]) for place in near) < 0.98:
            return False
    return True


@pytest.mark.timeout(120)
def test_keys_of_baresip(exchange: Exchange, phone: Baresip) -> None:
    phone.dial("700")
    phone.sees("CALL_ESTABLISHED")
    presses(phone, exchange, "12*045")
    eventually(lambda: any(seconds >= 2 for seconds in phone.heard(DIAL_TONE)), within=10)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("info", [False, True], ids=["events", "INFO"])
def test_keys_of_linphone(exchange: Exchange, tmp_path: Path, info: bool) -> None:
    with Linphone("1002", password("1002"), exchange.address, REALM, tmp_path / "l", info=info) as phone:
        eventually(lambda: phone.registered, within=10)
        phone.dial("700")
        phone.sees("connected")
        presses(phone, exchange, "314159")


@pytest.mark.timeout(120)
def test_keys_as_tones_of_a_caller_without_telephone_event(exchange: Exchange, tmp_path: Path) -> None:
    pressed = b"".join(ULAW.encode(dtmf.tone(key, 0.1)) + ULAW.nothing * 5 for key in "271828")
    before = len(exchange.log())
    with Sipp("speaker", tmp_path / "sipp", server=exchange.address, service="700", talk=4, sound=pressed) as sipp:
        eventually(lambda: "pressed keys=271828" in exchange.log()[before:], within=15)
        sipp.finish(within=20)


@pytest.mark.timeout(120)
def test_keys_as_tones_that_the_microphone_of_a_linphone_hears(exchange: Exchange, tmp_path: Path) -> None:
    keys = b"".join(dtmf.tone(key, 0.1) + bytes(1600) for key in "161803")
    with wave.open(str(tmp_path / "keys.wav"), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(bytes(2 * RATE) + keys + bytes(20 * RATE))
    before = len(exchange.log())
    with Linphone("1002", password("1002"), exchange.address, REALM, tmp_path / "l", has_events=False) as phone:
        eventually(lambda: phone.registered, within=10)
        phone.speak(tmp_path / "keys.wav")
        phone.dial("700")
        phone.sees("connected")
        eventually(lambda: "pressed keys=161803" in exchange.log()[before:], within=15)


@pytest.mark.timeout(120)
def test_a_prompt_is_heard_word_for_word(phone: Baresip) -> None:
    phone.dial("701")
    phone.sees("CALL_CLOSED", within=30)
    assert hears_prompt(phone.recordings[-1], "main-menu")
    assert hears_prompt(phone.recordings[-1], "digits/0")
    assert not hears_prompt(phone.recordings[-1], "closed")


@pytest.mark.timeout(120)
def test_what_a_phone_says_is_recorded_and_played_to_it(exchange: Exchange, phone: Baresip) -> None:
    phone.dial("702")
    phone.sees("CALL_CLOSED", within=30)
    [path] = (exchange.folder / "recordings").glob("*.wav")
    assert len(wav.load(path)) == pytest.approx(24000, abs=400)
    assert phone.heard(440)[-1] >= 2


@pytest.mark.timeout(120)
def test_an_announcement_is_heard_before_a_call_that_is_never_answered(phone: Baresip) -> None:
    phone.dial("703")
    assert phone.sees("CALL_CLOSED", within=30).startswith("480 ")
    assert not phone.saw("CALL_ESTABLISHED")
    assert hears_prompt(phone.recordings[-1], "closed")
