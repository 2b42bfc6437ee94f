"""The native relay: threads in C that pass on the packets of ports that are merely joined. Decides nothing.

Python fills in what it knows of two ports, hands them over through a thread's queue of commands, and takes them back
before it reads or changes anything of them. What a port has to tell meanwhile (a key, silence) comes through a pipe.
"""

from __future__ import annotations

import os
import struct
import threading
from collections.abc import Callable
from importlib import import_module
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from typing import Any, Protocol

from twisted.internet.interfaces import IReadDescriptor
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from pbx.media.formats import Formats
from pbx.media.rtp import Address
from pbx.media.telephone_event import NAMES
from pbx.sip.timers import Timer

try:
    _native: Any = import_module("pbx.media._native")
except ImportError:
    _native = None  # there was no compiler when we were installed

_REPORT = struct.Struct("=QII")
_REPORTS = 1024 * _REPORT.size  # read at once

_IPV4 = struct.Struct("=H2s4s8x")  # sockaddr_in
_IPV6 = struct.Struct("=H2s4s16sI")  # sockaddr_in6


def is_there() -> bool:
    """Whether the native relay was built when we were installed."""
    return _native is not None


class Reactor(Protocol):
    """As much of the reactor as is needed here."""

    def addReader(self, reader: Any) -> Any: ...
    def removeReader(self, reader: Any) -> Any: ...
    def seconds(self) -> float: ...
    def callLater(self, delay: float, callable: Callable[..., Any], *args: Any) -> Timer: ...


class Lent:
    """Two ports that a thread has."""

    __slots__ = ("_ports", "_threads", "_worker", "path")

    def __init__(self, threads: NativeThreads, worker: Worker, path: Any, ports: tuple[Any, Any]) -> None:
        self.path = path
        self._threads = threads
        self._worker = worker
        self._ports = ports

    def recall(self) -> None:
        """Take both back, with all that they have counted and learned meanwhile."""
        self._threads.recall(self, self._worker, self._ports)


class Worker:
    """One thread.

    :param reports: the pipe to which it writes what ports tell.
    :param silence: after how many seconds without RTP that is told.
    :param threaded: False where somebody else takes its turns: a test, in virtual time.
    :raises OSError: when the machine has no descriptors.
    :ivar paths: how many it has.
    """

    def __init__(self, reports: int, silence: float, threaded: bool) -> None:
        self.paths = 0
        self.handle = _native.lib.relay_open(reports, silence)
        if not self.handle:
            raise OSError("no descriptors are left for the native relay")
        self._thread: threading.Thread | None = None
        if threaded:
            self._thread = threading.Thread(target=_native.lib.relay_run, args=(self.handle,), name="rtp", daemon=True)
            self._thread.start()

    def take(self, path: Any) -> bool:
        """Have it take a path; False when its queue is full."""
        taken: bool = _native.lib.relay_send(self.handle, _native.lib.TAKE, path) == 0
        self.paths += taken
        return taken

    def recall(self, path: Any, now: float) -> None:
        """Return when it does not touch the path any more."""
        self.paths -= 1
        self._send(_native.lib.RECALL, path, now)
        _native.lib.relay_wait(self.handle)

    def stop(self, now: float) -> None:
        """End the thread. Once only, and nothing may be lent."""
        self._send(_native.lib.STOP, _native.ffi.NULL, now)
        if self._thread is not None:
            self._thread.join()
        _native.lib.relay_close(self.handle)

    def _send(self, kind: int, path: Any, now: float) -> None:
        while _native.lib.relay_send(self.handle, kind, path):
            self.turn(now)  # a full queue empties itself where there is a thread
        self.turn(now)

    def turn(self, now: float) -> None:
        """Take a turn, where there is no thread."""
        if self._thread is None:
            _native.lib.relay_turn(self.handle, now)


