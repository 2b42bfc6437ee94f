"""SIP over UDP: datagrams to messages and back (RFC 3261 section 18, RFC 3581). An edge: it decides nothing.

Every message reaches the transactions with its flow; what cannot be read is answered where it can be, else dropped and
counted. Nothing that arrives here raises.
"""

from __future__ import annotations

import socket
import struct
from collections import Counter
from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.interfaces import IReadDescriptor
from twisted.logger import Logger
from zope.interface import implementer

from pbx.sip import stun
from pbx.sip.addresses import Addresses, SocketAddress, bracketed, source_to
from pbx.sip.errors import Malformed
from pbx.sip.flow import NOBODY, SIP_PORT, Flow
from pbx.sip.gate import OPEN, Gate
from pbx.sip.grammar import elements
from pbx.sip.message import Request, Response
from pbx.sip.parser import LIMITS, BadRequest, Limits, parse
from pbx.sip.trace import KEEP_ALIVE, RECEIVED, SENT, Trace

_IP_PKTINFO = 8  # Linux: not among the names of Python's socket module before 3.14
_DATAGRAMS_AT_ONCE = 64  # a flood must not keep the reactor from its timers
_SHARE = 1024  # datagrams of one address that are dealt with before the socket has been empty once
_FLOWS_KEPT = 20_000
_LONGEST = 65_535  # bytes

_log = Logger(namespace="pbx.sip")


class Receiver(Protocol):
    """Whom transports tell: the transaction layer."""

    def message_received(self, flow: Flow, message: Request | Response) -> None:
        """A well-formed message came."""

    def refuse(self, flow: Flow, request: Request, fault: Malformed) -> None:
        """A request came that is malformed, and can be answered."""

    def flow_failed(self, flow: Flow, reached: bool) -> None:
        """A connection over which we have asked something is gone; or could not be made, and the peer not reached."""


Finder = Callable[[str, int], Flow | None]
"""Finds a flow over TCP to a host and port."""


class UDPFlow:
    """The way to one UDP peer (see `pbx.sip.flow.Flow`)."""

    __slots__ = ("_address", "_ancillary", "_transport", "_wide", "host", "port", "remote", "source")

    transport = "UDP"
    reliable = False
    is_open = True
    is_alias = False
    names = NOBODY

    def __init__(
        self, transport: UDPTransport, address: SocketAddress, source: str, host: str, ancillary: list[Any]
    ) -> None:
        self._transport = transport
        self._address = address
        self._ancillary = ancillary
        self._wide: WideFlow | None = None
        self.source = source
        self.host = host
        self.port = transport.port
        self.remote: tuple[str, int] = (address[0], address[1])

    def send(self, packet: bytes, method: str = "") -> None:
        """Send one datagram; what the kernel refuses is counted and lost.

        While datagrams are read, an ACK and the answer to a BYE, to which nobody says anything, wait for what goes out
        next: to wake another processor takes ten times as long as to send one datagram more (docs/design).
        """
        transport = self._transport
        if transport.trace is not None:
            transport.trace.keep(SENT, self, packet, method)
        transport.waiting.append((packet, self._address, self._ancillary))
        if not (transport.is_reading and (packet[:4] == b"ACK " or (method == "BYE" and packet[:4] == b"SIP/"))):
            transport.flush()

    def wider(self) -> Flow | None:
        """None: where this peer was met, it may be met by UDP only."""
        return None

    def widened(self, find: Finder) -> UDPFlow:
        """The same, for requests that may leave UDP when they are too long for it."""
        if self._wide is None:
            self._wide = WideFlow(self._transport, self._address, self.source, self.host, self._ancillary)
            self._wide.find = find
        return self._wide

    def keep_until(self, time: float) -> None:
        """There is no connection that could be kept."""

    def succeeded_by(self, flow: Flow) -> None:
        """There is no connection that could be lost."""

    def close(self) -> None:
        """There is no connection that could be closed."""

    def __repr__(self) -> str:
        return f"<UDP {self.host}:{self.port} to {self.remote[0]}:{self.remote[1]}>"


