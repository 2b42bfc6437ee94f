"""STUN, as much of it as keeps a NAT open (RFC 5626 3.5.2): a Binding request asks where it came from (RFC 5389).

Values only. What is no Binding request, or a damaged one, gets no answer (RFC 5389 7.3).
"""

from __future__ import annotations

import socket
import struct

_COOKIE = 0x2112A442
_HEADER = 20  # bytes: type, length, cookie, transaction ID
_REQUEST, _SUCCESS, _ERROR = 0x0001, 0x0101, 0x0111
_ERROR_CODE, _UNKNOWN_ATTRIBUTES, _XOR_MAPPED_ADDRESS = 0x0009, 0x000A, 0x0020
_OPTIONAL = 0x8000  # attributes from here on may be ignored (RFC 5389 15)
_IPV4, _IPV6 = 1, 2


def answer(packet: bytes, host: str, port: int) -> bytes | None:
    """The answer to a Binding request, or None where there is none to give.

    Attributes that ask for more than a keep-alive needs, such as authentication, get 420 (RFC 5389 7.3.1).

    :param host: the IP address from which it came.
    :param port: the port from which it came.
    """
    if len(packet) < _HEADER or len(packet) % 4:
        return None
    kind, length, cookie = struct.unpack_from(">HHI", packet)
    if (kind, length, cookie) != (_REQUEST, len(packet) - _HEADER, _COOKIE):
        return None
    identity = packet[4:_HEADER]  # cookie and transaction ID
    attributes = _attributes(packet)
    if attributes is None:
        return None
    unknown = [attribute for attribute in attributes if attribute < _OPTIONAL]
    if unknown:
        code = _attribute(_ERROR_CODE, struct.pack(">HBB", 0, 4, 20) + b"Unknown Attribute")
        named = _attribute(_UNKNOWN_ATTRIBUTES, struct.pack(f">{len(unknown)}H", *unknown))
        return _message(_ERROR, identity, code + named)
    return _message(_SUCCESS, identity, _attribute(_XOR_MAPPED_ADDRESS, _masked(host, port, identity)))


def _attributes(packet: bytes) -> list[int] | None:
    """The types of the attributes; None where one reaches beyond the end."""
    found = []
    place = _HEADER
    while place < len(packet):
        kind, length = struct.unpack_from(">HH", packet, place)
        found.append(kind)
        place += 4 + length + -length % 4
    return found if place == len(packet) else None


def _masked(host: str, port: int, identity: bytes) -> bytes:
    """The value of XOR-MAPPED-ADDRESS (RFC 5389 15.2): no NAT finds the address in it, to change it."""
    is_ipv6 = ":" in host
    address = socket.inet_pton(socket.AF_INET6 if is_ipv6 else socket.AF_INET, host)
    masked = bytes([one ^ other for one, other in zip(address, identity, strict=False)])
    return struct.pack(">BBH", 0, _IPV6 if is_ipv6 else _IPV4, port ^ _COOKIE >> 16) + masked


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack(">HH", kind, len(value)) + value + bytes(-len(value) % 4)


def _message(kind: int, identity: bytes, attributes: bytes) -> bytes:
    return struct.pack(">HH", kind, len(attributes)) + identity + attributes
