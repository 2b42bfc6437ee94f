"""A voice that goes from one phone to another, in the middle of what it says."""

from __future__ import annotations

from pbx.media.clip import Clip
from pbx.media.hearing import Hearing
from pbx.media.sources import Sequel
from tests.media.network import result
from tests.media.speaking import Speaking


def test_what_it_says_goes_on_at_the_other_phone():
    one = Speaking()
    other = Speaking(beside=one)
    words = bytes([*range(1, 101)]) * 16  # ten packets
    over = one.voice.play(Sequel([Clip(words)]))
    one.clock.advance(0.0625)
    voice = one.exchange.relay.release(one.side)
    assert voice is one.voice
    one.exchange.relay.close(one.side)
    said = one.sound
    one.clock.advance(1)  # nobody is there who could hear it
    assert one.exchange.relay.voice(other.side, voice) is voice
    one.clock.advance(1)
    assert 0 < len(said) < len(words)
    assert said + other.sound == words
    assert over.called and not voice.closed and other.voice.closed


def test_who_listens_hears_the_other_phone_and_its_keys():
    one = Speaking()
    other = Speaking(beside=one)
    hearing = Hearing(one.voice, one.exchange.relay.beat)
    keys = []
    one.voice.want_keys(keys.append)
    voice = one.exchange.relay.release(one.side)
    one.exchange.relay.voice(other.side, voice)
    one.says(bytes([1] * 160), 1, 0)
    other.presses("7")
    other.talks(bytes([2] * 1600))
    one.clock.advance(1)
    heard = [result(hearing.next()) for _ in range(40)]
    assert keys == ["7"]
    assert bytes([2] * 160) in heard and bytes([1] * 160) not in heard
    hearing.close()


def test_phone_with_which_nothing_is_agreed_upon_gets_none():
    one = Speaking()
    silent = one.exchange.side()
    voice = one.exchange.relay.release(one.side)
    assert voice is not None
    assert one.exchange.relay.voice(silent, voice) is None
    assert one.exchange.relay.release(silent) is None
    voice.close()
