"""RTP and RTCP packets as values (RFC 3550): told apart, read, built. A datagram that is neither is never an error."""

from __future__ import annotations

import struct
from typing import NamedTuple

# A datagram as it came, perhaps still in the buffer that the next one overwrites: whoever keeps it makes `bytes` of it.
Packet = bytes | memoryview
# (host, port), for IPv6 followed by flow and scope, as the socket module gives it.
Address = tuple[str, int] | tuple[str, int, int, int]

VERSION = 2
SMALLEST_RTP = 12  # the fixed header, RFC 3550 section 5.1
SMALLEST_RTCP = 8  # an RR without report blocks, RFC 3550 section 6.4.2
LARGEST = 2048  # more than any link carries unfragmented: nobody's RTP

_FIXED = struct.Struct("!BBHII")


class Header(NamedTuple):
    """An RTP packet's header (RFC 3550 section 5.1).

    :param payload_type: 0 to 127.
    :param sequence: 0 to 65535.
    :param timestamp: in units of the codec's clock rate.
    :param ssrc: the synchronisation source.
    :param marker: for audio, the first packet after silence (RFC 3551 section 4.1).
    :param start: where the payload begins, after CSRCs and header extension.
    :param end: where it ends, before the padding.
    """

    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    marker: bool
    start: int
    end: int


def header(packet: Packet) -> Header | None:
    """Read an RTP packet's header. None when the datagram is not RTP or contradicts itself."""
    size = len(packet)
    if size < SMALLEST_RTP or packet[0] >> 6 != VERSION or is_rtcp(packet):
        return None
    first, second, sequence, timestamp, ssrc = _FIXED.unpack_from(packet)
    start = SMALLEST_RTP + 4 * (first & 0x0F)
    if first & 0x10:
        if size < start + 4:
            return None
        start += 4 + 4 * int.from_bytes(packet[start + 2 : start + 4], "big")
    end = size
    if first & 0x20:
        padding = packet[size - 1]
        if padding == 0:
            return None
        end -= padding
    if start > end:
        return None
    return Header(second & 0x7F, sequence, timestamp, ssrc, bool(second & 0x80), start, end)


def is_rtcp(packet: Packet) -> bool:
    """Whether a datagram is plausible RTCP and cannot be RTP: the packet types of RFC 5761 section 4, 192 to 223."""
    return len(packet) >= SMALLEST_RTCP and packet[0] >> 6 == VERSION and 192 <= packet[1] <= 223


def build(payload: bytes, payload_type: int, sequence: int, timestamp: int, ssrc: int, marker: bool = False) -> bytes:
    """Make an RTP packet without CSRCs, extension or padding. Sequence and timestamp wrap around by themselves."""
    second = payload_type | (0x80 if marker else 0)
    return _FIXED.pack(VERSION << 6, second, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc) + payload
