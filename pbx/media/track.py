"""A track: sound put where its RTP timestamps say. What was lost or never sent is silence; what comes late still finds
its place while that has not been taken.
"""

from __future__ import annotations

from pbx.media import rtp
from pbx.media.g711 import RATE, ULAW

_SILENCE = bytes([ULAW.silence])


class Track:
    """What comes from one direction, until it is taken.

    :param reach: seconds by which a packet may be earlier or later than its timestamp says. One that is further away is
        where it came, and those after it follow: another source, a clock that runs differently, or a lie.
    """

    __slots__ = ("_offset", "_reach", "_sound", "_ssrc", "_start")

    def __init__(self, reach: float) -> None:
        self._reach = round(reach * RATE)
        self._sound = bytearray()
        self._start = 0  # where it begins, in samples
        self._ssrc: int | None = None
        self._offset = 0  # from timestamps to samples

    def add(self, header: rtp.Header, sound: bytes, now: int) -> None:
        """Sound came.

        :param sound: mu-law.
        :param now: the sample at which we are.
        """
        # A timestamp wraps around (RFC 3550 section 5.1): only the difference counts.
        place = self._place(header.timestamp) if header.ssrc == self._ssrc else None
        if place is None or abs(place + len(sound) - now) > self._reach:
            self._ssrc = header.ssrc
            place = max(0, now - len(sound))
            self._offset = place - header.timestamp
        place -= self._start
        if place < 0:
            sound = sound[-place:]
            place = 0
        if place > len(self._sound):
            self._sound.extend(_SILENCE * (place - len(self._sound)))
        self._sound[place : place + len(sound)] = sound

    def take(self, end: int) -> bytes:
        """What is there up to a sample, and no longer waits; silence where nothing came."""
        length = end - self._start
        taken = bytes(self._sound[:length]).ljust(length, _SILENCE)
        del self._sound[:length]
        self._start = end
        return taken

    def _place(self, timestamp: int) -> int:
        place = timestamp + self._offset - self._start & 0xFFFFFFFF
        return self._start + (place - (1 << 32) if place >= 1 << 31 else place)
