"""TCP sockets on a reactor: listening, connecting, reading, writing. An edge: it decides nothing, and knows no SIP.

Twisted's own sockets would do the same for almost twice the CPU time: they write through the poller, these at once.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections import Counter
from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.error import ConnectError, ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IReadDescriptor, IReadWriteDescriptor
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from pbx.sip.addresses import SocketAddress

UNSENT = 256 * 1024  # bytes that wait for a peer to read; one that lets more wait is dropped
_RECEIVED = 65_536  # bytes read at once
_ACCEPTED = 64  # connections taken at once: a flood must not keep the reactor from its timers
_RESPITE = 1.0  # seconds without accepting when no descriptor is left
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
# A peer that vanished is found out after three minutes of silence, or 30 s after something was sent to it.
_ALIVE = ((socket.TCP_KEEPIDLE, 120), (socket.TCP_KEEPINTVL, 15), (socket.TCP_KEEPCNT, 4))
_USER_TIMEOUT = 30_000  # ms

_log = Logger(namespace="pbx.sip")


class StreamProtocol(Protocol):
    """Whom a socket tells; the names are Twisted's."""

    def makeConnection(self, transport: Any) -> None:
        """The connection is there. Its transport has `write`, `loseConnection` and `abortConnection`."""

    def dataReceived(self, data: bytes) -> None:
        """Bytes came."""

    def connectionLost(self, reason: Failure) -> None:
        """The connection is gone, or never came to be. Once; nothing follows."""


Wrap = Callable[[Any], StreamProtocol]
"""Puts what a connection needs between its socket and whom that is to tell: TLS, or nothing."""

Accept = Callable[[SocketAddress, str], StreamProtocol | None]
"""Is told of a connection that came, by the peer's address and our own; None where it is not wanted."""


@implementer(IReadWriteDescriptor)
class StreamSocket:
    """One connection.

    :param connected: the non-blocking socket, connected or connecting.
    :param protocol: whom it tells.
    :param wrap: what makes of it whom it tells once it is connected; None where it is connected already.
    """

    __slots__ = ("_closing", "_protocol", "_reactor", "_socket", "_unsent", "_wrap")

    def __init__(
        self, connected: socket.socket, protocol: StreamProtocol, reactor: Any, wrap: Wrap | None = None
    ) -> None:
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _USER_TIMEOUT)
        for option, seconds in _ALIVE:
            connected.setsockopt(socket.IPPROTO_TCP, option, seconds)
        self._socket = connected
        self._protocol: StreamProtocol | None = protocol
        self._reactor = reactor
        self._wrap = wrap
        self._closing = False
        self._unsent: bytearray | None = None
        if wrap is not None:
            reactor.addWriter(self)
        else:
            reactor.addReader(self)
            protocol.makeConnection(self)

    def fileno(self) -> int:
        """The socket's descriptor."""
        return self._socket.fileno()

    def logPrefix(self) -> str:
        """What Twisted calls us in its log."""
        return "SIP over TCP"

    def write(self, data: bytes) -> None:
        """Send bytes, or let them wait for the peer to read. Never raises, and tells nobody at once."""
        if self._closing or self._protocol is None:
            return
        if self._unsent is not None:
            self._unsent += data
            if len(self._unsent) > UNSENT:
                self.abortConnection()
            return
        try:
            sent = self._socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            return  # the reactor will find out, too, and tell us
        if sent < len(data):
            self._unsent = bytearray(data[sent:])
            self._reactor.addWriter(self)

    def loseConnection(self) -> None:
        """Close the connection when all is sent; what the peer sends meanwhile is thrown away, and how long that may
        last is not ours to decide: a socket closed with something unread would take back what was sent last.
        """
        if not self._closing:
            self._closing = True
            if self._unsent is None:
                self._send_end()

    def abortConnection(self) -> None:
        """Drop the connection now, unsent bytes and all."""
        if self._protocol is not None:
            self._closing = True
            self._unsent = None
            self._reactor.callLater(0, self._aborted)

    def doRead(self) -> Any:
        """Read what came. An exception that is returned makes the reactor call `connectionLost`."""
        try:
            data = self._socket.recv(_RECEIVED)
        except BlockingIOError:
            return None
        except OSError:
            return ConnectionLost()
        if not data:
            return ConnectionDone()
        if not self._closing:
            assert self._protocol is not None
            self._protocol.dataReceived(data)
        return None

    def doWrite(self) -> Any:
        """Connected; or the peer has read something."""
        if self._wrap is not None:
            return self._connected(self._wrap)
        if self._unsent is None:
            return None  # it is being dropped
        try:
            sent = self._socket.send(self._unsent)
        except BlockingIOError:
            return None
        except OSError:
            return ConnectionLost()
        del self._unsent[:sent]
        if not self._unsent:
            self._unsent = None
            self._reactor.removeWriter(self)
            if self._closing:
                self._send_end()
        return None

    def connectionLost(self, reason: Failure) -> None:
        """The reactor lets go of us."""
        protocol, self._protocol = self._protocol, None
        self._unsent = None
        self._socket.close()
        if protocol is not None:
            protocol.connectionLost(reason)

    def _connected(self, wrap: Wrap) -> Exception | None:
        failed = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if failed:
            return ConnectError(failed)  # type: ignore[no-untyped-call]
        self._wrap = None
        self._reactor.removeWriter(self)
        self._reactor.addReader(self)
        if not self._closing:
            self._protocol = wrap(self._protocol)
            self._protocol.makeConnection(self)
        return None

    def _aborted(self) -> None:
        if self._protocol is not None:
            self._reactor.removeReader(self)
            self._reactor.removeWriter(self)
            _reset(self._socket)
            self.connectionLost(_failure(ConnectionAborted()))

    def _send_end(self) -> None:
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it is gone already


