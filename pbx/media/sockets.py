"""RTP and RTCP sockets: pairs out of a range of ports, and one reader that empties all of them. Decides nothing.

The sockets are in an epoll set of their own, so that for the reactor all of them are one descriptor: a packet costs no
dispatch of the reactor's, and a port no registration. Under load it wakes once a millisecond and takes what came
meanwhile in one batch, which costs less than half of waking for each packet; of the time that sound may take it is a
hundredth.

A pair that is released stays bound for a later call, since to open and close its sockets costs more than most of what
else a call does; see `MediaSockets.release`.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import sys
from collections import defaultdict, deque
from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.interfaces import IReadDescriptor
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from pbx.media.errors import NoPorts
from pbx.media.rtp import Address, Packet
from pbx.sip.timers import Timer

BATCH = 256  # packets before others, SIP above all, get their turn
PAUSE = 0.001  # seconds between two batches under load
SPARE = 64  # of the files that the process may have open no port takes: the database, connections and recordings do
MOST_RESTING = 512  # pairs of one address that stay bound for later calls
QUIET = 60.0  # seconds in which it is said once that there are no ports
SILENCE = 10.0  # seconds without RTP from a phone that should be sending it, after which that is told
_LOOK = 1.0  # seconds between two looks for silence
_BUFFER = 65536  # no datagram is longer, so none is ever cut off


class Receiver(Protocol):
    """Who is told of what arrives. The packet lies in a buffer that the next one overwrites."""

    def rtp_received(self, packet: Packet, source: Address) -> None: ...
    def rtcp_received(self, packet: Packet, source: Address) -> None: ...
    def time_passed(self, before: float) -> None: ...


class Nobody:
    """Receives for a pair that is closed."""

    __slots__ = ()

    def rtp_received(self, packet: Packet, source: Address) -> None: ...
    def rtcp_received(self, packet: Packet, source: Address) -> None: ...
    def time_passed(self, before: float) -> None: ...


NOBODY = Nobody()


class Reactor(Protocol):
    """As much of the reactor as is needed here."""

    def addReader(self, reader: Any) -> Any: ...
    def removeReader(self, reader: Any) -> Any: ...
    def seconds(self) -> float: ...
    def callLater(self, delay: float, callable: Callable[..., Any], *args: Any) -> Timer: ...


class Path(Protocol):
    """Two pairs in the hands of a native thread."""

    def recall(self) -> None: ...


class Threads(Protocol):
    """The native threads."""

    def __len__(self) -> int: ...

    def take(self, port: Any, other: Any) -> Path | None:
        """Have one of them pass the packets of two ports on, or None when none can."""

    def close(self) -> None:
        """Stop them; nothing is lent any more."""


class Pair:
    """A bound even port for RTP and the odd one above it for RTCP.

    While it rests it is its own receiver: a phone whose call is over, and that still sends, has it closed.

    :ivar number: RTP's port.
    """

    __slots__ = ("_sockets", "host", "number", "receiver", "rtcp", "rtp")

    def __init__(
        self, sockets: MediaSockets, host: str, number: int, rtp: socket.socket, rtcp: socket.socket, receiver: Receiver
    ) -> None:
        self._sockets = sockets
        self.host = host
        self.number = number
        self.rtp = rtp
        self.rtcp = rtcp
        self.receiver = receiver

    def lend(self, port: Any, other: Any, /) -> Path | None:
        """Have a native thread pass the packets of two joined ports on, or None when there is none."""
        threads = self._sockets.threads
        return None if threads is None else threads.take(port, other)

    def suspend(self) -> None:
        """Leave reading to somebody else."""
        self._sockets.forget(self)

    def resume(self) -> None:
        """Read again."""
        self._sockets.watch(self)

    def close(self) -> None:
        """Release both ports. Once only: they may be somebody else's then."""
        self._sockets.release(self)

    def rtp_received(self, packet: Packet, source: Address) -> None:
        """It does not rest."""
        self._sockets.disturbed(self)

    def rtcp_received(self, packet: Packet, source: Address) -> None:
        """Nor so."""
        self._sockets.disturbed(self)

    def time_passed(self, before: float) -> None:
        """It should be silent."""


