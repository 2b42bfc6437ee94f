"""WAV files: sound in RIFF, read in the forms in which people have it, written in G.711.

What is read is hostile: a file that is none, one cut off or one that contradicts itself is one clear error and nothing
else. What is written stays readable whenever its writer is killed: the header always tells what is there.
"""

from __future__ import annotations

import os
import struct
import sys
from array import array
from math import cos, gcd, pi, sin
from operator import mul
from pathlib import Path
from typing import NamedTuple

from pbx.media.g711 import ALAW, RATE, ULAW, Law

LARGEST = 64 * 2**20  # bytes of a file that are read
LONGEST_RESAMPLED = 60.0  # seconds: resampling takes 1/30 of the sound's length, and a plan that is loaded waits for it
_RATES = range(4000, 192_001)
_MOST_CHUNKS = 100  # that are looked through: a file of nothing but empty chunks has millions
_STEPS = 1000  # of resampling: the fractions of a sample that are distinguished
_TAPS = 16  # on each side of a sample, at the lower of the two rates
_CUT = 0.92  # of half the lower rate passes

# wFormatTag
_PCM, _ALAW, _ULAW, _EXTENSIBLE = 1, 6, 7, 0xFFFE
_TAGS = {ULAW: _ULAW, ALAW: _ALAW}
_GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")  # of the formats that have a tag, behind that tag
_HEAD = struct.Struct("<4sI4s4sIHHIIHHH4sII4sI")
_MOST = 0xFFFFFFFF - _HEAD.size - 1


class NotWave(Exception):
    """This is no WAV file that we can read.

    :param why: a sentence for people, without a full stop.
    """

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class _Format(NamedTuple):
    tag: int
    channels: int
    rate: int
    bits: int


def read(content: bytes) -> bytes:
    """Read a WAV file, whatever its rate and channels. Returns PCM of 8000 samples a second, one channel.

    :raises NotWave: when it is none, or none that we understand.
    """
    if content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        raise NotWave("it does not begin as a WAV file does")
    form: _Format | None = None
    place = 12
    for _ in range(_MOST_CHUNKS):
        if place + 8 > len(content):
            break
        name, size = struct.unpack_from("<4sI", content, place)
        place += 8
        if name == b"fmt ":
            form = _format(content[place : place + size])
        elif name == b"data":
            if form is None:
                raise NotWave("its sound comes before its format")
            # The size may be too large, or zero, when whoever wrote it was killed: what is there counts.
            return _sound(form, content[place : place + size] if size else content[place:])
        place += size + size % 2
    raise NotWave("there is no sound in it")


