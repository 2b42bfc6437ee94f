"""All transports of one exchange: finds flows (RFC 3261 18.1.1). An edge: names are resolved elsewhere."""

from __future__ import annotations

from pbx.sip.addresses import is_address, is_local, source_to
from pbx.sip.flow import SIP_PORT, SIPS_PORT, Flow
from pbx.sip.hops import Hop
from pbx.sip.stream_transport import StreamTransport
from pbx.sip.transport import UDPFlow, UDPTransport
from pbx.sip.uri import Uri


class Transports:
    """All transports of one exchange: finds flows (see `pbx.sip.user_agent.Flows`).

    :ivar all: those over UDP.
    :ivar streams: those over TCP and TLS.
    """

    def __init__(self) -> None:
        self.all: list[UDPTransport] = []
        self.streams: list[StreamTransport] = []
        self._local: set[str] = set()

    @property
    def connections(self) -> int:
        """How many connections there are."""
        return sum([len(transport.connections) for transport in self.streams])

    def is_local(self, host: str) -> bool:
        """Whether this is an address of this machine."""
        if host in self._local:
            return True
        # Asked of the kernel each time while it is none: addresses come and go.
        if is_local(host):
            self._local.add(host)
            return True
        return False

    def is_listened_at(self, host: str) -> bool:
        """Whether we listen at this address, written as in a URI."""
        host = host.strip("[]")
        wildcard = False
        listeners: list[UDPTransport | StreamTransport] = [*self.all, *self.streams]
        for listener in listeners:
            if listener.host == host:
                return True
            wildcard = wildcard or listener.is_wildcard
        return wildcard and self.is_local(host)

    def flow_to(self, uri: Uri) -> Flow | None:
        """A flow to the host of a URI (RFC 3261 18.1.1), or None when there is no way to it."""
        asked = uri.parameters.get("transport")
        if uri.scheme == "sip":
            transport = asked.upper() if asked else "UDP" if self.all else "TCP"
        elif uri.scheme == "sips" and (asked or "tls").lower() in ("tls", "tcp"):
            transport = "TLS"  # RFC 3261 26.2.2: what is to be secure goes over TLS or not at all
        else:
            return None
        host = (uri.parameters.get("maddr") or uri.host).strip("[]")
        port = uri.port or (SIPS_PORT if transport == "TLS" else SIP_PORT)
        if is_address(host):
            return self._flow(transport, host, port, uri.host)
        for stream in self.streams:
            alias = stream.alias(host, port) if stream.name == transport else None
            if alias is not None:
                return alias
        return None

    def flow_along(self, hop: Hop) -> Flow | None:
        """A flow to a server that was located, or None when there is no way to it."""
        return self._flow(hop.transport, hop.host, hop.port, hop.name)

    def supported(self) -> tuple[str, ...]:
        """The transports by which we can reach others: "UDP", "TCP", "TLS"."""
        names = {transport.name for transport in self.streams}
        return (*(["UDP"] if self.all else []), *sorted(names))

    def flow_between(self, local_host: str, local_port: int, host: str, port: int) -> UDPFlow | None:
        """A flow over UDP to an address, from the local address where it is still ours, else from any."""
        is_ipv6 = ":" in host
        fitting: list[UDPTransport] = []
        for transport in self.all:
            if transport.is_ipv6 == is_ipv6:
                fitting.append(transport)
        address = (host, port, 0, 0) if is_ipv6 else (host, port)
        if len(fitting) == 1 and not fitting[0].is_wildcard:
            return fitting[0].flow(address)
        for transport in fitting:
            if transport.port == local_port and transport.host == local_host:
                return transport.flow(address)
        for transport in fitting:
            if transport.port == local_port and transport.is_wildcard and self.is_local(local_host):
                return transport.flow(address, local_host)
        if not fitting:
            return None
        source = source_to(address, is_ipv6)
        for transport in fitting:
            if transport.is_wildcard or transport.host == source:
                return transport.flow(address)
        return fitting[0].flow(address)

    def stop(self) -> None:
        """Close all connections."""
        for stream in self.streams:
            stream.stop()

    def _flow(self, transport: str, host: str, port: int, name: str) -> Flow | None:
        if transport != "UDP":
            stream = self._stream(transport, host, port)
            return None if stream is None else stream.flow(host, port, name.strip("[]"))
        flow = self.flow_between("", 0, host, port)
        return flow.widened(self._wider) if flow is not None and self.streams else flow

    def _stream(self, name: str, host: str, port: int) -> StreamTransport | None:
        """The transport of that name which leads to an address."""
        is_ipv6 = ":" in host
        fitting = [stream for stream in self.streams if stream.name == name and stream.is_ipv6 == is_ipv6]
        if len(fitting) > 1:
            source = source_to((host, port, 0, 0) if is_ipv6 else (host, port), is_ipv6)
            fitting.sort(key=lambda stream: stream.host != source)
        return fitting[0] if fitting else None

    def _wider(self, host: str, port: int) -> Flow | None:
        """A flow over TCP to a peer that is reached over UDP, unless it is known that there is none."""
        stream = self._stream("TCP", host, port)
        return stream.flow(host, port) if stream is not None and stream.may_reach(host, port) else None
