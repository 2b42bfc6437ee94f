"""The relay in Python and the native one do the same: every test here is of both."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.media import native, rtp
from pbx.media.clip import Clip
from pbx.media.g711 import Law
from pbx.media.latch import PATIENCE, WINDOW
from pbx.media.port import FLOOD, Port
from pbx.media.sockets import SILENCE
from pbx.media.sources import Sequel
from tests.media.loopback import ALICE, AUDIO, BOB, HOST, Loopback, Phone, facts
from tests.media.network import port, result

NAT, MALLORY = "127.0.0.12", "127.0.0.66"
MUX = AUDIO + "a=rtcp-mux\r\n"


@pytest.fixture
def mallory(relay: Loopback) -> Phone:
    return relay.phone(MALLORY)


def talk(relay: Loopback, alice: Phone, bob: Phone, lines: str = AUDIO) -> tuple:
    """A call in which both have spoken, so that a native thread has it."""
    caller, callee = relay.call(alice, bob, lines)
    alice.says(port(caller))
    bob.says(port(callee))
    assert len(alice.heard()) == len(bob.heard()) == 1
    assert relay.is_lent()
    return caller, callee


# What passes


def test_all_that_is_said_is_heard_as_it_was_said(relay: Loopback, alice: Phone, bob: Phone) -> None:
    caller, callee = talk(relay, alice, bob)
    said = [alice.says(port(caller), bytes([number]) * number) for number in range(200)]
    answered = [bob.says(port(callee), payload_type=8) for _ in range(10)]
    assert (bob.heard(), alice.heard()) == (said, answered)
    assert [alice.reports_to(port(caller))] == bob.reports()
    assert [bob.reports_to(port(callee))] == alice.reports()
    assert relay.is_lent()


def test_a_burst_passes_whole_and_in_order(relay: Loopback, alice: Phone, bob: Phone) -> None:
    caller, _ = talk(relay, alice, bob)
    burst = [rtp.build(bytes(100), 0, number, 0, 7) for number in range(100)]
    for packet in burst:
        alice.rtp.sendto(packet, (HOST, port(caller).number))
    relay.turn()
    assert bob.heard() == burst


def test_ipv6_passes_alike(relay: Loopback) -> None:
    relay.host = "::1"
    alice, bob = relay.phone("::1"), relay.phone("::1")
    caller, callee = talk(relay, alice, bob)
    assert [alice.says(port(caller))] == bob.heard()
    assert [bob.reports_to(port(callee))] == alice.reports()
    assert facts(relay, caller).source == alice.address


def test_each_stream_is_counted(relay: Loopback, alice: Phone, bob: Phone) -> None:
    caller, callee = talk(relay, alice, bob)
    began = relay.turns.seconds()
    for _ in range(9):
        alice.says(port(caller), bytes(160))
    one, other = facts(relay, caller), facts(relay, callee)
    assert (one.packets_in, one.octets_in, one.packets_out) == (10, 17 + 9 * 172, 1)
    assert (other.packets_in, other.packets_out, other.octets_out) == (1, 10, 17 + 9 * 172)
    assert (one.signalled, one.source, other.source) == (alice.address, alice.address, bob.address)
    assert one.latched_at <= began < one.heard_at <= relay.turns.seconds()


def test_facts_can_be_read_during_a_call_and_after_it(relay: Loopback, alice: Phone, bob: Phone) -> None:
    caller, _ = talk(relay, alice, bob)
    for count in range(2, 5):
        alice.says(port(caller))
        assert facts(relay, caller).packets_in == count
    relay.relay.close(caller)
    assert facts(relay, caller).packets_in == 4


@pytest.mark.parametrize(
    ("steps", "lost"),
    [([1, 1, 1], 0), ([3], 2), ([2, -1, 2], 0), ([0, 1], 0), ([3001], 0), ([3000], 2999), ([65535 - 99, 1], 0)],
)
def test_loss_is_counted_by_sequence(relay: Loopback, alice: Phone, bob: Phone, steps: list[int], lost: int) -> None:
    caller, _ = talk(relay, alice, bob)
    for alice.sequence in (30000, 65533):  # two new beginnings
        alice.says(port(caller))
    before = facts(relay, caller).lost
    alice.says(port(caller))
    for step in steps:
        alice.sequence += step - 1
        alice.says(port(caller))
    assert facts(relay, caller).lost - before == lost


def test_jitter_is_measured(relay: Loopback, alice: Phone, bob: Phone) -> None:
    caller, _ = talk(relay, alice, bob)
    for number in range(100):
        relay.turn(0.015 + number % 2 * 0.008)
        alice.says(port(caller))
    assert facts(relay, caller).jitter == pytest.approx(0.004, abs=0.001)


# Who may send, and whom we send to


def test_what_is_injected_or_replayed_during_a_call_is_not_heard_and_redirects_nothing(
    relay: Loopback, alice: Phone, bob: Phone, mallory: Phone
) -> None:
    caller, callee = talk(relay, alice, bob)
    replayed = alice.says(port(caller))
    bob.heard()
    for _ in range(60):
        relay.turn(0.125)
        mallory.says(port(caller))
        mallory.sends(replayed, port(caller).number)
        mallory.reports_to(port(caller))
        assert (bob.heard(), bob.reports()) == ([], [])
        assert [bob.says(port(callee))] == alice.heard()
    assert [alice.says(port(caller))] == bob.heard()
    assert (mallory.heard(), mallory.reports()) == ([], [])
    assert relay.is_lent()
    assert facts(relay, caller).strange == 180


def test_one_who_sprays_before_the_phone_speaks_loses_to_it(
    relay: Loopback, alice: Phone, bob: Phone, mallory: Phone
) -> None:
    caller, callee = relay.call(alice, bob)
    bob.says(port(callee))  # a native thread has it before anybody is latched at the other end
    assert relay.is_lent()
    alice.heard()
    for _ in range(3):
        mallory.says(port(caller))
        assert bob.heard() == []
        assert [bob.says(port(callee))] == alice.heard()
    assert [alice.says(port(caller))] == bob.heard()
    for _ in range(20):
        relay.turn(PATIENCE)
        mallory.says(port(caller))
    assert (bob.heard(), mallory.heard()) == ([], [])
    assert facts(relay, caller).source == alice.address


def test_one_who_got_in_while_the_phone_was_silent_is_thrown_out_by_it(
    relay: Loopback, alice: Phone, bob: Phone, mallory: Phone
) -> None:
    caller, callee = relay.call(alice, bob)
    bob.says(port(callee))
    mallory.says(port(caller))
    relay.turn(PATIENCE)
    mallory.says(port(caller))
    assert facts(relay, caller).source == mallory.address
    bob.says(port(callee))
    relay.wait(60)
    alice.heard(), bob.heard()
    assert [alice.says(port(caller))] == bob.heard()
    mallory.says(port(caller))
    assert bob.heard() == []
    assert [bob.says(port(callee))] == alice.heard()


def test_a_phone_that_only_listens_loses_nothing_to_one_who_merely_sends(
    relay: Loopback, alice: Phone, bob: Phone, mallory: Phone
) -> None:
    """Nothing of its own could throw out who took its place."""
    caller, callee = relay.side(alice), relay.side(bob)
    result(relay.relay.offer(caller, callee, alice.describes(AUDIO)))
    result(relay.relay.answer(callee, caller, bob.describes(AUDIO + "a=recvonly\r\n")))
    assert [alice.says(port(caller))] == bob.heard()
    assert relay.is_lent()
    for _ in range(20):
        relay.turn(PATIENCE)
        mallory.says(port(callee))
        assert [alice.says(port(caller))] == bob.heard()
    assert (mallory.heard(), alice.heard(), facts(relay, callee).source) == ([], [], None)
    bob.says(port(callee))  # what opens its NAT
    assert facts(relay, callee).source == bob.address


def test_a_phone_behind_nat_is_answered_where_it_sends_from(relay: Loopback, bob: Phone) -> None:
    alice = relay.phone(NAT)
    caller, callee = relay.side(alice, NAT), relay.side(bob)
    result(relay.relay.offer(caller, callee, alice.describes(host="192.168.1.93")))
    result(relay.relay.answer(callee, caller, bob.describes()))
    bob.says(port(callee))
    assert alice.heard() == []
    assert [alice.says(port(caller))] == bob.heard()[-1:]
    assert [bob.says(port(callee))] == alice.heard()
    known = facts(relay, caller)
    assert (known.signalled, known.source) == (("192.168.1.93", alice.address[1]), alice.address)


def test_the_signalled_address_takes_over_within_the_window_and_not_after_it(
    relay: Loopback, alice: Phone, bob: Phone
) -> None:
    other = relay.phone(ALICE)  # the same host, another port
    caller, callee = relay.call(alice, bob)
    bob.says(port(callee))
    other.says(port(caller))
    assert facts(relay, caller).source == other.address
    relay.turn(WINDOW - 0.125)
    alice.says(port(caller))
    assert facts(relay, caller).source == alice.address
    other.says(port(caller))
    assert facts(relay, caller).source == alice.address


def test_another_port_of_the_phones_host_follows_silence(relay: Loopback, alice: Phone, bob: Phone) -> None:
    caller, callee = talk(relay, alice, bob)
    moved = relay.phone(ALICE)
    relay.wait(3)
    moved.says(port(caller))
    relay.turn(PATIENCE)
    assert bob.heard() == []
    assert [moved.says(port(caller))] == bob.heard()
    assert [bob.says(port(callee))] == moved.heard()


def test_packets_do_not_go_round_where_phones_name_our_own_ports(relay: Loopback, alice: Phone, bob: Phone) -> None:
    caller, callee = relay.call(alice, bob)
    port(caller).latch.signal((HOST, port(callee).number))
    port(callee).latch.signal((HOST, port(caller).number))
    relay.phone(HOST).says(port(caller))
    for _ in range(100):
        relay.turn()
    before = facts(relay, caller).packets_in, facts(relay, callee).packets_in
    assert max(before) > 1000  # so they did, at first
    for _ in range(100):
        relay.turn()
    assert (facts(relay, caller).packets_in, facts(relay, callee).packets_in) == before


def test_a_clock_that_is_set_back_makes_no_flood_of_a_call(relay: Loopback, alice: Phone, bob: Phone) -> None:
    caller, _ = talk(relay, alice, bob)
    for number in range(2 * FLOOD):
        alice.says(port(caller))
        relay.turn(0.02)
        assert len(bob.heard()) == 1
        if number == FLOOD:
            relay.turns.advance(-3600)


def test_signalling_that_names_another_address_opens_the_latch(relay: Loopback, alice: Phone, bob: Phone) -> None:
    caller, callee = talk(relay, alice, bob)
    number = port(caller).number
    moved = relay.phone(NAT)
    result(relay.relay.offer(caller, callee, moved.describes()))
    result(relay.relay.answer(callee, caller, bob.describes()))
    bob.says(port(callee))
    assert (len(moved.heard()), alice.heard()) == (1, [])
    assert [moved.says(port(caller))] == bob.heard()
    alice.says(port(caller))
    assert (bob.heard(), port(caller).number) == ([], number)


def test_rtcp_is_taken_from_the_host_of_the_rtp_and_answered_where_it_comes_from(
    relay: Loopback, alice: Phone, bob: Phone, mallory: Phone
) -> None:
    caller, callee = talk(relay, alice, bob)
    mallory.reports_to(port(caller))
    assert bob.reports() == []
    elsewhere = relay.phone(ALICE)
    assert [elsewhere.reports_to(port(caller))] == bob.reports()
    assert [bob.reports_to(port(callee))] == elsewhere.reports()
    assert alice.reports() == []


def test_rtcp_on_the_port_of_rtp_where_that_is_agreed(
    relay: Loopback, alice: Phone, bob: Phone, mallory: Phone
) -> None:
    caller, callee = talk(relay, alice, bob, MUX)
    report = bytes([0x80, 200, 0, 1, 9, 9, 9, 9])
    alice.sends(report, port(caller).number)
    mallory.sends(report, port(caller).number)
    assert (bob.heard(), bob.reports()) == ([report], [])
    bob.sends(report, port(callee).number)
    assert (alice.heard(), facts(relay, caller).strange) == ([report], 1)


# What a side tells


def press(phone: Phone, to: Port, key: int, start: int, parts: list[int]) -> None:
    """Send these of a key's eight packets, the last three of which say that it is over."""
    for number in parts:
        payload = bytes([key, 0x8A if number > 4 else 10]) + (160 * min(number + 1, 6)).to_bytes(2, "big")
        phone.says(to, payload, 101, timestamp=start, marker=number == 0)


