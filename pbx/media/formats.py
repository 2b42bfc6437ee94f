"""The RTP formats of one stream: which payload types may come, by which clock they count, which are keys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from pbx.sip.sdp import Codec

EVENTS = "telephone-event"  # RFC 4733 section 2.4.1
_MARKER = 0x80
_PAYLOADS = {str(payload): payload for payload in range(128)}


@dataclass(frozen=True, slots=True)
class Formats:
    """What the second byte of an RTP packet may be (RFC 3550 section 5.1): payload types, with marker and without.

    :param rates: the clock rate in Hz by which such a packet's timestamp tells when it was sent; 0 when it does not,
        since nobody said the rate or since it is of a key and tells when that was pressed.
    :param keys: those that carry keys.
    """

    rates: Mapping[int, int] = field(default_factory=dict)
    keys: frozenset[int] = frozenset()

    @property
    def unread(self) -> Formats:
        """The same where nobody here can read what packets carry."""
        return Formats(self.rates)


NOTHING = Formats()


@lru_cache(maxsize=256)
def formats(payloads: tuple[str, ...], codecs: tuple[tuple[str, Codec], ...] = ()) -> Formats:
    """The formats with these payload types; what is no payload type is left out.

    :param payloads: as m-lines write them.
    :param codecs: what encodings they are, as far as that is known; of two for one the first counts.
    """
    known: dict[str, Codec] = {}
    for payload, codec in codecs:
        known.setdefault(payload, codec)
    rates: dict[int, int] = {}
    keys: set[int] = set()
    for payload, number in _numbered(payloads):
        found = known.get(payload)
        rate = 0 if found is None else found.rate
        events = found is not None and found.name == EVENTS
        for second in (number, number | _MARKER):
            rates[second] = 0 if events else rate
            if events:
                keys.add(second)
    return Formats(rates, frozenset(keys))


def _numbered(payloads: Iterable[str]) -> Iterable[tuple[str, int]]:
    return [(payload, _PAYLOADS[payload]) for payload in payloads if payload in _PAYLOADS]
