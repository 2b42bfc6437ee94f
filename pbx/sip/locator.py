"""Locating SIP servers (RFC 3263): from a URI to the next hops, in the order in which they are to be tried.

The DNS is asked through `Names`; nothing is remembered here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from twisted.internet.defer import Deferred, succeed

from pbx.sip.hops import PORTS, Hop, Naptr, Srv, address_of, by_weight
from pbx.sip.uri import Uri

MOST = 16  # hops of one URI; a zone with more is somebody's joke

_SERVICES = {"SIP+D2U": "UDP", "SIP+D2T": "TCP", "SIPS+D2T": "TLS"}
_PREFIXES = {"UDP": "_sip._udp.", "TCP": "_sip._tcp.", "TLS": "_sips._tcp."}


class Names(Protocol):
    """The DNS. A lookup that finds nothing, or gets no answer in time, gives nothing; it never fails."""

    def naptr(self, name: str) -> Deferred[Sequence[Naptr]]:
        """The NAPTR records of a domain."""

    def srv(self, name: str) -> Deferred[Sequence[Srv]]:
        """The SRV records of a service."""

    def addresses(self, name: str) -> Deferred[Sequence[str]]:
        """The IP addresses of a host, the better ones first, IPv6 without brackets."""


class NoNames:
    """A DNS without any records."""

    def naptr(self, name: str) -> Deferred[Sequence[Naptr]]:
        """None."""
        return succeed(())

    def srv(self, name: str) -> Deferred[Sequence[Srv]]:
        """None."""
        return succeed(())

    def addresses(self, name: str) -> Deferred[Sequence[str]]:
        """None."""
        return succeed(())


class Locator:
    """Finds the servers of URIs.

    :param names: the DNS.
    :param supported: which transports we have now, of "UDP", "TCP" and "TLS".
    :param random: returns numbers from 0.0 up to 1.0, for the draw among servers of one priority.
    """

    def __init__(self, names: Names, supported: Callable[[], Collection[str]], random: Callable[[], float]) -> None:
        self._names = names
        self._supported = supported
        self._random = random

    def locate(self, uri: Uri, secure: bool = False) -> Deferred[list[Hop]]:
        """Find the servers of a URI, the first to be tried first; none when there is no way to it. Never fails.

        :param secure: whether the way must be secure though this URI does not say so: it is the first Route of a
            request whose Request-URI is a SIPS URI (RFC 3261 8.1.2).
        """
        return Deferred.fromCoroutine(self._located(uri, secure or uri.scheme == "sips"))

    async def _located(self, uri: Uri, secure: bool) -> list[Hop]:
        target = uri.parameters.get("maddr") or uri.host  # RFC 3263 4
        transport = _asked_for(uri, secure)
        if transport not in ("", *self._supported()):
            return []
        address = address_of(target)
        if address or uri.port is not None:
            # RFC 3263 4.1, 4.2: no NAPTR and no SRV where the URI says it all.
            transport = transport or self._usual(secure)
            hosts = [address] if address else await self._names.addresses(target)
            return [Hop(transport, host, uri.port or PORTS[transport], uri.host) for host in hosts][:MOST]
        services = await self._services(target, transport, secure)
        lookups = [self._names.srv(name) for _, name in services]
        found = [(transport, await lookup) for (transport, _), lookup in zip(services, lookups, strict=True)]
        if not any(records for _, records in found):
            # RFC 3263 4.2: the addresses of the domain itself.
            transport = transport or self._usual(secure)
            hosts = await self._names.addresses(target)
            return [Hop(transport, host, PORTS[transport], uri.host) for host in hosts][:MOST]
        return await self._hops(found, uri.host)

    async def _services(self, name: str, transport: str, secure: bool) -> list[tuple[str, str]]:
        """Return by which transports a domain can be reached, with the names of their SRV records (RFC 3263 4.1)."""
        supported = self._supported()
        if transport:
            return [(transport, _PREFIXES[transport] + name)]
        services: list[tuple[str, str]] = []
        records = await self._names.naptr(name)
        for record in sorted(records, key=lambda record: (record.order, record.preference)):
            found = _SERVICES.get(record.service, "")
            if record.flags == "s" and found in supported and (found == "TLS" or not secure):
                services.append((found, record.replacement))
        fitting = ("TLS",) if secure else ("UDP", "TCP")
        return services[:MOST] or [(one, _PREFIXES[one] + name) for one in fitting if one in supported]

    async def _hops(self, services: list[tuple[str, Sequence[Srv]]], name: str) -> list[Hop]:
        servers = [
            (transport, server)
            for transport, records in services
            for server in by_weight(records, self._random)
            if server.target  # without one, the service is decidedly not there (RFC 2782)
        ][:MOST]
        lookups = [self._names.addresses(server.target) for _, server in servers]
        hops: list[Hop] = []
        for (transport, server), lookup in zip(servers, lookups, strict=True):
            hops.extend([Hop(transport, host, server.port, name) for host in await lookup])
        return hops[:MOST]

    def _usual(self, secure: bool) -> str:
        """The transport where nothing says which (RFC 3263 4.1)."""
        if secure:
            return "TLS"
        return "TCP" if "UDP" not in self._supported() else "UDP"


def _asked_for(uri: Uri, secure: bool) -> str:
    """Return the transport that a URI names; "" when it leaves the choice to us."""
    named = (uri.parameters.get("transport") or "").upper()
    if secure and named == "TCP":
        return "TLS"  # RFC 3261 26.2.2: TLS over TCP
    # There is no TLS over datagrams, so this is none that we support.
    return "none" if secure and named == "UDP" else named
