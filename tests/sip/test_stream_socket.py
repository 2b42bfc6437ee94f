"""pbx.sip.stream_socket: real TCP on loopback."""

from __future__ import annotations

import errno
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from twisted.internet.error import ConnectError, ConnectionAborted, ConnectionDone, ConnectionLost

from pbx.sip.addresses import is_local
from pbx.sip.stream_socket import UNSENT, StreamDialer, StreamListener, StreamSocket
from tests.sip.reactor import Peer, Reactor, reactor


class Wire:
    """A listener, and what is connected to it.

    :ivar accepted: the far ends of its connections.
    :ivar told: the addresses that `accept` was told: the peer's, and our own.
    """

    def __init__(self, reactor: Reactor, host: str = "127.0.0.1") -> None:
        self.reactor = reactor
        self.accepted: list[Peer] = []
        self.told: list[tuple[tuple, str]] = []
        self.welcome = True
        self.counts: Counter[str] = Counter()
        self.bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.bound.bind((host, 0))
        self.bound.listen()
        self.bound.setblocking(False)
        self.address = self.bound.getsockname()
        self.listener = StreamListener(self.bound, self._accept, self.counts, reactor)
        self.listener.start()
        self.dialer = StreamDialer(reactor)

    def _accept(self, address: tuple, source: str) -> Peer | None:
        self.told.append((address, source))
        if not self.welcome:
            return None
        self.accepted.append(Peer())
        return self.accepted[-1]

    def dial(self, source: str = "", address: tuple | None = None) -> Peer:
        near = Peer()
        self.dialer.dial(near, address or self.address, source, lambda protocol: protocol)
        assert near.transport is None and near.lost is None  # never at once
        return near

    def connect(self) -> tuple[Peer, Peer]:
        """Both ends of a connection."""
        near = self.dial()
        self.reactor.until(lambda: near.transport and self.accepted and self.accepted[-1].transport)
        return near, self.accepted[-1]


@contextmanager
def wired(host: str) -> Iterator[Wire]:
    with reactor() as one:
        made = Wire(one, host)
        yield made
        made.listener.stop()
        made.bound.close()


@pytest.fixture
def wire() -> Iterator[Wire]:
    with wired("127.0.0.1") as made:
        yield made


def test_bytes_go_both_ways(wire):
    near, far = wire.connect()
    near.transport.write(b"hello ")
    near.transport.write(b"there")
    far.transport.write(b"yes")
    wire.reactor.until(lambda: far.received == b"hello there" and near.received == b"yes")
    ((address, source),) = wire.told
    assert (address[0], source) == ("127.0.0.1", "127.0.0.1")
    assert isinstance(near.transport, StreamSocket)


def test_connection_leaves_from_the_address_that_was_asked_for(wire):
    near = wire.dial("127.0.0.7")
    wire.reactor.until(lambda: near.transport)
    wire.reactor.until(lambda: wire.told)
    assert wire.told[0][0][0] == "127.0.0.7"


@pytest.mark.skipif(not is_local("::1"), reason="this machine has no IPv6 loopback address")
def test_ipv6_carries_the_same():
    with wired("::1") as wire:
        near, far = wire.connect()
        near.transport.write(b"hello")
        wire.reactor.until(lambda: far.received == b"hello")
        assert wire.told[0][1] == "::1"


def test_refused_connection_is_lost_later(wire):
    closed = socket.socket()
    closed.bind(("127.0.0.1", 0))
    near = wire.dial(address=closed.getsockname())
    wire.reactor.until(lambda: near.lost)
    assert isinstance(near.lost, ConnectError | ConnectionLost)
    assert near.transport is None
    closed.close()


@pytest.mark.parametrize(("source", "host"), [("192.0.2.1", "127.0.0.1"), ("", "255.255.255.255")])
def test_connection_that_cannot_even_be_tried_is_lost_later(wire, source, host):
    near = wire.dial(source, (host, 5060))
    wire.reactor.until(lambda: near.lost)
    assert isinstance(near.lost, OSError)


def test_connection_without_a_descriptor_is_lost_later(wire, monkeypatch):
    def none_left(*_):
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr("pbx.sip.stream_socket.socket.socket", none_left)
    near = wire.dial()
    wire.reactor.until(lambda: near.lost)
    assert isinstance(near.lost, OSError)


def test_attempt_to_connect_can_be_given_up(wire):
    near = Peer()
    attempt = wire.dialer.dial(near, wire.address, "", lambda protocol: protocol)
    attempt.abortConnection()
    wire.reactor.until(lambda: near.lost)
    assert isinstance(near.lost, ConnectionAborted)
    assert near.transport is None


