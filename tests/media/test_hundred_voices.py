"""A hundred callers are played to and recorded at the same time: nobody hears a gap, and nothing is missing."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from pbx.media.clip import FRAME, Clip
from pbx.media.recorder import Recorder
from pbx.media.sources import Sequel
from tests.counts import count
from tests.media.speaking import Speaking

CALLERS = 100
SECONDS = count(3, 60)


def test_a_hundred_prompts_and_recordings_have_no_gap(tmp_path: Path) -> None:
    callers = [Speaking()]
    while len(callers) < CALLERS:
        callers.append(Speaking(beside=callers[-1]))
    clock = callers[0].clock
    clip = Clip(b"".join(bytes([1 + number % 99]) * FRAME for number in range(50 * SECONDS)))
    recorders = []
    for number, caller in enumerate(callers):
        recorder = Recorder(clock, tmp_path / f"{number}.wav", both=True)
        caller.side.listen_in(recorder)
        recorders.append(recorder)
        caller.voice.play(Sequel([clip]))
    assert len(clock.pending) == 1 + CALLERS  # one beat for all voices
    for number in range(50 * SECONDS):
        for caller in callers:
            caller.says(bytes([0x20]) * FRAME, number & 0xFFFF, number * FRAME)
        clock.advance(0.02)
    clock.advance(0.125)
    for caller, recorder in zip(callers, recorders, strict=True):
        headers = [header for header, _ in caller.packets]
        assert caller.sound == clip.sound
        for before, after in pairwise(headers):
            assert after.sequence == (before.sequence + 1) & 0xFFFF
            assert after.timestamp == (before.timestamp + FRAME) & 0xFFFFFFFF
        recorder.stop()
        both = recorder.path.read_bytes()[58:]
        assert both[::2].count(0x20) == FRAME * 50 * SECONDS
        heard = both[1::2]
        start = heard.index(1)
        assert heard[start : start + len(clip.sound)] == clip.sound
        caller.exchange.relay.close(caller.side)
    assert not clock.pending
