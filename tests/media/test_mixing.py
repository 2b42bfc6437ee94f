"""Mixing: sums without oneself, silence for nothing, and limits that hold."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.media.clip import FRAME
from pbx.media.g711 import ULAW
from pbx.media.mixing import MOST, mix

FRAMES = st.binary(min_size=FRAME, max_size=FRAME)


def levels(frame: bytes) -> list[int]:
    return list(memoryview(ULAW.decode(frame)).cast("h"))


def test_nobody_says_anything() -> None:
    assert mix([]) == (b"", [])


def test_one_is_heard_as_he_speaks_and_hears_nobody() -> None:
    assert mix([b"\x12" * FRAME]) == (b"\x12" * FRAME, [b""])


@given(FRAMES, FRAMES)
def test_two_hear_each_other_unchanged(one: bytes, other: bytes) -> None:
    _, heard = mix([one, other])
    assert [levels(frame) for frame in heard] == [levels(other), levels(one)]


@given(st.lists(FRAMES, min_size=3, max_size=5))
def test_each_hears_the_sum_of_all_others(voices: list[bytes]) -> None:
    _, heard = mix(voices)
    said = [levels(voice) for voice in voices]
    for place, frame in enumerate(heard):
        for at, level in enumerate(levels(frame)):
            wanted = sum(one[at] for other, one in enumerate(said) if other != place)
            cut = max(-32768, min(32767, wanted))
            assert abs(level - cut) <= max(8, abs(cut) / 16), "not further off than one step of mu-law"


@pytest.mark.parametrize("code", [0x00, 0x80])
def test_as_many_as_there_may_be_at_their_loudest_are_cut_off(code: int) -> None:
    everybody, heard = mix([bytes([code]) * FRAME] * MOST)
    assert {everybody, *heard} == {bytes([code]) * FRAME}
