from __future__ import annotations

from pbx.media.clip import FRAME
from pbx.media.g711 import ALAW, ULAW
from pbx.media.hearing import MOST, Hearing
from pbx.media.playout import DELAY
from tests.media.network import result
from tests.media.speaking import Speaking


def frames(hearing: Hearing) -> list[bytes]:
    """All that waits."""
    return [result(hearing.next()) for _ in range(len(hearing._frames))]


def test_frames_come_one_a_beat_in_order_and_silence_where_nothing_came() -> None:
    one = Speaking()
    hearing = Hearing(one.voice, one.exchange.relay.beat)
    for number in (1, 2, 4, 3, 6):
        one.says(bytes([number]) * FRAME, number, FRAME * number)
        one.clock.advance(0.02)
    one.clock.advance(0.25)
    heard = [frame[0] for frame in frames(hearing)]
    assert heard[heard.index(1) : heard.index(6) + 2] == [1, 2, 3, 4, 0xFF, 6, 0xFF]
    assert 15 <= len(heard) <= 18


def test_packets_of_other_lengths_and_the_other_law_become_even_frames() -> None:
    one = Speaking("m=audio {} RTP/AVP 8\r\n")
    hearing = Hearing(one.voice, one.exchange.relay.beat)
    sound = ALAW.encode(b"\x00\x10" * FRAME * 6)
    for number in range(4):
        one.says(sound[240 * number : 240 * number + 240], number, 240 * number, 8)
        one.clock.advance(0.03)
    one.clock.advance(0.125)
    loud = [frame for frame in frames(hearing) if frame != ULAW.nothing]
    assert len(b"".join(loud)) == 6 * FRAME or len(b"".join(loud)) == 7 * FRAME
    assert b"".join(loud).strip(b"\xff") == ALAW.translate(sound, ULAW)


def test_who_waits_gets_the_next_frame_and_an_end() -> None:
    one = Speaking()
    hearing = Hearing(one.voice, one.exchange.relay.beat)
    got: list[bytes] = []
    hearing.next().addCallback(got.append)
    one.clock.advance(0.03)
    assert got == [ULAW.nothing]
    hearing.next().addCallback(got.append)
    one.exchange.relay.close(one.side)
    one.clock.advance(0.03)
    assert got == [ULAW.nothing, b""]
    assert result(hearing.next()) == b""
    assert not one.clock.pending


def test_one_who_does_not_fetch_has_the_last_second_and_no_more() -> None:
    one = Speaking()
    hearing = Hearing(one.voice, one.exchange.relay.beat)
    one.clock.advance(60)
    assert len(frames(hearing)) == MOST
    hearing.close()
    one.clock.advance(1)
    assert frames(hearing) == []


def test_a_phone_whose_clock_runs_differently_is_still_heard_for_long() -> None:
    one = Speaking()
    hearing = Hearing(one.voice, one.exchange.relay.beat)
    loud = total = 0
    for number in range(5_000):
        one.clock.advance(0.0202)  # one in a hundred slower
        one.says(b"\x10" * FRAME, number & 0xFFFF, number * FRAME)
        for frame in frames(hearing):
            loud += frame.count(b"\x10")
            total += FRAME
    assert loud > 0.95 * (total - DELAY * FRAME)