@pytest.mark.parametrize("parts", [range(8), [7], [0], [3, 6], [0, 1, 2, 3, 4], [7, 3, 5]])
def test_a_key_is_told_once_whatever_is_lost_of_it_and_passed_on(
    relay: Loopback, alice: Phone, bob: Phone, parts: list[int]
) -> None:
    caller, callee = talk(relay, alice, bob)
    for key, start in ((11, 5000), (1, 9000), (1, 13000)):
        press(alice, port(caller), key, start, list(parts))
    press(bob, port(callee), 15, 1, [0, 5])
    assert (alice.keys, bob.keys) == (["#", "1", "1"], ["D"])
    assert len(bob.heard()) == 3 * len(parts)


def test_a_phone_that_falls_silent_is_told_once_and_so_is_its_end(relay: Loopback, alice: Phone, bob: Phone) -> None:
    caller, callee = talk(relay, alice, bob)
    for _ in range(int(SILENCE) + 3):
        relay.turn(1.0)
        bob.says(port(callee))
    assert (alice.silent, bob.silent) == ([True], [])
    alice.says(port(caller))
    relay.wait(2)
    assert (alice.silent, bob.silent) == ([True, False], [])


def test_a_phone_that_never_says_anything_is_silent(relay: Loopback, alice: Phone, bob: Phone) -> None:
    relay.call(alice, bob)
    relay.wait(int(SILENCE) + 2)
    assert (alice.silent, bob.silent) == ([True], [True])


