from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.media import rtp
from pbx.media.agreement import Agreement
from pbx.media.formats import formats
from pbx.media.port import Port
from pbx.media.rtp import Packet
from pbx.testing.clock import VirtualClock
from tests.media.network import HOST, Network, Phone

ALICE = "198.51.100.1"
MALLORY = "203.0.113.66"
PCMU = Agreement(formats(("0", "101")))


class Tape:
    """A sink that keeps everything."""

    def __init__(self) -> None:
        self.rtp: list[bytes] = []
        self.rtcp: list[bytes] = []

    def send_rtp(self, packet: Packet) -> None:
        self.rtp.append(bytes(packet))

    def send_rtcp(self, packet: Packet) -> None:
        self.rtcp.append(bytes(packet))


class Bench:
    """One agreed port, a phone that is signalled, and a tape behind the port."""

    def __init__(self) -> None:
        self.network, self.clock, self.tape = Network(), VirtualClock(), Tape()
        self.phone = Phone(self.network, ALICE, 4000)
        self.port = Port("audio", self.network, HOST, self.clock, "203.0.113.5")
        self.port.agree(self.phone.rtp, self.phone.rtcp, PCMU)
        self.port.sink = self.tape


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_rtp_and_rtcp_go_to_the_sink(bench: Bench) -> None:
    assert [bench.phone.says(bench.port), bench.phone.says(bench.port)] == bench.tape.rtp
    assert [bench.phone.reports_to(bench.port)] == bench.tape.rtcp
    assert (bench.port.packets_in, bench.port.octets_in) == (2, 34)


def test_before_agreement_nothing_comes_in_and_nothing_latches(bench: Bench) -> None:
    port = Port("audio", bench.network, HOST, bench.clock, "")
    port.sink = bench.tape
    bench.phone.says(port)
    bench.phone.reports_to(port)
    assert (bench.tape.rtp, bench.tape.rtcp, port.latch.source, port.garbage) == ([], [], None, 2)


def test_packets_for_the_phone_go_where_signalling_says_until_it_sends(bench: Bench) -> None:
    bench.port.send_rtp(b"one")
    nat = Phone(bench.network, "203.0.113.5", 61000)
    nat.says(bench.port)
    bench.port.send_rtp(b"two")
    assert (bench.phone.heard, nat.heard) == ([b"one"], [b"two"])
    assert (bench.port.packets_out, bench.port.octets_out) == (2, 6)


def test_without_any_address_packets_are_lost(bench: Bench) -> None:
    port = Port("audio", bench.network, HOST, bench.clock, "")
    port.agree(None, None, PCMU)
    port.send_rtp(b"nobody")
    port.send_rtcp(b"nobody")
    assert port.packets_out == 0


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"\x80\x00" + bytes(9),  # shorter than a header
        b"\x40\x00" + bytes(160),  # version 1
        b"\x00\x01" + bytes(18),  # STUN
        b"\x80\x08" + bytes(160),  # PCMA, which nobody offered
        b"\x80\xc8" + bytes(26),  # RTCP
        b"\x80\x00" + bytes(rtp.LARGEST),
    ],
)
def test_what_is_not_the_streams_rtp_is_counted_and_does_not_latch(bench: Bench, packet: bytes) -> None:
    bench.network.deliver(packet, (MALLORY, 666), (HOST, bench.port.number))
    assert (bench.port.garbage, bench.port.packets_in, bench.port.latch.source, bench.tape.rtp) == (1, 0, None, [])


@pytest.mark.parametrize("packet", [b"", b"\x80\xc8", b"\x80\x00" + bytes(160), b"\x80\xc8" + bytes(rtp.LARGEST)])
def test_what_is_not_rtcp_is_counted(bench: Bench, packet: bytes) -> None:
    bench.network.deliver(packet, bench.phone.rtcp, (HOST, bench.port.number + 1))
    assert (bench.port.garbage, bench.tape.rtcp) == (1, [])


def test_a_strangers_rtp_is_counted_and_not_heard(bench: Bench) -> None:
    bench.phone.says(bench.port)
    bench.phone.says(bench.port, b"evil", (MALLORY, 666))
    bench.port.send_rtp(b"private")
    assert (len(bench.tape.rtp), bench.port.strange, bench.port.packets_in) == (1, 1, 1)
    assert bench.phone.heard == [b"private"]


def test_rtcp_is_taken_from_the_host_of_the_rtp_alone(bench: Bench) -> None:
    nat = Phone(bench.network, "203.0.113.5", 61000)
    nat.says(bench.port)
    nat.reports_to(bench.port, (MALLORY, 667))
    assert (bench.tape.rtcp, bench.port.strange) == ([], 1)
    nat.reports_to(bench.port, ("203.0.113.5", 62345))
    assert len(bench.tape.rtcp) == 1


