"""A flow: the way by which messages go to one peer and come from it (RFC 5626 section 3; here of every transport).

Machines send through a flow and know no other thing of the network. Transports make flows.
"""

from __future__ import annotations

from typing import Protocol

NOBODY: frozenset[str] = frozenset()

SIP_PORT, SIPS_PORT = 5060, 5061  # RFC 3261 19.1.2


class Flow(Protocol):
    """One peer's address seen from one of our sockets or connections.

    :ivar transport: "UDP", "TCP" or "TLS", as written in Via.
    :ivar reliable: whether the transport itself retransmits (RFC 3261 17).
    :ivar host: our address as this peer should use it: in Via, Contact and SDP. IPv6 in brackets.
    :ivar port: our port as this peer should use it.
    :ivar source: our address on this machine, to which sockets for the same peer can be bound. IPv6 without brackets.
    :ivar remote: the peer's (address, port). IPv6 without brackets.
    :ivar is_open: whether it can be used without a new connection.
    :ivar is_alias: whether the peer may send its own requests for us over the connection that we make (RFC 5923).
    :ivar names: whom the peer's certificate names: users, each as "user@host", and SIP domains; hosts in lower case.
    """

    @property
    def transport(self) -> str: ...
    @property
    def reliable(self) -> bool: ...
    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def source(self) -> str: ...
    @property
    def remote(self) -> tuple[str, int]: ...
    @property
    def is_open(self) -> bool: ...
    @property
    def is_alias(self) -> bool: ...
    @property
    def names(self) -> frozenset[str]: ...

    def send(self, packet: bytes, method: str = "") -> None:
        """Send one message. Never raises: what cannot be sent is lost, and timers or `transport_failed` tell of it.

        :param method: of its CSeq, unless that is known to belong to a call: see `pbx.sip.trace`.
        """

    def wider(self) -> Flow | None:
        """A flow to the same peer for requests too long for this one (RFC 3261 18.1.1); None where there is none."""

    def keep_until(self, time: float) -> None:
        """Keep a connection until then (seconds since 1970), even in silence: somebody has registered over it."""

    def succeeded_by(self, flow: Flow) -> None:
        """The peer has come back on another flow: what cannot be sent on this one any more goes there."""

    def close(self) -> None:
        """The peer has left it: close its connection, if there is one, once all is sent."""


def via_of(flow: Flow, branch: str) -> str:
    """The Via value of a request that we send through a flow (RFC 3261 8.1.1.7, RFC 3581, RFC 5923 5)."""
    return f"SIP/2.0/{flow.transport} {flow.host}:{flow.port};rport;branch={branch}{';alias' if flow.is_alias else ''}"


def hostport_of(flow: Flow) -> str:
    """Our host as this peer dials it, with the port where it is not SIP's own: a phone redials what it has seen."""
    return flow.host if flow.port == SIP_PORT else f"{flow.host}:{flow.port}"


def contact_of(flow: Flow, secure: bool = False) -> str:
    """The Contact value under which the peer of a flow reaches us; users and parameters are nobody's business.

    :param secure: whether it has to be a SIPS URI (RFC 3261 8.1.1.8, 12.1.1); the flow is over TLS then.
    """
    if secure:
        return f"<sips:{flow.host}:{flow.port}>"
    if flow.transport == "UDP":
        return f"<sip:{flow.host}:{flow.port}>"
    return f"<sip:{flow.host}:{flow.port};transport={flow.transport.lower()}>"