def test_a_phone_on_hold_is_not_silent(relay: Loopback, alice: Phone, bob: Phone) -> None:
    caller, callee = talk(relay, alice, bob)
    result(relay.relay.offer(callee, caller, bob.describes(AUDIO + "a=inactive\r\n")))
    result(relay.relay.answer(caller, callee, alice.describes(AUDIO + "a=inactive\r\n")))
    relay.wait(2 * int(SILENCE))
    assert (alice.silent, bob.silent) == ([], [])


def test_a_key_that_nobody_wants_to_know_of_is_passed_on(relay: Loopback, alice: Phone, bob: Phone) -> None:
    caller, _ = talk(relay, alice, bob)
    caller.user = None
    press(alice, port(caller), 5, 5000, [0, 7])
    assert len(bob.heard()) == 2


# Between a native thread and Python


def test_a_call_goes_to_an_echo_and_back_without_losing_port_or_latch(
    relay: Loopback, alice: Phone, bob: Phone
) -> None:
    caller, callee = talk(relay, alice, bob)
    number, descriptor = port(caller).number, port(caller).pair.rtp.fileno()
    for _ in range(3):
        relay.relay.echo(caller)
        assert alice.says(port(caller), b"echo")[12:] == alice.heard()[0][12:]
        bob.says(port(callee))
        assert (alice.heard(), bob.heard()) == ([], [])
        relay.relay.join(caller, callee)
        assert [bob.says(port(callee))] == alice.heard()  # latched still: it has not spoken since
        assert [alice.says(port(caller))] == bob.heard()
        assert relay.is_lent()
    assert (port(caller).number, port(caller).pair.rtp.fileno()) == (number, descriptor)
    assert facts(relay, caller).packets_in == 7