class WideFlow(UDPFlow):
    """The way to a UDP peer that may have another transport, too.

    :ivar find: asked for a flow over it.
    """

    __slots__ = ("find",)

    find: Finder

    def wider(self) -> Flow | None:
        """A flow to the same address over TCP."""
        return self.find(*self.remote)


@implementer(IReadDescriptor)
class UDPTransport:
    """One UDP socket.

    :param bound: the bound, non-blocking socket; in simulations, anything with its `sendto` and `getsockname`.
    :param receiver: whom it tells.
    :param addresses: which address a peer is told.
    :param counts: what happened, by name.
    :param limits: how long a message may be.
    :param gate: who is shut out.
    :ivar socket: the same.
    :ivar trace: keeps what comes and goes; None: nobody does.
    :ivar is_reading: whether it deals with datagrams that have come.
    :ivar waiting: what goes out next, each with its peer's address and what `sendmsg` takes beside it.
    """

    def __init__(
        self,
        bound: Any,
        receiver: Receiver,
        addresses: Addresses,
        counts: Counter[str],
        limits: Limits = LIMITS,
        gate: Gate = OPEN,
    ) -> None:
        self.socket = bound
        self._receiver = receiver
        self._addresses = addresses
        self._counts = counts
        self._limits = limits
        self._gate = gate
        self.trace: Trace | None = None
        self.is_reading = False
        self.waiting: list[tuple[bytes, SocketAddress, list[Any]]] = []
        self._flows: dict[tuple[SocketAddress, str], UDPFlow] = {}
        self._came: dict[str, int] = {}  # datagrams by address, since the socket was empty last
        name = bound.getsockname()
        self.host: str = name[0]
        self.port: int = name[1]
        self.is_ipv6 = ":" in self.host
        self.is_wildcard = self.host in ("0.0.0.0", "::")
        if self.is_wildcard:
            # The address that a datagram was sent to must be the one that its answer comes from.
            if self.is_ipv6:
                bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
            else:
                bound.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)

    def fileno(self) -> int:
        """The socket's descriptor."""
        return self.socket.fileno()  # type: ignore[no-any-return]

    def logPrefix(self) -> str:
        """What Twisted calls us in its log."""
        return "SIP over UDP"

    def connectionLost(self, reason: object) -> None:
        """Twisted lets go of us."""
        self.socket.close()

    def doRead(self) -> None:
        """Read what waits, up to a limit.

        While more comes than can be dealt with, nobody has more than his share: what one address sends beyond it is
        dropped unread, so that the others do not wait behind it, nor lose theirs in a full buffer.
        """
        receive, wildcard, came = self.socket, self.is_wildcard, self._came
        self.is_reading = True
        for _ in range(_DATAGRAMS_AT_ONCE):
            try:
                if wildcard:
                    packet, ancillary, _, address = receive.recvmsg(_LONGEST, 64)
                    source = _destination(ancillary) or self.host
                else:
                    packet, address = receive.recvfrom(_LONGEST)
                    source = self.host
            except BlockingIOError:
                came.clear()
                break
            except OSError:
                self._counts["receive errors"] += 1  # an ICMP error of an earlier datagram
                continue
            number = came[address[0]] = came.get(address[0], 0) + 1
            if number > _SHARE:
                self._counts["flooding datagrams"] += 1
                continue
            try:
                self.datagram_received(packet, address, source)
            except Exception:
                # A mistake of ours. Raised into the reactor it would close this socket, and end the exchange.
                self._counts["failures"] += 1
                _log.failure("a datagram from {address} could not be dealt with", address=address)
        if len(came) > _FLOWS_KEPT:
            came.clear()  # their addresses are forged
        self.is_reading = False
        if self.waiting:
            self.flush()

    def flush(self) -> None:
        """Send what waits."""
        waiting, self.waiting = self.waiting, []
        for packet, address, ancillary in waiting:
            try:
                if ancillary:
                    self.socket.sendmsg((packet,), ancillary, 0, address)
                else:
                    self.socket.sendto(packet, address)
            except OSError:
                self.send_failed()

    def datagram_received(self, packet: bytes, address: SocketAddress, source: str = "") -> None:
        """One datagram came.

        :param address: the sender's socket address.
        :param source: our address that it was sent to.
        """
        gate = self._gate
        if gate.alert and gate.shuts_out("UDP", address[0], address[1]):
            self._counts["banned"] += 1
            return
        source = source or self.host
        try:
            message = parse(packet, self._limits)
        except BadRequest as fault:
            flow = self.flow(stamp(fault.request, address), source)
            self._receiver.refuse(flow, fault.request, fault)
            return
        except Malformed:
            self._unreadable(packet, address, source)
            return
        flow = self.flow(stamp(message, address) if isinstance(message, Request) else address, source)
        if self.trace is not None:
            self.trace.keep(RECEIVED, flow, packet, message.cseq_method)
        self._receiver.message_received(flow, message)

    def flow(self, address: SocketAddress, source: str = "") -> UDPFlow:
        """The flow to a socket address.

        :param source: our address to send from; "" for the one that leads there.
        """
        key = (address, source)
        flow = self._flows.get(key)
        if flow is None:
            if not source:
                source = source_to(address, self.is_ipv6) if self.is_wildcard else self.host
            if len(self._flows) >= _FLOWS_KEPT:
                self._flows.clear()
            ancillary = _source_option(source) if self.is_wildcard else []
            flow = UDPFlow(self, address, source, self._addresses.shown(source, address[0]), ancillary)
            self._flows[key] = flow
        return flow

    def send_failed(self) -> None:
        """The kernel refuses a datagram."""
        self._counts["send errors"] += 1
        self._flows.clear()  # the way there may be another one now

    def _unreadable(self, packet: bytes, address: SocketAddress, source: str) -> None:
        """What is no message may keep a NAT open (RFC 5626 3.5); else it is dropped."""
        host, port = address[0].partition("%")[0], address[1]
        answer = stun.answer(packet, host, port)
        if answer is not None:
            self.flow(address, source).send(answer, KEEP_ALIVE)
        self._gate.bothered("UDP", address[0], port)
        known = answer is not None or not packet.strip(b"\r\n\0")
        self._counts["keep-alives" if known else "malformed datagrams"] += 1


