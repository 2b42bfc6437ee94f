"""pbx.control: the socket is private and never steals another server's place; the server survives every question."""

from __future__ import annotations

import errno
import json
import os
import socket
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.logger import LogEvent

from pbx.control import CONNECTIONS, LONGEST_QUESTION, PATIENCE, PAUSE, Control, ControlSocket
from pbx.faults import Fault


@pytest.fixture
def folder() -> Iterator[Path]:
    # The path of a unix socket has at most 107 characters, which pytest's own folder may exceed.
    with tempfile.TemporaryDirectory(prefix="pbx-") as name:
        yield Path(name)


def test_socket_is_for_its_own_user_only_whatever_the_umask(folder: Path) -> None:
    umask = os.umask(0)
    try:
        control = ControlSocket(folder / "pbx.sock")
        assert os.umask(0) == 0
    finally:
        os.umask(umask)
    assert stat.S_IMODE((folder / "pbx.sock").stat().st_mode) == 0o600
    control.close()
    assert os.listdir(folder) == []


def test_socket_that_a_dead_server_left_is_replaced(folder: Path) -> None:
    dead = ControlSocket(folder / "pbx.sock")
    dead.socket.close()
    control = ControlSocket(folder / "pbx.sock")
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(folder / "pbx.sock"))
    control.close()


def test_living_server_keeps_its_socket(folder: Path) -> None:
    living = ControlSocket(folder / "pbx.sock")
    with pytest.raises(Fault, match=r"a server is running at .*/pbx\.sock; stop it"):
        ControlSocket(folder / "pbx.sock")
    assert (folder / "pbx.sock").exists()
    living.close()


def test_socket_of_a_successor_is_not_removed(folder: Path) -> None:
    first = ControlSocket(folder / "pbx.sock")
    os.unlink(folder / "pbx.sock")
    second = ControlSocket(folder / "pbx.sock")
    first.close()
    assert (folder / "pbx.sock").exists()
    second.close()


class Reactor:
    """Watches one descriptor, which it reads when it is told to; `adopted` are the connections that were taken."""

    def __init__(self) -> None:
        self.readers: set[Any] = set()
        self.clock = Clock()
        self.callLater = self.clock.callLater
        self.adopted = 0

    def addReader(self, reader: Any) -> None:
        self.readers.add(reader)

    def removeReader(self, reader: Any) -> None:
        self.readers.discard(reader)

    def adoptStreamConnection(self, descriptor: int, family: int, factory: Any) -> None:
        assert os.fstat(descriptor)
        assert not os.get_blocking(descriptor)
        self.adopted += 1


def test_connections_are_handed_over_and_none_without_one(folder: Path) -> None:
    reactor = Reactor()
    control = ControlSocket(folder / "pbx.sock")
    control.serve(reactor, Control({}, reactor.clock))
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(folder / "pbx.sock"))
        control.doRead()
        control.doRead()
    assert (reactor.adopted, reactor.readers) == (1, {control})
    control.close()
    control.close()
    assert reactor.readers == set()


def test_without_a_descriptor_left_it_pauses_instead_of_spinning(folder: Path) -> None:
    reactor = Reactor()
    control = ControlSocket(folder / "pbx.sock")
    control.serve(reactor, Control({}, reactor.clock))

    class Exhausted(socket.socket):
        def accept(self) -> Any:
            raise OSError(errno.EMFILE, "Too many open files")

    real = control.socket
    control.socket = Exhausted(socket.AF_UNIX)
    control.doRead()
    assert reactor.readers == set()
    reactor.clock.advance(PAUSE)
    assert reactor.readers == {control}
    control.socket.close()
    control.socket = real
    control.close()


def test_file_that_is_no_socket_is_never_touched(folder: Path) -> None:
    (folder / "letter").write_text("precious")
    (folder / "link").symlink_to(folder / "letter")
    for name in ("letter", "link"):
        with pytest.raises(Fault, match="is not a socket"):
            ControlSocket(folder / name)
    assert (folder / "letter").read_text() == "precious"


def test_place_where_no_socket_can_be_is_said_to_be_one(folder: Path) -> None:
    for path in (folder / "none" / "pbx.sock", folder / ("x" * 200), folder / "letter" / "pbx.sock"):
        (folder / "letter").touch()
        with pytest.raises(Fault, match=r"cannot be made: .*; name another one"):
            ControlSocket(path)