@implementer(IReadDescriptor)
class StreamListener:
    """One listening socket.

    :param bound: the socket, non-blocking, that listens.
    :param accept: told of each connection that comes.
    :param counts: what happened, by name.
    """

    def __init__(self, bound: socket.socket, accept: Accept, counts: Counter[str], reactor: Any) -> None:
        self._socket = bound
        self._accept = accept
        self._counts = counts
        self._reactor = reactor

    def start(self) -> None:
        """Accept from now on."""
        self._reactor.addReader(self)

    def stop(self) -> None:
        """Accept no more. The socket is its owner's."""
        self._reactor.removeReader(self)
        self._accept = _nobody

    def fileno(self) -> int:
        """The socket's descriptor."""
        return self._socket.fileno()

    def logPrefix(self) -> str:
        """What Twisted calls us in its log."""
        return "SIP over TCP"

    def connectionLost(self, reason: Failure) -> None:
        """The reactor lets go of us."""

    def doRead(self) -> None:
        """Take the connections that wait, up to a limit."""
        for _ in range(_ACCEPTED):
            try:
                connected, address = self._socket.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    self._rest()
                    return
                continue  # the peer has left already
            connected.setblocking(False)
            try:
                self._take(connected, address)
            except Exception:
                self._counts["failures"] += 1
                _log.failure("a connection from {address} could not be dealt with", address=address)
                connected.close()

    def _take(self, connected: socket.socket, address: SocketAddress) -> None:
        protocol = self._accept(address, connected.getsockname()[0])
        if protocol is None:
            _reset(connected)
            connected.close()
        else:
            StreamSocket(connected, protocol, self._reactor)

    def _rest(self) -> None:
        """No descriptor is left: the poller would call us again and again."""
        self._counts["accept errors"] += 1
        self._reactor.removeReader(self)
        self._reactor.callLater(_RESPITE, self._go_on)

    def _go_on(self) -> None:
        if self._accept is not _nobody:
            self.start()


class StreamDialer:
    """Makes connections.

    :param reactor: Twisted's.
    """

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor

    def dial(self, protocol: StreamProtocol, address: SocketAddress, source: str, wrap: Wrap) -> StreamSocket | None:
        """Connect. The protocol, wrapped, is told of the connection; unwrapped, that there is none. Never at once.

        :param address: the peer's socket address.
        :param source: our address to connect from; "" for the one that leads there.
        :returns: what the attempt can be ended with; None when it has failed already.
        """
        try:
            dialled = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_STREAM)
        except OSError as error:
            self._reactor.callLater(0, protocol.connectionLost, _failure(error))
            return None
        dialled.setblocking(False)
        try:
            if source:
                dialled.bind((source, 0))
            dialled.connect(address)
        except BlockingIOError:
            pass
        except OSError as error:
            dialled.close()
            self._reactor.callLater(0, protocol.connectionLost, _failure(error))
            return None
        return StreamSocket(dialled, protocol, self._reactor, wrap)


def _failure(error: Exception) -> Failure:
    return Failure(error)  # type: ignore[no-untyped-call]


def _nobody(address: SocketAddress, source: str) -> None:
    """Take no connection."""


def _reset(connected: socket.socket) -> None:
    """Let closing it reset the connection: nothing waits, here or there."""
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
