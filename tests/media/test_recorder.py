from __future__ import annotations

import struct
from pathlib import Path

import pytest

from pbx.media import wav
from pbx.media.clip import FRAME, Clip
from pbx.media.g711 import ALAW, ULAW
from pbx.media.recorder import Recorder
from pbx.media.sources import Sequel
from pbx.media.wav import Writer
from pbx.testing.clock import VirtualClock
from tests.media.network import port, result, shown
from tests.media.speaking import Speaking

LOUD = b"\x10" * FRAME  # a frame that is no silence
SILENCE = b"\xff" * FRAME


def sound(path: Path) -> bytes:
    """The sound in a recording, as it stands there."""
    content = path.read_bytes()
    assert struct.unpack_from("<I", content, 54)[0] == len(content) - 58
    return content[58:]


def recording(one: Speaking, folder: Path, both: bool = False) -> Recorder:
    """A recorder of what a phone says, or of all that it says and hears."""
    recorder = Recorder(one.clock, folder / "a.wav", both)
    if both:
        one.side.listen_in(recorder)
    else:
        one.voice.listen(recorder)
    return recorder


@pytest.fixture
def one() -> Speaking:
    return Speaking()


def test_what_a_phone_says_is_in_the_file(one: Speaking, tmp_path: Path) -> None:
    recorder = recording(one, tmp_path)
    said = b"".join(bytes([number]) * FRAME for number in range(1, 101))
    one.talks(said)
    recorder.stop()
    assert sound(recorder.path)[:FRAME] == b"\x01" * FRAME
    assert sound(recorder.path) == said
    assert recorder.seconds == 2.0 and not recorder.recording
    assert wav.load(recorder.path) == said


class Settable:
    """A machine's clock, which somebody sets."""

    def __init__(self, clock: VirtualClock) -> None:
        self.by = 0.0
        self.callLater = clock.callLater
        self._clock = clock

    def seconds(self) -> float:
        return self._clock.seconds() + self.by


@pytest.mark.parametrize("by", [1e9, 3600.0, -0.25, -3600.0, -1e9])
def test_a_clock_that_is_set_does_not_stretch_a_recording(one: Speaking, tmp_path: Path, by: float) -> None:
    clock = Settable(one.clock)
    recorder = Recorder(clock, tmp_path / "a.wav")
    one.voice.listen(recorder)
    said = b"".join(bytes([number]) * FRAME for number in range(1, 201))
    one.talks(said[: 75 * FRAME])
    clock.by = by
    one.talks(said[75 * FRAME :], 75)
    recorder.stop()
    # The moment between two looks at the clock may be missing.
    assert recorder.elapsed == pytest.approx(4.0, abs=0.05)
    assert said.startswith(sound(recorder.path)[: 74 * FRAME])
    assert sound(recorder.path)[-FRAME:] in said[-3 * FRAME :]


def test_the_file_is_readable_and_nearly_whole_at_any_time(one: Speaking, tmp_path: Path) -> None:
    recorder = recording(one, tmp_path)
    for second in range(1, 6):
        one.talks(LOUD * 50, 50 * second)
        assert len(wav.load(recorder.path)) / 8000 >= second - 2 if second > 1 else True
    recorder.stop()


def test_gaps_are_silence_and_what_comes_out_of_order_is_in_its_place(one: Speaking, tmp_path: Path) -> None:
    recorder = recording(one, tmp_path)
    for number in (1, 2, 5, 4, 6):  # the third is lost
        one.clock.advance(0.02)
        one.says(bytes([number]) * FRAME, number, number * FRAME)
    one.clock.advance(0.0625)
    recorder.stop()
    frames = [sound(recorder.path)[place : place + 1] for place in range(0, 6 * FRAME, FRAME)]
    assert frames == [b"\x01", b"\x02", b"\xff", b"\x04", b"\x05", b"\x06"]


def test_a_phone_that_says_nothing_is_recorded_as_silence(one: Speaking, tmp_path: Path) -> None:
    recorder = recording(one, tmp_path)
    one.clock.advance(3)
    recorder.stop()
    assert sound(recorder.path) == b"\xff" * 24000
    assert recorder.spoke_at == 0


def test_a_conversation_has_the_phone_left_and_what_it_hears_right(one: Speaking, tmp_path: Path) -> None:
    recorder = recording(one, tmp_path, both=True)
    one.voice.play(Sequel([Clip(b"\x20" * FRAME * 10)]))
    one.talks(LOUD * 10)
    one.clock.advance(0.125)
    recorder.stop()
    both = sound(recorder.path)
    left, right = both[::2], both[1::2]
    assert left[: 10 * FRAME] == LOUD * 10
    assert right.count(b"\x20") == 10 * FRAME
    assert struct.unpack_from("<H", recorder.path.read_bytes(), 22) == (2,)


