"""The keys of a phone, in all forms: one each."""

from __future__ import annotations

from pbx.media.clip import FRAME
from pbx.media.dtmf import tone
from pbx.media.g711 import ULAW
from pbx.media.keys import Keys
from tests.media.speaking import Speaking


def test_an_event_of_many_packets_is_one_key() -> None:
    one = Speaking()
    one.presses("1122#*0")
    assert "".join(one.voice.pressed) == "1122#*0"


def test_a_phone_that_tells_of_a_key_in_two_forms_presses_it_once() -> None:
    keys = Keys()
    pressed = keys.told("5")
    pressed += keys.informed("5")
    pressed += keys.told("6")
    pressed += keys.informed("6")
    assert pressed == "56"
    keys.forget()
    assert keys.informed("7") == "7"
    assert keys.told("7") == ""


def test_the_hook_is_no_key() -> None:
    assert Keys().told("flash") == ""


def test_an_event_that_was_seen_before_it_was_told_counts_as_the_first() -> None:
    keys = Keys()
    keys.came_in_rtp()
    assert keys.informed("5") == ""
    assert keys.told("5") == "5"


def test_tones_are_heard_from_a_phone_without_telephone_event() -> None:
    one = Speaking("m=audio {} RTP/AVP 0\r\n")
    one.talks(ULAW.encode(tone("4", 0.1) + bytes(1600) + tone("2", 0.1) + bytes(1600)))
    assert "".join(one.voice.pressed) == "42"


def test_tones_are_not_listened_for_where_a_phone_has_telephone_event() -> None:
    one = Speaking()
    one.talks(ULAW.encode(tone("4", 0.1)))
    one.presses("7")
    assert "".join(one.voice.pressed) == "7"


def test_keys_that_nobody_asked_for_are_kept_but_not_for_ever() -> None:
    one = Speaking()
    for number in range(100):
        one.clock.advance(0.125)
        one.presses("1" if number < 90 else "2", 1000 + 8000 * number)
    assert "".join(one.voice.pressed) == "1" * 54 + "2" * 10


def test_forged_events_and_stray_payload_types_do_no_harm() -> None:
    one = Speaking()
    for payload in (b"", b"\x05", b"\xff" * 400):
        one.says(payload, 1, 1000, 101)
    one.says(b"x" * FRAME, 2, 1000, 99)
    assert not one.voice.pressed
