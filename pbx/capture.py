"""A ladder as a capture that Wireshark opens: a pcap file of IP packets (draft-ietf-opsawg-pcap), one a message.

Each message stands in a UDP datagram, also what went over TCP or TLS: there is nothing to be put together again, and
nothing to be decrypted. IP and UDP are made up from what the trace knows, with checksums that are right.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address

from pbx.ladder import EXCHANGE, Step

_HEADER = struct.pack("=IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, 101)  # LINKTYPE_RAW: IPv4 or IPv6, as it says itself
_MOST = 65_535 - 48  # bytes of a message that fit into a datagram, whatever IP it is
_UDP = 17
_HOPS = 64


def captured(ladder: Iterable[Step]) -> bytes:
    """The file."""
    packets = [_HEADER]
    for step in ladder:
        if step.source:
            packet = _packet(step)
            seconds, fraction = divmod(round(step.moment * 1_000_000), 1_000_000)
            packets += [struct.pack("=IIII", seconds & 0xFFFFFFFF, fraction, len(packet), len(packet)), packet]
    return b"".join(packets)


def _packet(step: Step) -> bytes:
    source, source_port = _address(step.ours if step.source == EXCHANGE else step.source)
    target, target_port = _address(step.ours if step.target == EXCHANGE else step.target)
    if source.version != target.version:
        # One of the two is not known: what is known decides what it is shown as.
        target = ip_address("::") if source.version == 6 else ip_address("0.0.0.0")
    payload = step.text.encode("utf-8", "surrogateescape")[:_MOST]
    length = 8 + len(payload)
    pseudo = source.packed + target.packed
    pseudo += struct.pack("!BBH", 0, _UDP, length) if source.version == 4 else struct.pack("!IHBB", length, 0, 0, _UDP)
    plain = struct.pack("!HHHH", source_port, target_port, length, 0)
    total = _checksum(pseudo + plain + payload) or 0xFFFF  # RFC 768: 0 would say that there is none
    datagram = plain[:6] + struct.pack("!H", total) + payload
    if source.version == 6:
        return struct.pack("!IHBB", 6 << 28, length, _UDP, _HOPS) + source.packed + target.packed + datagram
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, 0, 0, _HOPS, _UDP, 0) + source.packed + target.packed
    return head[:10] + struct.pack("!H", _checksum(head)) + head[12:] + datagram


def _checksum(packet: bytes) -> int:
    """RFC 1071."""
    packet += b"\0" * (len(packet) % 2)
    total: int = sum(struct.unpack(f"!{len(packet) // 2}H", packet))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def _address(hostport: str) -> tuple[IPv4Address | IPv6Address, int]:
    host, _, port = hostport.rpartition(":")
    try:
        return ip_address(host.strip("[]").partition("%")[0]), int(port) & 0xFFFF
    except ValueError:
        return ip_address("0.0.0.0"), 5060