def test_what_is_put_around_a_connection_is_told_instead_of_it(wire):
    near, around = Peer(), Peer()
    wire.dialer.dial(near, wire.address, "", lambda protocol: around)
    wire.reactor.until(lambda: around.transport)
    around.transport.abortConnection()
    wire.reactor.until(lambda: around.lost)
    assert near.transport is None and near.lost is None


def test_more_than_the_kernel_takes_arrives_whole(wire):
    near, far = wire.connect()
    far.transport._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    pieces = [bytes([number]) * 50_000 for number in range(4)]
    for piece in pieces:
        far.transport.write(piece)
    wire.reactor.until(lambda: len(near.received) == 200_000)
    assert near.received == b"".join(pieces)
    far.transport.write(b"end")
    wire.reactor.until(lambda: near.received.endswith(b"end"))


def test_peer_that_does_not_read_is_dropped(wire):
    """It costs one bounded buffer; nobody is told at once."""
    near, far = wire.connect()
    wire.reactor.removeReader(near.transport)
    while far.transport._unsent is None or len(far.transport._unsent) <= UNSENT - 60_000:
        far.transport.write(b"x" * 60_000)
        wire.reactor.settle()
    assert far.lost is None
    far.transport.write(b"x" * 70_000)
    assert far.lost is None
    far.transport.write(b"x" * 70_000)
    wire.reactor.until(lambda: far.lost)
    assert isinstance(far.lost, ConnectionAborted)
    near.transport.abortConnection()
    wire.reactor.until(lambda: near.lost)


def test_closing_sends_the_rest_first_and_waits_for_the_peer(wire):
    near, far = wire.connect()
    far.transport.write(b"x" * 150_000)
    far.transport.loseConnection()
    far.transport.loseConnection()
    far.transport.write(b"too late")
    near.transport.write(b"not heard")
    wire.reactor.until(lambda: near.lost)
    assert near.received == b"x" * 150_000
    assert isinstance(near.lost, ConnectionDone)
    wire.reactor.until(lambda: far.lost)
    assert far.received == b""


def test_closing_with_something_unread_does_not_take_back_what_was_sent(wire):
    """A socket that is closed with unread bytes resets the connection, and the answer is lost with it."""
    plain = socket.create_connection(wire.address)
    plain.settimeout(5)
    wire.reactor.until(lambda: wire.accepted and wire.accepted[0].transport)
    far = wire.accepted[0]
    plain.sendall(b"x" * 100_000)
    far.transport.write(b"400 and why")
    far.transport.loseConnection()
    wire.reactor.settle()
    plain.sendall(b"y" * 100_000)
    wire.reactor.settle()
    assert plain.recv(100) == b"400 and why"
    assert plain.recv(100) == b""
    assert far.lost is None
    plain.close()
    wire.reactor.until(lambda: far.lost)


def test_closing_what_is_gone_already_is_harmless(wire):
    near, far = wire.connect()
    near.transport.abortConnection()
    wire.reactor.until(lambda: far.lost)
    for end in (near, far):
        end.transport.loseConnection()
        end.transport.abortConnection()
        end.transport.write(b"x")
    wire.reactor.settle()


def test_aborting_resets_the_connection(wire):
    near, far = wire.connect()
    near.transport.write(b"x" * 10)
    near.transport.abortConnection()
    assert near.lost is None  # not at once
    wire.reactor.until(lambda: near.lost and far.lost)
    assert isinstance(near.lost, ConnectionAborted)
    assert isinstance(far.lost, ConnectionLost)


def test_writing_into_a_reset_connection_raises_nothing(wire):
    plain = socket.create_connection(wire.address)
    wire.reactor.until(lambda: wire.accepted and wire.accepted[0].transport)
    far = wire.accepted[0]
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    plain.close()
    for _ in range(3):
        far.transport.write(b"x")
    wire.reactor.until(lambda: far.lost)
    assert isinstance(far.lost, ConnectionLost | ConnectionDone)


def test_connection_that_is_not_wanted_is_reset(wire):
    wire.welcome = False
    near = wire.dial()
    wire.reactor.until(lambda: near.lost)
    assert wire.accepted == []


def test_exception_while_accepting_costs_that_connection(wire, logged_errors):
    def broken(address, source):
        raise ValueError("a bug")

    wire.listener._accept = broken
    near = wire.dial()
    wire.reactor.until(lambda: near.lost)
    assert wire.counts == {"failures": 1}
    assert len(logged_errors()) == 1