@implementer(IReadDescriptor)
class NativeThreads:
    """All native threads, and what is lent to them.

    :param reactor: Twisted's.
    :param count: how many threads; 0 for one on each processor that we may use.
    :param silence: after how many seconds without RTP from a phone that should be sending it that is told.
    :param threaded: False where `turn` takes the threads' turns.
    :raises OSError: when the machine has no descriptors.
    """

    log = Logger()

    def __init__(self, reactor: Reactor, count: int, silence: float, threaded: bool = True) -> None:
        self._reactor = reactor
        self._reports, self._written = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._workers: list[Worker] = []
        try:
            for _ in range(count or len(os.sched_getaffinity(0))):
                self._workers.append(Worker(self._written, silence, threaded))
        except OSError:
            self._end()
            raise
        self._ports: dict[int, Any] = {}
        self._lent: dict[Lent, None] = {}
        self._next = 0
        self._told: list[tuple[Any, int, int]] = []
        reactor.addReader(self)

    def __len__(self) -> int:
        """How many threads there are."""
        return len(self._workers)

    @property
    def lent(self) -> int:
        """How many paths are lent at present."""
        return len(self._lent)

    def take(self, port: Any, other: Any) -> Lent | None:
        """Have a thread pass the packets of two joined ports on; None when it has too much to do."""
        path = _native.ffi.new("struct path *")
        ports = (port, other)
        for end, one in zip(path.ports, ports, strict=True):
            end.id = self._next = self._next + 1
            _fill(end, one)
        worker = min(self._workers, key=lambda worker: worker.paths)
        for one in ports:
            one.pair.suspend()
        if not worker.take(path):
            for one in ports:
                one.pair.resume()
            return None
        for end, one in zip(path.ports, ports, strict=True):
            self._ports[end.id] = one
        lent = Lent(self, worker, path, ports)
        self._lent[lent] = None
        return lent

    def recall(self, lent: Lent, worker: Worker, ports: tuple[Any, Any]) -> None:
        """Take two ports back."""
        worker.recall(lent.path, self._reactor.seconds())
        self._collect()
        for end, port in zip(lent.path.ports, ports, strict=True):
            del self._ports[end.id]
            _read(end, port)
            port.lent(None)
            port.pair.resume()
        del self._lent[lent]
        if self._told:
            self._reactor.callLater(0, self._tell)

    def turn(self) -> None:
        """Take a turn of each thread that is none."""
        for worker in self._workers:
            worker.turn(self._reactor.seconds())

    def close(self) -> None:
        """Take everything back and end the threads. Once only."""
        for lent in list(self._lent):
            lent.recall()
        self._reactor.removeReader(self)
        self._end()

    def fileno(self) -> int:
        """The descriptor that is readable while a port has something to tell."""
        return self._reports

    def logPrefix(self) -> str:
        """How the reactor calls us in its log."""
        return "native"

    def connectionLost(self, reason: Failure) -> None:
        """The reactor ends."""

    def doRead(self) -> None:
        """A port has something to tell."""
        self._collect()
        self._tell()

    def _end(self) -> None:
        for worker in self._workers:
            worker.stop(self._reactor.seconds())
        self._workers.clear()
        os.close(self._reports)
        os.close(self._written)

    def _collect(self) -> None:
        try:
            reports = os.read(self._reports, _REPORTS)
        except BlockingIOError:
            return
        for number, kind, value in _REPORT.iter_unpack(reports):
            if (port := self._ports.get(number)) is not None:
                self._told.append((port, kind, value))

    def _tell(self) -> None:
        told, self._told = self._told, []
        for port, kind, value in told:
            if kind == _native.lib.DEAF:
                port.keep()
                self.log.warn(
                    "RTP port {port} is served by Python: the kernel watches no more for us", port=port.number
                )
            user = port.user
            if user is None or kind == _native.lib.DEAF:
                continue  # closed meanwhile, or nothing of its user's
            try:
                if kind == _native.lib.KEY:
                    user.key_received(port, NAMES[value])
                elif kind == _native.lib.SILENT:
                    user.fell_silent(port)
                else:
                    user.heard_again(port)
            except Exception:
                # A bug in one call must not keep the others from hearing of theirs.
                self.log.failure("user of RTP port {port} failed", port=port.number)


