"""A port: one m-line's RTP and RTCP sockets, facing one phone. What is valid and from that phone goes to the sink.

Checks come in the order of their price: form, then source. RTCP follows RTP: only the host that RTP goes to may
send it, and that host is believed about the port.
"""

from __future__ import annotations

from typing import Protocol

from pbx.media.latch import Latch
from pbx.media.rtp import LARGEST, SMALLEST_RTP, Address, Packet, is_rtcp
from pbx.sip.timers import Clock

_MAX_DROPOUT = 3000  # a larger step in the sequence is a new beginning
_MAX_MISORDER = 100  # a packet so much late was counted as lost


class Socket(Protocol):
    """A bound UDP socket."""

    def sendto(self, packet: Packet, address: Address, /) -> int:
        """Send at once. Raises OSError when the kernel refuses: the packet is lost."""


class Pair(Protocol):
    """An even port for RTP and the odd one above it for RTCP (RFC 3550 section 11), open until closed."""

    @property
    def number(self) -> int:
        """RTP's port number."""

    @property
    def rtp(self) -> Socket: ...
    @property
    def rtcp(self) -> Socket: ...

    def close(self) -> None:
        """Release both. Nothing is received afterwards."""


class Sockets(Protocol):
    """Where pairs come from."""

    @property
    def in_use(self) -> int:
        """UDP ports bound at present."""

    def open(self, host: str, receiver: Port) -> Pair:
        """Bind a pair to a local address. What arrives is told to `receiver`, in a buffer that is then used again.

        :raises NoPorts: when none is left.
        """


class Sink(Protocol):
    """What a port passes its packets to: another port, an echo, later a recorder or a mixer."""

    def send_rtp(self, packet: Packet) -> None: ...
    def send_rtcp(self, packet: Packet) -> None: ...


class Port:
    """One side's end of one stream.

    :param kind: "audio" or "video".
    :param sockets: where the pair is opened, at once.
    :param host: the local address to bind.
    :param clock: the time.
    :param signalling_host: the host from which this phone's SIP comes, "" when not known.
    :raises NoPorts: when no pair is left.
    :ivar number: RTP's port number, for SDP.
    :ivar agreed: whether the stream is agreed upon; until then nothing is received and nothing sent.
    :ivar sink: where valid packets go; None drops them.
    :ivar latch: whom RTP comes from.
    :ivar packets_in: valid RTP packets that came from the phone.
    :ivar octets_in: their octets, headers included.
    :ivar packets_out: RTP packets sent to the phone.
    :ivar octets_out: their octets, headers included.
    :ivar lost: RTP packets that the sequence numbers of those that came show to be missing.
    :ivar garbage: datagrams that were not RTP, or of a payload type that nobody offered.
    :ivar strange: valid RTP from addresses that the latch keeps out.
    """

    __slots__ = (
        "_expected", "_pair", "_rtcp_signalled", "_rtcp_source", "_second_bytes", "agreed", "garbage", "kind", "latch",
        "lost", "number", "octets_in", "octets_out", "packets_in", "packets_out", "sink", "strange",
    )  # fmt: skip

    def __init__(self, kind: str, sockets: Sockets, host: str, clock: Clock, signalling_host: str) -> None:
        self.kind = kind
        self.latch = Latch(clock, signalling_host)
        self.agreed = False
        self.sink: Sink | None = None
        self.packets_in = self.octets_in = self.packets_out = self.octets_out = 0
        self.garbage = self.lost = self.strange = 0
        self._expected: int | None = None
        self._rtcp_signalled: Address | None = None
        self._rtcp_source: Address | None = None
        self._second_bytes: frozenset[int] = frozenset()
        self._pair = sockets.open(host, self)
        self.number = self._pair.number

    def __repr__(self) -> str:
        source = self.latch.source
        return f"<{self.kind} port {self.number}, {f'latched to {source[0]}:{source[1]}' if source else 'open'}>"

    def agree(self, rtp: Address | None, rtcp: Address | None, second_bytes: frozenset[int]) -> None:
        """Offer and answer agree on this stream.

        :param rtp: where the phone wants RTP; None leaves it where it was.
        :param rtcp: where it wants RTCP; None leaves it where it was.
        :param second_bytes: what the second byte of its packets may be.
        """
        self.agreed = True
        self._second_bytes = second_bytes
        if rtp is not None:
            self.latch.signal(rtp)
        if rtcp is not None and rtcp != self._rtcp_signalled:
            self._rtcp_signalled, self._rtcp_source = rtcp, None

    def close(self) -> None:
        """Release the sockets; the counts stay readable. Once only."""
        self.agreed = False
        self.sink = None
        self._pair.close()

    def rtp_received(self, packet: Packet, source: Address) -> None:
        """A datagram came to the RTP socket."""
        size = len(packet)
        if not (SMALLEST_RTP <= size <= LARGEST and packet[0] & 0xC0 == 0x80 and packet[1] in self._second_bytes):
            self.garbage += 1
            return
        if source != self.latch.source:
            if not self.latch.admits(source, self.packets_in):
                self.strange += 1
                return
            self._rtcp_source, self._expected = None, None
        sequence = packet[2] << 8 | packet[3]
        if sequence == self._expected:
            self._expected = sequence + 1 & 0xFFFF
        else:
            self._skipped(sequence)
        self.packets_in += 1
        self.octets_in += size
        if self.sink is not None:
            self.sink.send_rtp(packet)

    def rtcp_received(self, packet: Packet, source: Address) -> None:
        """A datagram came to the RTCP socket."""
        if not (self.agreed and is_rtcp(packet) and len(packet) <= LARGEST):
            self.garbage += 1
            return
        if source != self._rtcp_source:
            target = self.latch.target
            if source != self._rtcp_signalled and (target is None or source[0] != target[0]):
                self.strange += 1
                return
            self._rtcp_source = source
        if self.sink is not None:
            self.sink.send_rtcp(packet)

    def send_rtp(self, packet: Packet) -> None:
        """Send RTP to the phone. What the kernel refuses is lost: sound is not repeated."""
        target = self.latch.source or self.latch.signalled
        if target is None:
            return
        try:
            self._pair.rtp.sendto(packet, target)
        except OSError:
            return
        self.packets_out += 1
        self.octets_out += len(packet)

    def send_rtcp(self, packet: Packet) -> None:
        """Send RTCP to the phone: where its own comes from, else where it belongs to the RTP."""
        target = self._rtcp_target()
        if target is None:
            return
        try:
            self._pair.rtcp.sendto(packet, target)
        except OSError:
            return

    def _skipped(self, sequence: int) -> None:
        """The sequence number is not the one after the last (RFC 3550 appendix A.1)."""
        ahead = 0 if self._expected is None else sequence - self._expected & 0xFFFF
        if ahead > 0xFFFF - _MAX_MISORDER:
            self.lost = max(0, self.lost - 1)
            return
        if ahead < _MAX_DROPOUT:
            self.lost += ahead
        self._expected = sequence + 1 & 0xFFFF

    def _rtcp_target(self) -> Address | None:
        if self._rtcp_source is not None:
            return self._rtcp_source
        rtp = self.latch.source
        if rtp is None or (self.latch.signalled is not None and rtp[:2] == self.latch.signalled[:2]):
            return self._rtcp_signalled
        return (rtp[0], rtp[1] + 1) if rtp[1] < 65535 else None
