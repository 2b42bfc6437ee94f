"""A port: one m-line's RTP and RTCP sockets, facing one phone. What is valid and from that phone goes to the sink.

Checks come in the order of their price: form, then source; where packets are sealed (SRTP), what the key does not open
is nobody's, and teaches us no source. RTCP follows RTP: only the host that RTP goes to may
send it, and that host is believed about the port; where the two share a port (RFC 5761), so do their sources.
A phone that names one of our own ports as its own has its packets go round in a circle, as fast as we can: whoever
sends more than any phone does is forgotten, and that is the end of the circle.

Of two ports that do nothing but pass their packets to each other, a native thread may take care: they are lent to it
with the first packet, and recalled, with all that was counted and latched, before anything here is read or changed.
"""

from __future__ import annotations

from collections.abc import Callable
from errno import EBADF
from os import strerror
from typing import Protocol

from pbx.media.agreement import Agreement
from pbx.media.beat import Beat
from pbx.media.g711 import Law
from pbx.media.latch import Latch
from pbx.media.reception import Reception
from pbx.media.rtp import LARGEST, SMALLEST_RTP, Address, Header, Packet, header, is_rtcp
from pbx.media.sdes import SUITES, Crypto
from pbx.media.srtp import Seal
from pbx.media.telephone_event import NAMES, NONE, Events
from pbx.sip.timers import Clock

FLOOD = 1024  # packets
FLOODING = 0.1  # seconds in which no phone sends so many: they go round in a circle
_NOTHING = Agreement()
_PLAIN = 0x80  # the first byte of RTP that has nothing between header and payload, and nothing after it


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

    def lend(self, port: Port, other: Port, /) -> Path | None:
        """Have a native thread pass the packets of two joined ports on, or None when there is none."""

    def close(self) -> None:
        """Release both. Nothing is received afterwards."""


class Closed:
    """A pair that is closed: it may be somebody else's by now, and what is sent is lost."""

    number = 0

    @property
    def rtp(self) -> Closed:
        """No socket."""
        return self

    rtcp = rtp

    def sendto(self, packet: Packet, address: Address, /) -> int:
        """Refuse, as the kernel does."""
        raise OSError(EBADF, strerror(EBADF))

    def lend(self, port: Port, other: Port, /) -> None:
        """There is nothing to lend."""

    def close(self) -> None:
        """It is."""


_CLOSED = Closed()


class Path(Protocol):
    """Two ports in the hands of a native thread."""

    def recall(self) -> None:
        """Take both back, with all that they have counted and learned meanwhile."""


class Sockets(Protocol):
    """Where pairs come from."""

    @property
    def in_use(self) -> int:
        """UDP ports in use at present."""

    def open(self, host: str, receiver: Port) -> Pair:
        """Bind a pair to a local address. What arrives is told to `receiver`, in a buffer that is then used again.

        :raises NoPorts: when none is left.
        """


class Sink(Protocol):
    """What a port passes its packets to: another port, an echo, a voice of our own."""

    def send_rtp(self, packet: Packet) -> None: ...
    def send_rtcp(self, packet: Packet) -> None: ...


class Splice(Sink, Protocol):
    """A sink that puts keys into a stream, or takes them out of it (`pbx.media.splice`)."""

    source: Port
    """The port whose sink it is."""

    def agree(self) -> None:
        """Offer and answer agree anew."""

    def press(self, key: str, beat: Beat, ssrc: int, /) -> bool:
        """Put a key into the stream."""

    def close(self) -> None:
        """Nothing goes this way any more."""


class Tap(Protocol):
    """Somebody who listens in on a port, in both directions; a recorder, for instance. Sound is G.711 of a law."""

    def heard(self, law: Law, sound: bytes, header: Header) -> None:
        """Sound came from the phone."""

    def said(self, law: Law, sound: bytes, header: Header) -> None:
        """Sound was sent to the phone."""


class PortUser(Protocol):
    """Whom a port tells of its phone: the side."""

    def key_received(self, port: Port, key: str) -> None:
        """A key was pressed (RFC 4733): "0" to "9", "*", "#", "A" to "D", "flash". Once for each."""

    def fell_silent(self, port: Port) -> None:
        """The phone should be sending RTP, and none came for a while."""

    def heard_again(self, port: Port) -> None:
        """The silence is over."""


