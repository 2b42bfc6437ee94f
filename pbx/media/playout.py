"""The playout of what a phone says: even frames of 20 ms, one at each beat.

It is 60 ms late, so that packets which the network delays or reorders find their place; what is missing is silence.
"""

from __future__ import annotations

from pbx.media import rtp
from pbx.media.clip import FRAME, FRAME_TIME
from pbx.media.g711 import ULAW, Law
from pbx.media.track import Track

DELAY = 3  # frames


class Playout:
    """What one phone says (`pbx.media.voice.Ear`), from now on."""

    __slots__ = ("_now", "_track")

    def __init__(self) -> None:
        self._track = Track((DELAY - 1) * FRAME_TIME)  # what is later still would be cut
        self._now = DELAY * FRAME

    def heard(self, law: Law, sound: bytes, header: rtp.Header) -> None:
        """A packet came."""
        self._track.add(header, law.translate(sound, ULAW), self._now)

    def next(self) -> bytes:
        """The next frame of mu-law."""
        self._now += FRAME
        return self._track.take(self._now - DELAY * FRAME)
