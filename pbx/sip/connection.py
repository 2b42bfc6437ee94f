"""A connection over TCP or TLS, and the flow that outlives it (RFC 3261 section 18). An edge.

A flow is the way to one peer. It has at most one connection at a time, and asks for a new one when it needs one. A peer
that is silent, slow, or does not read costs one bounded buffer, and is dropped in time.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Protocol

from twisted.internet.interfaces import IHandshakeListener
from twisted.logger import Logger
from zope.interface import implementer

from pbx.sip.addresses import Addresses, SocketAddress
from pbx.sip.flow import NOBODY, Flow
from pbx.sip.framing import PING, Framer, Item
from pbx.sip.gate import Gate
from pbx.sip.headers import Via
from pbx.sip.message import Request, Response
from pbx.sip.parser import BadRequest, Limits
from pbx.sip.timers import Clock, Timer
from pbx.sip.trace import RECEIVED, SENT, Trace
from pbx.sip.transport import Receiver, stamp

CONNECTING = 5.0  # seconds for a connection of ours, TLS and all
PATIENCE = 10.0  # seconds for a peer's handshake, for its first message, and for the rest of each that has begun
IDLE = 900.0  # seconds without a word after which a connection is closed that nobody has registered over
LINGER = 2.0  # seconds for a peer to close its side, too
UNSENT = 64 * 1024  # bytes that wait for a connection to be made

_log = Logger(namespace="pbx.sip")


class Security(Protocol):
    """TLS, as much as a transport needs of it."""

    def server(self, connection: Connection) -> Any:
        """What stands between the socket of a peer that has connected to us and the connection."""

    def client(self, connection: Connection) -> Any:
        """What stands between the socket of a peer that we have connected to and the connection."""

    def trusts(self, socket: Any, domain: str) -> bool:
        """Whether the peer that we have connected to is the one that we meant (RFC 5922 7.3)."""

    def is_ours(self, domain: str) -> bool:
        """Whether our certificate proves to those that we connect to that this is our name (RFC 5923 9.1)."""

    def proves(self, socket: Any, domain: str) -> bool:
        """Whether the peer that has connected to us has proven that this is its name (RFC 5922 7.4)."""

    def users(self, socket: Any) -> frozenset[str]:
        """The users that the certificate of a peer that has connected to us names: "user@host"."""


class Transport(Protocol):
    """The transport that connections and flows belong to.

    :ivar name: "TCP" or "TLS".
    :ivar port: where we listen.
    :ivar connections: the connections there are.
    """

    name: str
    port: int
    addresses: Addresses
    clock: Clock
    connections: set[Connection]
    counts: Counter[str]
    gate: Gate
    limits: Limits
    receiver: Receiver
    security: Security | None
    trace: Trace | None

    def connect(self, flow: StreamFlow) -> Connection | None:
        """Make a connection for a flow without one; None when nothing leads there."""

    def reached(self, flow: StreamFlow) -> None:
        """A connection of ours is there."""

    def connection_lost(self, connection: Connection) -> None:
        """A connection is gone, or never came to be."""

    def add_alias(self, flow: StreamFlow, via: Via, socket: Any) -> None:
        """A peer wants requests for the address in its Via on the connection that it has made."""


class StreamFlow:
    """The way to one peer over a connection (see `pbx.sip.flow.Flow`).

    :ivar connection: the connection; None while there is none.
    :ivar asked: whether a request of ours went through it.
    :ivar inbound: whether the peer has connected to us, so that its port leads nowhere once the connection is gone.
    :ivar domain: the host by which we know the peer: its certificate must be for this one.
    :ivar sent_by: host and port of the peer's own Via; None before its first request.
    :ivar kept_until: seconds since 1970; until then its connection may be silent.
    :ivar names: the users that the certificate of a peer names that has connected to us.
    """

    __slots__ = (
        "__weakref__",
        "_successor",
        "_transport",
        "asked",
        "connection",
        "domain",
        "host",
        "inbound",
        "kept_until",
        "names",
        "port",
        "remote",
        "sent_by",
        "source",
        "transport",
    )

    reliable = True

    def __init__(
        self, transport: Transport, address: SocketAddress, source: str, domain: str = "", inbound: bool = False
    ) -> None:
        self._transport = transport
        self._successor: Flow | None = None
        self.transport = transport.name
        self.source = source
        self.host = transport.addresses.shown(source, address[0])
        self.port = transport.port
        self.remote: tuple[str, int] = (address[0], address[1])
        self.domain = domain
        self.inbound = inbound
        self.sent_by: tuple[str, int | None] | None = None
        self.connection: Connection | None = None
        self.asked = False
        self.kept_until = 0.0
        self.names = NOBODY

    @property
    def is_open(self) -> bool:
        """Whether it has a connection."""
        return self.connection is not None and self.connection.ready

    @property
    def is_alias(self) -> bool:
        """Whether the peer may send its own requests for us over the connection that we make (RFC 5923 5): over TLS
        only, and where our certificate proves what our Via says.
        """
        security = self._transport.security
        return security is not None and not self.inbound and security.is_ours(self.host.strip("[]"))

    def send(self, packet: bytes, method: str = "") -> None:
        """Send one message, over a new connection if need be. What cannot be sent is counted and lost."""
        connection = self.connection
        if connection is None:
            if self._successor is not None:
                self._successor.send(packet, method)
                return
            connection = self._transport.connect(self)
            if connection is None:
                return
        if not self.asked and not packet.startswith(b"SIP/2.0 "):
            self.asked = True
        if self._transport.trace is not None:
            self._transport.trace.keep(SENT, self, packet, method)
        connection.send(packet)

    def wider(self) -> None:
        """There is none: this one takes messages of any length."""

    def keep_until(self, time: float) -> None:
        """Keep the connection until then, even in silence: somebody has registered over it."""
        self.kept_until = max(self.kept_until, time)
        self._successor = None  # it is the peer's latest again

    def succeeded_by(self, flow: Flow) -> None:
        """The peer has come back on another flow: what cannot be sent here goes there."""
        if flow is not self:
            flow.keep_until(0.0)  # the peer's latest has no successor: nothing goes round in circles
            self._successor = flow

    def close(self) -> None:
        """Close the connection once all is sent; what comes to be sent later goes to the successor, or anew."""
        self.kept_until = 0.0
        if self.connection is not None:
            self.connection.close()

    def __repr__(self) -> str:
        return f"<{self.transport} {self.host}:{self.port} to {self.remote[0]}:{self.remote[1]}>"


@implementer(IHandshakeListener)
class Connection:
    """One connection of a flow: what Twisted calls a protocol.

    :ivar inbound: whether the peer has made it.
    :ivar ready: whether messages can pass.
    :ivar heard: when something came last, or when a connection of ours was made; None before.
    """

    __slots__ = ("_began", "_framer", "_queue", "_socket", "_timer", "_transport", "flow", "heard", "inbound", "ready")

    def __init__(self, transport: Transport, flow: StreamFlow, inbound: bool) -> None:
        self.flow = flow
        self.inbound = inbound
        self.ready = False
        self.heard: float | None = None
        self._transport = transport
        self._socket: Any = None
        self._framer = Framer(transport.limits)
        self._queue: list[bytes] = []  # what waits until messages can pass
        self._began: float | None = transport.clock.seconds()  # since when the peer owes us something
        self._timer: Timer | None = transport.clock.callLater(PATIENCE if inbound else CONNECTING, self._look)
        flow.connection = self
        transport.connections.add(self)

    # What Twisted tells

    def makeConnection(self, transport: Any) -> None:
        """The socket is connected; with TLS, there is a handshake to come."""
        self._socket = transport
        if self._transport.security is None:
            self._begin()

    def handshakeCompleted(self) -> None:
        """TLS is there."""
        security, flow = self._transport.security, self.flow
        flow.names = security.users(self._socket) if security is not None and self.inbound else NOBODY
        if security is None or self.inbound or security.trusts(self._socket, flow.domain):
            self._begin()
        else:
            self._transport.counts["untrusted servers"] += 1
            self._drop()

    def dataReceived(self, data: bytes) -> None:
        """Bytes came."""
        if not self.ready:
            return  # it is being closed
        transport, remote = self._transport, self.flow.remote
        if transport.gate.alert and self.inbound and transport.gate.shuts_out(transport.name, *remote):
            transport.counts["banned"] += 1
            self._drop()
            return
        framer = self._framer
        now = transport.clock.seconds()
        ended, pings = False, 0
        for item in framer.feed(data):
            if item is PING:
                pings += 1
            else:
                ended = True
                self._take(item)
        if pings:
            transport.counts["keep-alives"] += pings
            transport.gate.bothered(transport.name, *remote)
            self._socket.write(b"\r\n" * pings)
        if ended or self.heard is not None:
            self.heard = now
        if framer.over:
            self.close()
        elif not framer.waits:
            if self.heard is not None:
                self._began = None
        elif ended or self._began is None:
            self._began = now
            self._wait(PATIENCE)

    def connectionLost(self, reason: object) -> None:
        """The connection is gone, or never came to be."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.ready = False
        self._transport.connection_lost(self)

    # What our own side tells

    def dialled(self, attempt: Any) -> None:
        """The attempt to connect has begun."""
        self._socket = attempt

    def send(self, packet: bytes) -> None:
        """Send one message as soon as messages can pass."""
        if self.ready:
            self._socket.write(packet)
        elif sum(map(len, self._queue)) + len(packet) <= UNSENT:
            self._queue.append(packet)
        else:
            self._transport.counts["send errors"] += 1

    def close(self) -> None:
        """Close it once all is sent; its flow makes a new one if it needs one."""
        if not self.ready:
            self._drop()
            return
        self._leave()
        self._socket.loseConnection()
        self._wait(LINGER)

    # Inside

    def _begin(self) -> None:
        self.ready = True
        if not self.inbound:
            self.heard = self._transport.clock.seconds()
            self._began = None
            self._transport.reached(self.flow)
        queue, self._queue = self._queue, []
        for packet in queue:
            self._socket.write(packet)

    def _take(self, item: Item) -> None:
        """Pass on what came, and survive whatever comes of it."""
        transport, flow = self._transport, self.flow
        try:
            if transport.trace is not None and isinstance(item, Request | Response):
                transport.trace.keep(RECEIVED, flow, bytes(item), item.cseq_method)
            if isinstance(item, Request):
                self._stamp(item)
                transport.receiver.message_received(flow, item)
            elif isinstance(item, Response):
                transport.receiver.message_received(flow, item)
            elif isinstance(item, BadRequest):
                self._stamp(item.request)
                transport.receiver.refuse(flow, item.request, item)
            else:
                transport.counts["malformed messages"] += 1
                transport.gate.bothered(transport.name, *flow.remote)
        except Exception:
            transport.counts["failures"] += 1
            _log.failure("a message from {flow} could not be dealt with", flow=flow)

    def _stamp(self, request: Request) -> None:
        via, flow = request.via, self.flow
        stamp(request, flow.remote)
        flow.sent_by = (via.host, via.port)
        if "alias" in via.parameters and self.inbound:
            self._transport.add_alias(flow, via, self._socket)

    def _wait(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._transport.clock.callLater(seconds, self._look)

    def _look(self) -> None:
        """Time has passed: end what has been silent for too long, or come again when it may have been."""
        self._timer = None
        if self._framer.over:
            self._drop()
            return
        now = self._transport.clock.seconds()
        if self._began is not None:
            until = self._began + (PATIENCE if self.ready or self.inbound else CONNECTING)
        else:
            until = max((self.heard or 0.0) + IDLE, self.flow.kept_until)
        if until > now:
            self._wait(until - now)
        elif self._began is None:
            self._transport.counts["idle connections"] += 1
            self.close()
        else:
            self._transport.counts["slow connections"] += 1
            self._drop()

    def _drop(self) -> None:
        """End it now; the flow is told when it is gone."""
        self._framer.over = True
        if self._socket is not None:
            self._socket.abortConnection()

    def _leave(self) -> None:
        """Let the flow make another connection for what it sends next."""
        self._framer.over = True
        self.ready = False
        self.flow.connection = None
