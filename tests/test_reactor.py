"""The reactor: datagrams reach their readers, and whatever else is read is treated as under Twisted's own."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from twisted.internet.interfaces import IReadDescriptor
from twisted.logger import LogEvent
from zope.interface import implementer

from pbx.listening import bind
from pbx.options import Listener
from pbx.reactor import Reactor
from pbx.sip.addresses import Addresses
from pbx.sip.transport import UDPTransport
from tests.interop.exchange import Exchange


@pytest.fixture
def reactor() -> Iterator[Any]:
    made: Any = Reactor()  # type: ignore[no-untyped-call]
    yield made
    for reader in made.removeAll():
        reader.connectionLost(None)
    made._poller.close()


@implementer(IReadDescriptor)
class Faulty:
    """A reader that fails."""

    def __init__(self) -> None:
        self.ours, self.theirs = socket.socketpair()
        self.lost: list[object] = []
        self.theirs.send(b"x")

    def fileno(self) -> int:
        return self.ours.fileno()

    def logPrefix(self) -> str:
        return "faulty"

    def doRead(self) -> None:
        raise ValueError("a mistake")

    def connectionLost(self, reason: object) -> None:
        self.lost.append(reason)
        self.ours.close()
        self.theirs.close()


def listening(reactor: Any) -> tuple[Counter[str], socket.socket]:
    """What a transport has counted that listens, and a socket that is connected to it."""
    counts: Counter[str] = Counter()
    receiver: Any = None  # nothing that comes is a message
    transport = UDPTransport(bind(Listener("UDP", "127.0.0.1", 0)), receiver, Addresses((), ""), counts)
    reactor.addReader(transport)
    phone = socket.socket(type=socket.SOCK_DGRAM)
    phone.connect((transport.host, transport.port))
    return counts, phone


def test_all_datagrams_that_wait_are_read_at_once(reactor: Any) -> None:
    counts, phone = listening(reactor)
    with phone:
        phone.send(b"\r\n\r\n")
        phone.send(b"\r\n\r\n")
        reactor.doIteration(5)
    assert counts["keep-alives"] == 2


def test_a_reader_that_fails_is_let_go_and_the_others_are_not(
    reactor: Any, logged_errors: Callable[[], list[LogEvent]]
) -> None:
    faulty = Faulty()
    counts, phone = listening(reactor)
    reactor.addReader(faulty)
    with phone:
        phone.send(b"\r\n\r\n")
        reactor.doIteration(5)
        reactor.doIteration(0)
    assert counts["keep-alives"] == 1
    assert len(faulty.lost) == len(logged_errors()) == 1


def test_an_error_of_the_loop_itself_is_logged_and_it_goes_on(
    reactor: Any, logged_errors: Callable[[], list[LogEvent]]
) -> None:
    turns: list[float | None] = []

    def turn(timeout: float | None) -> None:
        turns.append(timeout)
        if len(turns) == 1:
            raise OSError("a mistake")
        reactor._started = False

    reactor.doPoll = turn
    reactor._started = True
    reactor.mainLoop()
    assert turns == [0, 0]
    assert len(logged_errors()) == 1


def test_timers_and_what_threads_ask_for_run_in_their_turn(reactor: Any) -> None:
    done: list[str] = []

    def from_thread() -> None:
        reactor.callFromThread(done.append, "asked")
        reactor.callFromThread(reactor.callLater, 0, late)

    def late() -> None:
        done.append("timer of a thread")
        far.reset(0.02)
        reactor.callLater(0.01, done.append, "timer")
        reactor.callLater(0.03, reactor.stop)

    reactor.callLater(1e9, done.append, "never")
    far = reactor.callLater(1000, done.append, "sooner than it was to be")
    reactor.callLater(0, reactor.callInThread, from_thread)
    reactor.run(installSignalHandlers=False)
    assert done == ["asked", "timer of a thread", "timer", "sooner than it was to be"]


def test_a_reader_that_was_let_go_in_the_same_turn_is_not_read(reactor: Any) -> None:
    first, second = Faulty(), Faulty()
    for reader in (first, second):
        reactor.addReader(reader)
    read: list[Faulty] = []

    def doRead(one: Faulty) -> None:
        read.append(one)
        for reader in (first, second):
            reactor.removeReader(reader)

    first.doRead = lambda: doRead(first)  # type: ignore[method-assign]
    second.doRead = lambda: doRead(second)  # type: ignore[method-assign]
    reactor.doIteration(5)
    assert len(read) == 1
    for reader in (first, second):
        reader.connectionLost(None)


def test_it_is_what_the_exchange_runs_on_unless_another_is_chosen() -> None:
    for chosen, used in (
        ("", "Reactor"),
        ("from twisted.internet import selectreactor as own; own.install(); ", "Select"),
    ):
        code = (
            f"{chosen}from pbx.reactor import install; install(); from twisted.internet import reactor; print(reactor)"
        )
        shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
        assert used in shown.stdout
    with Exchange("from pbx.dialplan import Plan\n\nplan = Plan()\n") as exchange:
        assert "pbx.reactor.Reactor" in exchange.log()