class Server:
    """A control with a few commands, and clients on transports in memory."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.pending: Deferred[str] = Deferred()
        self.control = Control(
            {
                "echo": lambda word, twice=False: [word] * (2 if twice else 1),
                "later": lambda: self.pending,
                "coroutine": self.coroutine,
                "faulty": self.faulty,
                "broken": lambda: 1 / 0,
                "strange": object,
            },
            self.clock,
        )

    async def coroutine(self) -> str:
        return "done"

    def faulty(self) -> None:
        raise Fault("", 0, "there is no such call", "look at `pbx calls`")

    def connect(self) -> StringTransport:
        protocol: Any = self.control.buildProtocol(None)
        transport = StringTransport()
        transport.protocol = protocol  # type: ignore[attr-defined]
        protocol.makeConnection(transport)
        return transport

    def ask(self, line: bytes) -> dict[str, Any]:
        transport = self.connect()
        transport.protocol.dataReceived(line)  # type: ignore[attr-defined]
        return answer(transport)


def answer(transport: StringTransport) -> dict[str, Any]:
    assert transport.disconnecting
    assert transport.value().count(b"\n") == 1
    found: dict[str, Any] = json.loads(transport.value())
    assert found.keys() in ({"result"}, {"error"})
    return found


def question(command: str, **arguments: object) -> bytes:
    return json.dumps({"command": command, "arguments": arguments}).encode() + b"\n"


@pytest.fixture
def server() -> Server:
    return Server()


def test_command_is_called_with_its_arguments(server: Server) -> None:
    assert server.ask(question("echo", word="hello", twice=True)) == {"result": ["hello", "hello"]}
    assert server.ask(question("coroutine")) == {"result": "done"}


def test_answer_may_come_later(server: Server) -> None:
    transport = server.connect()
    transport.protocol.dataReceived(question("later"))  # type: ignore[attr-defined]
    assert transport.value() == b""
    server.pending.callback("here")
    assert answer(transport) == {"result": "here"}


def test_question_may_come_in_pieces(server: Server) -> None:
    transport = server.connect()
    for byte in question("echo", word="a"):
        transport.protocol.dataReceived(bytes([byte]))  # type: ignore[attr-defined]
    assert answer(transport) == {"result": ["a"]}


def test_only_the_first_line_is_a_question(server: Server) -> None:
    transport = server.connect()
    transport.protocol.dataReceived(question("echo", word="a") + question("echo", word="b"))  # type: ignore[attr-defined]
    transport.protocol.dataReceived(question("echo", word="c"))  # type: ignore[attr-defined]
    assert answer(transport) == {"result": ["a"]}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"\n", "not JSON"),
        (b"\xff\n", "not JSON"),
        (b"[" * 60000 + b"\n", "not JSON"),
        (b"[]\n", "does not know"),
        (b'{"command": "format", "arguments": {}}\n', "does not know"),
        (b'{"command": ["echo"], "arguments": {}}\n', "does not know"),
        (b'{"command": "echo"}\n', "does not know"),
        (b'{"command": "echo", "arguments": []}\n', "does not know"),
        (question("echo"), "missing a required argument: 'word'"),
        (question("echo", word=1, colour=2), "unexpected keyword argument 'colour'"),
        (question("faulty"), "there is no such call; look at `pbx calls`"),
    ],
)
def test_what_cannot_be_done_is_answered_with_a_sentence(server: Server, line: bytes, words: str) -> None:
    assert words in server.ask(line)["error"]


@pytest.mark.parametrize("command", ["broken", "strange"])
def test_bug_in_a_command_is_logged_and_the_client_told(
    server: Server, command: str, logged_errors: Callable[[], list[LogEvent]]
) -> None:
    assert server.ask(question(command)) == {"error": "the server failed at this; its log says how"}
    assert len(logged_errors()) == 1


def test_question_without_an_end_is_refused(server: Server) -> None:
    transport = server.connect()
    for _ in range(LONGEST_QUESTION // 1000 + 1):
        transport.protocol.dataReceived(b"x" * 1000)  # type: ignore[attr-defined]
    assert "too long" in answer(transport)["error"]


def test_client_that_does_not_ask_is_let_go(server: Server) -> None:
    transport = server.connect()
    transport.protocol.dataReceived(b'{"comm')  # type: ignore[attr-defined]
    server.clock.advance(PATIENCE)
    assert transport.disconnected


def test_client_that_does_not_read_the_answer_is_let_go(server: Server) -> None:
    transport = server.connect()
    transport.protocol.dataReceived(question("echo", word="a"))  # type: ignore[attr-defined]
    assert transport.disconnecting
    server.clock.advance(PATIENCE)
    assert transport.disconnected


def test_answer_for_a_client_that_has_gone_is_dropped(server: Server) -> None:
    transport = server.connect()
    transport.protocol.dataReceived(question("later"))  # type: ignore[attr-defined]
    transport.protocol.connectionLost()  # type: ignore[attr-defined]
    server.pending.callback("here")
    assert transport.value() == b""
    assert server.clock.getDelayedCalls() == []


def test_too_many_clients_are_turned_away_until_one_leaves(server: Server) -> None:
    transports = [server.connect() for _ in range(CONNECTIONS)]
    assert server.control.buildProtocol(None) is None
    transports[0].protocol.connectionLost()  # type: ignore[attr-defined]
    assert server.control.buildProtocol(None) is not None


@given(st.binary(max_size=200) | st.recursive(st.none() | st.text(), st.lists).map(lambda v: json.dumps(v).encode()))
def test_any_question_gets_an_answer(line: bytes) -> None:
    server = Server()
    assert "error" in server.ask(line.replace(b"\n", b"") + b"\n")