def load(path: Path) -> bytes:
    """Read a WAV file from disk. Returns mu-law of 8000 samples a second, one channel: as it is there, if it is.

    :raises NotWave: as `read` does; also when it cannot be read, or is larger than `LARGEST`.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except (OSError, ValueError) as error:
        raise NotWave(getattr(error, "strerror", None) or str(error)) from None
    if len(content) > LARGEST:
        raise NotWave(f"it is larger than {LARGEST // 2**20} MiB")
    plain = header(ULAW, 1, 0)
    if content[8:40] == plain[8:40] and content[50:54] == plain[50:54]:
        (size,) = struct.unpack_from("<I", content, 54)
        return content[_HEAD.size :][: size or None]
    return ULAW.encode(read(content))


class Writer:
    """Writes one file of G.711, 8000 samples a second.

    :param path: the file; there must be none yet.
    :param channels: 1, or 2 for left and right.
    :raises OSError: when it cannot be made.
    :ivar size: bytes of sound that are in it.
    """

    __slots__ = ("_channels", "_file", "_law", "path", "size")

    def __init__(self, path: Path, law: Law = ULAW, channels: int = 1) -> None:
        self.path = path
        self.size = 0
        self._law = law
        self._channels = channels
        self._file = path.open("xb", buffering=0)
        try:
            self._write(header(law, channels, 0), 0)
        except OSError:
            self._file.close()
            path.unlink(missing_ok=True)
            raise

    @property
    def seconds(self) -> float:
        """How much sound is in the file."""
        return self.size / (RATE * self._channels)

    def append(self, sound: bytes) -> None:
        """Add sound; with two channels left and right take turns.

        :raises OSError: when the disk is full, for example. What was in the file before is still in it.
        """
        if self.size + len(sound) > _MOST:
            raise OSError(27, os.strerror(27), str(self.path))
        self._write(sound, _HEAD.size + self.size)
        self._resize(self.size + len(sound))

    def cut(self, seconds: float) -> None:
        """Drop all that comes after so many seconds."""
        size = min(self.size, int(seconds * RATE) * self._channels)
        self._resize(size)
        self._file.truncate(_HEAD.size + size)

    def close(self) -> None:
        """Finish the file. Again does no harm."""
        self._file.close()

    def _resize(self, size: int) -> None:
        self._write(header(self._law, self._channels, size), 0)
        self.size = size

    def _write(self, content: bytes, place: int) -> None:
        view = memoryview(content)
        while view:
            done = os.pwrite(self._file.fileno(), view, place)
            view, place = view[done:], place + done


def header(law: Law, channels: int, size: int) -> bytes:
    """What stands before so many bytes of G.711 in a WAV file."""
    return _HEAD.pack(
        b"RIFF", _HEAD.size - 8 + size, b"WAVE",
        b"fmt ", 18, _TAGS[law], channels, RATE, RATE * channels, channels, 8, 0,
        b"fact", 4, size // channels, b"data", size,
    )  # fmt: skip


def _format(chunk: bytes) -> _Format:
    if len(chunk) < 16:
        raise NotWave("its format is cut off")
    tag, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", chunk)
    if tag == _EXTENSIBLE:
        if len(chunk) < 40 or chunk[26:40] != _GUID_TAIL:
            raise NotWave("its format is extensible, and none that we know")
        (tag,) = struct.unpack_from("<H", chunk, 24)
    known = (tag == _PCM and bits in (8, 16)) or (tag in (_ALAW, _ULAW) and bits == 8)
    if not known:
        raise NotWave(f"its format is {tag} with {bits} bits; known are PCM of 8 or 16 bits, mu-law and A-law")
    if not 1 <= channels <= 8:
        raise NotWave(f"it has {channels} channels")
    if rate not in _RATES:
        raise NotWave(f"it has {rate} samples a second")
    return _Format(tag, channels, rate, bits)


def _sound(form: _Format, content: bytes) -> bytes:
    width = form.channels * form.bits // 8
    content = content[: len(content) - len(content) % width]
    if not content:
        raise NotWave("there is no sound in it")
    samples = array("h")
    if form.tag != _PCM:
        samples.frombytes((ULAW if form.tag == _ULAW else ALAW).decode(content))
    elif form.bits == 8:
        samples = array("h", [(sample - 128) << 8 for sample in content])
    else:
        samples.frombytes(content)
        if sys.byteorder == "big":
            samples.byteswap()
    if form.channels > 1:
        several = [samples[channel :: form.channels] for channel in range(form.channels)]
        samples = array("h", [sum(each) // form.channels for each in zip(*several, strict=True)])
    if form.rate != RATE:
        samples = _resampled(samples, form.rate)
    return samples.tobytes()


def _resampled(samples: array[int], rate: int) -> array[int]:
    """The same sound at 8000 samples a second: a windowed sinc, one table for each fraction of a sample."""
    common = gcd(rate, RATE)
    up, down = RATE // common, rate // common
    if up > _STEPS or len(samples) > LONGEST_RESAMPLED * rate:
        raise NotWave(
            f"it has {rate} samples a second and cannot be converted here; convert it to 8000 with another program"
        )
    share = _CUT * min(1.0, RATE / rate)
    reach = int(_TAPS / min(1.0, RATE / rate))
    tables = [_table(step / up, reach, share) for step in range(up)]
    padding = array("h", bytes(2 * reach))
    padded = padding + samples + padding
    result = array("h")
    for number in range(len(samples) * up // down):
        first, step = divmod(number * down, up)
        value = sum(map(mul, tables[step], padded[first + 1 : first + 2 * reach + 1]))
        result.append(max(-32768, min(32767, round(value))))
    return result


def _table(fraction: float, reach: int, share: float) -> list[float]:
    weights = []
    for tap in range(1 - reach, reach + 1):
        distance = tap - fraction
        angle = pi * share * distance
        weights.append((sin(angle) / angle if angle else 1.0) * (0.5 + 0.5 * cos(pi * distance / (reach + 1))))
    total = sum(weights)
    return [weight / total for weight in weights]
