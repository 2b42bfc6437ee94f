"""The DNS, asked through twisted.names: short timeouts, and answers kept for as long as they say. An edge: it decides
nothing. Nothing that a name server does, or fails to do, raises here.
"""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred
from twisted.names import client, dns
from twisted.names.error import DNSNameError
from twisted.names.hosts import searchFileForAll
from twisted.python.filepath import FilePath

from pbx.sip.addresses import source_to
from pbx.sip.hops import Naptr, Srv
from pbx.sip.timers import Clock, Timer

TIMEOUTS = (1, 2)  # seconds that each name server is given, first and second time; twisted.names' own add up to 60
PATIENCE = 10.0  # seconds for all of it, TCP included
RETRY = 5.0  # seconds after which a DNS that gave no answer is asked again
STALE = 86_400.0  # seconds for which old answers are better than none (RFC 8767 5)
LONGEST = 86_400.0  # seconds for which any answer is believed
NOTHING = 60.0  # seconds for which "there is none" is believed at most (RFC 2308 5 allows hours)

_BOUND = 2000
_HOSTS_LAST = 30.0  # seconds until /etc/hosts is read again


@dataclass(slots=True)
class _Kept:
    """An answer: its records, and until when it is good."""

    records: Sequence[Any]
    until: float
    stale_until: float


class Resolver:
    """Asks the DNS and remembers what it said (`pbx.sip.locator.Names`).

    :param clock: the time.
    :param connect: makes twisted.names' resolver, at the first lookup.
    :param hosts: the hosts(5) file, which is believed before the DNS.
    :param bound: how many answers are kept.
    :ivar counts: what happened, by name; may be replaced by one that is shown to people.
    """

    def __init__(
        self, clock: Clock, connect: Callable[[], client.Resolver], hosts: str = "/etc/hosts", bound: int = _BOUND
    ) -> None:
        self._clock = clock
        self._connect = connect
        self.counts: Counter[str] = Counter()
        self._hosts = FilePath(hosts)
        self._bound = bound
        self._servers: client.Resolver | None = None
        self._kept: dict[tuple[str, int], _Kept] = {}

    def naptr(self, name: str) -> Deferred[Sequence[Naptr]]:
        """The NAPTR records of a domain (RFC 3403 4.1)."""
        return self._records(name, dns.NAPTR).addCallback(_naptrs)

    def srv(self, name: str) -> Deferred[Sequence[Srv]]:
        """The SRV records of a service (RFC 2782)."""
        return self._records(name, dns.SRV).addCallback(_srvs)

    def addresses(self, name: str) -> Deferred[Sequence[str]]:
        """The addresses of a host: those that we have a route to first, IPv6 before IPv4 (RFC 7984 4, RFC 6724)."""
        return Deferred.fromCoroutine(self._addresses(name))

    async def _addresses(self, name: str) -> Sequence[str]:
        found = self._listed(name)
        if not found:
            lookups = self._records(name, dns.AAAA), self._records(name, dns.A)
            ipv6 = [socket.inet_ntop(socket.AF_INET6, record.address) for record in await lookups[0]]
            found = [*ipv6, *[record.dottedQuad() for record in await lookups[1]]]
        return sorted(found, key=lambda host: (not _has_route(host), ":" not in host))

    def _listed(self, name: str) -> Sequence[str]:
        """The addresses of a host in the hosts file."""
        key, now = (_key(name), 0), self._clock.seconds()
        kept = self._kept.get(key)
        if kept is None or kept.until <= now:
            listed = searchFileForAll(self._hosts, key[0].encode())  # type: ignore[no-untyped-call]
            kept = _Kept(listed, now + _HOSTS_LAST, 0.0)
            self._keep(key, kept)
        return kept.records

    def _records(self, name: str, kind: int) -> Deferred[Sequence[Any]]:
        return Deferred.fromCoroutine(self._looked_up(_key(name), kind))

    async def _looked_up(self, name: str, kind: int) -> Sequence[Any]:
        if not _askable(name):
            return ()
        kept = self._kept.get((name, kind))
        if kept is not None and kept.until > self._clock.seconds():
            return kept.records
        try:
            answers, authority, _ = await self._ask(name, kind)
        except DNSNameError as error:
            answers, authority = (), getattr(error.args[0], "authority", ())
        except Exception:
            # No answer, a refusal, an answer that cannot be read, no socket left: all the same to those who wait.
            self.counts["failed DNS lookups"] += 1
            return self._without_answer(name, kind, kept)
        records = [answer.payload for answer in answers if answer.type == kind]
        lasting = min([LONGEST, *[float(answer.ttl) for answer in answers]]) if records else _negative(authority)
        now = self._clock.seconds()
        self._keep((name, kind), _Kept(records, now + lasting, now + lasting + STALE))
        return records

    async def _ask(self, name: str, kind: int) -> Any:
        if self._servers is None:
            self._servers = self._connect()
        query = dns.Query(name.encode("ascii"), kind, dns.IN)
        asked: Deferred[Any] = self._servers.query(query, TIMEOUTS)  # type: ignore[no-untyped-call]
        timer: Timer | None = None

        def expired() -> None:
            nonlocal timer
            timer = None
            asked.cancel()

        timer = self._clock.callLater(PATIENCE, expired)
        try:
            return await asked
        finally:
            if timer is not None:
                timer.cancel()

    def _without_answer(self, name: str, kind: int, kept: _Kept | None) -> Sequence[Any]:
        """What is known all the same; a DNS that is gone is not asked again by every call."""
        now = self._clock.seconds()
        if kept is None or kept.stale_until <= now:
            kept = _Kept((), now + RETRY, 0.0)
        else:
            kept.until = now + RETRY
        self._keep((name, kind), kept)
        return kept.records

    def _keep(self, key: tuple[str, int], kept: _Kept) -> None:
        self._kept.pop(key, None)
        while len(self._kept) >= self._bound:
            del self._kept[next(iter(self._kept))]
        self._kept[key] = kept


