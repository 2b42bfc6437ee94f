"""Next hops, as values: the servers to which a request can be sent first, the DNS records that name them (RFC 3263),
and the order among servers of one service (RFC 2782).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from itertools import accumulate

PORTS = {"UDP": 5060, "TCP": 5060, "TLS": 5061}
"""The port of each transport where none is named (RFC 3261 19.1.2)."""


@dataclass(frozen=True, slots=True)
class Hop:
    """One server.

    :param transport: "UDP", "TCP" or "TLS".
    :param host: its IP address, IPv6 without brackets.
    :param port: its port.
    :param name: the host that was asked for: its certificate must be for this one, whatever DNS says (RFC 5922 4).
    """

    transport: str
    host: str
    port: int
    name: str


@dataclass(frozen=True, slots=True)
class Naptr:
    """A NAPTR record (RFC 3403 4.1): by which transports a domain can be reached.

    :param order: the lowest comes first.
    :param preference: among those of one order, the lowest comes first.
    :param flags: "s" where SRV records come next, in lower case.
    :param service: such as "SIP+D2U", in capitals.
    :param replacement: the name of those SRV records.
    """

    order: int
    preference: int
    flags: str
    service: str
    replacement: str


@dataclass(frozen=True, slots=True)
class Srv:
    """An SRV record (RFC 2782): one server of a service.

    :param priority: the lowest comes first.
    :param weight: the share of requests that it gets among those of one priority.
    :param port: its port.
    :param target: its name; "" where the service is decidedly not available.
    """

    priority: int
    weight: int
    port: int
    target: str


def address_of(host: str) -> str:
    """The IP address that a URI's host is, without brackets; "" when it is a name."""
    try:
        if host.startswith("["):
            return str(IPv6Address(host.strip("[]")))
        return str(IPv4Address(host))
    except AddressValueError:
        return ""


def by_weight(records: Iterable[Srv], random: Callable[[], float]) -> list[Srv]:
    """Put servers in the order in which they are to be tried (RFC 2782).

    :param random: returns numbers from 0.0 up to 1.0.
    """
    # Those without weight stand first, so that only a draw of zero takes one of them while others are left.
    waiting = sorted(records, key=lambda record: (record.priority, record.weight))
    ordered: list[Srv] = []
    while waiting:
        rivals = [record for record in waiting if record.priority == waiting[0].priority]
        drawn = int(random() * (sum(record.weight for record in rivals) + 1))
        sums = accumulate(record.weight for record in rivals)
        chosen = next(record for record, reached in zip(rivals, sums, strict=True) if reached >= drawn)
        ordered.append(chosen)
        waiting.remove(chosen)
    return ordered
