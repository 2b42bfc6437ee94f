"""Listening: sockets that are bound before anything runs, so that what is wrong with them is said in one line."""

from __future__ import annotations

import errno
import socket
from typing import Any

from pbx.faults import Fault
from pbx.options import Listener
from pbx.sip.connection import Security
from pbx.sip.stream_socket import StreamDialer, StreamListener
from pbx.wiring import Exchange

RECEIVE_BUFFER = 4 << 20  # bytes: a second of registrations after a power cut, while Python is busy elsewhere
BACKLOG = 1024  # connections that wait to be accepted: as many phones come back at once after that power cut


def bind(listener: Listener) -> socket.socket:
    """Return a bound, non-blocking socket; one for connections already holds those that come.

    :raises Fault: the address is not ours, or the port is taken or privileged.
    """
    kind = socket.SOCK_DGRAM if listener.transport == "UDP" else socket.SOCK_STREAM
    family = socket.AF_INET6 if ":" in listener.host else socket.AF_INET
    bound = socket.socket(family, kind | socket.SOCK_NONBLOCK)
    try:
        if family == socket.AF_INET6:
            # "udp:[::]:5060" can then stand beside "udp:0.0.0.0:5060".
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if kind == socket.SOCK_DGRAM:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        else:
            # The connections of the last run, which the kernel remembers for a minute, do not take the port.
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        flags = socket.AI_NUMERICHOST | socket.AI_PASSIVE
        bound.bind(socket.getaddrinfo(listener.host, listener.port, family, kind, 0, flags)[0][4])
        if kind == socket.SOCK_STREAM:
            bound.listen(BACKLOG)
    except OSError as error:
        bound.close()
        what, remedy = {
            errno.EADDRINUSE: ("is taken", "stop the program that has it, or listen elsewhere"),
            errno.EADDRNOTAVAIL: ("is no address of this machine", "listen on one that is, or on 0.0.0.0"),
            errno.EACCES: ("needs root", "listen on a port above 1023"),
        }.get(error.errno or 0, (f"cannot be used: {error.strerror}", "listen elsewhere"))
        raise Fault("", 0, f"{listener} {what}", remedy) from error
    return bound


def require_local(address: str) -> None:
    """Check that sockets can be bound to an address; else the first call would find that out.

    :raises Fault: they cannot.
    """
    try:
        bind(Listener("UDP", address, 0)).close()
    except Fault as fault:
        raise Fault("", 0, f"{address} is no address of this machine", 'write one that is, or ""') from fault


class Listening:
    """All that reads from the bound sockets.

    :param reactor: Twisted's.
    :param security: TLS; None where nothing listens for it.
    """

    def __init__(self, exchange: Exchange, reactor: Any, security: Security | None) -> None:
        self._exchange = exchange
        self._reactor = reactor
        self._security = security
        self._dialer = StreamDialer(reactor)
        self._readers: list[Any] = []

    def start(self, listener: Listener, bound: socket.socket) -> None:
        """Read from a socket from now on."""
        exchange = self._exchange
        reader: Any
        if listener.transport == "UDP":
            reader = exchange.listen(bound)
        else:
            security = self._security if listener.transport == "TLS" else None
            address = bound.getsockname()
            transport = exchange.listen_for_streams(listener.transport, address, self._dialer, security)
            reader = StreamListener(bound, transport.accept, exchange.counts, self._reactor)
        self._readers.append(reader)
        self._reactor.addReader(reader)

    def stop(self) -> None:
        """Read no more, and close all connections. The sockets are their owner's."""
        for reader in self._readers:
            self._reactor.removeReader(reader)
        self._exchange.transports.stop()
