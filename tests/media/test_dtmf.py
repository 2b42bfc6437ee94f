from __future__ import annotations

import math
import random
from array import array

import pytest

from pbx.media import dtmf
from pbx.media.clip import FRAME
from pbx.media.dtmf import KEYS, Detector, read_information, tone


def heard(pcm: bytes) -> str:
    """What a detector hears in frames of 20 ms."""
    detector = Detector()
    return "".join(detector.hear(pcm[place : place + 2 * FRAME]) for place in range(0, len(pcm), 2 * FRAME))


def pause(seconds: float) -> bytes:
    return bytes(2 * round(8000 * seconds))


@pytest.mark.parametrize(
    ("kind", "body", "key"),
    [
        ("application/dtmf-relay", b"Signal=5\r\nDuration=160\r\n", "5"),
        ("application/dtmf-relay", b"Signal= *\nDuration= 250", "*"),
        ("Application/DTMF-Relay; charset=utf-8", b"Duration=160\r\nSignal=d\r\n", "D"),
        ("application/dtmf-relay", b"Signal=11", "#"),
        ("application/dtmf", b"7", "7"),
        ("application/dtmf", b"10\r\n", "*"),
        ("application/dtmf", b" # ", "#"),
        ("application/dtmf-relay", b"Duration=160", None),
        ("application/dtmf-relay", b"Signal=99", None),
        ("application/dtmf", b"", None),
        ("application/dtmf", b"hello", None),
        ("application/dtmf", b"\xff\xfe", None),
        ("text/plain", b"5", None),
        ("", b"5", None),
    ],
)
def test_key_of_an_info(kind: str, body: bytes, key: str | None) -> None:
    assert read_information(kind, body) == key


@pytest.mark.parametrize("key", KEYS)
def test_tones_are_heard_once_each_however_long_they_last(key: str) -> None:
    assert heard(pause(0.03) + tone(key, 0.06) + pause(0.1) + tone(key, 1.0) + pause(0.1)) == 2 * key


def test_all_keys_pressed_fast() -> None:
    pcm = b"".join(tone(key, 0.05) + pause(0.05) for key in KEYS)
    assert heard(pcm) == KEYS


@pytest.mark.parametrize("amplitude", [400, 1200, 15000])
def test_quiet_and_loud_tones_are_heard(amplitude: int) -> None:
    assert heard(tone("5", 0.08, amplitude) + pause(0.1)) == "5"


@pytest.mark.parametrize("deviation", [-0.015, 0.015])
def test_tones_of_a_phone_that_is_a_little_off_are_heard(deviation: float) -> None:
    # ITU-T Q.24: 1.5 % has to be accepted, with noise 20 dB below.
    noise = random.Random(1)
    for row, low in enumerate(dtmf.ROWS):
        for column, high in enumerate(dtmf.COLUMNS):
            waves = [2 * math.pi * low * (1 + deviation) / 8000, 2 * math.pi * high * (1 - deviation) / 8000]
            samples = [
                round(6000 * sum(math.sin(wave * at) for wave in waves) + noise.gauss(0, 300)) for at in range(640)
            ]
            assert heard(array("h", samples).tobytes()) == "123A456B789C*0#D"[4 * row + column]


def test_tones_far_off_are_no_keys() -> None:
    # ITU-T Q.24: 3.5 % has to be refused.
    waves = [2 * math.pi * frequency * 1.035 / 8000 for frequency in (770, 1336)]
    samples = [round(6000 * sum(math.sin(wave * at) for wave in waves)) for at in range(1600)]
    assert heard(array("h", samples).tobytes()) == ""


def test_one_tone_alone_is_no_key() -> None:
    samples = array("h", [round(9000 * math.sin(2 * math.pi * 697 * at / 8000)) for at in range(1600)])
    assert heard(samples.tobytes()) == ""


def test_noise_and_silence_are_no_keys() -> None:
    noise = random.Random(7)
    pcm = array("h", [round(noise.gauss(0, 4000)) for _ in range(80_000)]).tobytes()
    assert heard(pcm) == heard(pause(5)) == ""