def test_what_python_sends_in_between_takes_the_call_back_and_loses_nothing(
    relay: Loopback, alice: Phone, bob: Phone
) -> None:
    caller, callee = talk(relay, alice, bob)
    announcement = rtp.build(b"beep", 0, 1, 0, 99)
    for _ in range(5):
        alice.rtp.sendto(rtp.build(b"on its way", 0, 500, 0, 1234), (HOST, port(caller).number))
        port(callee).send_rtp(announcement)
        relay.turn()
        assert [packet[12:] for packet in bob.heard()] == [b"beep", b"on its way"]


def test_a_call_goes_to_a_voice_of_ours_and_back_without_losing_port_or_latch(
    relay: Loopback, alice: Phone, bob: Phone
) -> None:
    caller, callee = talk(relay, alice, bob)
    number = port(caller).number
    for _ in range(2):
        voice = relay.relay.voice(caller)
        assert voice is not None
        voice.play(Sequel([Clip(bytes(3 * 160))]))
        for _ in range(5):
            relay.turn(0.02)
        assert len(alice.heard()) == 3
        press(alice, port(caller), 3, 160 * alice.sequence, [0, 7])
        assert voice.pressed.pop() == "3"
        bob.says(port(callee))
        assert (alice.heard(), bob.heard()) == ([], [])
        relay.relay.join(caller, callee)
        assert [bob.says(port(callee))] == alice.heard()
        assert [alice.says(port(caller))] == bob.heard()
        assert relay.is_lent()
    assert (port(caller).number, facts(relay, caller).source) == (number, alice.address)