class Scripted:
    """A connected socket whose answers are given: a number of bytes sent, bytes received, or an error."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)
        self.sent = b""
        self.ended = False

    def setsockopt(self, *_) -> None: ...

    def fileno(self) -> int:
        return 0

    def send(self, data) -> int:
        size = self.recv(0)
        self.sent += bytes(data[:size])
        return size

    def recv(self, size):
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def shutdown(self, how) -> None:
        self.ended = True

    def close(self) -> None: ...


def test_writing_takes_up_where_the_kernel_stopped():
    poller, bound = Poller(), Scripted(BlockingIOError(), 3, BlockingIOError(), 4, OSError(errno.EPIPE, ""))
    stream = StreamSocket(bound, Peer(), poller)
    stream.write(b"hello ")
    stream.write(b"you")
    assert poller.writing == {stream}
    for _ in range(2):
        assert stream.doWrite() is None
    stream.loseConnection()
    stream.write(b"too late")
    assert not bound.ended
    assert stream.doWrite() is None
    assert (bound.sent, bound.ended) == (b"hello y", False)
    assert isinstance(stream.doWrite(), ConnectionLost)


def test_end_is_sent_when_all_else_is():
    poller, bound = Poller(), Scripted(1, 4)
    stream = StreamSocket(bound, Peer(), poller)
    stream.write(b"hello")
    stream.loseConnection()
    assert stream.doWrite() is None
    assert (bound.sent, bound.ended, poller.writing) == (b"hello", True, set())


def test_reading_nothing_is_no_end():
    peer = Peer()
    stream = StreamSocket(Scripted(BlockingIOError(), b"x", b""), peer, Poller())
    assert stream.doRead() is None
    assert stream.doRead() is None
    assert peer.received == b"x"
    assert isinstance(stream.doRead(), ConnectionDone)


def test_what_is_being_dropped_writes_no_more():
    poller = Poller()
    stream = StreamSocket(Scripted(0), Peer(), poller)
    stream.write(b"x")
    stream.abortConnection()
    assert stream.doWrite() is None
    stream.abortConnection()
    for _, function in poller.calls:
        function()
    assert not poller.writing


def test_error_of_an_attempt_to_connect_is_told():
    bound = Scripted()
    bound.getsockopt = lambda *_: errno.ECONNREFUSED
    stream = StreamSocket(bound, Peer(), Poller(), lambda protocol: protocol)
    assert stream.doWrite().osError == errno.ECONNREFUSED


def test_attempt_that_succeeds_while_it_is_given_up_tells_nobody():
    bound, peer = Scripted(), Peer()
    bound.getsockopt = lambda *_: 0
    stream = StreamSocket(bound, peer, Poller(), lambda protocol: protocol)
    stream.abortConnection()
    assert stream.doWrite() is None
    assert peer.transport is None


class Bound:
    """A listening socket without descriptors for what connects."""

    def __init__(self, *errors: OSError) -> None:
        self.errors = list(errors)

    def fileno(self) -> int:
        return 0

    def accept(self):
        raise self.errors.pop(0)


class Poller:
    """A reactor that writes down what it is asked."""

    def __init__(self) -> None:
        self.reading: set[object] = set()
        self.writing: set[object] = set()
        self.calls: list = []
        self.addWriter = self.writing.add
        self.removeWriter = self.writing.discard
        self.addReader = self.reading.add
        self.removeReader = self.reading.discard

    def callLater(self, delay, function, *arguments):
        self.calls.append((delay, function))


def test_listener_rests_while_no_descriptor_is_left():
    poller, counts = Poller(), Counter()
    bound = Bound(OSError(errno.ECONNABORTED, ""), OSError(errno.EMFILE, ""), BlockingIOError())
    listener = StreamListener(bound, lambda *_: None, counts, poller)
    listener.start()
    listener.doRead()
    assert counts == {"accept errors": 1}
    assert not poller.reading
    ((delay, go_on),) = poller.calls
    assert delay == 1.0
    go_on()
    assert poller.reading == {listener}
    listener.doRead()
    assert bound.errors == []


def test_listener_that_has_stopped_does_not_come_back():
    poller = Poller()
    listener = StreamListener(Bound(OSError(errno.EMFILE, "")), lambda *_: None, Counter(), poller)
    listener.start()
    listener.doRead()
    listener.stop()
    poller.calls[0][1]()
    assert not poller.reading
