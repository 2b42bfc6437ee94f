"""The tones of a country: what a caller hears while it rings or is busy (ITU-T E.180, Supplement 2), computed.

Countries are known by their calling codes, as the dialplan's `country` is. One that is not in the table sounds as most
of Europe does.
"""

from __future__ import annotations

from array import array
from functools import lru_cache
from math import pi, sin
from typing import NamedTuple

from pbx.media.clip import Clip, from_pcm
from pbx.media.g711 import RATE

_LOUDNESS = 4000  # amplitude of each frequency: two of them are at -12 dBm0
_RAMP = 40  # samples in which a tone swells and fades: without that it clicks


class Part(NamedTuple):
    """One part of a tone's cadence.

    :param frequencies: Hz, heard together; none for silence.
    :param seconds: how long.
    """

    frequencies: tuple[int, ...]
    seconds: float


Cadence = tuple[Part, ...]


def _pulses(frequencies: tuple[int, ...], *seconds: float) -> Cadence:
    """Sound and silence taking turns, sound first."""
    return tuple([Part(() if place % 2 else frequencies, time) for place, time in enumerate(seconds)])


# The three rising tones before an announcement that a call cannot be completed; the same everywhere (E.180).
_SPECIAL = (Part((950,), 0.33), Part((1400,), 0.33), Part((1800,), 0.33), Part((), 1.0))
_BEEP = (Part((1000,), 0.3),)
# Somebody comes into a conference, or leaves it.
_JOIN = (Part((500,), 0.1), Part((750,), 0.15))
_LEAVE = (Part((750,), 0.1), Part((500,), 0.15))

# ringback, busy, congestion; dial tone
_EUROPE = (_pulses((425,), 1, 4), _pulses((425,), 0.5, 0.5), _pulses((425,), 0.25, 0.25), _pulses((425,), 1))
_NORTH_AMERICA = (
    _pulses((440, 480), 2, 4), _pulses((480, 620), 0.5, 0.5), _pulses((480, 620), 0.25, 0.25), _pulses((350, 440), 1),
)  # fmt: skip
_COUNTRIES: dict[str, tuple[Cadence, Cadence, Cadence, Cadence]] = {
    "1": _NORTH_AMERICA,
    "32": (_pulses((425,), 1, 3), _pulses((425,), 0.5, 0.5), _pulses((425,), 0.167, 0.167), _pulses((425,), 1)),
    "33": (_pulses((440,), 1.5, 3.5), _pulses((440,), 0.5, 0.5), _pulses((440,), 0.25, 0.25), _pulses((440,), 1)),
    "34": (_pulses((425,), 1.5, 3), _pulses((425,), 0.2, 0.2), _pulses((425,), 0.2, 0.2), _pulses((425,), 1)),
    "39": (_pulses((425,), 1, 4), _pulses((425,), 0.5, 0.5), _pulses((425,), 0.2, 0.2), _pulses((425,), 0.2, 0.2)),
    "41": (_pulses((425,), 1, 4), _pulses((425,), 0.5, 0.5), _pulses((425,), 0.2, 0.2), _pulses((425,), 1)),
    "43": (_pulses((420,), 1, 5), _pulses((420,), 0.4, 0.4), _pulses((420,), 0.2, 0.2), _pulses((420,), 1)),
    "44": (
        _pulses((400, 450), 0.4, 0.2, 0.4, 2), _pulses((400,), 0.375, 0.375), _pulses((400,), 0.4, 0.35, 0.225, 0.525),
        _pulses((350, 440), 1),
    ),
    "45": (_pulses((425,), 1, 4), _pulses((425,), 0.25, 0.25), _pulses((425,), 0.25, 0.25), _pulses((425,), 1)),
    "46": (_pulses((425,), 1, 5), _pulses((425,), 0.25, 0.25), _pulses((425,), 0.25, 0.75), _pulses((425,), 1)),
    "49": (_pulses((425,), 1, 4), _pulses((425,), 0.48, 0.48), _pulses((425,), 0.24, 0.24), _pulses((425,), 1)),
    "61": (
        _pulses((400, 425, 450), 0.4, 0.2, 0.4, 2), _pulses((425,), 0.375, 0.375), _pulses((425,), 0.375, 0.375),
        _pulses((400, 425, 450), 1),
    ),
    "81": (_pulses((400,), 1, 2), _pulses((400,), 0.5, 0.5), _pulses((400,), 0.5, 0.5), _pulses((400,), 1)),
}  # fmt: skip

_NAMES = ("ringback", "busy", "congestion", "dial")
TONES = (*_NAMES, "special", "beep", "join", "leave")


@lru_cache(maxsize=64)
def tone(name: str, country: str = "") -> Clip:
    """One round of a tone; played again and again it is the tone.

    :param name: one of `TONES`: "special" are the three tones before "the number you have dialled".
    :param country: its calling code; "" for most of Europe.
    :raises KeyError: when there is no such tone.
    """
    if name in _NAMES:
        return clip(_COUNTRIES.get(country, _EUROPE)[_NAMES.index(name)])
    return clip({"special": _SPECIAL, "beep": _BEEP, "join": _JOIN, "leave": _LEAVE}[name])


def clip(cadence: Cadence) -> Clip:
    """One round of a cadence."""
    samples = array("h")
    for frequencies, seconds in cadence:
        samples.extend(_part(frequencies, round(seconds * RATE)))
    return from_pcm(samples.tobytes())


def _part(frequencies: tuple[int, ...], length: int) -> list[int]:
    if not frequencies:
        return [0] * length
    steps = [2 * pi * frequency / RATE for frequency in frequencies]
    loudness = _LOUDNESS * 2 / (1 + len(steps))
    samples = [loudness * sum([sin(step * at) for step in steps]) for at in range(length)]
    for at in range(min(_RAMP, length // 2)):
        samples[at] *= at / _RAMP
        samples[length - 1 - at] *= at / _RAMP
    return list(map(round, samples))
