"""Keys of a phone that tells of them by INFO, for one that takes them in its sound, and the other way round."""

from __future__ import annotations

from itertools import pairwise

import pytest

from pbx.media import rtp
from pbx.media.side import Side
from pbx.media.splice import KEY, MOST_KEYS
from pbx.media.telephone_event import NAMES, payload
from pbx.sip import sdp
from tests.media.loopback import ALICE, AUDIO, BOB, Loopback, Phone, talk
from tests.media.network import port, result

BEAT = 0.02
MUTE = "m=audio {} RTP/AVP 0 8\r\n"  # a phone without telephone-event
OTHER = "m=audio {} RTP/AVP 0 8 96\r\na=rtpmap:96 telephone-event/8000\r\n"
WIDE = "m=audio {} RTP/AVP 111\r\na=rtpmap:111 opus/48000/2\r\n"


def connects(
    relay: Loopback, alice: Phone, bob: Phone, offered: str = MUTE, answered: str = AUDIO, *takes: bool
) -> tuple[Side, Side, list[tuple[str, ...]]]:
    """Connect two phones that take INFO, unless it is said otherwise; with what each of them is shown."""
    caller, callee = relay.side(alice), relay.side(bob)
    caller.may_inform, callee.may_inform = takes or (True, True)
    to_bob = result(relay.relay.offer(caller, callee, alice.describes(offered)))
    to_alice = result(relay.relay.answer(callee, caller, bob.describes(answered)))
    return caller, callee, [sdp.parse(text).media[0].formats for text in (to_alice, to_bob)]


def headers(packets: list[bytes]) -> list[rtp.Header]:
    found = [rtp.header(packet) for packet in packets]
    return [header for header in found if header is not None]


def in_order(packets: list[bytes]) -> bool:
    """Whether these have one number after the other."""
    numbers = [header.sequence for header in headers(packets)]
    return numbers == [numbers[0] + place & 0xFFFF for place in range(len(numbers))]


def events(packets: list[bytes], payload_type: int = 101) -> list[tuple[str, int, bool, bool]]:
    """Key, duration, end and marker of each event among these."""
    return [
        (NAMES[packet[12]], packet[14] << 8 | packet[15], bool(packet[13] & 0x80), header.marker)
        for packet, header in zip(packets, headers(packets), strict=True)
        if header.payload_type == payload_type
    ]


def keys(packets: list[bytes], payload_type: int = 101) -> str:
    """The keys that these tell of, each timestamp being one."""
    told = [header.timestamp for header in headers(packets) if header.payload_type == payload_type]
    pressed = [key for key, *_ in events(packets, payload_type)]
    return "".join(key for place, key in enumerate(pressed) if told.index(told[place]) == place)


def speaks(relay: Loopback, phone: Phone, side: Side, frames: int) -> None:
    """A phone speaks for so many times 20 ms."""
    for _ in range(frames):
        relay.turn(BEAT - 0.001)
        phone.says(port(side))


def presses(phone: Phone, side: Side, key: str, timestamp: int, payload_type: int = 101) -> None:
    """A phone presses a key in RTP."""
    for duration in (160, 320, 480, 640, 800, 800, 800):
        event = payload(key, duration, is_end=duration == 800)
        phone.says(port(side), event, payload_type, timestamp=timestamp, marker=duration == 160)


EVENT = [
    *[("5", 160 * place, False, place == 1) for place in range(1, 5)],
    *[("5", 800, True, False)] * 3,
]  # fmt: skip


# By INFO, for one that takes it in RTP


def test_a_key_goes_into_the_stream_and_the_stream_goes_on(relay: Loopback, alice: Phone, bob: Phone) -> None:
    caller, _ = talk(relay, alice, bob)
    speaks(relay, alice, caller, 5)
    assert caller.informed("5") and result(relay.relay.press(caller, "5"))
    speaks(relay, alice, caller, 20)
    heard = bob.heard()
    assert events(heard) == EVENT
    assert in_order(heard)
    told = [header for header in headers(heard) if header.payload_type == 101]
    assert {header.ssrc for header in headers(heard)} == {1234}
    assert len({header.timestamp for header in told}) == 1
    before = [header.timestamp for header in headers(heard)[:5]]
    after = [header.timestamp for header in headers(heard) if header.payload_type == 0][5:]
    assert before[-1] < told[0].timestamp < after[0]
    assert told[0].timestamp - before[-1] == pytest.approx(160, abs=8)
    assert len(after) == pytest.approx(20 - len(EVENT), abs=1)


