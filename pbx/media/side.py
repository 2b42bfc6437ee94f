"""A side: the media of one SIP session, that is, the ports that face one phone and what that phone was told of them.

A stream's port is opened when the stream is offered and stays until it is refused or removed, whatever the side is
connected to meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from pbx.media.agreement import agreement
from pbx.media.beat import Beat
from pbx.media.echo import Echo
from pbx.media.errors import NoPorts
from pbx.media.g711 import LAWS
from pbx.media.keying import NO_SRTP, Maker, Terms
from pbx.media.keys import Keys
from pbx.media.port import Port, Sockets, Tap
from pbx.media.rtp import Address
from pbx.media.splice import press, way_to
from pbx.media.stream import Stream
from pbx.media.telephone_event import NONE
from pbx.media.voice import Voice
from pbx.sip.sdp import Media, SessionDescription, serialise
from pbx.sip.timers import Clock


class StreamFacts(NamedTuple):
    """What is known of one stream of one side: for the call's record, and for whoever asks why nobody hears anything.

    :param kind: "audio" or "video".
    :param port: our RTP port that faces this phone.
    :param signalled: where SDP said that it receives RTP; None when it named no IP address.
    :param source: where its RTP comes from; None when none has come.
    :param latched_at: when the first came from there, in the clock's seconds; 0 when none has come.
    :param packets_in: RTP packets that came from the phone.
    :param octets_in: their octets, headers included.
    :param packets_out: RTP packets sent to it.
    :param octets_out: their octets, headers included.
    :param lost: RTP packets that the sequence numbers of those that came show to be missing.
    :param jitter: interarrival jitter of what came, in seconds (RFC 3550 section 6.4.1).
    :param heard_at: when the last RTP came, in the clock's seconds; 0 when none has.
    :param garbage: datagrams that were neither RTP nor RTCP, or of a payload type that nobody offered.
    :param strange: RTP and RTCP from addresses that are not the phone's.
    :param codec: the first that its description names of those agreed upon, in lower case; "" when not known.
    """

    kind: str
    port: int
    signalled: Address | None
    source: Address | None
    latched_at: float
    packets_in: int
    octets_in: int
    packets_out: int
    octets_out: int
    lost: int
    jitter: float
    heard_at: float
    garbage: int
    strange: int
    codec: str = ""


class SideUser(Protocol):
    """Whom a side tells of its phone: the call."""

    def key_received(self, side: Side, key: str) -> None:
        """A key was pressed (RFC 4733), one of `pbx.media.dtmf.KEYS`. Once for each; not where it comes by INFO."""

    def fell_silent(self, side: Side, facts: StreamFacts) -> None:
        """The phone should be sending this stream, and nothing came for a while."""

    def heard_again(self, side: Side, facts: StreamFacts) -> None:
        """That silence is over."""


class Offer:
    """The last offer that was made to a side.

    :ivar offerer: the side that made it; None when it is our own.
    :ivar sdp: as that side wrote it.
    :ivar streams: its streams; those that an answer refused are no longer active.
    :ivar forwarded: whether another relay has it.
    :ivar pending: whether it is neither answered nor withdrawn. An answered one is kept: the answer may come again.
    """

    __slots__ = ("forwarded", "offerer", "pending", "sdp", "streams")

    def __init__(self, offerer: Side | None, streams: Sequence[Stream], sdp: bytes = b"") -> None:
        self.offerer = offerer
        self.sdp = sdp
        self.streams = streams
        self.pending = True
        self.forwarded = False


class Side:
    """One SIP session's media. Made and changed by the relay alone; others keep it and hand it back.

    :param sockets: where ports come from.
    :param clock: the time.
    :param host: the local address that its ports are bound to.
    :param shown_host: the address of ours that this phone sends to.
    :param signalling_host: the host from which this phone's SIP comes, "" when not known.
    :param session: the session id for o= (RFC 8866 section 5.2).
    :param srtp: what of SRTP there may be with this phone.
    :ivar ports: by the m-line's position; None where a stream is refused.
    :ivar other: the side that it is connected to: itself for an echo, None for nobody.
    :ivar offer: the last offer made to it.
    :ivar open_offers: how many pending offers it has made or been made.
    :ivar said: the description that this phone gave last, of those that were agreed upon.
    :ivar shown: the description that this phone saw last.
    :ivar user: whom it tells of its phone; None when nobody wants to know.
    :ivar voice: our own end of its sound, while we are that; None otherwise.
    :ivar talks: its calls at another relay, the present one last (`pbx.media.rtpengine`).
    :ivar tap: who listens in on its sound; None for nobody. See `listen_in`.
    :ivar may_inform: whether its phone says that it takes INFO; set by who knows.
    """

    __slots__ = (
        "_clock",
        "_host",
        "_pressed",
        "_session",
        "_shown_host",
        "_signalling_host",
        "_sockets",
        "_version",
        "closed",
        "may_inform",
        "offer",
        "open_offers",
        "other",
        "ports",
        "said",
        "shown",
        "srtp",
        "talks",
        "tap",
        "user",
        "voice",
    )  # fmt: skip

    def __init__(
        self,
        sockets: Sockets,
        clock: Clock,
        host: str,
        shown_host: str,
        signalling_host: str,
        session: int,
        srtp: Terms = NO_SRTP,
    ) -> None:
        self.srtp = srtp
        self.talks: list[Any] = []
        self.ports: list[Port | None] = []
        self.other: Side | None = None
        self.offer: Offer | None = None
        self.open_offers = 0
        self.closed = False
        self.said = b""
        self.shown = b""
        self.user: SideUser | None = None
        self.voice: Voice | None = None
        self.tap: Tap | None = None
        self.may_inform = False
        self._pressed: Keys | None = None
        self._sockets = sockets
        self._clock = clock
        self._host = host
        self._shown_host = shown_host
        self._signalling_host = signalling_host
        self._session = session
        self._version = 1

    def __repr__(self) -> str:
        return f"<side {self._session}: {'closed' if self.closed else self.ports}>"

    def reserve(self, streams: Sequence[Stream]) -> None:
        """Open a port for each active stream that has none.

        :raises NoPorts: when one cannot be had; none is opened then.
        """
        ports = self.ports
        ports.extend([None] * (len(streams) - len(ports)))
        try:
            for place, stream in enumerate(streams):
                if stream.active and ports[place] is None:
                    ports[place] = port = Port(
                        stream.kind, self._sockets, self._host, self._clock, self._signalling_host
                    )
                    port.user = self
                    if stream.kind == "audio" and self.tap is not None:
                        port.tap = self.tap
        except NoPorts:
            self.trim()
            raise

    def agree(self, own: Sequence[Stream], theirs: Sequence[Stream]) -> None:
        """Offer and answer agree. The ports of streams that are refused now are released.

        :param own: what this side's phone said of each stream.
        :param theirs: what it was told, by the other phone or by us.
        """
        ipv6 = ":" in self._host
        refused = len(self.ports) > len(own)
        for port, mine, other in zip(self.ports, own, theirs, strict=False):
            if port is None:
                continue
            if not (mine.active and other.active):
                port.agreed, refused = False, True
                continue
            is_srtp = mine.passes or mine.sealed is not None
            if is_srtp or port.is_srtp:
                port.agree_keys(mine.sealed, is_srtp)
            # What this side is bound to cannot send to an address of the other IP family.
            rtp, rtcp = mine.rtp, mine.rtcp
            port.agree(
                rtp if rtp is not None and (":" in rtp[0]) == ipv6 else None,
                rtcp if rtcp is not None and (":" in rtcp[0]) == ipv6 else None,
                agreement(
                    mine.formats, mine.codecs, mine.known, other.formats, other.codecs, other.known, mine.informs,
                    mine.passes,
                ),
                mux=mine.mux,
                sends=mine.sends,
                hears=mine.hears,
            )  # fmt: skip
        if self._pressed is not None:
            self._pressed.forget()
        if self.voice is not None and not self.voice.port.agreed:
            self.silence()
        if refused:
            self.trim()

    def maker(self, place: int, random: Callable[[int], bytes]) -> Maker:
        """Who makes our keys for the stream at this place.

        :param random: makes so many octets.
        """
        port = self.ports[place] if place < len(self.ports) else None
        return lambda suite: port.key(suite, random) if port is not None else b""

    def is_srtp(self, place: int) -> bool:
        """Whether the stream at this place is SRTP already."""
        port = self.ports[place] if place < len(self.ports) else None
        return port is not None and port.agreed and port.is_srtp

    def trim(self) -> None:
        """Release the ports of streams that are not agreed upon, unless a pending offer may still want them."""
        if self.open_offers == 0 and not self.closed:
            for place, port in enumerate(self.ports):
                if port is not None and not port.agreed:
                    port.close()
                    self.ports[place] = None

    def show(self, lines: Sequence[Media], elsewhere: str = "") -> bytes:
        """The description with these m-lines at our ports, for this phone.

        The o-line's version rises whenever the text differs from what the phone saw last (RFC 3264 section 8).

        :param elsewhere: the host of another relay, whose ports the lines name already; "" for ours.
        """
        if not elsewhere:
            for line, port in zip(lines, self.ports, strict=False):
                if line.port and port is not None:
                    line.port = port.number
        host = elsewhere or self._shown_host
        where = f"IN {'IP6' if ':' in host else 'IP4'} {host}"
        origin = f"- {self._session} {self._version} {where}"
        told = SessionDescription(origin, "-", where, ("t=0 0",), tuple(lines))
        text = serialise(told)
        if self.shown and text != self.shown:
            self._version += 1
            told.origin = f"- {self._session} {self._version} {where}"
            text = serialise(told)
        self.shown = text
        return text

    def speak(self, beat: Beat, ssrc: int, voice: Voice | None = None) -> Voice | None:
        """Be the other end of this phone's sound ourselves, in place of whomever it was connected to.

        The voice that is there already stays. None when no audio is agreed upon that we can speak.

        :param beat: when the voice speaks, with 32 random bits as `ssrc`.
        :param voice: one that spoke to somebody else (`release`), and is to speak to this phone in place of any other.
        """
        if voice is not None:
            self.silence()
        if self.voice is None:
            port = next((port for port in self.ports if port and port.agreed and port.kind == "audio"), None)
            if port is None or port.speech is None:
                return None
            self.part()
            if voice is not None:
                voice.move(port, self._keys)
            self.voice = voice or Voice(port, beat, ssrc, self._keys)
        return self.voice if self.voice.port.speech is not None else None

    def listen_in(self, tap: Tap | None) -> None:
        """Let somebody listen in on what this phone says and hears, whatever it is connected to; None ends that.

        From now on it agrees with others upon G.711 alone, where that is possible: nothing else could be listened to.
        """
        self.tap = tap
        for port in self.ports:
            if port is not None and port.kind == "audio":
                port.tap = tap

    def release(self) -> Voice | None:
        """Let our end of its sound go, as it is, to speak to another phone; None when we are not that end."""
        voice, self.voice = self.voice, None
        if voice is not None:
            voice.leave()
        return voice

    def silence(self) -> None:
        """Be it no longer. No harm if we are not."""
        voice, self.voice = self.voice, None
        if voice is not None:
            voice.close()

    def join(self, other: Side) -> None:
        """What comes in at this side goes out at the other, stream by stream, and back. The other may be itself."""
        for one in (self, other):
            if one.voice is not None:
                one.silence()
            if one.other is not None:
                one.part()
        self.other, other.other = other, self
        for mine, theirs in zip(self.ports, other.ports, strict=False):
            if mine is None or theirs is None or not (mine.agreed and theirs.agreed):
                continue
            if mine is theirs:
                mine.sink = Echo(mine)
            elif mine.kind == theirs.kind:
                for port, source in ((theirs, mine), (mine, theirs)):
                    alike = port.names == source.names and not port.informs and port.splice is None
                    source.sink = port if alike else way_to(port, source, self._clock)

    def rejoin(self) -> None:
        """Connect again what it is connected to, since its ports have changed."""
        if self.other is not None:
            self.join(self.other)

    def part(self) -> None:
        """Connect it to nobody."""
        if self.other is not None:
            for port in self.ports + self.other.ports:
                if port is not None:
                    port.sink = None
            self.other.other = None
            self.other = None

    @property
    def _keys(self) -> Keys:
        """Those of its phone, in whatever form it tells of them."""
        if self._pressed is None:
            self._pressed = Keys()
        return self._pressed

    @property
    def tag(self) -> str:
        """What another relay may call it."""
        return str(self._session)

    @property
    def is_holding(self) -> bool:
        """Whether its phone has agreed to sound, and does not want to hear any now."""
        ports = [port for port in self.ports if port is not None and port.agreed and port.kind == "audio"]
        return bool(ports) and not any(port.hears for port in ports)

    def is_silent(self, before: float) -> bool:
        """Whether its phone should be sending sound, and the last that came, came before a moment.

        :param before: in the clock's seconds.
        """
        for port in self.ports:
            if port is not None and port.agreed and port.kind == "audio" and port.sends:
                port.recall()
                return port.heard_at < before
        return False

    @property
    def is_ipv6(self) -> bool:
        """Whether its phone is reached over IPv6."""
        return ":" in self._host

    def leave(self) -> None:
        """Its phone is at another relay now: our ports are of no use to it."""
        self.silence()
        self.part()
        for port in self.ports:
            if port is not None:
                port.agreed = False
        self.trim()

    @property
    def informs(self) -> bool:
        """Whether its phone is to be told by INFO of the keys that the other phone tells of in RTP."""
        return any(port is not None and port.agreed and port.informs for port in self.ports)

    def press(self, key: str, beat: Beat, ssrc: int) -> bool:
        """Put a key into the sound that goes to the side that this one is connected to; see `Relay.press`."""
        if self.other is None or self.other is self:
            return False
        for mine, theirs in zip(self.ports, self.other.ports, strict=False):
            if mine is not None and theirs is not None and mine.agreed and theirs.agreed and mine.kind == "audio":
                return press(mine, theirs, key, self._clock, beat, ssrc)
        return False

    def informed(self, key: str) -> bool:
        """The phone told by INFO of a key. Returns whether that counts: not where it tells of keys in another form."""
        for port in self.ports:
            if port is not None and port.agreed and port.kind == "audio":
                port.recall()
                if port.events.timestamp != NONE:
                    self._keys.came_in_rtp()
        counts = bool(self._keys.informed(key))
        if counts and self.voice is not None:
            self.voice.press(key)
        return counts

    def key_received(self, port: Port, key: str) -> None:
        """A key was pressed."""
        if not self._keys.told(key):
            return
        if self.voice is not None and port is self.voice.port:
            self.voice.press(key)
        if self.user is not None:
            self.user.key_received(self, key)

    def fell_silent(self, port: Port) -> None:
        """The phone should be sending this stream, and nothing came for a while."""
        if self.user is not None:
            self.user.fell_silent(self, *self.statistics(port))

    def heard_again(self, port: Port) -> None:
        """That silence is over."""
        if self.user is not None:
            self.user.heard_again(self, *self.statistics(port))

    def statistics(self, *of: Port) -> tuple[StreamFacts, ...]:
        """The facts of each stream that it has, or had when it was closed.

        :param of: the ports of some of them; none for all.
        """
        facts = []
        for port in of or self.ports:
            if port is not None:
                if not self.closed:
                    port.recall()
                latch, reception, names = port.latch, port.reception, port.names
                heard_at, codec = port.heard_at if port.packets_in else 0.0, names[0][1] if names else _spoken(port)
                facts.append(StreamFacts(
                    port.kind, port.number, latch.signalled, latch.source, latch.since, port.packets_in, port.octets_in,
                    port.packets_out, port.octets_out, reception.lost, reception.jitter, heard_at,
                    port.garbage, port.strange, codec,
                ))  # fmt: skip
        return tuple(facts)


def _spoken(port: Port) -> str:
    """What a phone sends that has named nothing, as far as we speak to it ourselves."""
    if port.speech is None or port.sink is not None:
        return ""
    return next((name for name, law in LAWS.items() if law is port.speech.law), "")
