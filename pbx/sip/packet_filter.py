"""A filter in the kernel for one UDP socket: what comes from some addresses is dropped before it takes room in the
socket's buffer, so that a flood cannot crowd out the others. An edge.

It is a program of the classic Berkeley packet filter (Linux, `SO_ATTACH_FILTER`), and needs no privilege.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Network
from typing import Any

MOST = 256
"""Addresses of one filter: every datagram is compared with each of them."""

_SO_ATTACH_FILTER, _SO_DETACH_FILTER, _SO_MEMINFO = 26, 27, 55
_DROPS = 8  # the place of the counter in SO_MEMINFO
_NETWORK = 0xFFF00000  # offsets from here on begin at the IP header
_SOURCE = {False: 12, True: 8}  # the place of the source address in the headers of IPv4 and IPv6
_LOAD, _EQUALS, _RETURN = 0x20, 0x15, 0x06  # BPF_LD+BPF_W+BPF_ABS, BPF_JMP+BPF_JEQ+BPF_K, BPF_RET+BPF_K
_WHOLE = 0xFFFFFFFF

_Instruction = tuple[int, int, int, int]  # code, how many to skip if true, if false, operand


def shut_out(bound: socket.socket, sources: Iterable[str]) -> None:
    """Let a socket receive nothing from these sources, and from all others again.

    :param bound: a UDP socket.
    :param sources: IPv4 addresses and IPv6 /64 networks, the important ones first; those of the other family are passed
        over, and so are single IPv6 addresses, which are link-local: one of these would shut out all neighbours.
    :raises OSError: the kernel does not take it.
    """
    is_ipv6 = bound.family == socket.AF_INET6
    mine = [source for source in sources if ("/" in source if is_ipv6 else ":" not in source)][:MOST]
    if not mine:
        try:
            bound.setsockopt(socket.SOL_SOCKET, _SO_DETACH_FILTER, 0)
        except FileNotFoundError:
            pass  # there was none
        return
    program = _program(mine, is_ipv6)
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *instruction) for instruction in program))
    bound.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", len(program), ctypes.addressof(code)))


def drops(bound: socket.socket) -> int:
    """How many datagrams the kernel has dropped for a socket, by its filter or for want of room."""
    try:
        told: Any = bound.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, 64)
    except OSError:
        return 0
    return struct.unpack_from("=I", told, 4 * _DROPS)[0] if len(told) > 4 * _DROPS else 0


def _program(sources: list[str], is_ipv6: bool) -> list[_Instruction]:
    first = _NETWORK + _SOURCE[is_ipv6]
    program: list[_Instruction] = []
    if is_ipv6:
        for source in sources:
            high, low = struct.unpack_from("!II", IPv6Network(source).network_address.packed)
            program += [(_LOAD, 0, 0, first), (_EQUALS, 0, 3, high), (_LOAD, 0, 0, first + 4), (_EQUALS, 0, 1, low)]
            program.append((_RETURN, 0, 0, 0))
    else:
        program.append((_LOAD, 0, 0, first))
        for source in sources:
            program += [(_EQUALS, 0, 1, int(IPv4Address(source))), (_RETURN, 0, 0, 0)]
    program.append((_RETURN, 0, 0, _WHOLE))
    return program