def test_rtcp_may_come_from_the_signalled_address_before_any_rtp(bench: Bench) -> None:
    bench.phone.reports_to(bench.port)
    assert len(bench.tape.rtcp) == 1
    assert bench.port.latch.source is None


def test_rtcp_for_the_phone_goes_beside_its_rtp_until_it_reports(bench: Bench) -> None:
    bench.port.send_rtcp(b"signalled")
    nat = Phone(bench.network, "203.0.113.5", 61000)
    nat.says(bench.port)
    bench.port.send_rtcp(b"beside")
    elsewhere = Phone(bench.network, "203.0.113.5", 62345)
    nat.reports_to(bench.port, elsewhere.rtp)
    bench.port.send_rtcp(b"learned")
    assert (bench.phone.reports, nat.reports, elsewhere.heard) == ([b"signalled"], [b"beside"], [b"learned"])


def test_rtcp_follows_when_the_rtp_moves(bench: Bench) -> None:
    bench.phone.says(bench.port)
    bench.phone.reports_to(bench.port)
    moved = Phone(bench.network, "198.51.100.2", 5000)
    bench.port.agree(moved.rtp, moved.rtcp, PCMU)
    bench.port.send_rtcp(b"moved")
    assert (bench.phone.reports, moved.reports) == ([], [b"moved"])


def test_hold_that_names_no_address_keeps_the_last_one(bench: Bench) -> None:
    bench.phone.says(bench.port)
    bench.port.agree(None, None, PCMU)
    bench.port.send_rtp(b"still here")
    assert (bench.phone.heard, bench.port.latch.source) == ([b"still here"], bench.phone.rtp)


def test_what_the_kernel_refuses_to_send_is_lost_without_a_word(bench: Bench) -> None:
    bench.port.close()
    bench.port.send_rtp(b"late")
    bench.port.send_rtcp(b"late")
    assert bench.port.packets_out == 0


@pytest.mark.parametrize(
    ("sequences", "lost"),
    [
        ([5, 6, 7], 0),
        ([65534, 65535, 0, 1], 0),
        ([5, 8], 2),
        ([5, 8, 6, 9], 1),  # one came late
        ([5, 8, 6, 7, 9], 0),
        ([5, 5, 6], 0),  # doubled
        ([5, 40000, 40001], 0),  # a new beginning
        ([5, 7, 40000, 40002], 2),
    ],
)
def test_lost_packets_are_counted_by_their_sequence(bench: Bench, sequences: list[int], lost: int) -> None:
    for sequence in sequences:
        packet = rtp.build(b"", 0, sequence, 0, 1)
        bench.network.deliver(packet, bench.phone.rtp, (HOST, bench.port.number))
    assert bench.port.reception.lost == lost


def test_a_new_source_begins_a_new_count_of_lost_packets(bench: Bench) -> None:
    nat = Phone(bench.network, "203.0.113.5", 61000)
    nat.says(bench.port)
    bench.phone.sequence = 100
    bench.phone.says(bench.port)  # the signalled address, within the window
    assert (bench.port.latch.source, bench.port.reception.lost) == (bench.phone.rtp, 0)


SOURCES = st.sampled_from([(ALICE, 4000), (ALICE, 4001), (ALICE, 65535), (MALLORY, 666), ("2001:db8::1", 5, 0, 0)])


@given(
    st.lists(st.tuples(st.booleans(), st.binary(max_size=40) | st.just(b"\x80\x00" + bytes(20)), SOURCES), max_size=30)
)
def test_no_datagram_is_an_error(datagrams: list[tuple[bool, bytes, tuple[str, int]]]) -> None:
    bench = Bench()
    for is_rtp, packet, source in datagrams:
        bench.network.deliver(packet, source, (HOST, bench.port.number + (not is_rtp)))
        bench.port.send_rtp(packet)
        bench.port.send_rtcp(packet)
    taken = bench.port.packets_in + len(bench.tape.rtcp)
    assert taken + bench.port.garbage + bench.port.strange == len(datagrams)


def test_what_a_closed_port_sends_does_not_leave_by_its_pair_that_somebody_else_may_have(bench: Bench) -> None:
    bench.phone.says(bench.port)
    pair = bench.port.pair
    bench.port.close()
    bench.network.receivers[pair.rtp.address] = bench.network.receivers[pair.rtcp.address] = lambda *packet: None
    bench.port.send_rtp(bench.phone.says(bench.port))
    bench.port.send_rtcp(b"\x80\xc9\x00\x01abcd")
    bench.port.close()
    assert (bench.phone.heard, bench.phone.reports) == ([], [])