class Tape:
    """Somebody who listens in."""

    def __init__(self) -> None:
        self.both: list[bytes] = []

    def heard(self, law: Law, sound: bytes, header: rtp.Header) -> None:
        self.both.append(bytes(sound))

    def said(self, law: Law, sound: bytes, header: rtp.Header) -> None:
        self.both.append(bytes(sound))


def test_who_listens_in_hears_both_and_the_call_goes_on(relay: Loopback, alice: Phone, bob: Phone) -> None:
    caller, callee = talk(relay, alice, bob)
    tape = Tape()
    port(caller).tap = tape
    said = [alice.says(port(caller), b"alice"), bob.says(port(callee), b"bob")]
    port(caller).tap = None
    more = [alice.says(port(caller)), bob.says(port(callee))]
    assert tape.both == [b"alice", b"bob"]
    assert [*bob.heard(), *alice.heard()] == [said[0], more[0], said[1], more[1]]
    assert relay.is_lent()


def test_one_who_presses_keys_like_a_machine_keeps_nobody_busy(relay: Loopback, alice: Phone, bob: Phone) -> None:
    caller, _ = talk(relay, alice, bob)
    for number in range(100):
        press(alice, port(caller), 1, 1000 * number, [0])
    assert 32 <= len(alice.keys) < 40
    assert len(bob.heard()) == 100


def test_a_third_side_takes_over_and_the_second_hears_nothing_more(relay: Loopback, alice: Phone, bob: Phone) -> None:
    carol = relay.phone("127.0.0.33")
    caller, callee = talk(relay, alice, bob)
    third = relay.side(carol)
    result(relay.relay.end(third, carol.describes()))
    relay.relay.join(caller, third)
    assert [alice.says(port(caller))] == carol.heard()
    assert [carol.says(port(third))] == alice.heard()
    bob.says(port(callee))
    assert (alice.heard(), bob.heard()) == ([], [])


# Bad input

PLAIN = rtp.build(bytes(160), 0, 1, 160, 1234)
BAD = {
    "nothing": b"",
    "one byte": b"\x80",
    "shorter than a header": PLAIN[:11],
    "version 1": b"\x40" + PLAIN[1:],
    "STUN": bytes([0, 1, 0, 0]) + bytes(16),
    "a payload type that nobody offered": rtp.build(bytes(160), 18, 1, 160, 1234),
    "RTCP where it was not agreed": bytes([0x80, 200, 0, 6]) + bytes(24),
    "CSRCs that are not there": b"\x8f" + PLAIN[1:40],
    "an extension that is not there": b"\x90" + PLAIN[1:12],
    "an extension that is too long": b"\x90" + PLAIN[1:12] + b"\0\0\xff\xff" + bytes(40),
    "padding of nothing": b"\xa0" + PLAIN[1:],
    "padding of more than there is": b"\xa0" + PLAIN[1:40] + b"\xff",
    "more than 2048 bytes": rtp.build(bytes(2037), 0, 1, 160, 1234),
    "the largest datagram there is": rtp.build(bytes(65000), 0, 1, 160, 1234),
}


@pytest.mark.parametrize("packet", BAD.values(), ids=BAD.keys())
def test_what_is_no_rtp_is_counted_and_goes_nowhere(relay: Loopback, alice: Phone, bob: Phone, packet: bytes) -> None:
    caller, _ = talk(relay, alice, bob)
    alice.sends(packet, port(caller).number)
    assert (bob.heard(), facts(relay, caller).garbage) == ([], 1)
    assert [alice.says(port(caller))] == bob.heard()
    alice.sends(packet, port(caller).number)
    assert (bob.heard(), facts(relay, caller).garbage, facts(relay, caller).packets_in) == ([], 2, 2)


