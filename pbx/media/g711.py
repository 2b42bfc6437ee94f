"""G.711: sound of 8000 samples a second in one byte each, mu-law and A-law (ITU-T G.711). Two tables for each law.

PCM is signed 16 bit in the byte order of this machine, as `array("h")` holds it.
"""

from __future__ import annotations

from array import array

RATE = 8000  # samples, and so bytes, a second
_SIGN = 0x80


class Law:
    """One of the two laws.

    :param name: its encoding name in lower case (RFC 3551 section 4.5.14).
    :param levels: for the codes 0 to 127, from quiet to loud: the 16-bit amplitude that a code stands for, and half of
        the step that it covers.
    :param inversion: with what the law inverts the bits of a positive code; a negative one differs in the sign bit.
    :ivar silence: the code of the amplitude nearest to zero.
    :ivar nothing: 20 ms of it.
    """

    __slots__ = ("_decoded", "_encoded", "_loudness", "_translations", "name", "nothing", "silence")

    def __init__(self, name: str, levels: list[tuple[int, int]], inversion: int) -> None:
        self.name = name
        upwards = b""
        self._decoded = array("h", bytes(512))
        for code, (level, half) in enumerate(levels):
            code ^= inversion
            upwards += bytes([code]) * (level + half - len(upwards))
            self._decoded[code] = level
            self._decoded[code ^ _SIGN] = -level
        # The index is the sample's 16 bits taken as unsigned: 0 to 32767, then -32768 to -1.
        upwards = upwards.ljust(32768, upwards[-1:])
        self._encoded = upwards + bytes([code ^ _SIGN for code in reversed(upwards)])
        self.silence = upwards[0]
        self.nothing = bytes([self.silence]) * (RATE // 50)
        self._loudness = bytes([abs(level) >> 7 for level in self._decoded])
        self._translations: dict[Law, bytes] = {}

    def encode(self, pcm: bytes) -> bytes:
        """PCM, two bytes a sample, to G.711, one byte a sample."""
        return bytes(map(self._encoded.__getitem__, memoryview(pcm).cast("H")))

    def decode(self, sound: bytes) -> bytes:
        """G.711 to PCM."""
        return array("h", map(self._decoded.__getitem__, sound)).tobytes()

    def translate(self, sound: bytes, other: Law) -> bytes:
        """G.711 of this law to that of another; faster than by way of PCM."""
        if other is self:
            return sound
        table = self._translations.get(other)
        if table is None:
            table = self._translations[other] = other.encode(self.decode(bytes(range(256))))
        return sound.translate(table)

    def loudness(self, sound: bytes) -> float:
        """The mean amplitude of some sound, on the scale of PCM: 0 to 32767."""
        return 128 * sum(sound.translate(self._loudness)) / len(sound) if sound else 0.0

    def __repr__(self) -> str:
        return f"<{self.name}>"


# Eight segments of sixteen steps; a step is twice as wide in each segment, in A-law's second as in its first.
ULAW = Law(
    "pcmu", [((8 * step + 132 << segment) - 132, 4 << segment) for segment in range(8) for step in range(16)], 0xFF
)
ALAW = Law(
    "pcma",
    [(16 * step + 8, 8) for step in range(16)]
    + [(16 * step + 264 << segment, 8 << segment) for segment in range(7) for step in range(16)],
    0xD5,
)
LAWS = {law.name: law for law in (ULAW, ALAW)}