@implementer(IReadDescriptor)
class MediaSockets:
    """All RTP and RTCP sockets of the exchange.

    It reads from now on; `close` stops that.

    :param reactor: Twisted's.
    :param ports: the range of UDP ports, both ends possible; an even one and the odd one above it make a pair.
    :param threads: native threads that forward; None when there are none.
    :param silence: after how many seconds without RTP a receiver is told so.
    :param most_files: how many files the process may have open.
    :param most_resting: how many released pairs of an address stay bound at most; all together have no more than a
        quarter of those files.
    """

    log = Logger()

    def __init__(
        self,
        reactor: Reactor,
        ports: range,
        threads: Threads | None = None,
        silence: float = SILENCE,
        most_files: int = sys.maxsize,
        most_resting: int = MOST_RESTING,
    ) -> None:
        self.threads = threads
        self._silence = silence
        self._most_files = most_files
        self._most_resting_anywhere = most_files // 8
        self._most_resting = min(most_resting, self._most_resting_anywhere)
        self._quiet_until = 0.0
        self._looking: Timer | None = None
        self._reactor = reactor
        self._first = ports.start + ports.start % 2
        self._count = (ports.stop - self._first) // 2
        self._epoll = select.epoll()
        self._rtp: dict[int, Pair] = {}
        self._rtcp: dict[int, Pair] = {}
        self._taken: dict[str, set[int]] = {}
        self._resting: defaultdict[str, deque[Pair]] = defaultdict(deque)
        self._next: dict[str, int] = {}
        self._buffer = bytearray(_BUFFER)
        self._view = memoryview(self._buffer)
        self._woken = 0.0
        self._timer: Timer | None = None  # set while we do not wait to be told
        reactor.addReader(self)

    @property
    def in_use(self) -> int:
        """UDP ports in use at present, without those that rest."""
        return 2 * (sum(map(len, self._taken.values())) - sum(map(len, self._resting.values())))

    def open(self, host: str, receiver: Receiver) -> Pair:
        """Take the pair that has rested longest, while many do, or bind the next free one of the range.

        :param host: the local address, IPv6 without brackets.
        :raises NoPorts: when none is free, no descriptor is left or the address is not this machine's.
        """
        resting = self._resting[host]
        if len(resting) > self._most_resting // 2:
            pair = resting.popleft()
            pair.receiver = receiver
        else:
            pair = self._bind(host, receiver)
        if self._looking is None:
            self._looking = self._reactor.callLater(_LOOK, self._look_for_silence)
        return pair

    def release(self, pair: Pair) -> None:
        """Let a pair rest, until as many others have been released, or close it when enough rest."""
        resting = self._resting[pair.host]
        is_read = pair.rtp.fileno() in self._rtp and pair.rtcp.fileno() in self._rtcp
        anywhere = sum(map(len, self._resting.values()))
        if is_read and len(resting) < self._most_resting and anywhere < self._most_resting_anywhere:
            pair.receiver = pair
            resting.append(pair)
        else:
            self._close(pair)

    def disturbed(self, pair: Pair) -> None:
        """Something came to a pair that rests."""
        self._resting[pair.host].remove(pair)
        self._close(pair)

    def _bind(self, host: str, receiver: Receiver) -> Pair:
        """Bind the next pair; none rests any longer when otherwise there would be none."""
        while True:
            try:
                return self._bound(host, receiver)
            except NoPorts as shortage:
                if not self._close_resting():
                    self._say(str(shortage))
                    raise

    def _close_resting(self) -> bool:
        """Close all pairs that rest; return whether there were any."""
        resting = [pair for pairs in self._resting.values() for pair in pairs]
        self._resting.clear()
        for pair in resting:
            self._close(pair)
        return bool(resting)

    def _bound(self, host: str, receiver: Receiver) -> Pair:
        taken = self._taken.setdefault(host, set())
        place = self._next.get(host, 0)
        for _ in range(self._count):
            number = self._first + 2 * place
            place = (place + 1) % self._count
            if number in taken:
                continue
            try:
                sockets = _bound_pair(host, number, self._most_files - SPARE)
            except OSError as error:
                raise NoPorts(f"an RTP port of {host} cannot be had: {error.strerror}") from error
            if sockets is not None:
                self._next[host] = place
                taken.add(number)
                pair = Pair(self, host, number, *sockets, receiver)
                self.watch(pair)
                return pair
        raise NoPorts(f"all RTP ports of {host} are in use")

    def _say(self, why: str) -> None:
        """Say it, but not for each call of many."""
        now = self._reactor.seconds()
        if now >= self._quiet_until:
            self._quiet_until = now + QUIET
            self.log.warn("new calls are refused with 503: {why}", why=why)

    def _close(self, pair: Pair) -> None:
        self.forget(pair)
        pair.rtp.close()
        pair.rtcp.close()
        self._taken[pair.host].remove(pair.number)
        pair.receiver = NOBODY  # it keeps the pair, and the two of them would wait for the garbage collector

    def watch(self, pair: Pair) -> None:
        """Read what comes to a pair."""
        for descriptors, one in ((self._rtp, pair.rtp), (self._rtcp, pair.rtcp)):
            descriptor = one.fileno()
            descriptors[descriptor] = pair
            self._epoll.register(descriptor, select.EPOLLIN)

    def forget(self, pair: Pair) -> None:
        """Read a pair no longer. No harm when that is so already."""
        self._forget(self._rtp, pair.rtp.fileno())
        self._forget(self._rtcp, pair.rtcp.fileno())

    def fileno(self) -> int:
        """The descriptor that is readable while any socket is."""
        return self._epoll.fileno()

    def logPrefix(self) -> str:
        """How the reactor calls us in its log."""
        return "media"

    def connectionLost(self, reason: Failure) -> None:
        """The reactor ends."""
        self.close()

    def close(self) -> None:
        """Stop reading. The pairs that are open still have to be closed."""
        self._most_resting = 0
        self._close_resting()
        threads, self.threads = self.threads, None
        if threads is not None:
            threads.close()
        for timer in (self._timer, self._looking):
            if timer is not None:
                timer.cancel()
        self._timer = self._looking = None
        self._reactor.removeReader(self)
        self._epoll.close()

    def doRead(self) -> None:
        """Some sockets are readable."""
        now = self._reactor.seconds()
        if now < self._woken + PAUSE / 2:
            self._reactor.removeReader(self)
            self._timer = self._reactor.callLater(PAUSE, self._look)
        self._woken = now
        self._drain()

    def _look(self) -> None:
        """The pause is over. While something comes in each it is worth another one."""
        taken = self._drain()
        self._woken = self._reactor.seconds()
        if taken:
            self._timer = self._reactor.callLater(PAUSE if taken < BATCH else 0, self._look)
        else:
            self._timer = None
            self._reactor.addReader(self)

    def _look_for_silence(self) -> None:
        self._looking = None
        before = self._reactor.seconds() - self._silence
        for pair in list(self._rtp.values()):
            pair.receiver.time_passed(before)
        if self.in_use:
            self._looking = self._reactor.callLater(_LOOK, self._look_for_silence)

    def _drain(self) -> int:
        """Take what has come, a batch at most. Returns how many packets that was."""
        poll, rtp, rtcp, buffer, view = self._epoll.poll, self._rtp.get, self._rtcp.get, self._buffer, self._view
        left = BATCH
        while left > 0 and (ready := poll(0, left)):
            left -= len(ready)
            for descriptor, _ in ready:
                if (pair := rtp(descriptor)) is not None:
                    one, receive = pair.rtp, pair.receiver.rtp_received
                elif (pair := rtcp(descriptor)) is not None:
                    one, receive = pair.rtcp, pair.receiver.rtcp_received
                else:
                    continue  # closed by what an earlier packet of this batch brought about
                try:
                    size, source = one.recvfrom_into(buffer)
                except OSError:
                    continue
                try:
                    receive(view[:size], source)
                except Exception:
                    # A bug in one receiver must not end the reader of all: that one is deaf from now on.
                    self.log.failure("receiver of RTP port {port} failed and is cut off", port=pair.number)
                    self._forget(self._rtp, descriptor)
                    self._forget(self._rtcp, descriptor)
        return BATCH - left

    def _forget(self, descriptors: dict[int, Pair], descriptor: int) -> None:
        # Closing alone would not do: a child process may hold a copy of the descriptor until it calls exec.
        if descriptors.pop(descriptor, None) is not None and not self._epoll.closed:
            self._epoll.unregister(descriptor)


def _bound_pair(host: str, number: int, most: int) -> tuple[socket.socket, socket.socket] | None:
    """Sockets bound to a port and the one above it; None when somebody else has one of them.

    :param most: the descriptor that is too high: the kernel gives the lowest that is free, so that so many are in use.
    :raises OSError: they cannot be had.
    """
    bound: list[socket.socket] = []
    try:
        for port in (number, number + 1):
            bound.append(_socket(host))
            if bound[-1].fileno() >= most:
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            bound[-1].bind((host, port))
    except OSError as error:
        for one in bound:
            one.close()
        if error.errno == errno.EADDRINUSE:
            return None
        raise
    return bound[0], bound[1]


def _socket(host: str) -> socket.socket:
    # The default receive buffer holds seconds of one call: more would only deliver sound that is too late.
    if ":" not in host:
        return socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    one = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    return one
