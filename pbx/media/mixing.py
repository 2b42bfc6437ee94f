"""Mixing: what each of several people hears who speak at the same time: all the others, and not himself.

Plain Python, since it is enough (docs/design/decisions): who is silent costs nothing, and all who are silent hear the
same. What is too loud together is cut off at the loudest that G.711 has, and never wraps around.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from operator import add, sub

from pbx.media.g711 import ULAW

MOST = 40  # voices at once

# mu-law's amplitudes are multiples of 4: without these two bits the table of all sums takes 640 KiB.
_BITS = 2
_LEVELS = tuple([level >> _BITS for level in memoryview(ULAW.decode(bytes(range(256)))).cast("h")])


def _codes() -> bytes:
    """The code of each sum. A sum below zero is found from the table's end, where Python looks for it."""
    above = ULAW.encode(array("h", range(0, 1 << 15, 1 << _BITS)).tobytes())
    below = ULAW.encode(array("h", range(-1 << 15, 0, 1 << _BITS)).tobytes())
    return above.ljust(len(above) * MOST, above[-1:]) + below.rjust(len(below) * MOST, below[:1])


_level = _LEVELS.__getitem__
_code = _codes().__getitem__


def mix(voices: Sequence[bytes]) -> tuple[bytes, list[bytes]]:
    """Mix what is said at one moment.

    :param voices: what each says, in mu-law and of the same length; at most `MOST`.
    :returns: what somebody hears who says nothing, and what each of the voices hears; b"" for silence.
    """
    if len(voices) < 2:
        return (voices[0], [b""]) if voices else (b"", [])
    said = [list(map(_level, voice)) for voice in voices]
    total = said[0]
    for one in said[1:]:
        total = list(map(add, total, one))
    return bytes(map(_code, total)), [bytes(map(_code, map(sub, total, one))) for one in said]