def test_the_largest_rtp_and_such_with_all_parts_pass(relay: Loopback, alice: Phone, bob: Phone) -> None:
    caller, _ = talk(relay, alice, bob)
    whole = [
        rtp.build(bytes(2036), 0, 1, 160, 1234),
        b"\xb1" + PLAIN[1:12] + b"CSRC" + b"\0\0\0\1" + b"more" + b"sound" + b"\0\2",
        PLAIN[:12],
    ]
    for packet in whole:
        alice.sends(packet, port(caller).number)
    assert bob.heard() == whole


@pytest.mark.parametrize(
    "packet", [b"", b"\x80\xc8\0", PLAIN, b"\x80\xc8\0\1" + bytes(2050), b"\x40\xc8\0\1" + bytes(8)]
)
def test_what_is_no_rtcp_is_counted_and_goes_nowhere(relay: Loopback, alice: Phone, bob: Phone, packet: bytes) -> None:
    caller, _ = talk(relay, alice, bob)
    alice.rtcp.sendto(packet, (HOST, port(caller).number + 1))
    relay.turn()
    assert (bob.reports(), facts(relay, caller).garbage) == ([], 1)


# Whatever comes

SOURCES = st.integers(0, 3)
PACKETS = st.one_of(
    st.builds(lambda kind, step: ("rtp", kind, step), st.sampled_from([0, 8, 18]), st.sampled_from([1, 1, 1, 2, -1])),
    st.builds(lambda key, end: ("key", key, end), st.integers(0, 18), st.booleans()),
    st.builds(lambda junk: ("junk", junk, 0), st.binary(max_size=60)),
    st.builds(lambda first: ("odd", first, 0), st.integers(0x80, 0xBF)),
    st.just(("rtcp", 0, 0)),
)
STEPS = st.lists(st.tuples(SOURCES, PACKETS, st.sampled_from([0.0, 0.0, 0.125, 1.0, 3.0])), max_size=40)


@pytest.mark.skipif(not native.is_there(), reason="the native relay is not built")
@given(STEPS, st.booleans())
def test_both_do_the_same_whatever_comes(steps: list, mux: bool) -> None:
    outcomes = []
    for is_native in (False, True):
        relay = Loopback(is_native)
        try:
            outcomes.append(play(relay, steps, MUX if mux else AUDIO))
        finally:
            relay.close()
    assert outcomes[0] == outcomes[1]


def play(relay: Loopback, steps: list, lines: str) -> list:
    """Play it; what everybody heard and what is known at the end, without ports, which differ from time to time."""
    alice, bob, mallory, other = (relay.phone(host) for host in (ALICE, BOB, MALLORY, ALICE))
    caller, callee = relay.call(alice, bob, lines)
    bob.says(port(callee))
    everybody = [alice, bob, mallory, other]
    seen: list = []
    for place, (kind, value, more), pause in steps:
        phone = everybody[place]
        to = port(callee if phone is bob else caller)
        relay.turn(pause)
        if kind == "rtp":
            phone.sequence += more - 1
            phone.says(to, b"sound", value)
        elif kind == "key":
            payload = bytes([value, 0x8A if more else 10, 0, 160])
            phone.says(to, payload, 101, timestamp=phone.sequence // 4 * 4000)
        elif kind == "rtcp":
            phone.reports_to(to)
        else:
            phone.sends(value if kind == "junk" else bytes([value]) + PLAIN[1:], to.number)
        seen.append([(one.heard(), one.reports()) for one in everybody])
    names = {phone.address: place for place, phone in enumerate(everybody)}
    for side in (caller, callee):
        known = facts(relay, side)
        began = relay.turns.seconds() - known.latched_at if known.latched_at else None
        seen.append(
            [
                names.get(known.source), began, known.packets_in, known.octets_in, known.packets_out, known.octets_out,
                known.lost, round(known.jitter, 6), known.garbage, known.strange,
            ]
        )  # fmt: skip
    seen.append([one.keys for one in everybody])  # when each looks for silence differs
    return seen