def test_keys_that_come_at_once_are_pressed_one_after_the_other(relay: Loopback, alice: Phone, bob: Phone) -> None:
    caller, _ = talk(relay, alice, bob)
    for key in "1223*":
        assert result(relay.relay.press(caller, key))
    speaks(relay, alice, caller, 6 * KEY)
    heard = bob.heard()
    assert keys(heard) == "1223*"
    assert len(events(heard)) == 5 * len(EVENT)
    assert in_order(heard)
    starts = [header.timestamp for header in headers(heard) if header.marker]
    assert all(later - sooner >= 160 * KEY for sooner, later in pairwise(starts))


def test_so_many_keys_at_once_nobody_presses(relay: Loopback, alice: Phone, bob: Phone) -> None:
    caller, _ = talk(relay, alice, bob)
    pressed = [result(relay.relay.press(caller, "1")) for _ in range(MOST_KEYS + 1)]
    assert pressed == [True] * MOST_KEYS + [False]


def test_a_phone_that_has_said_nothing_yet_presses_a_key(relay: Loopback, alice: Phone, bob: Phone) -> None:
    caller, _ = relay.call(alice, bob)
    assert result(relay.relay.press(caller, "5"))
    for _ in range(KEY):
        relay.turn(BEAT)
    speaks(relay, alice, caller, 3)
    heard = bob.heard()
    assert events(heard) == EVENT
    assert in_order(heard[:7])
    assert [header.ssrc for header in headers(heard)[7:]] == [1234] * 3


def test_a_phone_that_pauses_presses_a_key_when_that_time_is(relay: Loopback, alice: Phone, bob: Phone) -> None:
    caller, _ = talk(relay, alice, bob)
    last = headers([alice.says(port(caller))])[0].timestamp
    bob.heard()
    relay.turn(10.0)
    assert result(relay.relay.press(caller, "5"))
    relay.turn(BEAT)
    assert headers(bob.heard())[0].timestamp - last == pytest.approx(80_000, abs=400)


def test_the_other_way_is_untouched(relay: Loopback, alice: Phone, bob: Phone) -> None:
    caller, callee = talk(relay, alice, bob)
    result(relay.relay.press(caller, "5"))
    said = []
    for _ in range(20):
        relay.turn(BEAT)
        said.append(bob.says(port(callee)))
    assert alice.heard() == said
    assert [bob.reports_to(port(callee))] == alice.reports()
    assert [alice.reports_to(port(caller))] == bob.reports()


def test_numbers_go_on_when_offer_and_answer_agree_anew(relay: Loopback, alice: Phone, bob: Phone) -> None:
    caller, callee = talk(relay, alice, bob)
    result(relay.relay.press(caller, "5"))
    speaks(relay, alice, caller, 3)  # in the middle of the key
    result(relay.relay.offer(callee, caller, bob.describes()))
    result(relay.relay.answer(caller, callee, alice.describes()))
    speaks(relay, alice, caller, 20)
    heard = bob.heard()
    assert events(heard) == EVENT and in_order(heard)


def test_a_key_is_told_under_the_number_that_the_phone_has_for_it(relay: Loopback, alice: Phone, bob: Phone) -> None:
    caller, _, _ = connects(relay, alice, bob, AUDIO, OTHER)
    speaks(relay, alice, caller, 2)
    assert result(relay.relay.press(caller, "5"))
    speaks(relay, alice, caller, KEY)
    heard = bob.heard()
    assert events(heard, 96) == EVENT and in_order(heard)


def test_who_is_not_to_hear_anything_hears_no_keys(relay: Loopback, alice: Phone, bob: Phone) -> None:
    caller, callee = talk(relay, alice, bob)
    result(relay.relay.offer(callee, caller, bob.describes(AUDIO + "a=sendonly\r\n")))
    result(relay.relay.answer(caller, callee, alice.describes(AUDIO + "a=recvonly\r\n")))
    assert not result(relay.relay.press(caller, "5"))