def stamp(request: Request, address: SocketAddress) -> SocketAddress:
    """Write into the top Via where a request came from (RFC 3261 18.2.1, RFC 3581 4).

    :param address: the socket address from which it came; its zone is not written.
    :returns: the one at which its sender wants the responses over UDP: the same, or with the port of its Via.
    """
    via = request.via
    host, port = address[0].partition("%")[0], address[1]
    given = via.parameters
    behind_nat = "rport" in given
    if behind_nat:
        given["rport"] = str(port)
    if behind_nat or (via.host != host and via.host != bracketed(host)):
        given["received"] = host
        for place, (key, name, value) in enumerate(request.fields):
            if key == "via":
                values = elements(value) if "," in value else [value]
                request.fields[place] = (key, name, ", ".join([str(via), *values[1:]]))
                break
    sent_by = via.port or SIP_PORT
    if behind_nat or port == sent_by:
        return address
    # The zone of a link-local address means something on this machine only; the scope says the same.
    return (host, sent_by, *address[2:])


def _destination(ancillary: list[tuple[int, int, bytes]]) -> str:
    for level, kind, content in ancillary:
        if level == socket.IPPROTO_IP and kind == _IP_PKTINFO:
            return socket.inet_ntoa(content[8:12])
        if level == socket.IPPROTO_IPV6 and kind == socket.IPV6_PKTINFO:
            return socket.inet_ntop(socket.AF_INET6, content[:16])
    return ""


def _source_option(source: str) -> list[Any]:
    """The ancillary data that makes a datagram leave from one of our addresses."""
    if source in ("0.0.0.0", "::"):
        return []
    if ":" in source:
        content = socket.inet_pton(socket.AF_INET6, source.partition("%")[0]) + struct.pack("=I", 0)
        return [(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, content)]
    return [(socket.IPPROTO_IP, _IP_PKTINFO, struct.pack("=I4s4s", 0, socket.inet_aton(source), b"\0" * 4))]
