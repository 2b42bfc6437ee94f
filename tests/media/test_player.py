"""The player, the clips and the voice that has it: what a phone hears when we speak."""

from __future__ import annotations

import pytest

from pbx.media.agreement import Speech
from pbx.media.clip import FRAME, Clip, from_pcm
from pbx.media.g711 import ALAW, ULAW
from pbx.media.player import SIGN_OF_LIFE
from pbx.media.sources import AHEAD, Live, Loop, Sequel
from tests.media.speaking import KEYS, Speaking


def clip(first: int, frames: int) -> Clip:
    """A clip whose frames can be told apart."""
    return Clip(b"".join(bytes([first + number]) * FRAME for number in range(frames)))


def test_a_clip_is_heard_whole_and_in_time() -> None:
    one = Speaking()
    over: list[object] = []
    one.voice.play(Sequel([clip(1, 50)])).addCallback(over.append)
    one.clock.advance(1.0)
    assert over == []
    one.clock.advance(0.05)
    assert over == [None]
    headers = [header for header, _ in one.packets]
    assert one.sound == clip(1, 50).sound
    assert len({header.ssrc for header in headers}) == 1
    first = headers[0]
    for number, header in enumerate(headers):
        assert header.sequence == (first.sequence + number) & 0xFFFF
        assert header.timestamp == (first.timestamp + FRAME * number) & 0xFFFFFFFF
    assert [header.marker for header in headers] == [True] + 49 * [False]


def test_clips_follow_each_other_without_a_gap() -> None:
    one = Speaking()
    one.voice.play(Sequel([clip(1, 3), Clip(b""), clip(10, 2)])).addCallback(
        lambda _: one.voice.play(Sequel([clip(20, 2)]))
    )
    one.clock.advance(0.5)
    stamps = [header.timestamp for header, _ in one.packets]
    assert one.sound == clip(1, 3).sound + clip(10, 2).sound + clip(20, 2).sound
    assert [(stamp - stamps[0]) & 0xFFFFFFFF for stamp in stamps] == [FRAME * number for number in range(7)]


def test_a_pause_is_time_without_packets_and_the_next_word_has_the_marker() -> None:
    one = Speaking()
    one.voice.play(Sequel([clip(1, 2)]))
    one.clock.advance(0.25)
    one.voice.play(Sequel([clip(1, 1)]))
    one.clock.advance(0.05)
    before, last = one.packets[-2][0], one.packets[-1][0]
    assert last.marker
    assert last.sequence == (before.sequence + 1) & 0xFFFF
    passed = (last.timestamp - before.timestamp) & 0xFFFFFFFF
    assert passed == 11 * FRAME  # from the second frame, at 40 ms, to 260 ms


def test_while_there_is_nothing_to_say_one_packet_a_second_says_that_we_are_there() -> None:
    one = Speaking()
    one.clock.advance(10.25)
    assert [payload for _, payload in one.packets] == [ULAW.nothing] * 11
    stamps = [header.timestamp for header, _ in one.packets]
    assert (stamps[2] - stamps[1]) & 0xFFFFFFFF == SIGN_OF_LIFE * FRAME


def test_the_last_frame_is_filled_with_silence() -> None:
    one = Speaking()
    one.voice.play(Sequel([Clip(b"\x01" * 200)]))
    one.clock.advance(0.1)
    assert one.packets[1][1] == b"\x01" * 40 + b"\xff" * 120


def test_stop_ends_it_at_once_and_tells_who_waits() -> None:
    one = Speaking()
    over: list[object] = []
    one.voice.play(Sequel([clip(1, 100)])).addCallback(over.append)
    one.clock.advance(0.11)
    one.voice.stop()
    one.clock.advance(0.5)
    assert over == [None]
    assert len(one.sound) == 5 * FRAME
    one.voice.stop()


def test_what_is_played_next_takes_the_place_of_what_is_played() -> None:
    one = Speaking()
    over: list[str] = []
    one.voice.play(Loop(clip(1, 2))).addCallback(lambda _: over.append("music"))
    one.clock.advance(0.11)
    one.voice.play(Sequel([clip(10, 1)])).addCallback(lambda _: over.append("clip"))
    one.clock.advance(0.1)
    assert over == ["music", "clip"]
    assert one.sound == clip(1, 2).sound * 2 + clip(1, 1).sound + clip(10, 1).sound


