"""A splice: where keys are put into one phone's stream on its way to another phone, or taken out of it (RFC 4733).

The receiver sees one source, no number twice and no gap: whatever goes in or out moves the sequence numbers of all that
comes after it. While a key is put in, the sound beside it is left out, as by a phone that presses one.

Who tells of keys by INFO is heard in that form alone: if the same phone tells in RTP as well, those are taken out.
"""

from __future__ import annotations

import struct
from collections import deque

from pbx.media import rtp
from pbx.media.beat import Beat
from pbx.media.g711 import RATE
from pbx.media.port import Port, Sink
from pbx.media.renumbering import sink_to
from pbx.media.rtp import Packet
from pbx.media.telephone_event import NONE, payload
from pbx.sip.timers import Clock

MOST_KEYS = 32  # that wait for their turn
GROWING = 5  # packets that say how long the key is down so far: 100 ms
ENDS = 3  # packets that say that it is up (RFC 4733 section 2.5.1.4)
KEY = 10  # beats from one key to the next
_BEATS = 50  # a second
_LATE = 100  # a packet so much behind the newest is a new beginning
_LONG = 1 << 30
_LONGEST = 0xFFFF  # duration that can be said (RFC 4733 section 2.3.5), whatever rate a phone has written
_PLACE = struct.Struct("!HII")  # sequence number, timestamp, SSRC
_NUMBER = struct.Struct("!H")


class Numbering:
    """The sequence numbers of one source as its receiver sees them.

    :ivar ssrc: the source; -1 before there is one.
    """

    __slots__ = ("_newest", "_settled", "_shift", "ssrc")

    def __init__(self) -> None:
        self.begin(NONE, 0)

    def begin(self, ssrc: int, newest: int) -> None:
        """Another source begins, or one that has passed by so far.

        :param newest: its last sequence number.
        """
        self.ssrc = ssrc
        self._newest = newest & 0xFFFF
        self._shift = 0
        self._settled = _LONG  # by how many the newest is after the last that went in or out

    def passes(self, sequence: int) -> int | None:
        """The number under which a packet goes on; None for one that comes so late that its place is taken."""
        ahead = self._ahead(sequence)
        if ahead > 0:
            self._newest = sequence
            self._settled += ahead
        elif -ahead >= self._settled:
            return None
        return sequence + self._shift & 0xFFFF

    def takes(self, sequence: int) -> None:
        """A packet does not go on, nor what was lost before it."""
        ahead = self._ahead(sequence)
        if ahead > 0:
            self._newest = sequence
            self._shift -= ahead
            self._settled = 0

    def inserts(self) -> int:
        """The number of a packet that goes in."""
        self._shift += 1
        self._settled = 0
        return self._newest + self._shift & 0xFFFF

    def _ahead(self, sequence: int) -> int:
        ahead = sequence - self._newest & 0xFFFF
        return ahead - 0x10000 if ahead > 0xFFFF - _LATE else ahead


