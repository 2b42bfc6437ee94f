"""Sound files that tests write, and how much of a tone there is in a sound."""

from __future__ import annotations

import io
import math
import struct
import wave
from array import array


def written(rate: int, channels: int = 1, width: int = 2, seconds: float = 0.5) -> bytes:
    """A file by the standard library, with a tone of 440 Hz in all channels."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(width)
        writer.setframerate(rate)
        for at in range(int(rate * seconds)):
            sample = round(9000 * math.sin(2 * math.pi * 440 * at / rate))
            one = struct.pack("<h", sample) if width == 2 else bytes([128 + (sample >> 8)])
            writer.writeframesraw(one * channels)
    return file.getvalue()


def amplitude(pcm: bytes, frequency: float) -> float:
    """How much of a frequency there is in some PCM."""
    samples = array("h", pcm)
    angles = [2 * math.pi * frequency * at / 8000 for at in range(len(samples))]
    real = sum(sample * math.cos(angle) for sample, angle in zip(samples, angles, strict=True))
    imaginary = sum(sample * math.sin(angle) for sample, angle in zip(samples, angles, strict=True))
    return 2 * math.hypot(real, imaginary) / len(samples)
