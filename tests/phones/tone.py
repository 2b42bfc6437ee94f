"""Sine tones in 16-bit mono WAV files: written for a phone to send, found again in what another recorded."""

from __future__ import annotations

import array
import math
import struct
from functools import lru_cache
from pathlib import Path

RATE = 8000
_BLOCK = 0.1
_SILENCE = 100.0
_CLEAR = 0.7
_HEAD = 44  # bytes


def write_tone(path: Path, frequency: int, seconds: int, amplitude: int = 9000) -> None:
    """Writes `seconds` of a sine; `frequency` in whole Hz, so that each second ends where the next starts."""
    turn = math.tau * frequency / RATE
    second = array.array("h", (round(amplitude * math.sin(turn * i)) for i in range(RATE)))
    samples = second.tobytes() * seconds
    head = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(samples), b"WAVE", b"fmt ", 16, 1, 1, RATE,
                       2 * RATE, 2, 16, b"data", len(samples))  # fmt: skip
    path.write_bytes(head + samples)


def tone_seconds(path: Path, frequency: int, share: float = _CLEAR, whole: bool = True) -> float:
    """Seconds of the recording, in blocks of 100 ms, in which this tone carries a share of the energy: most of it.

    :param whole: whether its header is right; else all behind one counts, at `RATE`.
    """
    rate, samples = _read(path) if whole else (RATE, _samples(path.read_bytes()[_HEAD:]))
    return seconds_in(samples, rate, frequency, share)


def seconds_in(samples: array.array[int], rate: int, frequency: int, share: float = _CLEAR) -> float:
    """The same of samples."""
    size = int(rate * _BLOCK)
    blocks = (samples[start : start + size].tobytes() for start in range(0, len(samples) - size + 1, size))
    return round(_BLOCK * sum(_share(block, frequency / rate) > share for block in blocks), 1)


def _read(path: Path) -> tuple[int, array.array[int]]:
    """Rate and samples. A phone that was killed has left the size at 0: then all that follows counts."""
    content = path.read_bytes()
    rate, at = RATE, 12
    while at + 8 <= len(content):
        name, size = struct.unpack_from("<4sI", content, at)
        at += 8
        if name == b"fmt ":
            _, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", content, at)
            assert (channels, bits) == (1, 16), f"{path} is not 16-bit mono"
        if name == b"data":
            left = len(content) - at
            size = left if size == 0 else min(size, left)
            return rate, _samples(content[at : at + size])
        at += size + size % 2
    return rate, array.array("h")


def _samples(content: bytes) -> array.array[int]:
    return array.array("h", content[: len(content) // 2 * 2])


@lru_cache(maxsize=4096)
def _share(samples: bytes, cycles: float) -> float:
    """The tone's share of a block's energy, 0 to 1 (Goertzel's recurrence); silence has none.

    Remembered, since who waits for a second of a tone looks at the same recording again and again.

    :param cycles: cycles of the tone per sample.
    """
    block = _samples(samples)
    energy = float(sum(sample * sample for sample in block))
    if energy < len(block) * _SILENCE**2:
        return 0.0
    turn = 2 * math.cos(math.tau * cycles)
    last = before = 0.0
    for sample in block:
        last, before = sample + turn * last - before, last
    return 2 * (last * last + before * before - turn * last * before) / (len(block) * energy)
