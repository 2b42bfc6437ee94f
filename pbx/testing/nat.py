"""Network address translators of a simulated network: the four kinds that phones are behind, and one for an exchange.

What a phone sends goes out from an address of the translator; what comes in there reaches the phone only if the kind
lets it: from anybody, from hosts or addresses that the phone has sent to, or to a mapping made for one address alone.
"""

from __future__ import annotations

from typing import Protocol

Address = tuple[str, int]

FULL_CONE, RESTRICTED, PORT_RESTRICTED, SYMMETRIC = KINDS = (
    "full cone", "restricted cone", "port restricted cone", "symmetric",
)  # fmt: skip
_FIRST_PORT = 50_000


class Translator(Protocol):
    """What stands between a part of the network and the rest."""

    def outgoing(self, source: Address, target: Address) -> Address:
        """Where a datagram from `source` seems to come from."""

    def incoming(self, source: Address, target: Address) -> Address | None:
        """Where a datagram for `target` goes; None: no further."""


class PhoneNAT:
    """The translator of a home or an office, with phones behind it.

    :param host: its address outside.
    :param kind: one of `KINDS`.
    :param local: the beginning of the addresses behind it; "" where these are simulated phones, which are bound to the
        address outside, each with ports of its own.
    """

    def __init__(self, host: str, kind: str, local: str = "") -> None:
        self._host = host
        self._kind = kind
        self._local = local
        self._shift = 0  # what it adds to the ports of those inside
        self._mappings: dict[tuple[Address, Address | None], Address] = {}
        self._inside: dict[Address, Address] = {}
        self._reached: dict[Address, set[Address]] = {}  # whom each mapping has sent to

    def forgets(self) -> None:
        """Forget all mappings, as after a silence; what is sent next goes out from other ports."""
        self._shift += 1000
        self._mappings.clear()
        self._inside.clear()
        self._reached.clear()

    def outgoing(self, source: Address, target: Address) -> Address:
        """Where a datagram from `source` seems to come from."""
        is_inside = source[0].startswith(self._local) if self._local else source[0] == self._host
        if not is_inside:
            return source
        way = source, target if self._kind == SYMMETRIC else None
        outside = self._mappings.get(way)
        if outside is None:
            port = _FIRST_PORT + len(self._mappings) if self._kind == SYMMETRIC else source[1]
            outside = self._host, port + self._shift
            while outside in self._inside:  # another phone has that port, too
                outside = self._host, outside[1] + 1
            self._mappings[way] = outside
            self._inside[outside] = source
        self._reached.setdefault(outside, set()).add(target)
        return outside

    def incoming(self, source: Address, target: Address) -> Address | None:
        """Where a datagram for `target` goes; None: no further."""
        if target[0] != self._host:
            return target
        reached = self._reached.get(target, set())
        if self._kind == FULL_CONE:
            is_let_in = bool(reached)
        elif self._kind == RESTRICTED:
            is_let_in = source[0] in {host for host, _ in reached}
        else:
            is_let_in = source in reached
        return self._inside[target] if is_let_in else None


class StaticNAT:
    """The translator in front of an exchange: all ports of an outer address are those of an inner one.

    :param outside: the address that peers outside know.
    :param inside: the exchange's.
    :param local: the beginning of the addresses that are inside, and reach it without translation.
    """

    def __init__(self, outside: str, inside: str, local: str) -> None:
        self._outside = outside
        self._inside = inside
        self._local = local

    def outgoing(self, source: Address, target: Address) -> Address:
        """Where a datagram from `source` seems to come from."""
        is_leaving = source[0] == self._inside and not target[0].startswith(self._local)
        return (self._outside, source[1]) if is_leaving else source

    def incoming(self, source: Address, target: Address) -> Address | None:
        """Where a datagram for `target` goes; None: no further."""
        if target[0] == self._outside:
            return self._inside, target[1]
        # Nobody outside reaches the inner address by its own name.
        is_alien = target[0] == self._inside and not source[0].startswith(self._local) and source[0] != self._inside
        return None if is_alien else target
