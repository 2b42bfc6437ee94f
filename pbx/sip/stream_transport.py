"""SIP over TCP or TLS on one listening address: who may connect, whom we connect to, which connection leads where
(RFC 3261 section 18, RFC 5923). An edge.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, Protocol
from weakref import WeakValueDictionary

from pbx.sip.addresses import Addresses, SocketAddress, source_to
from pbx.sip.connection import Connection, Security, StreamFlow
from pbx.sip.flow import SIP_PORT, SIPS_PORT
from pbx.sip.gate import OPEN, Gate
from pbx.sip.headers import Via
from pbx.sip.occupancy import Occupancy
from pbx.sip.parser import LIMITS, Limits
from pbx.sip.timers import Clock
from pbx.sip.trace import Trace
from pbx.sip.transport import Receiver

UNREACHABLE = 600.0  # seconds for which a peer that took no connection is taken to have no such transport
_PEERS_KEPT = 1000


class Dialer(Protocol):
    """Where connections come from."""

    def dial(self, connection: Connection, address: SocketAddress, source: str, wrap: Callable[[Any], Any]) -> Any:
        """Connect, from one of our addresses or, for "", from any that leads there.

        The connection, wrapped, is told when it is there; unwrapped, when it will never be. Neither happens at once.

        :returns: what the attempt can be ended with: its `abortConnection`.
        """


class StreamTransport:
    """TCP, or TLS, on one listening address.

    :param name: "TCP" or "TLS".
    :param bound: the listening address.
    :param receiver: whom it tells.
    :param addresses: which address a peer is told.
    :param counts: what happened, by name.
    :param dialer: where connections come from.
    :param occupancy: how many connections may be made to us.
    :param security: TLS; None where it is not wanted, or is somebody else's business.
    :param limits: how long a message may be.
    :param gate: who is shut out.
    :ivar connections: the connections there are.
    :ivar trace: keeps what comes and goes; None: nobody does.
    """

    def __init__(
        self,
        name: str,
        bound: SocketAddress,
        receiver: Receiver,
        addresses: Addresses,
        counts: Counter[str],
        clock: Clock,
        dialer: Dialer,
        occupancy: Occupancy,
        security: Security | None = None,
        limits: Limits = LIMITS,
        gate: Gate = OPEN,
    ) -> None:
        self.name = name
        self.host: str = bound[0]
        self.port: int = bound[1]
        self.is_ipv6 = ":" in self.host
        self.is_wildcard = self.host in ("0.0.0.0", "::")
        self.receiver = receiver
        self.addresses = addresses
        self.counts = counts
        self.clock = clock
        self.security = security
        self.limits = limits
        self.gate = gate
        self.connections: set[Connection] = set()
        self.trace: Trace | None = None
        self._dialer = dialer
        self._occupancy = occupancy
        self._default_port = SIPS_PORT if name == "TLS" else SIP_PORT
        self._flows: WeakValueDictionary[tuple[str, int, str], StreamFlow] = WeakValueDictionary()
        self._aliases: WeakValueDictionary[tuple[str, int], StreamFlow] = WeakValueDictionary()
        self._unreachable: dict[tuple[str, int], float] = {}

    def accept(self, address: SocketAddress, source: str) -> Any:
        """Somebody has connected. Returns what is told of the connection, or None when there are too many.

        :param address: the peer's socket address.
        :param source: our address that it has connected to.
        """
        if self.gate.alert and self.gate.shuts_out(self.name, address[0], address[1]):
            self.counts["banned"] += 1
            return None
        if not self._occupancy.enter(address[0]):
            self.counts["refused connections"] += 1
            return None
        connection = Connection(self, StreamFlow(self, address, source, inbound=True), inbound=True)
        return connection if self.security is None else self.security.server(connection)

    def flow(self, host: str, port: int, domain: str = "") -> StreamFlow:
        """The flow to an address; it connects when something is to be sent.

        :param domain: the host that was asked for: with TLS, the peer must prove that it is this one.
        """
        domain = domain if domain and self.name == "TLS" else host
        alias = self.alias(domain, port)
        if alias is not None:
            return alias
        flow = self._flows.get((host, port, domain))
        if flow is None:
            address = (host, port, 0, 0) if self.is_ipv6 else (host, port)
            source = source_to(address, self.is_ipv6) if self.is_wildcard else self.host
            flow = self._flows[host, port, domain] = StreamFlow(self, address, source, domain)
        return flow

    def alias(self, host: str, port: int) -> StreamFlow | None:
        """The flow of a connection that a peer has made and that leads to this address, too (RFC 5923); None if none.

        :param host: an IP address, or a name.
        """
        flow = self._aliases.get((host, port))
        return flow if flow is not None and flow.is_open else None

    def may_reach(self, host: str, port: int) -> bool:
        """Whether it is not known that a connection to this address fails."""
        return self._unreachable.get((host, port), 0.0) <= self.clock.seconds()

    def connect(self, flow: StreamFlow) -> Connection | None:
        """Make a connection for a flow without one: to where the peer was met, or says that it listens."""
        host, port = flow.remote
        if flow.inbound:
            if flow.sent_by is None:
                self.counts["send errors"] += 1
                return None
            # RFC 3261 18.2.2: the port it has connected from leads nowhere now.
            flow.domain, port = flow.sent_by[0].strip("[]"), flow.sent_by[1] or self._default_port
        address = (host, port, 0, 0) if self.is_ipv6 else (host, port)
        connection = Connection(self, flow, inbound=False)
        wrap = _bare if self.security is None else self.security.client
        connection.dialled(self._dialer.dial(connection, address, flow.source, wrap))
        return connection

    def add_alias(self, flow: StreamFlow, via: Via, socket: Any) -> None:
        """A peer wants requests for the address in its Via on the connection that it has made (RFC 5923 5).

        Anybody could say so: it has to be the address that it comes from or, with TLS, the name that its certificate is
        for (RFC 5923 9.2).
        """
        host, port = via.host.strip("[]").lower(), via.port or self._default_port
        if self._aliases.get((host, port)) is flow:
            return
        if host == flow.remote[0] if self.security is None else self.security.proves(socket, host):
            self._aliases[host, port] = flow

    def reached(self, flow: StreamFlow) -> None:
        """A connection of ours is there."""
        self._unreachable.pop(flow.remote, None)

    def connection_lost(self, connection: Connection) -> None:
        """A connection is gone, or never came to be."""
        flow = connection.flow
        self.connections.discard(connection)
        if connection.inbound:
            self._occupancy.leave(flow.remote[0])
        elif connection.heard is None:
            if len(self._unreachable) >= _PEERS_KEPT:
                self._unreachable.clear()
            self._unreachable[flow.remote] = self.clock.seconds() + UNREACHABLE
        if flow.connection is connection:
            flow.connection = None
        if flow.connection is None and flow.asked:
            flow.asked = False
            self.receiver.flow_failed(flow, connection.inbound or connection.heard is not None)

    def stop(self) -> None:
        """Close all connections."""
        for connection in list(self.connections):
            connection.close()


def _bare(connection: Connection) -> Connection:
    """Nothing stands between a connection and its socket."""
    return connection
