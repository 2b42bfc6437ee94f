"""Datagrams, and sockets on which they come: simulated ones, and a real one on the loopback address."""

from __future__ import annotations

import socket
from collections import Counter

from pbx.sip.addresses import Addresses
from pbx.sip.errors import Malformed
from pbx.sip.flow import Flow
from pbx.sip.message import Request, Response
from pbx.sip.parser import parse
from pbx.sip.transport import UDPTransport

OPTIONS = "OPTIONS sip:1001@192.0.2.1 SIP/2.0"


def packet(via: str = "SIP/2.0/UDP 192.0.2.9;rport;branch=z9hG4bK1", *more: str, start: str = OPTIONS) -> bytes:
    """A message with these fields, and those that it must have."""
    lines = (
        start,
        f"Via: {via}",
        *more,
        "From: <sip:a@192.0.2.9>;tag=1",
        "To: <sip:b@192.0.2.1>",
        "Call-ID: 1",
        f"CSeq: 1 {'ACK' if start.startswith('ACK') else 'OPTIONS'}",
    )
    return "\r\n".join([*lines, "", ""]).encode()


class Layer:
    """Whom the transports tell."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.received: list[tuple[Flow, Request | Response]] = []
        self.refused: list[tuple[Flow, Request, Malformed]] = []
        self.failed: list[tuple[Flow, bool]] = []

    def message_received(self, flow, message) -> None:
        self.received.append((flow, message))

    def refuse(self, flow, request, fault) -> None:
        self.refused.append((flow, request, fault))

    def flow_failed(self, flow, reached) -> None:
        self.failed.append((flow, reached))

    @property
    def flow(self) -> Flow:
        return self.received[-1][0]

    def answer(self, status: int = 200) -> None:
        """Answer the last request."""
        flow, message = self.received[-1]
        flow.send(bytes(message.response(status, "", "ours")))


class Bound:
    """A socket that receives what a test says, and writes down what is sent."""

    def __init__(self, *address) -> None:
        self.address = address or ("192.0.2.1", 5060)
        self.waiting: list = []
        self.sent: list[tuple[bytes, tuple]] = []

    def getsockname(self):
        return self.address

    def sendto(self, packet, address):
        self.sent.append((packet, address))

    def recvfrom(self, size):
        if not self.waiting:
            raise BlockingIOError
        found = self.waiting.pop(0)
        if isinstance(found, Exception):
            raise found
        return found


def simulated(layer: Layer, *address, addresses: Addresses | None = None) -> tuple[Bound, UDPTransport]:
    bound = Bound(*address)
    return bound, UDPTransport(bound, layer, addresses or Addresses(), layer.counts)


class Loopback:
    """A transport on a real socket, and a peer that talks to it."""

    def __init__(self, layer: Layer, host: str = "127.0.0.1", peer: str = "127.0.0.1", **parts) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.bound = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.bound.bind((host, 0))
        self.transport = UDPTransport(self.bound, layer, parts.get("addresses", Addresses()), layer.counts)
        self.peer = socket.socket(family, socket.SOCK_DGRAM)
        self.peer.bind((peer, 0))
        self.peer.settimeout(5)

    def asks(self, host: str, via: str = "SIP/2.0/UDP 10.1.1.1;rport;branch=z9hG4bK1") -> None:
        """The peer sends a request to this address of ours."""
        self.peer.sendto(packet(via), (host, self.transport.port))
        self.transport.doRead()

    def hears(self) -> tuple[Response, str]:
        """What the peer gets, and from which address."""
        answer, address = self.peer.recvfrom(65535)
        assert address[1] == self.transport.port
        return parse(answer), address[0]

    def close(self) -> None:
        self.peer.close()
        self.transport.connectionLost(None)
