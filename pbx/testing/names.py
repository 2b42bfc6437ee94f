"""A simulated DNS (`pbx.sip.locator.Names`): zones as a test writes them, answers after a while, or none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from twisted.internet.defer import Deferred

from pbx.sip.hops import Naptr, Srv
from pbx.testing.clock import VirtualClock

Record = Naptr | Srv | str
"""A record; text is an IP address."""

T = TypeVar("T", Naptr, Srv, str)

DELAY = 1 / 64  # seconds until an answer
TIMEOUT = 3.0  # seconds until a silent DNS is given up


class Zone:
    """All that there is in the DNS.

    :param records: by name.
    :ivar records: may be changed at any time.
    :ivar silent: whether no name server answers.
    :ivar asked: what was looked up: ("naptr", "srv" or "addresses", name).
    """

    def __init__(self, clock: VirtualClock, records: Mapping[str, Sequence[Record]] = {}) -> None:
        self.clock = clock
        self.records = dict(records)
        self.silent = False
        self.asked: list[tuple[str, str]] = []

    def naptr(self, name: str) -> Deferred[Sequence[Naptr]]:
        """The NAPTR records of a domain."""
        return self._look_up("naptr", name, Naptr)

    def srv(self, name: str) -> Deferred[Sequence[Srv]]:
        """The SRV records of a service."""
        return self._look_up("srv", name, Srv)

    def addresses(self, name: str) -> Deferred[Sequence[str]]:
        """The addresses of a host."""
        return self._look_up("addresses", name, str)

    def _look_up(self, what: str, name: str, kind: type[T]) -> Deferred[Sequence[T]]:
        self.asked.append((what, name))
        answer: Deferred[Sequence[T]] = Deferred()
        found = [] if self.silent else [record for record in self.records.get(name, ()) if isinstance(record, kind)]
        self.clock.callLater(TIMEOUT if self.silent else DELAY, answer.callback, found)
        return answer