def _fill(end: Any, port: Any) -> None:
    """What a thread must know of a port."""
    end.rtp, end.rtcp = port.pair.rtp.fileno(), port.pair.rtcp.fileno()
    end.mux, end.sends, end.silent = port.mux, port.sends, port.silent
    latch, known = end.latch, port.latch
    _pack(latch.source, known.source)
    _pack(latch.signalled, known.signalled)
    _pack(latch.former, known.former)
    _pack(latch.signalling_host, (known.signalling_host, 0))
    latch.since, latch.knocked, latch.heard = known.since, known.knocked, known.heard
    measured, reception = end.reception, port.reception
    for name in _RECEPTION:
        setattr(measured, name, getattr(reception, name))
    for name in _EVENTS:
        setattr(end.events, name, getattr(port.events, name))
    for name in _COUNTS:
        setattr(end, name, getattr(port, name))
    _pack(end.rtcp_signalled, port.rtcp_signalled)
    _pack(end.rtcp_source, port.rtcp_source)
    _write_formats(end.formats, port.formats)


def _read(end: Any, port: Any) -> None:
    """What a thread has learned of a port."""
    port.silent = bool(end.silent)
    latch, known = end.latch, port.latch
    known.source, known.signalled = _unpack(latch.source), _unpack(latch.signalled)
    known.former = _unpack(latch.former)
    known.since, known.knocked, known.heard = latch.since, latch.knocked, latch.heard
    for name in _RECEPTION:
        setattr(port.reception, name, getattr(end.reception, name))
    for name in _EVENTS:
        setattr(port.events, name, getattr(end.events, name))
    for name in _COUNTS:
        setattr(port, name, getattr(end, name))
    port.rtcp_source = _unpack(end.rtcp_source)


# What has the same name here and there.
_RECEPTION = ("ssrc", "expected", "timestamp", "rate", "lost", "arrived", "jitter")
_EVENTS = ("timestamp", "down", "duration", "left", "counted_at")
_COUNTS = ("heard_at", "flooded_at", "packets_in", "octets_in", "packets_out", "octets_out", "garbage", "strange")


def _write_formats(written: Any, formats: Formats) -> None:
    for second, rate in formats.rates.items():
        if second < len(written):
            keys = second in formats.keys
            written[second] = _native.lib.FORMAT_EVENTS if keys else rate or _native.lib.FORMAT_WITHOUT_CLOCK


def _pack(written: Any, address: Address | None) -> None:
    """Write an address as the kernel does; none where it is no IP address."""
    packed = b""
    if address is not None:
        family = AF_INET6 if ":" in address[0] else AF_INET
        try:
            host = inet_pton(family, address[0])
        except OSError:
            return
        port = address[1].to_bytes(2, "big")
        if family == AF_INET:
            packed = _IPV4.pack(family, port, host)
        else:
            flow, scope = address[2:] if len(address) == 4 else (0, 0)
            packed = _IPV6.pack(family, port, flow.to_bytes(4, "big"), host, scope)
    _native.ffi.memmove(written.bytes, packed, len(packed))
    written.size = len(packed)


def _unpack(written: Any) -> Address | None:
    """Read an address as the socket module gives it."""
    if written.size == 0:
        return None
    packed = bytes(_native.ffi.buffer(written.bytes, written.size))
    if written.size == _IPV4.size:
        _, port, host = _IPV4.unpack(packed)
        return inet_ntop(AF_INET, host), int.from_bytes(port, "big")
    _, port, flow, host, scope = _IPV6.unpack(packed)
    return inet_ntop(AF_INET6, host), int.from_bytes(port, "big"), int.from_bytes(flow, "big"), scope
