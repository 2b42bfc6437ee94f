"""All transports of one exchange: finds flows (RFC 3261 18.1.1). An edge: names are resolved elsewhere."""

from __future__ import annotations

from pbx.sip.addresses import is_address, is_local, source_to
from pbx.sip.flow import Flow
from pbx.sip.transport import SIP_PORT, UDPTransport
from pbx.sip.uri import Uri


class Transports:
    """All transports of one exchange: finds flows (see `pbx.sip.user_agent.Flows`)."""

    def __init__(self) -> None:
        self.all: list[UDPTransport] = []
        self._local: set[str] = set()

    def is_local(self, host: str) -> bool:
        """Whether this is an address of this machine."""
        if host in self._local:
            return True
        # Asked of the kernel each time while it is none: addresses come and go.
        if is_local(host):
            self._local.add(host)
            return True
        return False

    def flow_to(self, uri: Uri) -> Flow | None:
        """A flow to the host of a URI (RFC 3261 18.1.1), or None when there is no way to it."""
        if uri.scheme != "sip" or (uri.parameters.get("transport") or "udp").lower() != "udp":
            return None
        host = (uri.parameters.get("maddr") or uri.host).strip("[]")
        if not is_address(host):
            return None
        return self.flow_between("", 0, host, uri.port or SIP_PORT)

    def flow_between(self, local_host: str, local_port: int, host: str, port: int) -> Flow | None:
        """A flow to an address, from the local address where it is still ours, else from any."""
        is_ipv6 = ":" in host
        fitting = [transport for transport in self.all if transport.is_ipv6 == is_ipv6]
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
