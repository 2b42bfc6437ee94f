"""A clip: sound of a known length, ready to be sent: G.711 of either law in frames of 20 ms, cut once for everybody."""

from __future__ import annotations

from pbx.media.g711 import RATE, ULAW, Law

FRAME = 160  # samples, and so bytes
FRAME_TIME = FRAME / RATE  # seconds


class Clip:
    """Some sound that never changes.

    :param sound: mu-law.
    """

    __slots__ = ("_frames", "sound")

    def __init__(self, sound: bytes) -> None:
        self.sound = sound
        self._frames: dict[Law, tuple[bytes, ...]] = {}

    @property
    def seconds(self) -> float:
        """How long it is."""
        return len(self.sound) / RATE

    def frames(self, law: Law) -> tuple[bytes, ...]:
        """Its frames; the last one is filled with silence."""
        frames = self._frames.get(law)
        if frames is None:
            sound = ULAW.translate(self.sound, law)
            filled = sound + bytes([law.silence]) * (-len(sound) % FRAME)
            frames = tuple([filled[place : place + FRAME] for place in range(0, len(filled), FRAME)])
            self._frames[law] = frames
        return frames

    def __repr__(self) -> str:
        return f"<clip of {self.seconds:.2f} s>"


def from_pcm(pcm: bytes) -> Clip:
    """Make a clip of PCM, 8000 samples a second."""
    return Clip(ULAW.encode(pcm))
