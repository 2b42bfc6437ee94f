"""A player: says what a source gives, as RTP, a packet of 20 ms at each beat (RFC 3550, RFC 3551 4.1).

Sequence numbers count packets and timestamps count time, whatever is said: so the phone knows a pause from a loss.
While there is nothing to say, one frame of silence a second keeps the way through NATs open, and the phone's patience.
"""

from __future__ import annotations

import struct

from twisted.internet.defer import Deferred

from pbx.media.beat import Beat
from pbx.media.clip import FRAME
from pbx.media.port import Port
from pbx.media.sources import Source

SIGN_OF_LIFE = 50  # beats between two packets while there is nothing to say
_HEAD = struct.Struct("!BBHII")


class Player:
    """Our own voice in one stream. It plays one source at a time.

    :param port: the port that faces the phone.
    :param beat: when it speaks.
    :param ssrc: the synchronisation source; sequence and timestamp begin at random places, which it gives as well.
    """

    __slots__ = ("_beat", "_over", "_port", "_quiet", "_sequence", "_source", "_ssrc", "_timestamp")

    def __init__(self, port: Port, beat: Beat, ssrc: int) -> None:
        self._port = port
        self._beat = beat
        self._ssrc = ssrc
        self._sequence = ssrc >> 3 & 0x7FFF
        self._timestamp = ssrc * 2654435761 & 0xFFFFFFFF
        self._quiet = SIGN_OF_LIFE - 1  # beats since the last packet; the first beat says that we are there
        self._source: Source | None = None
        self._over: Deferred[None] | None = None
        beat.join(self)

    def __repr__(self) -> str:
        return f"<player at {self._port}{', playing' if self._source is not None else ''}>"

    @property
    def source(self) -> Source | None:
        """What it plays; None for nothing."""
        return self._source

    def play(self, source: Source) -> Deferred[None]:
        """Play a source from the next beat on, in place of what is played now. Fires when it is over or was stopped."""
        self.stop()
        self._source = source
        over = self._over = Deferred()
        return over

    def stop(self) -> None:
        """Play no more of it. No harm when there is nothing."""
        self._source = None
        over, self._over = self._over, None
        if over is not None:
            over.callback(None)

    def move(self, port: Port) -> None:
        """Go on at another port."""
        self._port = port
        self._quiet = SIGN_OF_LIFE - 1

    def close(self) -> None:
        """Say nothing any more. Who waits for the end of something waits for ever."""
        self._beat.leave(self)
        self._source = self._over = None

    def beat(self, skipped: int) -> None:
        """The next 20 ms."""
        self._timestamp = self._timestamp + FRAME * (skipped + 1) & 0xFFFFFFFF
        speech = self._port.speech
        if speech is None or not (self._port.hears and self._port.agreed):
            return  # on hold (RFC 3264 section 8.4), or on its way to another port: what is left to say waits
        frame: bytes | None = b""
        while self._source is not None:
            frame = self._source.frame(speech.law)
            if frame is not None:
                break
            frame = b""
            self.stop()  # who waited for that may have begun the next one
        self._quiet += 1
        if not frame:
            if self._quiet < SIGN_OF_LIFE:
                return
            frame = speech.law.nothing
        second = speech.payload_type
        if self._quiet > 1 or skipped:
            second |= 0x80  # the marker: the first packet after a silence
        self._quiet = 0
        self._sequence = self._sequence + 1 & 0xFFFF
        self._port.send_rtp(_HEAD.pack(0x80, second, self._sequence, self._timestamp, self._ssrc) + frame)
