"""The control socket: how the `pbx` command asks the running server, one question and one answer a connection.

The question is a line of JSON, {"command": name, "arguments": {...}}, the answer another: {"result": ...} or {"error":
"one sentence"}. Whoever may open the socket may do all that the command can, so only the server's own user may.
"""

from __future__ import annotations

import inspect
import json
import os
import socket
import stat
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, cast

from twisted.internet import protocol
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IAddress, IDelayedCall, IReactorTime, IReadDescriptor, ITCPTransport
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from pbx.faults import Fault

LONGEST_QUESTION = 65536  # bytes
PATIENCE = 10.0  # seconds for the question, and for the client's reading the answer
ANSWER = 90.0  # seconds for the answer: a reload may run the tests of a dialplan
PAUSE = 1.0  # seconds, when no more connections can be taken
CONNECTIONS = 32

Commands = Mapping[str, Callable[..., object]]


class Reactor(Protocol):
    """As much of the reactor as is needed here."""

    def addReader(self, reader: Any) -> Any: ...
    def removeReader(self, reader: Any) -> Any: ...
    def callLater(self, delay: float, callable: Callable[..., Any], *args: Any) -> Any: ...
    def adoptStreamConnection(self, descriptor: int, family: int, factory: Any) -> Any: ...


@implementer(IReadDescriptor)
class ControlSocket:
    """The listening socket and its file, which is removed when we leave.

    Not one of Twisted's own ports: those make the file writable for everybody while it is there already.

    :param path: where it is made, for this user only; what a dead server left there is replaced.
    :raises Fault: a living server answers there, something else is there, or it cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._reactor: Reactor | None = None
        try:
            _make_way(path)
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            # Between bind and a later chmod anybody could connect.
            umask = os.umask(0o177)
            try:
                self.socket.bind(str(path))
            except OSError:
                self.socket.close()
                raise
            finally:
                os.umask(umask)
        except OSError as error:
            what = f"the control socket {path} cannot be made: {error.strerror or error}"
            raise Fault("", 0, what, "name another one, in a folder that this user may write") from error
        self._file = os.lstat(path).st_ino
        self.socket.listen(CONNECTIONS)

    def serve(self, reactor: Reactor, control: Control) -> None:
        """Give every connection to `control` from now on."""
        self._reactor = reactor
        self._control = control
        reactor.addReader(self)

    def fileno(self) -> int:
        """The socket's descriptor."""
        return self.socket.fileno()

    def logPrefix(self) -> str:
        """What Twisted calls us in its log."""
        return "control socket"

    def doRead(self) -> None:
        """Take the connection that waits."""
        assert self._reactor is not None
        try:
            client = self.socket.accept()[0]
        except BlockingIOError:
            return
        except OSError:
            # No descriptor is left: the connection waits on, and would wake us without an end.
            self._reactor.removeReader(self)
            self._reactor.callLater(PAUSE, self._resume)
            return
        with client:
            client.setblocking(False)
            self._reactor.adoptStreamConnection(client.fileno(), socket.AF_UNIX, self._control)

    def _resume(self) -> None:
        if self._reactor is not None:
            self._reactor.addReader(self)

    def connectionLost(self, reason: Failure) -> None:
        """The reactor lets go of us."""
        self.close()

    def close(self) -> None:
        """Remove the file, unless that is another server's by now, and close the socket; both once."""
        if self._reactor is not None:
            self._reactor.removeReader(self)
            self._reactor = None
        if self.socket.fileno() < 0:
            return
        # In this order: as long as the socket answers, no other server puts its own in this place.
        with suppress(OSError):
            if os.lstat(self.path).st_ino == self._file:
                os.unlink(self.path)
        self.socket.close()


def _make_way(path: Path) -> None:
    """Remove the socket of a server that has died.

    :raises Fault: that is not what is there.
    """
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise Fault("", 0, f"{path} is not a socket", "name another control socket, or remove the file")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except TimeoutError:
            pass
    raise Fault("", 0, f"a server is running at {path}", "stop it, or give this one a control socket of its own")


class Control(protocol.Factory):
    """Answers questions by calling `commands`, whose results, or the results of their Deferreds, become JSON.

    :param commands: a `Fault` that one raises is the answer; anything else is logged, and the answer says so.
    """

    noisy = False
    _log = Logger()

    def __init__(self, commands: Commands, clock: IReactorTime) -> None:
        self.commands = commands
        self.clock = clock
        self.connections = 0

    def buildProtocol(self, addr: IAddress | None) -> _Connection | None:
        """Take a connection, unless there are too many: then it is closed at once."""
        return _Connection(self) if self.connections < CONNECTIONS else None

    async def answer(self, line: bytes) -> bytes:
        """Return the line that answers this one, whatever it holds."""
        try:
            answer: dict[str, object] = {"result": await self._result(line)}
            return json.dumps(answer).encode()
        except Fault as fault:
            answer = {"error": str(fault)}
        except Exception:
            self._log.failure("a control command failed")
            answer = {"error": "the server failed at this; its log says how"}
        return json.dumps(answer).encode()

    async def _result(self, line: bytes) -> object:
        try:
            question = json.loads(line.decode())
        except (ValueError, RecursionError) as error:
            raise Fault("", 0, "the question is not JSON", "ask with the `pbx` command") from error
        match question:
            case {"command": str(name), "arguments": dict(arguments)} if name in self.commands:
                command = self.commands[name]
            case _:
                raise Fault("", 0, "the server does not know this command", "use the `pbx` of its version")
        try:
            inspect.signature(command).bind(**arguments)
        except TypeError as error:
            raise Fault("", 0, f"{name}: {error}", "use the `pbx` of the server's version") from error
        return await maybeDeferred(command, **arguments)


class _Connection(protocol.Protocol):
    def __init__(self, control: Control) -> None:
        self._control = control
        self._question = b""
        self._asked = False
        self._deadline: IDelayedCall | None = None

    def connectionMade(self) -> None:
        """Give the client its time."""
        self._control.connections += 1
        self._deadline = self._control.clock.callLater(PATIENCE, self._transport.abortConnection)

    def dataReceived(self, data: bytes) -> None:
        """Take the first line as the question, and nothing after it."""
        if self._asked:
            return
        self._question += data
        if b"\n" in data:
            self._asked = True
            self._allow(ANSWER)
            line = self._question.partition(b"\n")[0]
            Deferred.fromCoroutine(self._control.answer(line)).addCallback(self._reply)
        elif len(self._question) > LONGEST_QUESTION:
            self._asked = True
            self._reply(b'{"error": "the question is too long; ask with the `pbx` command"}')

    def _reply(self, line: bytes) -> None:
        if self.connected:
            self._allow(PATIENCE)
            self._transport.write(line + b"\n")
            self._transport.loseConnection()

    def _allow(self, seconds: float) -> None:
        if self._deadline is not None and self._deadline.active():
            self._deadline.reset(seconds)

    def connectionLost(self, reason: Failure = protocol.connectionDone) -> None:
        """Make room for the next one."""
        self.connected = 0
        self._control.connections -= 1
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()

    @property
    def _transport(self) -> ITCPTransport:
        return cast(ITCPTransport, self.transport)