def connected(reactor: Any) -> client.Resolver:
    """Return twisted.names' resolver of the name servers that this machine uses."""
    return client.Resolver("/etc/resolv.conf", timeout=TIMEOUTS, reactor=reactor)  # type: ignore[no-untyped-call]


def _key(name: str) -> str:
    return name.lower().removesuffix(".")


def _askable(name: str) -> bool:
    """Whether a name fits into a query (RFC 1035 2.3.4)."""
    return len(name) < 254 and name.isascii() and all(0 < len(label) < 64 for label in name.split("."))


def _negative(authority: Sequence[Any]) -> float:
    """For how long "there is none" holds (RFC 2308 5)."""
    said = [min(float(record.ttl), float(record.payload.minimum)) for record in authority if record.type == dns.SOA]
    return min([NOTHING, *said])


def _naptrs(records: Sequence[Any]) -> Sequence[Naptr]:
    return [
        Naptr(record.order, record.preference, _text(record.flags).lower(), _text(record.service).upper(), target)
        for record in records
        if (target := _name(record.replacement)) and not record.regexp.string  # RFC 3263 4.1: none has an expression
    ]


def _srvs(records: Sequence[Any]) -> Sequence[Srv]:
    return [Srv(record.priority, record.weight, record.port, _name(record.target)) for record in records]


def _name(name: dns.Name) -> str:
    return name.name.decode("ascii", "replace").removesuffix(".")


def _text(string: dns.Charstr) -> str:
    return string.string.decode("ascii", "replace")


def _has_route(host: str) -> bool:
    is_ipv6 = ":" in host
    return source_to((host, 9, 0, 0) if is_ipv6 else (host, 9), is_ipv6) not in ("::", "0.0.0.0")