def test_a_phone_that_has_a_law_alone_hears_that() -> None:
    one = Speaking("m=audio {} RTP/AVP 8\r\n")
    one.voice.play(Sequel([from_pcm(bytes(320)), clip(1, 1)]))
    one.clock.advance(0.1)
    assert {header.payload_type for header, _ in one.packets} == {8}
    assert one.packets[1][1] == ULAW.translate(b"\x01" * FRAME, ALAW)


def test_payload_types_are_those_that_the_phone_has_named() -> None:
    one = Speaking("m=audio {} RTP/AVP 96 97\r\na=rtpmap:96 PCMA/8000\r\na=rtpmap:97 telephone-event/8000\r\n")
    speech = one.port.speech
    assert speech == Speech(ALAW, 96, {96: ALAW}, has_events=True)


def test_a_phone_that_changes_its_codec_hears_the_rest_in_that() -> None:
    one = Speaking()
    one.voice.play(Sequel([clip(1, 10)]))
    one.clock.advance(0.09)
    one.exchange.relay.end(one.side, one.phone.describes("m=audio {} RTP/AVP 8\r\n"))
    one.clock.advance(0.2)
    assert [header.payload_type for header, _ in one.packets[:10]] == [0] * 4 + [8] * 6


def test_live_sound_is_cut_into_frames_and_waits_for_its_turn() -> None:
    one = Speaking()
    live = Live(ULAW)
    one.voice.play(live)
    room: list[object] = []
    live.add(b"\x05" * 100).addCallback(room.append)
    assert room == [None]
    live.add(b"\x05" * (60 + FRAME * 14)).addCallback(room.append)
    assert room == [None]
    one.clock.advance(0.02 * (15 - AHEAD) + 0.01)
    assert room == [None, None]
    one.clock.advance(0.5)
    assert one.sound == b"\x05" * FRAME * 15
    live.add(b"\x06" * FRAME)
    one.clock.advance(0.03)
    assert one.packets[-1][0].marker


def test_a_side_that_is_connected_to_another_phone_hears_us_no_more() -> None:
    one = Speaking()
    bob = one.exchange.phone("198.51.100.2")
    over: list[object] = []
    one.voice.play(Loop(clip(1, 1))).addCallback(over.append)
    one.clock.advance(0.1)
    other = one.exchange.side()
    one.exchange.relay.end(other, bob.describes())
    one.exchange.relay.join(one.side, other)
    count = len(one.phone.heard)
    one.clock.advance(1)
    assert len(one.phone.heard) == count and one.voice.closed
    assert bob.says(other.ports[0]) in one.phone.heard  # type: ignore[arg-type]
    assert not one.clock.pending and over == []
    again = one.exchange.relay.voice(one.side)
    assert again is not None and again is not one.voice
    assert again is one.exchange.relay.voice(one.side)
    one.exchange.relay.close(one.side)
    one.exchange.relay.close(other)
    assert not one.clock.pending


def test_no_voice_where_there_is_no_g711() -> None:
    one = Speaking()
    alice, bob = one.exchange.phone("198.51.100.8"), one.exchange.phone("198.51.100.9")
    lines = "m=audio {} RTP/AVP 9\r\n"
    caller, _ = one.exchange.call(alice, bob, lines)
    assert one.exchange.relay.voice(caller) is None
    assert caller.other is not None  # and they still talk


@pytest.mark.parametrize("lines", ["m=audio {} RTP/AVP 0 101\r\n" + KEYS, "m=audio {} RTP/AVP 8 0\r\n"])
def test_in_a_call_between_phones_we_could_speak_what_they_have_agreed_upon(lines: str) -> None:
    one = Speaking()
    alice, bob = one.exchange.phone("198.51.100.8"), one.exchange.phone("198.51.100.9")
    caller, callee = one.exchange.call(alice, bob, lines)
    voice = one.exchange.relay.voice(caller)
    assert voice is not None and caller.other is None and callee.other is None
