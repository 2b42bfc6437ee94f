"""IP addresses: which of ours leads to a peer, which it is told, which there are. An edge: it asks the kernel."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any

SocketAddress = tuple[Any, ...]
"""A socket's address as Python has it: (host, port), for IPv6 (host, port, flow info, scope)."""


class Addresses:
    """Which of our addresses a peer is told.

    :param local_networks: networks whose peers are told the address that leads to them.
    :param advertise: the host that all others are told; "" when they, too, are told the address that leads to them.
    """

    def __init__(self, local_networks: Sequence[IPv4Network | IPv6Network] = (), advertise: str = "") -> None:
        self._local_networks = tuple(local_networks)
        self._advertise = advertise

    def shown(self, source: str, peer: str) -> str:
        """The host that a peer is told, where `source` is the address that leads to it."""
        if self._advertise:
            address = ip_address(peer.partition("%")[0])
            if not any(address in network for network in self._local_networks):
                return bracketed(self._advertise)
        return bracketed(source)


def bracketed(host: str) -> str:
    """A host as it is written in messages: IPv6 addresses in brackets."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


@lru_cache(maxsize=1024)  # mostly those of the same phones and servers
def is_address(host: str) -> bool:
    """Whether this is an IP address, without brackets and zone."""
    try:
        socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)
    except (ValueError, OSError):
        return False
    return True


def is_local(host: str) -> bool:
    """Whether this is an address of this machine, now."""
    if not is_address(host.partition("%")[0]):
        return False
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind((host, 0))
    except OSError:
        return False
    return True


def source_to(address: SocketAddress, is_ipv6: bool) -> str:
    """Our address that leads to a peer: what the kernel's routing table says."""
    with socket.socket(socket.AF_INET6 if is_ipv6 else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(address)
        except OSError:
            return "::" if is_ipv6 else "0.0.0.0"
        return str(probe.getsockname()[0])