def test_whoever_is_connected_to_another_meanwhile_presses_nothing_more(
    relay: Loopback, alice: Phone, bob: Phone
) -> None:
    caller, _ = talk(relay, alice, bob)
    for key in "123":
        result(relay.relay.press(caller, key))
    speaks(relay, alice, caller, 3)
    relay.relay.part(caller)
    bob.heard()
    for _ in range(30):
        relay.turn(BEAT)
    assert bob.heard() == []
    assert not result(relay.relay.press(caller, "5"))
    relay.relay.echo(caller)
    assert not result(relay.relay.press(caller, "5"))


# One event for each key, whatever the phone tells


def test_who_has_told_in_rtp_tells_nothing_by_info(relay: Loopback, alice: Phone, bob: Phone) -> None:
    caller, _ = talk(relay, alice, bob)
    presses(alice, caller, "5", 4000)
    assert not caller.informed("5")
    assert keys(bob.heard()) == "5"
    assert alice.keys == ["5"]


def test_an_event_that_the_relay_has_not_told_of_yet_counts(relay: Loopback, alice: Phone, bob: Phone) -> None:
    caller, _ = talk(relay, alice, bob)
    packet = rtp.build(payload("5", 160), 101, 700, 4000, 1234, marker=True)
    alice.rtp.sendto(packet, (relay.host, port(caller).number))
    if relay.threads is not None:
        relay.threads.turn()
    else:
        relay.turn()
    assert not caller.informed("5")
    relay.turn()
    assert (keys(bob.heard()), alice.keys) == ("5", ["5"])


def test_who_has_told_by_info_tells_nothing_in_rtp(relay: Loopback, alice: Phone, bob: Phone) -> None:
    caller, _ = talk(relay, alice, bob)
    for place, key in enumerate("159"):
        assert caller.informed(key) and result(relay.relay.press(caller, key))
        presses(alice, caller, key, 4000 * (place + 1))
        speaks(relay, alice, caller, KEY)
    heard = bob.heard()
    assert keys(heard) == "159" and in_order(heard)
    assert alice.keys == []


# In RTP, for one that takes it by INFO


def test_a_callee_without_telephone_event_is_told_by_info(relay: Loopback, alice: Phone, bob: Phone) -> None:
    caller, callee, shown = connects(relay, alice, bob, AUDIO, MUTE)
    assert shown == [("0", "8", "101"), ("0", "8", "101")]
    assert callee.informs and not caller.informs
    for place, key in enumerate("12"):
        speaks(relay, alice, caller, 5)
        presses(alice, caller, key, 4000 * (place + 1))
    speaks(relay, alice, caller, 5)
    heard = bob.heard()
    assert alice.keys == ["1", "2"]
    assert events(heard) == [] and in_order(heard) and len(heard) == 15
    assert not result(relay.relay.press(caller, "5"))


def test_a_caller_without_telephone_event_is_told_by_info(relay: Loopback, alice: Phone, bob: Phone) -> None:
    caller, callee, shown = connects(relay, alice, bob, MUTE, AUDIO)
    assert shown == [("0", "8"), ("0", "8", "101")]
    assert caller.informs and not callee.informs
    speaks(relay, bob, callee, 2)
    presses(bob, callee, "7", 4000)
    speaks(relay, bob, callee, 2)
    heard = alice.heard()
    assert bob.keys == ["7"] and events(heard) == [] and in_order(heard) and len(heard) == 4
    speaks(relay, alice, caller, 1)
    assert result(relay.relay.press(caller, "5"))
    speaks(relay, alice, caller, KEY)
    assert keys(bob.heard()) == "5"


