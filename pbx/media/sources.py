"""What a player can play: clips one after the other, one clip again and again, or what is handed over as it comes."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Protocol

from twisted.internet.defer import Deferred, succeed

from pbx.media.clip import FRAME, Clip
from pbx.media.g711 import Law

AHEAD = 10  # frames that may wait: enough for whoever computes them, and little enough to be interrupted


class Source(Protocol):
    """Where sound comes from, 20 ms at a time."""

    def frame(self, law: Law) -> bytes | None:
        """The next frame in G.711 of this law; b"" when there is nothing to hear now; None when it is over."""


class Sequel:
    """Clips one after the other, once."""

    __slots__ = ("_clips", "_place")

    def __init__(self, clips: Sequence[Clip]) -> None:
        self._clips = deque(clips)
        self._place = 0

    def frame(self, law: Law) -> bytes | None:
        """The next frame; None after the last clip."""
        while self._clips:
            frames = self._clips[0].frames(law)
            if self._place < len(frames):
                self._place += 1
                return frames[self._place - 1]
            self._clips.popleft()
            self._place = 0
        return None


class Loop:
    """A clip again and again."""

    __slots__ = ("_clip", "_place")

    def __init__(self, clip: Clip) -> None:
        self._clip = clip
        self._place = 0

    def frame(self, law: Law) -> bytes | None:
        """The next frame; None only for a clip without sound."""
        frames = self._clip.frames(law)
        if not frames:
            return None
        self._place = self._place % len(frames) + 1
        return frames[self._place - 1]


class Live:
    """What is handed over while it plays, in order.

    :param law: of what is handed over.
    """

    __slots__ = ("_frames", "_law", "_rest", "_room")

    def __init__(self, law: Law) -> None:
        self._law = law
        self._frames: deque[bytes] = deque()
        self._rest = b""
        self._room: list[Deferred[None]] = []

    def add(self, sound: bytes) -> Deferred[None]:
        """Hand over more, in pieces of any length. Fires when so little waits that it is time for the next piece."""
        sound = self._rest + sound
        whole = len(sound) - len(sound) % FRAME
        self._frames.extend([sound[place : place + FRAME] for place in range(0, whole, FRAME)])
        self._rest = sound[whole:]
        if len(self._frames) <= AHEAD:
            return succeed(None)
        room: Deferred[None] = Deferred()
        self._room.append(room)
        return room

    def frame(self, law: Law) -> bytes | None:
        """The next frame; b"" while none is there."""
        if not self._frames:
            return b""
        frame = self._law.translate(self._frames.popleft(), law)
        if self._room and len(self._frames) <= AHEAD:
            waiting, self._room = self._room, []
            for room in waiting:
                room.callback(None)
        return frame
