from __future__ import annotations

import errno
import os
import resource
import socket
from collections.abc import Callable, Iterator
from math import cos, pi, sin
from typing import Any

import pytest
from twisted.internet.epollreactor import EPollReactor
from twisted.logger import capturedLogs, formatEvent

from pbx.media import rtp
from pbx.media.errors import NoPorts
from pbx.media.g711 import ALAW, RATE, ULAW, Law
from pbx.media.relay import Relay
from pbx.media.rtp import Address, Packet
from pbx.media.sockets import BATCH, PAUSE, QUIET, SPARE, MediaSockets
from pbx.sip.identifiers import Identifiers
from tests.counts import count
from tests.media.loopback import HOST, Tape, Turns, heard
from tests.media.network import port, result

PORTS = range(21000, 21100)


@pytest.fixture
def sockets(turns: Turns) -> Iterator[MediaSockets]:
    sockets = MediaSockets(turns, PORTS)
    yield sockets
    sockets.close()
    assert sockets.in_use == 0
    assert not turns.readers


# Ports


@pytest.mark.parametrize(
    ("ports", "numbers"),
    [
        (range(21000, 21004), [21000, 21002]),
        (range(21001, 21004), [21002]),
        (range(21000, 21003), [21000]),
        (range(21000, 21001), []),
    ],
)
def test_pairs_are_an_even_port_and_the_odd_one_above_within_the_range(ports: range, numbers: list[int]) -> None:
    sockets = MediaSockets(Turns(), ports)
    pairs = [sockets.open(HOST, Tape()) for _ in numbers]
    assert [(pair.number, pair.rtp.getsockname()[1], pair.rtcp.getsockname()[1]) for pair in pairs] == [
        (number, number, number + 1) for number in numbers
    ]
    with pytest.raises(NoPorts):
        sockets.open(HOST, Tape())
    assert sockets.in_use == 2 * len(numbers)
    for pair in pairs:
        pair.close()
    sockets.close()


