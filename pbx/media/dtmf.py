"""Keys as telephones send them in bodies of INFO and as pairs of tones (ITU-T Q.23, Q.24)."""

from __future__ import annotations

import re
from array import array
from cmath import exp
from math import pi, sin
from operator import mul

from pbx.media.g711 import RATE
from pbx.media.telephone_event import NAMES

KEYS = "".join(NAMES[:16])  # in the order of their event codes
ROWS = (697, 770, 852, 941)
COLUMNS = (1209, 1336, 1477, 1633)
_PAD = ("123A", "456B", "789C", "*0#D")

BLOCK = 204  # samples that are judged at once: 25 ms, in which the eight tones can be told apart
HOP = BLOCK // 2
_QUIET = 300.0  # mean amplitude below which there is no tone (-40 dBm0)
_PURE = 0.62  # share of a block's power that its two tones must have: speech seldom does
_TWIST = 6.3, 4.0  # how many times the column's power may be the row's, and the other way: 8 dB and 6 dB
_CLEAR = 3.5  # how many times the power of a tone must be that of the next one of its group


RELAY, PLAIN = "application/dtmf-relay", "application/dtmf"  # the two dialects of INFO
DURATION = 100  # milliseconds for which a key is said to be down: when it is told, nobody knows how long it will be

_SIGNAL = re.compile(r"\s*signal\s*=\s*([0-9]{1,2}|[*#A-D])\s*", re.IGNORECASE)


def read_information(kind: str, body: bytes) -> str | None:
    """Read the key in an INFO: application/dtmf-relay (`Signal=5`) or application/dtmf (`5`). None when there is none.

    No standard describes these; some phones write the event codes 10 and 11 for * and #.

    :param kind: its Content-Type.
    """
    media_type = kind.partition(";")[0].strip().lower()
    text = body[:200].decode("ascii", "replace")
    if media_type == RELAY:
        found = next(filter(None, map(_SIGNAL.fullmatch, text.splitlines())), None)
        signal = found[1] if found else ""
    elif media_type == PLAIN:
        signal = text.strip()
    else:
        return None
    if re.fullmatch("1[0-5]", signal):
        return KEYS[int(signal)]
    return signal.upper() if len(signal) == 1 and signal.upper() in KEYS else None


def write_information(kind: str, key: str) -> bytes:
    """Write a key into the body of an INFO.

    :param kind: its Content-Type: `RELAY` or `PLAIN`.
    :param key: one of `KEYS`.
    """
    return (f"Signal={key}\r\nDuration={DURATION}\r\n" if kind == RELAY else key).encode()


def tone(key: str, seconds: float, amplitude: int = 9000) -> bytes:
    """The pair of tones of a key, as PCM.

    :param amplitude: of each of the two.
    """
    row = next(number for number, keys in enumerate(_PAD) if key in keys)
    low, high = (2 * pi * frequency / RATE for frequency in (ROWS[row], COLUMNS[_PAD[row].index(key)]))
    samples = [round(amplitude * (sin(low * at) + sin(high * at))) for at in range(round(seconds * RATE))]
    return array("h", samples).tobytes()


def _waves(frequency: int) -> list[complex]:
    # The window lets a tone leak less into its neighbours than it would with hard edges.
    step = -2j * pi * frequency / RATE
    return [exp(step * at) * (0.54 - 0.46 * exp(2j * pi * at / (BLOCK - 1)).real) for at in range(BLOCK)]


_ROW_WAVES, _COLUMN_WAVES = [_waves(one) for one in ROWS], [_waves(one) for one in COLUMNS]
# A tone of amplitude a has the power (a * sum(window) / 2) ** 2 in the table of its frequency, and a ** 2 / 2 a sample.
_SCALE = BLOCK / 2 / (sum(0.54 - 0.46 * exp(2j * pi * at / (BLOCK - 1)).real for at in range(BLOCK)) / 2) ** 2


class Detector:
    """Hears keys in sound, each once however long it is pressed. A key must last 40 ms, and so must a pause."""

    __slots__ = ("_held", "_last", "_rest")

    def __init__(self) -> None:
        self._rest = array("h")
        self._last = ""  # what the last block was
        self._held = ""  # the key that is down

    def hear(self, pcm: bytes) -> str:
        """Take the next samples. Returns the keys that were pressed: none, as a rule."""
        self._rest.frombytes(pcm)
        pressed = ""
        while len(self._rest) >= BLOCK:
            key = key_of(self._rest[:BLOCK])
            del self._rest[:HOP]
            if key == self._last and key != self._held:
                self._held = key
                pressed += key
            self._last = key
        return pressed


def key_of(samples: array[int]) -> str:
    """The key whose tones a block is, "" when it is something else."""
    if sum(map(abs, samples)) < _QUIET * BLOCK:
        return ""
    power = sum(map(mul, samples, samples))
    row, low = _strongest(samples, _ROW_WAVES)
    if low * _SCALE < 0.1 * power:
        return ""
    column, high = _strongest(samples, _COLUMN_WAVES)
    pure = (low + high) * _SCALE >= _PURE * power and high <= _TWIST[0] * low and low <= _TWIST[1] * high
    return _PAD[row][column] if pure else ""


def _strongest(samples: array[int], waves: list[list[complex]]) -> tuple[int, float]:
    """Which tone of a group is the strongest, and its power; 0 when another one is nearly as strong."""
    powers = [abs(sum(map(mul, samples, wave))) ** 2 for wave in waves]
    best = max(range(len(powers)), key=powers.__getitem__)
    clear = all(power * _CLEAR <= powers[best] for place, power in enumerate(powers) if place != best)
    return best, powers[best] if clear else 0.0