class Splice:
    """The sink of a port whose phone's keys are converted for another phone.

    :param source: the port.
    :param port: the port that faces the other phone.
    :param clock: the time.
    :ivar takes: whether the source's own events are taken out.
    """

    __slots__ = (
        "_beat", "_clock", "_due", "_keys", "_numbering", "_place", "_port", "_sink", "_timestamp", "source", "takes",
    )  # fmt: skip

    def __init__(self, source: Port, port: Port, clock: Clock) -> None:
        self.source = source
        self._port = port
        self._clock = clock
        self._beat: Beat | None = None
        self._numbering = Numbering()
        self._keys: deque[str] = deque()
        self._place = 0  # beats since the first key of these went down; 0 where none is
        self._timestamp = 0  # of that key
        self._due = 0  # before which no other may begin
        self.agree()

    def agree(self) -> None:
        """Offer and answer agree anew."""
        self.takes = self._port.informs
        self._sink = sink_to(self._port, self.source.names, self._port.names)

    def press(self, key: str, beat: Beat, ssrc: int) -> bool:
        """Put a key into the stream, after those that wait. False when they are too many.

        :param key: one of `pbx.media.dtmf.KEYS`.
        :param beat: when its packets go.
        :param ssrc: 32 random bits, for a source that has not sent anything yet.
        """
        if len(self._keys) >= MOST_KEYS:
            return False
        self.takes = True
        self._keys.append(key)
        if self._numbering.ssrc == NONE and self.source.reception.ssrc == NONE:
            self._numbering.begin(ssrc, ssrc >> 3 & 0x7FFF)
        if self._beat is None:
            self._beat = beat
            beat.join(self)
        return True

    def close(self) -> None:
        """Nothing goes this way any more."""
        self._keys.clear()
        self._rest()

    def beat(self, skipped: int) -> None:
        """The next packet of a key, or of the pause after it."""
        port = self._port
        if self.source.sink is not self or not port.agreed or not port.hears or port.pad == NONE:
            self.close()  # the two are not connected any more, or not in that way
            return
        if self._place == 0:
            self._begin()
        self._place += 1
        if self._place <= GROWING - 1 + ENDS:
            self._say(self._keys[0], self._place)
        elif self._place >= KEY:
            self._keys.popleft()
            self._place = 0
            if not self._keys:
                self._rest()

    # What the source's port tells (pbx.media.port.Sink)

    def send_rtp(self, packet: Packet) -> None:
        """Pass a packet on, or leave it out."""
        numbering = self._numbering
        sequence, _, ssrc = _PLACE.unpack_from(packet, 2)
        if 0 < self._place <= GROWING - 1 + ENDS:
            if ssrc == numbering.ssrc:
                numbering.takes(sequence)
            return
        if ssrc != numbering.ssrc:
            numbering.begin(ssrc, sequence - 1)
            self._due = 0
        if self.takes and packet[1] in self.source.formats.keys:
            numbering.takes(sequence)
            return
        number = numbering.passes(sequence)
        if number is not None:
            self._sink.send_rtp(packet if number == sequence else _numbered(packet, number))

    def send_rtcp(self, packet: Packet) -> None:
        """Reports go on as they are; the sender's counts differ by the packets that went in or out."""
        self._sink.send_rtcp(packet)

    # Inside

    def _begin(self) -> None:
        """The next key goes down now: after the last sound of the source by as much as has passed since (RFC 4733
        section 2.2.1)."""
        reception, now = self.source.reception, self._clock.seconds()
        if reception.ssrc not in (NONE, self._numbering.ssrc):
            self._numbering.begin(reception.ssrc, reception.expected - 1)
            self._due = 0
        rate = self._rate
        timestamp = int(now * rate)
        if reception.arrived:
            timestamp = reception.timestamp + max(rate // _BEATS, int((now - reception.arrived) * rate))
        if self._due and timestamp - self._due & 0x80000000:
            timestamp = self._due
        self._timestamp = timestamp & 0xFFFFFFFF
        self._due = timestamp + KEY * rate // _BEATS & 0xFFFFFFFF

    def _say(self, key: str, place: int) -> None:
        duration = min(min(place, GROWING) * self._rate // _BEATS, _LONGEST)
        number, numbering = self._numbering.inserts(), self._numbering
        said = payload(key, duration, is_end=place >= GROWING)
        packet = rtp.build(said, self._port.pad, number, self._timestamp, numbering.ssrc, marker=place == 1)
        self._port.send_rtp(packet)

    @property
    def _rate(self) -> int:
        """By which timestamps count: as those of the sound do (RFC 4733 section 2.1)."""
        return self.source.reception.rate or RATE

    def _rest(self) -> None:
        self._place = 0
        beat, self._beat = self._beat, None
        if beat is not None:
            beat.leave(self)


def way_to(port: Port, source: Port, clock: Clock) -> Sink:
    """What passes a port's packets on to another port: the splice that is there already, since its receiver counts on;
    a new one where keys have to be taken out; the port itself where nothing has to change."""
    splice = port.splice
    if splice is not None and splice.source is source:
        splice.agree()
        return splice
    if splice is not None:
        splice.close()
        port.splice = None
    if port.informs:
        port.splice = Splice(source, port, clock)
        return port.splice
    return sink_to(port, source.names, port.names)


def press(source: Port, port: Port, key: str, clock: Clock, beat: Beat, ssrc: int) -> bool:
    """Put a key into what goes from one port to another. False where the phone there takes none in RTP now.

    :param key: one of `pbx.media.dtmf.KEYS`.
    :param ssrc: 32 random bits.
    """
    if port.pad == NONE or not port.hears:
        return False
    if not isinstance(source.sink, Splice):
        port.splice = Splice(source, port, clock)
        source.sink = port.splice
    return port.splice is not None and port.splice.press(key, beat, ssrc)


def _numbered(packet: Packet, number: int) -> bytes:
    numbered = bytearray(packet)
    _NUMBER.pack_into(numbered, 2, number)
    return bytes(numbered)
