"""Occupancy: how many guests there are, in all and from each address. Where each address has its limit, there is room
for others, whatever one of them sends. A value that changes.
"""

from __future__ import annotations

from pbx.sip.errors import Refused
from pbx.sip.headers import RETRY_AFTER

# How many there may be, in all and from one address.
CONNECTIONS = (5000, 500)  # made to us
CALLS = (5000, 1500)
TRANSACTIONS = (60_000, 20_000)  # of servers; those that are over linger for 32 s

AGAIN = RETRY_AFTER.field(5)
"""When who found no room may come again (RFC 3261 21.5.4): by then some have left."""


class Occupancy:
    """How many guests there are, and how many may be: connections, transactions, calls.

    :param in_all: how many there may be.
    :param per_address: how many from one address.
    """

    __slots__ = ("_by_address", "_in_all", "_per_address", "_total")

    def __init__(self, in_all: int, per_address: int) -> None:
        self._in_all = in_all
        self._per_address = per_address
        self._by_address: dict[str, int] = {}
        self._total = 0

    def __len__(self) -> int:
        """How many guests there are."""
        return self._total

    def has_room(self, host: str) -> bool:
        """Whether there is room for one more guest."""
        return self._total < self._in_all and self._by_address.get(host, 0) < self._per_address

    def enter(self, host: str, anyhow: bool = False) -> bool:
        """Let a guest in, if there is room.

        :param anyhow: let it in though there is none.
        """
        if not (anyhow or self.has_room(host)):
            return False
        self._total += 1
        self._by_address[host] = self._by_address.get(host, 0) + 1
        return True

    def leave(self, host: str) -> None:
        """A guest has left."""
        self._total -= 1
        here = self._by_address[host] - 1
        if here:
            self._by_address[host] = here
        else:
            del self._by_address[host]


def no_room() -> Refused:
    """What a guest is told for whom there is no room."""
    return Refused(503, AGAIN)
