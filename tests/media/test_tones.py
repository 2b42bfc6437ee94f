from __future__ import annotations

from array import array
from itertools import pairwise

import pytest

from pbx.media.g711 import ULAW
from pbx.media.tones import TONES, tone
from tests.media.waves import amplitude


@pytest.mark.parametrize("name", TONES)
@pytest.mark.parametrize("country", ["", "1", "33", "44", "49", "999"])
def test_every_country_has_every_tone_and_none_clicks(name: str, country: str) -> None:
    clip = tone(name, country)
    assert 0.1 < clip.seconds < 8
    samples = array("h", ULAW.decode(clip.sound))
    assert max(abs(one - other) for one, other in pairwise(samples)) < 9000
    assert abs(samples[-1] - samples[0]) < 300  # played again and again


@pytest.mark.parametrize(
    ("name", "country", "frequencies", "sounding", "seconds"),
    [
        ("ringback", "1", (440, 480), 2.0, 6.0),
        ("ringback", "33", (440,), 1.5, 5.0),
        ("busy", "1", (480, 620), 0.5, 1.0),
        ("busy", "49", (425,), 0.48, 0.96),
        ("congestion", "44", (400,), 0.4, 1.5),
        ("ringback", "", (425,), 1.0, 5.0),
    ],
)
def test_tones_are_those_of_the_recommendation(
    name: str, country: str, frequencies: tuple[int, ...], sounding: float, seconds: float
) -> None:
    clip = tone(name, country)
    pcm = ULAW.decode(clip.sound)
    assert clip.seconds == pytest.approx(seconds)
    loud = pcm[: int(sounding * 16000) // 2 * 2]
    for frequency in frequencies:
        assert amplitude(loud, frequency) > 2000
    assert amplitude(loud, 1000) < 100


def test_there_is_no_such_tone() -> None:
    with pytest.raises(KeyError):
        tone("bang")
