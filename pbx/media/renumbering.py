"""Renumbering: two phones that have agreed upon the same codec, or upon keys, under different payload types.

Each is to send under the numbers of the other (RFC 3264 section 5.1), and those that do are left alone. What comes
under a number that the receiver does not know, but the sender has given a name to, gets the receiver's number for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from pbx.media.port import Port, Sink
from pbx.media.rtp import Packet

_MARKER = 0x80
Names = tuple[tuple[str, str], ...]


class Renumbering:
    """The sink of a port whose phone numbers something differently than another one.

    :param port: the port that faces the other phone.
    :param seconds: what becomes of an RTP packet's second byte; others stay as they are.
    """

    __slots__ = ("_port", "_seconds")

    def __init__(self, port: Port, seconds: Mapping[int, int]) -> None:
        self._port = port
        self._seconds = seconds

    def send_rtp(self, packet: Packet) -> None:
        """Pass a packet on, under the other phone's number."""
        second = self._seconds.get(packet[1])
        if second is not None:
            renumbered = bytearray(packet)
            renumbered[1] = second
            packet = bytes(renumbered)
        self._port.send_rtp(packet)

    def send_rtcp(self, packet: Packet) -> None:
        """Reports have no payload types."""
        self._port.send_rtcp(packet)


def sink_to(port: Port, names: Names, other: Names) -> Sink:
    """What passes packets on to a port: the port itself, as a rule.

    :param names: payload type and codec of all that the sender has named.
    :param other: the same of the phone that the port faces.
    """
    seconds = _seconds(names, other)
    return Renumbering(port, seconds) if seconds else port


@lru_cache(maxsize=256)
def _seconds(names: Names, other: Names) -> dict[int, int]:
    wanted = {codec: payload for payload, codec in reversed(other)}
    seconds: dict[int, int] = {}
    for payload, codec in names:
        if (payload, codec) not in other and codec in wanted:
            for marker in (0, _MARKER):
                seconds[int(payload) | marker] = int(wanted[codec]) | marker
    return seconds
