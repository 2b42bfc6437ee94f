from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from pbx.media.errors import NoPorts
from pbx.media.sockets import SPARE, MediaSockets, Pair
from tests.media.loopback import HOST, Tape, Turns, heard

PORTS = range(20900, 21000)


@pytest.fixture
def few(turns: Turns) -> Iterator[MediaSockets]:
    """Of these, more than two rest before one of them is taken again, and no more than four do."""
    sockets = MediaSockets(turns, PORTS, most_resting=4)
    yield sockets
    sockets.close()


def rested(sockets: MediaSockets, pairs: int) -> list[Pair]:
    """So many pairs that have been released, the first one first."""
    opened = [sockets.open(HOST, Tape()) for _ in range(pairs)]
    for pair in opened:
        pair.close()
    return opened


def is_bound(number: int) -> bool:
    """Whether anybody has this port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        try:
            other.bind((HOST, number))
        except OSError:
            return True
    return False


def test_the_pair_that_has_rested_longest_is_taken_and_hears_for_its_new_owner(
    few: MediaSockets, turns: Turns, phone: socket.socket
) -> None:
    rested(few, 3)
    assert few.in_use == 0
    tape = Tape()
    pair = few.open(HOST, tape)
    assert (pair.number, few.in_use) == (20900, 2)
    phone.sendto(b"sound", (HOST, 20900))
    phone.sendto(b"report", (HOST, 20901))
    turns.turn()
    assert [packet for packet, _ in tape.rtp + tape.rtcp] == [b"sound", b"report"]
    pair.rtp.sendto(b"answer", phone.getsockname())
    assert heard(phone) == [b"answer"]
    other = few.open(HOST, Tape())
    assert other.number == 20906  # the two that rest have not done so for long
    pair.close()
    other.close()


def test_no_more_rest_than_may(few: MediaSockets) -> None:
    rested(few, 6)
    assert [is_bound(number) for number in range(20900, 20912, 2)] == [True] * 4 + [False] * 2


def descriptors() -> int:
    """How many this process has."""
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("above", [0, 1])
def test_who_sends_to_a_pair_that_rests_has_it_closed(
    few: MediaSockets, turns: Turns, phone: socket.socket, above: int
) -> None:
    rested(few, 4)
    phone.sendto(b"late", (HOST, 20900 + above))
    turns.turn()
    assert [is_bound(number) for number in (20900, 20901, 20902)] == [False, False, True]
    pair = few.open(HOST, Tape())
    assert pair.number == 20902
    pair.close()


def test_where_ports_are_scarce_none_rests() -> None:
    sockets = MediaSockets(Turns(), range(20900, 20906), most_resting=100)
    rested(sockets, 3)
    pairs = [sockets.open(HOST, Tape()) for _ in range(3)]
    assert sorted(pair.number for pair in pairs) == [20900, 20902, 20904]
    with pytest.raises(NoPorts):
        sockets.open(HOST, Tape())
    for pair in pairs:
        pair.close()
    sockets.close()


def test_where_descriptors_are_scarce_none_rests_at_any_address() -> None:
    sockets = MediaSockets(Turns(), PORTS)
    highest = (pair := sockets.open("127.0.0.2", Tape())).rtcp.fileno()
    pair.close()
    sockets.close()
    sockets = MediaSockets(Turns(), PORTS, most_files=highest + 1 + SPARE)
    sockets.open("127.0.0.2", Tape()).close()
    pair = sockets.open(HOST, Tape())
    pair.close()
    sockets.close()


def test_pairs_that_rest_leave_most_descriptors_to_others_whatever_the_number_of_addresses() -> None:
    sockets = MediaSockets(Turns(), PORTS)
    highest = (first := sockets.open(HOST, Tape())).rtcp.fileno()
    first.close()
    sockets.close()
    sockets = MediaSockets(Turns(), PORTS, most_files=highest + 80 + SPARE)
    before = descriptors()
    pairs = [sockets.open(host, Tape()) for host in (HOST, "127.0.0.2", "127.0.0.3") for _ in range(12)]
    for pair in pairs:
        pair.close()
    assert 0 < descriptors() - before <= (highest + 80 + SPARE) // 4
    sockets.close()


def test_what_rests_is_closed_with_the_reader_and_what_is_released_after_it_too(few: MediaSockets) -> None:
    rested(few, 2)
    late = few.open(HOST, Tape())
    few.close()
    late.close()
    assert not any(is_bound(number) for number in range(20900, 20906))
