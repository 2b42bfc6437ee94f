from __future__ import annotations

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.media.g711 import ALAW, ULAW, Law


def decoded(law: Law, sound: bytes) -> list[int]:
    return array("h", law.decode(sound)).tolist()


# ITU-T G.711, tables 1a to 2b, on the 16-bit scale: loudest, quietest and the ends of segments.
@pytest.mark.parametrize(
    ("law", "code", "level"),
    [
        (ULAW, 0x80, 32124),
        (ULAW, 0x00, -32124),
        (ULAW, 0xFF, 0),
        (ULAW, 0x7F, 0),
        (ULAW, 0xFE, 8),
        (ULAW, 0xF0, 120),
        (ULAW, 0xEF, 132),
        (ULAW, 0x8F, 16764),
        (ALAW, 0xAA, 32256),
        (ALAW, 0x2A, -32256),
        (ALAW, 0xD5, 8),
        (ALAW, 0x55, -8),
        (ALAW, 0xDA, 248),
        (ALAW, 0xC5, 264),
        (ALAW, 0xA5, 16896),
    ],
)
def test_codes_stand_for_the_levels_of_the_recommendation(law: Law, code: int, level: int) -> None:
    assert decoded(law, bytes([code])) == [level]


@pytest.mark.parametrize(("law", "zeroes"), [(ULAW, {0x7F}), (ALAW, set())])
def test_every_code_survives_decoding_but_the_second_zero(law: Law, zeroes: set[int]) -> None:
    codes = bytes(code for code in range(256) if code not in zeroes)
    assert law.encode(law.decode(codes)) == codes


@pytest.mark.parametrize("law", [ULAW, ALAW])
@given(samples=st.lists(st.integers(-32768, 32767), max_size=50))
def test_what_is_decoded_differs_by_half_a_step_at_most(law: Law, samples: list[int]) -> None:
    # Sixteen steps between powers of two: half a step is a thirty-second, beside mu-law's bias of 132.
    for sample, level in zip(samples, decoded(law, law.encode(array("h", samples).tobytes())), strict=True):
        assert abs(sample - level) <= max(8, (abs(sample) + 132) / 32)


@pytest.mark.parametrize("law", [ULAW, ALAW])
def test_louder_samples_never_get_quieter_codes(law: Law) -> None:
    levels = decoded(law, law.encode(array("h", range(-32768, 32768)).tobytes()))
    assert levels == sorted(levels)


@pytest.mark.parametrize("law", [ULAW, ALAW])
def test_silence_is_the_code_of_nothing(law: Law) -> None:
    assert law.encode(bytes(8)) == bytes([law.silence]) * 4
    assert abs(decoded(law, bytes([law.silence]))[0]) <= 8


def test_translating_to_the_other_law_is_decoding_and_encoding() -> None:
    codes = bytes(range(256))
    assert ULAW.translate(codes, ALAW) == ALAW.encode(ULAW.decode(codes))
    assert ALAW.translate(codes, ULAW) == ULAW.encode(ALAW.decode(codes))
    assert ULAW.translate(codes, ULAW) is codes


@pytest.mark.parametrize("law", [ULAW, ALAW])
@pytest.mark.parametrize("amplitude", [0, 100, 1000, 30000])
def test_loudness_is_the_mean_amplitude(law: Law, amplitude: int) -> None:
    pcm = array("h", [amplitude, -amplitude] * 80).tobytes()
    assert law.loudness(law.encode(pcm)) == pytest.approx(amplitude, rel=0.05, abs=128)


def test_no_sound_has_no_loudness() -> None:
    assert ULAW.loudness(b"") == 0