class Port:
    """One side's end of one stream.

    :param kind: "audio" or "video".
    :param sockets: where the pair is opened, at once.
    :param host: the local address to bind.
    :param clock: the time.
    :param signalling_host: the host from which this phone's SIP comes, "" when not known.
    :raises NoPorts: when no pair is left.
    :ivar number: RTP's port number, for SDP.
    :ivar pair: its sockets.
    :ivar agreed: whether the stream is agreed upon; until then nothing is received and nothing sent.
    :ivar names: payload type and codec of all that the phone has named; nothing where nobody looked.
    :ivar speech: how we can speak to this phone ourselves; None when there is no G.711 in what was agreed upon.
    :ivar pad: the payload type under which this phone is told of keys (RFC 4733); -1 where it is not told in RTP.
    :ivar informs: whether it is told, and tells, by INFO, while the phone at the other end does so in RTP.
    :ivar splice: what puts keys into the stream to this phone, or takes them out of it; None where nothing has to.
    :ivar latch: whom RTP comes from.
    :ivar user: whom it tells of the phone; None when nobody wants to know.
    :ivar formats: what may come.
    :ivar mux: whether RTCP shares RTP's port (RFC 5761).
    :ivar sends: whether the phone is to send RTP.
    :ivar hears: whether it is to be sent any: not while it holds. Other phones know that, our voices ask.
    :ivar heard_at: when its last RTP came, or the first was due, in the clock's seconds.
    :ivar flooded_at: when so many packets had come that only a flood makes them in no time, in the clock's seconds.
    :ivar silent: whether `user` was told that none comes.
    :ivar reception: how well RTP came in.
    :ivar events: which keys came.
    :ivar packets_in: valid RTP packets that came from the phone.
    :ivar octets_in: their octets, headers included.
    :ivar packets_out: RTP packets sent to the phone.
    :ivar octets_out: their octets, headers included.
    :ivar garbage: datagrams that were not RTP, or of a payload type that nobody offered.
    :ivar strange: valid RTP and RTCP from addresses that are not the phone's.
    :ivar rtcp_signalled: where the phone wants RTCP.
    :ivar rtcp_source: where its RTCP comes from.
    :ivar seal: its SRTP with us; None where packets are as they are, or the keys are known to the two phones alone.
    :ivar is_srtp: whether it is SRTP, with us or with the other phone.
    """

    __slots__ = (
        "_clock", "_keys", "_path", "_peer", "_sink", "_tap", "agreed", "events", "flooded_at", "formats",
        "garbage", "heard_at", "hears", "informs", "is_srtp", "kind", "latch", "mux", "names", "number", "octets_in",
        "octets_out", "packets_in", "packets_out", "pad", "pair", "reception", "rtcp_signalled", "rtcp_source", "seal",
        "sends", "silent", "speech", "splice", "strange", "user",
    )  # fmt: skip

    def __init__(self, kind: str, sockets: Sockets, host: str, clock: Clock, signalling_host: str) -> None:
        self.kind = kind
        self.latch = Latch(clock, signalling_host)
        self.agreed = False
        self.user: PortUser | None = None
        self.formats, self.speech, self.names, self.pad, self.informs = _NOTHING
        self.splice: Splice | None = None
        self.mux = self.sends = self.silent = False
        self.hears = True
        self.heard_at = self.flooded_at = 0.0
        self.reception = Reception()
        self.events = Events()
        self.packets_in = self.octets_in = self.packets_out = self.octets_out = 0
        self.garbage = self.strange = 0
        self.rtcp_signalled: Address | None = None
        self.rtcp_source: Address | None = None
        self.seal: Seal | None = None
        self.is_srtp = False
        self._keys: dict[str, bytes] = {}
        self._clock = clock
        self._sink: Sink | None = None
        self._tap: Tap | None = None
        self._peer: Port | None = None  # the sink, while it is worth asking whether a native thread takes the two
        self._path: Path | None = None
        self.pair: Pair = sockets.open(host, self)
        self.number = self.pair.number

    def __repr__(self) -> str:
        source = self.latch.source
        return f"<{self.kind} port {self.number}, {f'latched to {source[0]}:{source[1]}' if source else 'open'}>"

    @property
    def sink(self) -> Sink | None:
        """Where valid packets go; None drops them."""
        return self._sink

    @sink.setter
    def sink(self, sink: Sink | None) -> None:
        if self._path is not None:
            self._path.recall()
        self._sink = sink
        self._peer = sink if isinstance(sink, Port) and sink is not self else None

    @property
    def tap(self) -> Tap | None:
        """Who listens in; None for nobody. No native thread takes a port that somebody listens in on."""
        return self._tap

    @tap.setter
    def tap(self, tap: Tap | None) -> None:
        self.recall()
        self._tap = tap

    def agree(
        self,
        rtp: Address | None,
        rtcp: Address | None,
        agreement: Agreement,
        *,
        mux: bool = False,
        sends: bool = True,
        hears: bool = True,
    ) -> None:
        """Offer and answer agree on this stream.

        :param rtp: where the phone wants RTP; None leaves it where it was.
        :param rtcp: where it wants RTCP; None leaves it where it was.
        :param agreement: what it may send and be sent.
        :param mux: whether RTCP shares RTP's port (RFC 5761).
        :param sends: whether it is to send RTP.
        :param hears: whether it is to be sent any.
        """
        if self._path is not None:
            self._path.recall()
        self.agreed = True
        self.formats, self.speech, self.names, self.pad, self.informs = agreement
        self.mux = mux
        if sends and not (self.sends and self.hears is hears):  # whoever held may have said nothing for long
            self.heard_at = self._clock.seconds()
        self.sends = sends
        self.hears = hears
        if rtp is not None:
            self.latch.signal(rtp)
        if rtcp is not None and rtcp != self.rtcp_signalled:
            self.rtcp_signalled, self.rtcp_source = rtcp, None

    def key(self, suite: str, random: Callable[[int], bytes]) -> bytes:
        """Our key of a suite: the same until it is given up.

        :param random: makes so many octets.
        """
        if suite not in self._keys:
            self._keys[suite] = random(SUITES[suite])
        return self._keys[suite]

    def agree_keys(self, keys: tuple[Crypto, Crypto] | None, is_srtp: bool) -> None:
        """Offer and answer agree on how packets are sealed.

        :param keys: by which we send, and by which the phone does; None for no SRTP that is ours.
        :param is_srtp: whether it is SRTP at all.
        """
        self.recall()
        self.is_srtp = is_srtp
        if self.seal is not None and (keys is None or keys[0].key != self.seal.ours.key):
            # Its indices are lost with it: used again, it would seal two packets alike (RFC 3711 section 9.1).
            self._keys.pop(self.seal.ours.suite, None)
        if keys is None:
            self.seal = None
        elif self.seal is None:
            self.seal = Seal(*keys)
        else:
            self.seal.rekey(*keys)

    def recall(self) -> None:
        """Take care of the packets here. No harm if that is so already."""
        if self._path is not None:
            self._path.recall()

    def keep(self) -> None:
        """Take care of the packets here until it is joined anew."""
        self.recall()
        self._peer = None

    def lent(self, path: Path | None) -> None:
        """A native thread has it now; None: no longer."""
        self._path = path

    def close(self) -> None:
        """Release the sockets; the counts stay readable. Once only."""
        if self._path is not None:
            self._path.recall()
        if self.splice is not None:
            self.splice.close()
        self._sink = self._peer = self._tap = self.user = self.seal = self.splice = None
        self.agreed = False
        pair, self.pair = self.pair, _CLOSED
        pair.close()

    def rtp_received(self, packet: Packet, source: Address) -> None:
        """A datagram came to the RTP socket."""
        size = len(packet)
        is_rtp = SMALLEST_RTP <= size <= LARGEST and packet[0] & 0xC0 == _PLAIN
        rate = self.formats.rates.get(packet[1]) if is_rtp else None
        if rate is not None and self.seal is not None:
            opened = self.seal.open_rtp(packet)
            if opened is None:
                self.garbage += 1
                return
            packet = opened
        if rate is None or (packet[0] != _PLAIN and header(packet) is None):
            self._other_received(packet, source)
            return
        if source != self.latch.source:
            if not self.latch.admits(source, self.packets_in, self.sends):
                self.strange += 1
                return
            self.rtcp_source = None
            self.reception.restart()
        self.heard_at = now = self._clock.seconds()
        timestamp, new = self.reception.count(packet, rate, now)
        self.packets_in = count = self.packets_in + 1
        if count % FLOOD == 0:
            if 0 <= now - self.flooded_at < FLOODING:  # less than 0: the clock was set back
                self.latch.forget()
            self.flooded_at = now
        self.octets_in += size
        if new:
            self.events.forget()
        key = self._key_of(packet, timestamp, now) if packet[1] in self.formats.keys else NONE
        if self._tap is not None:
            self._overhear(self._tap.heard, packet)
        if self._sink is not None:
            self._sink.send_rtp(packet)
            if self._peer is not None:
                self._lend(self._peer)
        if key != NONE and self.user is not None:
            self.user.key_received(self, NAMES[key])

    def rtcp_received(self, packet: Packet, source: Address) -> None:
        """A datagram came to the RTCP socket."""
        if not (self.agreed and is_rtcp(packet) and len(packet) <= LARGEST):
            self.garbage += 1
            return
        if (opened := self._opened_rtcp(packet)) is None:
            return
        if source != self.rtcp_source:
            target = self.latch.target
            if source[:2] != self.rtcp_signalled and (target is None or source[0] != target[0]):
                self.strange += 1
                return
            self.rtcp_source = source
        if self._sink is not None:
            self._sink.send_rtcp(opened)

    def send_rtp(self, packet: Packet) -> None:
        """Send RTP to the phone. What the kernel refuses is lost: sound is not repeated."""
        if self._path is not None:
            self._path.recall()
        target = self.latch.source or self.latch.signalled
        if target is None:
            return
        sealed = packet if self.seal is None else self.seal.seal_rtp(packet)
        if sealed is None:
            return
        try:
            self.pair.rtp.sendto(sealed, target)
        except OSError:
            return
        self.packets_out += 1
        self.octets_out += len(packet)
        if self._tap is not None:
            self._overhear(self._tap.said, packet)

    def send_rtcp(self, packet: Packet) -> None:
        """Send RTCP to the phone: where its own comes from, else where it belongs to the RTP."""
        if self._path is not None:
            self._path.recall()
        target = self._rtcp_target()
        sealed = packet if self.seal is None else self.seal.seal_rtcp(packet)
        if target is None or sealed is None:
            return
        try:
            (self.pair.rtp if self.mux else self.pair.rtcp).sendto(sealed, target)
        except OSError:
            return

    def time_passed(self, before: float) -> None:
        """Look whether the phone is silent.

        :param before: RTP that came before this moment came too long ago, in the clock's seconds.
        """
        silent = self.agreed and self.sends and self.heard_at < before
        if silent != self.silent:
            self.silent = silent
            if self.user is not None and self.agreed:
                (self.user.fell_silent if silent else self.user.heard_again)(self)

    def _other_received(self, packet: Packet, source: Address) -> None:
        """What came to the RTP socket is no RTP that was agreed upon; where the two share it, it may be RTCP."""
        if not (self.mux and self.agreed and is_rtcp(packet) and len(packet) <= LARGEST):
            self.garbage += 1
        elif (target := self.latch.target) is None or source[:2] != target[:2]:
            self.strange += 1
        elif self._sink is not None and (opened := self._opened_rtcp(packet)) is not None:
            self._sink.send_rtcp(opened)

    def _opened_rtcp(self, packet: Packet) -> Packet | None:
        if self.seal is None:
            return packet
        opened = self.seal.open_rtcp(packet)
        self.garbage += opened is None
        return opened

    def _overhear(self, tell: Callable[[Law, bytes, Header], None], packet: Packet) -> None:
        head = header(packet)
        law = self.speech.laws.get(head.payload_type) if head is not None and self.speech is not None else None
        if head is not None and law is not None:
            tell(law, bytes(packet[head.start : head.end]), head)

    def _key_of(self, packet: Packet, timestamp: int, now: float) -> int:
        """The key that a packet of an event presses; -1 for none."""
        head = header(packet)
        if head is None:
            return NONE
        return self.events.heard(packet[head.start : head.end], timestamp, head.marker, now)

    def _lend(self, peer: Port) -> None:
        sealed = self.seal is not None or peer.seal is not None
        tapped = self._tap is not None or peer._tap is not None
        if peer._peer is self and peer.agreed and self._path is None and not (sealed or tapped):
            path = self.pair.lend(self, peer)
            if path is None:
                self._peer = None
            else:
                self.lent(path)
                peer.lent(path)

    def _rtcp_target(self) -> Address | None:
        if self.mux:
            return self.latch.target
        if self.rtcp_source is not None:
            return self.rtcp_source
        rtp = self.latch.source
        if rtp is None or (self.latch.signalled is not None and rtp[:2] == self.latch.signalled[:2]):
            return self.rtcp_signalled
        return (rtp[0], rtp[1] + 1) if rtp[1] < 65535 else None
