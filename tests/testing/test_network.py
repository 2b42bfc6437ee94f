from __future__ import annotations

import pytest

from pbx.testing.clock import VirtualClock
from pbx.testing.network import LATE, Address, Network

HERE, THERE = ("10.0.0.1", 5060), ("10.0.0.2", 5060)


class Pair:
    """Two sockets, one of which writes down what arrives and when."""

    def __init__(self, **faults) -> None:
        self.clock = VirtualClock(now=0.0)
        self.network = Network(self.clock, **faults)
        self.here, self.there = self.network.bind(*HERE), self.network.bind(*THERE)
        self.arrived: list[tuple[float, bytes, Address]] = []
        self.there.receiver = lambda packet, source: self.arrived.append((self.clock.seconds(), packet, source))

    def sends(self, *packets: bytes) -> list[bytes]:
        for packet in packets:
            self.here.sendto(packet, THERE)
        self.clock.advance(1)
        return [packet for _, packet, _ in self.arrived]

    @property
    def fates(self) -> list[str]:
        return [datagram.fate for datagram in self.network.sent]


def test_datagram_arrives_later_with_its_source():
    pair = Pair(delay=0.25)
    assert pair.sends(b"one") == [b"one"]
    assert pair.arrived == [(0.25, b"one", HERE)]
    assert pair.fates == ["delivered"]


def test_exactly_the_nth_is_lost():
    pair = Pair(lose={1})
    assert pair.sends(b"0", b"1", b"2") == [b"0", b"2"]
    assert pair.fates == ["delivered", "lost", "delivered"]


def test_exactly_the_nth_arrives_twice():
    pair = Pair(double={0})
    assert sorted(pair.sends(b"0", b"1")) == [b"0", b"0", b"1"]
    assert pair.fates == ["doubled", "delivered"]


def test_exactly_the_nth_is_overtaken():
    pair = Pair(overtake={0})
    assert pair.sends(b"0", b"1") == [b"1", b"0"]
    assert pair.arrived[1][0] == LATE
    assert pair.fates == ["overtaken", "delivered"]


def test_only_counted_datagrams_are_counted():
    pair = Pair(lose={0}, counted=lambda packet: packet != b"sound")
    assert pair.sends(b"sound", b"0", b"sound", b"1") == [b"sound", b"sound", b"1"]
    assert pair.network.count == 2


def test_random_loss_is_the_same_in_every_run():
    packets = [bytes([number]) for number in range(200)]
    first, second, other = (Pair(loss=0.5, seed=seed).sends(*packets) for seed in (7, 7, 8))
    assert first == second != other
    assert 50 < len(first) < 150


def test_datagram_to_nobody_is_gone():
    pair = Pair()
    pair.there.close()
    assert pair.sends(b"0") == []
    assert pair.fates == ["nobody there"]


def test_socket_that_closes_while_a_datagram_is_under_way_does_not_get_it():
    pair = Pair()
    pair.here.sendto(b"0", THERE)
    pair.there.close()
    pair.clock.advance(1)
    assert pair.arrived == []


def test_address_is_taken_until_it_is_released():
    pair = Pair()
    with pytest.raises(OSError, match="taken"):
        pair.network.bind(*HERE)
    assert pair.network.bound == [HERE, THERE]
    pair.here.close()
    assert pair.network.bound == [THERE]
    assert pair.network.bind(*HERE).getsockname() == HERE


def test_what_is_sent_is_not_changed_by_the_sender_afterwards():
    pair = Pair()
    packet = bytearray(b"one")
    pair.here.sendto(packet, THERE)
    packet[:] = b"two"
    pair.clock.advance(1)
    assert pair.arrived[0][1] == b"one"


def test_ladder_shows_all_that_was_sent_and_what_became_of_it():
    pair = Pair(lose={1})
    pair.sends(b"INVITE sip:x SIP/2.0\r\n\r\n")
    pair.sends(b"SIP/2.0 200 OK\r\n\r\n")
    assert pair.network.ladder().splitlines() == [
        "    0.000 10.0.0.1:5060 > 10.0.0.2:5060 INVITE sip:x SIP/2.0",
        "    1.000 10.0.0.1:5060 > 10.0.0.2:5060 SIP/2.0 200 OK (lost)",
    ]
    assert Pair().network.ladder() == ""


INVITE = b"INVITE sip:1002@10.0.0.2 SIP/2.0\r\nCSeq: 1 INVITE\r\n\r\n"
BUSY = b"SIP/2.0 486 Busy Here\r\nCall-ID: x\r\ncseq : 1  INVITE\r\n\r\n"


@pytest.mark.parametrize(
    ("packet", "kind"),
    [(INVITE, "INVITE"), (BUSY, "486 INVITE"), (b"", ""), (b"\x80\x00sound", ""), (b"SIP/2.0 486 Busy Here", "486 ")],
)
def test_datagram_knows_what_it_is(packet, kind):
    pair = Pair()
    pair.sends(packet)
    assert pair.network.sent[0].kind == kind


def test_next_of_a_kind_are_lost():
    pair = Pair()
    pair.network.loses("INVITE", times=2)
    assert pair.sends(INVITE, BUSY, INVITE, INVITE) == [BUSY, INVITE]
    assert pair.fates == ["lost", "delivered", "lost", "delivered"]


def test_all_of_a_kind_are_lost_when_none_is_said():
    pair = Pair()
    pair.network.loses("486 INVITE", times=None)
    assert pair.sends(BUSY, INVITE, BUSY) == [INVITE]


def test_only_what_comes_from_there_and_goes_there_is_lost():
    pair = Pair()
    pair.network.loses("INVITE", source=THERE[0])
    pair.network.loses("INVITE", target=HERE[0])
    pair.network.loses("486 INVITE", source=HERE[0], target=THERE[0])
    assert pair.sends(INVITE, BUSY) == [INVITE]


def test_faults_begin_where_counting_begins_again():
    pair = Pair(lose={0, 3})
    assert pair.sends(b"0", b"1") == [b"1"]
    pair.network.count_again(double={1})
    assert pair.sends(b"2", b"3", b"4") == [b"1", b"2", b"3", b"4", b"3"]
    assert pair.network.count == 3


def test_nat_hides_the_address_that_its_owner_knows():
    pair = Pair()
    phone = pair.network.bind("203.0.113.9", 45060, inside=("192.168.1.2", 5060))
    phone.sendto(b"hello", THERE)
    pair.clock.advance(1)
    assert phone.getsockname() == ("192.168.1.2", 5060)
    assert pair.arrived[0][2] == ("203.0.113.9", 45060)


def test_closed_socket_sends_nothing():
    pair = Pair()
    pair.here.close()
    assert pair.sends(b"0") == []
    assert pair.network.sent == []