def test_two_phones_that_talk_are_recorded_and_still_hear_each_other(one: Speaking, tmp_path: Path) -> None:
    bob = one.exchange.phone("198.51.100.2", payload_type=8)
    other = one.exchange.side()
    result(one.exchange.relay.offer(one.side, other, one.phone.describes("m=audio {} RTP/AVP 0 8\r\n")))
    result(one.exchange.relay.answer(other, one.side, bob.describes("m=audio {} RTP/AVP 0 8\r\n")))
    recorder = recording(one, tmp_path, both=True)
    for number in range(50):
        one.says(LOUD, number, number * FRAME)
        heard = bob.says(other.ports[0], ALAW.nothing)  # type: ignore[arg-type]
        assert one.phone.heard[-1] == heard
        one.clock.advance(0.02)
    recorder.stop()
    both = sound(recorder.path)
    assert both[::2] == LOUD * 50
    assert ULAW.loudness(both[1::2]) < 10
    assert len(bob.heard) == 50


def test_phones_agree_upon_what_can_be_recorded(one: Speaking, tmp_path: Path) -> None:
    alice, bob = one.exchange.phone("198.51.100.8"), one.exchange.phone("198.51.100.9")
    caller, callee = one.exchange.side(), one.exchange.side()
    recorder = Recorder(one.clock, tmp_path / "a.wav", both=True)
    caller.listen_in(recorder)
    offered = result(one.exchange.relay.offer(caller, callee, alice.describes("m=audio {} RTP/AVP 9 8 0\r\n")))
    assert shown(offered)[0][2] == ("8", "0")
    # Who has nothing of that talks all the same.
    offered = result(one.exchange.relay.offer(caller, callee, alice.describes("m=audio {} RTP/AVP 9\r\n")))
    assert shown(offered)[0][2] == ("9",)
    result(one.exchange.relay.answer(callee, caller, bob.describes("m=audio {} RTP/AVP 9\r\n")))
    assert port(caller).tap is not None
    one.exchange.relay.close(caller)
    assert caller.tap is None
    recorder.stop()


def test_another_source_and_a_wild_timestamp_are_where_they_came(one: Speaking, tmp_path: Path) -> None:
    recorder = recording(one, tmp_path)
    one.talks(LOUD * 50)
    one.says(LOUD, 60, 4_000_000_000)
    one.clock.advance(0.02)
    one.says(LOUD, 61, 17, ssrc=99)
    one.clock.advance(1)
    recorder.stop()
    assert len(sound(recorder.path)) == round(2.02 * 8000)
    assert sound(recorder.path).count(b"\x10") >= 51 * FRAME


def test_a_clock_that_runs_differently_loses_nothing_for_long(one: Speaking, tmp_path: Path) -> None:
    # A phone whose 20 ms are 19.6 ms: after two minutes it is two seconds ahead.
    recorder = recording(one, tmp_path)
    for number in range(5_000):
        one.clock.advance(0.0196)
        one.says(LOUD, number & 0xFFFF, number * FRAME)
    recorder.stop()
    recorded = sound(recorder.path)
    assert recorded.count(b"\x10") > 0.98 * len(recorded)


def test_when_the_phone_spoke_last_is_known(one: Speaking, tmp_path: Path) -> None:
    recorder = recording(one, tmp_path)
    one.talks(LOUD * 50 + SILENCE * 100)
    assert recorder.spoke_at == pytest.approx(0.98, abs=0.03)
    recorder.stop(at=recorder.spoke_at + 0.02)
    assert len(sound(recorder.path)) == pytest.approx(8000, abs=200)


def test_stop_is_done_once_and_what_comes_later_is_not_heard(one: Speaking, tmp_path: Path) -> None:
    recorder = recording(one, tmp_path)
    one.talks(LOUD * 5)
    recorder.stop()
    one.talks(LOUD * 5, 6)
    recorder.stop()
    assert len(sound(recorder.path)) == 5 * FRAME


def test_full_disk_ends_the_recording_and_nothing_else(
    one: Speaking, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logged_errors
) -> None:
    recorder = recording(one, tmp_path)
    one.talks(LOUD * 75)
    before = sound(recorder.path)

    def append(writer: Writer, sound: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Writer, "append", append)
    one.talks(LOUD * 75, 76)
    assert recorder.fault == "No space left on device" and not recorder.recording
    assert [event["why"] for event in logged_errors()] == [recorder.fault]
    recorder.stop()
    assert sound(recorder.path) == before != b""


def test_file_that_cannot_be_made_is_an_error_at_once(one: Speaking, tmp_path: Path) -> None:
    with pytest.raises(OSError):
        Recorder(one.clock, tmp_path / "nowhere" / "a.wav")
    one.exchange.relay.close(one.side)
    assert not one.clock.pending