def test_a_released_pair_comes_round_again_last(sockets: MediaSockets) -> None:
    numbers = []
    for _ in range(len(PORTS) // 2 + 1):
        pair = sockets.open(HOST, Tape())
        numbers.append(pair.number)
        pair.close()
    assert numbers == [*range(21000, 21100, 2), 21000]


def test_each_local_address_has_the_whole_range(sockets: MediaSockets) -> None:
    pairs = [sockets.open(host, Tape()) for host in (HOST, "127.0.0.2")]
    assert [pair.number for pair in pairs] == [21000, 21000]
    for pair in pairs:
        pair.close()


@pytest.mark.parametrize("taken", [21000, 21001])
def test_ports_that_somebody_else_has_are_passed_over(sockets: MediaSockets, taken: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind((HOST, taken))
        pair = sockets.open(HOST, Tape())
        assert pair.number == 21002
        pair.close()


def test_an_address_that_is_not_ours_has_no_ports(sockets: MediaSockets) -> None:
    with pytest.raises(NoPorts, match=r"192\.0\.2\.1"):
        sockets.open("192.0.2.1", Tape())


def test_without_descriptors_there_are_no_ports_and_nothing_is_left_open(sockets: MediaSockets) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    spare = [os.dup(0)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (spare[0] + 1, before[1]))
    try:
        with pytest.raises(OSError, match=os.strerror(errno.EMFILE)):
            while True:
                spare.append(os.dup(0))
        os.close(spare.pop())
        with pytest.raises(NoPorts, match=os.strerror(errno.EMFILE)):
            sockets.open(HOST, Tape())
        spare.append(os.dup(0))  # the one that was free, and not enough, is free again
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
        for descriptor in spare:
            os.close(descriptor)
    sockets.open(HOST, Tape()).close()


def test_the_last_descriptors_are_left_to_others_and_that_is_said_once_a_minute(turns: Turns) -> None:
    first = MediaSockets(turns, PORTS)
    highest = (pair := first.open(HOST, Tape())).rtcp.fileno()
    pair.close()
    first.close()
    sockets = MediaSockets(turns, PORTS, most_files=highest + 1 + SPARE)
    pair = sockets.open(HOST, Tape())
    with capturedLogs() as said:
        for wait in (1, QUIET - 2, 1):
            with pytest.raises(NoPorts, match=os.strerror(errno.EMFILE)):
                sockets.open(HOST, Tape())
            turns.advance(wait)
        with pytest.raises(NoPorts):
            sockets.open(HOST, Tape())
    why = f"an RTP port of {HOST} cannot be had: {os.strerror(errno.EMFILE)}"
    assert [formatEvent(event) for event in said] == [f"new calls are refused with 503: {why}"] * 2
    pair.close()
    sockets.open(HOST, Tape()).close()
    sockets.close()


def opened() -> int:
    """How many descriptors this process has."""
    return len(os.listdir("/proc/self/fd"))


def test_nothing_is_left_of_many_pairs(turns: Turns) -> None:
    before = opened()
    sockets = MediaSockets(turns, PORTS, most_resting=16)
    for _ in range(count(500, 10_000)):
        pairs = [sockets.open(HOST, Tape()) for _ in range(4)]
        for pair in pairs:
            pair.close()
    assert sockets.in_use == 0
    assert opened() <= before + 1 + 2 * 16  # an epoll set, and the sixteen pairs that rest at most
    sockets.close()
    assert opened() == before


# Packets


def test_rtp_and_rtcp_are_told_apart_by_their_sockets(
    sockets: MediaSockets, turns: Turns, phone: socket.socket
) -> None:
    tape = Tape()
    pair = sockets.open(HOST, tape)
    phone.sendto(b"sound", (HOST, pair.number))
    phone.sendto(b"report", (HOST, pair.number + 1))
    turns.turn()
    assert tape.rtp == [(b"sound", phone.getsockname())]
    assert tape.rtcp == [(b"report", phone.getsockname())]
    pair.rtp.sendto(b"answer", phone.getsockname())
    assert heard(phone) == [b"answer"]
    pair.close()


def test_ipv6_works_alike(sockets: MediaSockets, turns: Turns) -> None:
    tape = Tape()
    pair = sockets.open("::1", tape)
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as phone:
        phone.bind(("::1", 0))
        phone.sendto(b"sound", ("::1", pair.number))
        turns.turn()
        assert tape.rtp == [(b"sound", phone.getsockname())]
    pair.close()


@pytest.mark.parametrize("size", [0, 1, 1472, 65507])
def test_no_datagram_is_cut_off(sockets: MediaSockets, turns: Turns, phone: socket.socket, size: int) -> None:
    tape = Tape()
    pair = sockets.open(HOST, tape)
    phone.sendto(bytes(size), (HOST, pair.number))
    turns.turn()
    assert [len(packet) for packet, _ in tape.rtp] == [size]
    pair.close()


def test_a_flood_is_taken_in_batches(sockets: MediaSockets, turns: Turns, phone: socket.socket) -> None:
    tapes = [Tape() for _ in range(16)]
    pairs = [sockets.open(HOST, tape) for tape in tapes]
    for _ in range(40):
        for pair in pairs:
            phone.sendto(b"sound", (HOST, pair.number))
    turns.turn()
    assert sum(len(tape.rtp) for tape in tapes) == BATCH
    turns.turn()
    turns.turn()
    assert sum(len(tape.rtp) for tape in tapes) == 640
    for pair in pairs:
        pair.close()


def test_under_load_it_looks_once_a_millisecond_until_nothing_comes(
    sockets: MediaSockets, turns: Turns, phone: socket.socket
) -> None:
    tape = Tape()
    pair = sockets.open(HOST, tape)
    for seconds, taken, waits in [
        (PAUSE, 1, True),
        (PAUSE / 4, 2, False),  # the second in a quarter of a millisecond: that is load
        (PAUSE / 4, 2, False),
        (PAUSE, 4, False),
        (PAUSE, 5, False),
    ]:
        phone.sendto(b"sound", (HOST, pair.number))
        turns.turn(seconds)
        assert (len(tape.rtp), bool(turns.readers)) == (taken, waits)
    turns.turn()
    assert turns.readers
    pair.close()
    turns.turn(1)  # the next look for silence finds no port
    assert not turns.pending


def test_a_pair_closed_by_an_earlier_packet_of_the_batch_receives_nothing(
    sockets: MediaSockets, turns: Turns, phone: socket.socket
) -> None:
    class Closing(Tape):
        def rtp_received(self, packet: Packet, source: Address) -> None:
            super().rtp_received(packet, source)
            for pair in pairs:
                pair.close()

    tapes = [Closing(), Closing()]
    pairs = [sockets.open(HOST, tape) for tape in tapes]
    for pair in pairs:
        phone.sendto(b"sound", (HOST, pair.number))
    turns.turn()
    assert sorted(len(tape.rtp) for tape in tapes) == [0, 1]


def test_a_receiver_that_fails_is_cut_off_and_the_others_go_on(
    sockets: MediaSockets, turns: Turns, phone: socket.socket, logged_errors: Callable[[], list[dict[str, object]]]
) -> None:
    class Failing(Tape):
        def rtp_received(self, packet: Packet, source: Address) -> None:
            raise ZeroDivisionError

    tape = Tape()
    failing, pair = sockets.open(HOST, Failing()), sockets.open(HOST, tape)
    for _ in range(3):
        for number in (failing.number, pair.number):
            phone.sendto(b"sound", (HOST, number))
        turns.turn()
    (error,) = logged_errors()
    assert error["port"] == failing.number
    assert len(tape.rtp) == 3
    failing.close()
    pair.close()
    assert failing.rtp.fileno() == -1  # nobody else gets it


# The relay on real sockets


def description(phone: socket.socket, payload_type: int) -> bytes:
    host, number = phone.getsockname()
    head = f"v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n"
    return f"{head}m=audio {number} RTP/AVP {payload_type}\r\n".encode()


def tone(law: Law, frequency: int, packet: int) -> bytes:
    """The packet's 20 ms of a tone."""
    samples = (
        round(9000 * sin(2 * pi * frequency * sample / RATE)) for sample in range(160 * packet, 160 * packet + 160)
    )
    return law.encode(b"".join(sample.to_bytes(2, "little", signed=True) for sample in samples))


def loudest(law: Law, sound: bytes, frequencies: list[int]) -> int:
    """Which of the frequencies has most of the power (Goertzel)."""
    pcm = memoryview(law.decode(sound)).cast("h")

    def power(frequency: int) -> float:
        turn = 2 * cos(2 * pi * frequency / RATE)
        last = before = 0.0
        for sample in pcm:
            last, before = sample + turn * last - before, last
        return last * last + before * before - turn * last * before

    return max(frequencies, key=power)


class Talk:
    """A call between two phones on loopback, each of which says a tone, through the relay."""

    TONES = (440, 1000)

    def __init__(self, sockets: MediaSockets, law: Law, payload_type: int) -> None:
        self.relay = Relay(sockets, Turns(), ["PCMU", "PCMA"], Identifiers())
        self.law, self.payload_type, self.spoken = law, payload_type, 0
        self.sides = [self.relay.side(HOST, HOST), self.relay.side(HOST, HOST)]
        self.phones = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in self.sides]
        for phone in self.phones:
            phone.bind((HOST, 0))
            phone.setblocking(False)
        (caller, callee), (alice, bob) = self.sides, self.phones
        result(self.relay.offer(caller, callee, description(alice, payload_type)))
        result(self.relay.answer(callee, caller, description(bob, payload_type)))

    def speak(self) -> None:
        """Both phones say 20 ms."""
        for phone, side, frequency in zip(self.phones, self.sides, self.TONES, strict=True):
            sound = tone(self.law, frequency, self.spoken)
            packet = rtp.build(sound, self.payload_type, self.spoken, 160 * self.spoken, frequency)
            phone.sendto(packet, (HOST, port(side).number))
        self.spoken += 1

    def end(self) -> None:
        """Each phone has heard all that the other said, and nothing else."""
        for phone, frequency in zip(self.phones, reversed(self.TONES), strict=True):
            packets = heard(phone)
            phone.close()
            heads = [head for packet in packets if (head := rtp.header(packet))]
            assert [(head.ssrc, head.sequence) for head in heads] == [(frequency, n) for n in range(self.spoken)]
            sound = b"".join(packet[12:] for packet in packets)
            assert loudest(self.law, sound, [*self.TONES, 697, 1633]) == frequency
        for side in self.sides:
            assert [facts.lost for facts in result(self.relay.statistics([side]))[0]] == [0]
            self.relay.close(side)


@pytest.mark.parametrize(("law", "payload_type"), [(ULAW, 0), (ALAW, 8)])
def test_a_tone_is_heard_in_each_direction(sockets: MediaSockets, turns: Turns, law: Law, payload_type: int) -> None:
    talk = Talk(sockets, law, payload_type)
    for _ in range(50):
        talk.speak()
        turns.turn()
    turns.turn()
    talk.end()


@pytest.mark.parametrize("early", [0, 10])
def test_an_attacker_is_not_heard_and_hears_nothing(sockets: MediaSockets, turns: Turns, early: int) -> None:
    talk = Talk(sockets, ULAW, 0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as attacker:
        attacker.bind(("127.0.0.66", 0))
        attacker.setblocking(False)
        for turn in range(early + 50):
            for number in (port(side).number for side in talk.sides):
                attacker.sendto(rtp.build(tone(ULAW, 697, 0), 0, turn, 160, 666), (HOST, number))
                attacker.sendto(bytes([0x80, 203, 0, 1, 0, 0, 0, 1]), (HOST, number + 1))
            turns.turn()
            if turn >= early:
                talk.speak()
        turns.turn()
        assert heard(attacker) == []
    talk.end()


def test_it_works_in_twisteds_own_reactor(phone: socket.socket) -> None:
    reactor: Any = EPollReactor()  # type: ignore[no-untyped-call]

    class Asking(Tape):
        def rtp_received(self, packet: Packet, source: Address) -> None:
            super().rtp_received(packet, source)
            if len(self.rtp) < 100:
                reactor.callLater(0, phone.sendto, b"sound", (HOST, pair.number))
            else:
                reactor.stop()

    sockets = MediaSockets(reactor, PORTS)
    tape = Asking()
    pair = sockets.open(HOST, tape)
    phone.sendto(b"sound", (HOST, pair.number))
    reactor.run(installSignalHandlers=False)
    assert len(tape.rtp) == 100
    pair.close()
    assert sockets.in_use == 0
    sockets.close()
