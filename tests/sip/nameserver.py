"""A name server on loopback, with a zone as a test writes it: the datagrams are real, the time is made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from twisted.internet.defer import Deferred
from twisted.internet.epollreactor import EPollReactor
from twisted.internet.error import ConnectionDone
from twisted.names import authority, client, dns, server
from twisted.python.failure import Failure

from pbx.clock import ReactorClock
from pbx.sip.resolver import TIMEOUTS, Resolver

HOST = "127.0.0.1"
TTL = 300  # seconds

Records = Mapping[str, Sequence[dns.IRecord]]


class Reactor(EPollReactor):
    """Twisted's own, with real sockets; its time is made, and jumps to what is due next when no socket has anything."""

    def __init__(self) -> None:
        self.now = 0.0
        self.moved = False
        super().__init__()

    def seconds(self) -> float:
        return self.now

    def _doReadOrWrite(self, *args: object) -> None:
        self.moved = True
        super()._doReadOrWrite(*args)

    def until(self, condition: Callable[[], object]) -> None:
        """Run until something holds."""
        for _ in range(10_000):
            if condition():
                return
            self.moved = False
            self.iterate(0)
            waiting = self.timeout()
            if not self.moved and waiting and not condition():
                self.now += waiting
        raise AssertionError("nothing happens any more")


class Served(authority.FileAuthority):
    """The zone example.test.

    :ivar asked: what was looked up, by name and type.
    """

    def __init__(self, records: Records) -> None:
        super().__init__(None)
        self.asked: Counter[tuple[str, int]] = Counter()
        self.records = {name.encode(): list(found) for name, found in records.items()}

    def loadFile(self, filename: object) -> None:
        self.soa = (b"example.test", dns.Record_SOA(b"ns.example.test", minimum=20, expire=20, ttl=TTL))

    def _lookup(self, name, cls, type, timeout=None):
        self.asked[name.decode(), type] += 1
        return super()._lookup(name, cls, type, timeout)


class Dns:
    """A name server on loopback, and a resolver of ours that asks it.

    :param hosts: the hosts(5) file.
    """

    def __init__(self, records: Records, hosts: str = "/nowhere/hosts") -> None:
        self.reactor = Reactor()
        self.zone = Served(records)
        factory = server.DNSServerFactory(authorities=[self.zone])
        factory.noisy = False
        self._datagrams = dns.DNSDatagramProtocol(factory, reactor=self.reactor)
        self._ports = [self.reactor.listenUDP(0, self._datagrams, interface=HOST)]
        self.port = self._ports[0].getHost().port
        self._ports.append(self.reactor.listenTCP(self.port, factory, interface=HOST))
        self.servers = [(HOST, self.port)]
        self.resolver = Resolver(ReactorClock(self.reactor), self.connected, hosts)

    def connected(self) -> client.Resolver:
        """A resolver of twisted.names that asks this server."""
        return client.Resolver(servers=self.servers, timeout=TIMEOUTS, reactor=self.reactor)

    def get(self, asked: Deferred):
        """What a lookup gives."""
        found: list = []
        asked.addBoth(found.append)
        self.reactor.until(lambda: found)
        return found[0]

    def falls_silent(self) -> None:
        """Every question is lost from now on."""
        self._datagrams.datagramReceived = lambda packet, address: None

    def comes_back(self) -> None:
        """It answers again."""
        del self._datagrams.datagramReceived

    def close(self) -> None:
        """Close every socket; those that are done with are about to be closed already."""
        self.reactor.iterate(0)
        for selectable in [*self.reactor.removeAll(), *self.reactor._internalReaders]:
            selectable.connectionLost(Failure(ConnectionDone()))
        self.reactor._poller.close()