def test_the_stream_goes_on_without_a_gap_after_hold(relay: Loopback, alice: Phone, bob: Phone) -> None:
    caller, callee, _ = connects(relay, alice, bob, AUDIO, MUTE)
    speaks(relay, alice, caller, 2)
    presses(alice, caller, "1", 4000)
    for direction in ("a=sendonly\r\n", ""):
        result(relay.relay.offer(caller, callee, alice.describes(AUDIO + direction)))
        shown = result(relay.relay.answer(callee, caller, bob.describes(MUTE)))
        assert sdp.parse(shown).media[0].formats == ("0", "8", "101")
        speaks(relay, alice, caller, 2)
    assert in_order(bob.heard())


def test_the_caller_is_offered_what_it_had(relay: Loopback, alice: Phone, bob: Phone) -> None:
    """A re-INVITE of the callee: its telephone-event is not the caller's, whose answer we complete."""
    caller, callee, _ = connects(relay, alice, bob, MUTE, AUDIO)
    offered = result(relay.relay.offer(callee, caller, bob.describes(AUDIO)))
    answered = result(relay.relay.answer(caller, callee, alice.describes(MUTE)))
    assert sdp.parse(offered).media[0].formats == ("0", "8", "101")
    assert sdp.parse(answered).media[0].formats == ("0", "8", "101")
    presses(bob, callee, "7", 4000)
    assert bob.keys == ["7"] and caller.informs


@pytest.mark.parametrize(("caller_takes", "callee_takes"), [(False, True), (True, False), (False, False)])
def test_who_takes_no_info_is_shown_as_it_is(
    relay: Loopback, alice: Phone, bob: Phone, caller_takes: bool, callee_takes: bool
) -> None:
    _, callee, shown = connects(relay, alice, bob, AUDIO, MUTE, caller_takes, callee_takes)
    assert (shown[0] == ("0", "8", "101")) is callee_takes is callee.informs
    one, other = relay.phone(ALICE), relay.phone(BOB)
    caller, _, shown = connects(relay, one, other, MUTE, AUDIO, caller_takes, callee_takes)
    assert (shown[1] == ("0", "8", "101")) is caller_takes is caller.informs


def test_two_who_both_take_info_need_no_help(relay: Loopback, alice: Phone, bob: Phone) -> None:
    caller, callee, shown = connects(relay, alice, bob, MUTE, MUTE)
    assert shown[0] == ("0", "8")
    assert not (caller.informs or callee.informs)
    bob.says(port(callee))
    alice.says(port(caller))
    assert relay.is_lent()
    assert not result(relay.relay.press(caller, "5"))


def test_telephone_event_has_the_clock_of_the_sound(relay: Loopback, alice: Phone, bob: Phone) -> None:
    caller, callee = relay.side(alice), relay.side(bob)
    caller.may_inform = True
    shown = result(relay.relay.offer(caller, callee, alice.describes(WIDE)))
    assert b"\r\na=rtpmap:101 telephone-event/48000\r\na=fmtp:101 0-15\r\n" in shown
    result(relay.relay.answer(callee, caller, bob.describes(WIDE.replace(" 111", " 111 101") + SHOWN)))
    alice.says(port(caller), payload_type=111, timestamp=48_000)
    assert result(relay.relay.press(caller, "5"))
    for _ in range(KEY):
        relay.turn(BEAT)
    assert [duration for _, duration, _, _ in events(bob.heard())] == [960, 1920, 2880, 3840, 4800, 4800, 4800]


SHOWN = "a=rtpmap:101 telephone-event/48000\r\n"


def test_a_payload_type_is_not_taken_twice(relay: Loopback, alice: Phone, bob: Phone) -> None:
    caller, callee = relay.side(alice), relay.side(bob)
    caller.may_inform = True
    offered = "m=audio {} RTP/AVP 101 0\r\na=rtpmap:101 opus/48000/2\r\n"
    shown = sdp.parse(result(relay.relay.offer(caller, callee, alice.describes(offered))))
    assert shown.media[0].formats == ("101", "0", "96")


def test_a_voice_listens_for_the_tones_of_a_phone_without_telephone_event(
    relay: Loopback, alice: Phone, bob: Phone
) -> None:
    caller, callee, _ = connects(relay, alice, bob, MUTE, AUDIO)
    for side, has_events in ((caller, False), (callee, True)):
        speech = port(side).speech
        assert speech is not None and speech.has_events is has_events
