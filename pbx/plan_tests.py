"""A dialplan's own tests: pytest in a process of its own, which the calls do not wait for, and bounded in time."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from twisted.internet import protocol
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessDone, ProcessTerminated
from twisted.python.failure import Failure

from pbx.faults import Fault
from pbx.sip.timers import Clock, Timer

LIMIT = 60.0  # seconds
MOST_OUTPUT = 65536  # bytes of it that are read
MOST_SHOWN = 5  # tests that a sentence names

# They are many calls, and those of the exchange come first.
_START = "import os, sys, pytest; os.nice(10); sys.exit(pytest.main(sys.argv[1:]))"
_OPTIONS = ("-q", "--no-header", "--tb=no", "-rfE", "--color=no", "-p", "no:cacheprovider")
_NO_TESTS = 5  # pytest's exit status when it has found none


class PlanTests:
    """Runs tests, one file at a time.

    :param clock: bounds them.
    :param spawn: the reactor's `spawnProcess`.
    """

    def __init__(self, clock: Clock, spawn: Callable[..., Any]) -> None:
        self._clock = clock
        self._spawn = spawn
        self._run: _Run | None = None

    async def run(self, file: Path) -> None:
        """Run the tests in a file.

        :raises Fault: one of them fails, they cannot be run, or they take too long.
        """
        if find_spec("pytest") is None:
            raise Fault(str(file), 0, "the dialplan's tests need pytest", 'install it, or write tests = ""')
        run = self._run = _Run(self._clock)
        argv = [sys.executable, "-B", "-c", _START, *_OPTIONS, str(file)]
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        self._spawn(run, sys.executable, argv, environment, str(file.parent))
        try:
            status = await run.ended
        finally:
            self._run = None
        if status == 0:
            return
        remedy = f"`pytest {file}` shows more"
        if run.overdue:
            raise Fault(str(file), 0, f"the dialplan's tests take longer than {LIMIT:g} s", remedy)
        if status == _NO_TESTS:
            raise Fault(str(file), 0, "there are no tests of the dialplan", 'write some, or write tests = ""')
        raise Fault(str(file), 0, f"the dialplan's tests fail: {_reasons(run.output)}", remedy)

    def stop(self) -> None:
        """Wait for none any more."""
        if self._run is not None:
            self._run.kill()


class _Run(protocol.ProcessProtocol):
    """One run.

    :ivar ended: fires with the exit status.
    :ivar overdue: whether it was ended since it took too long.
    """

    def __init__(self, clock: Clock) -> None:
        self.ended: Deferred[int] = Deferred()
        self.output = b""
        self.overdue = False
        self._clock = clock
        self._expiry: Timer | None = None

    def connectionMade(self) -> None:
        """It runs."""
        self._expiry = self._clock.callLater(LIMIT, self._expired)

    def outReceived(self, data: bytes) -> None:
        """It says something; the last of it counts."""
        self.output = (self.output + data)[-MOST_OUTPUT:]

    errReceived = outReceived

    def kill(self) -> None:
        """End it."""
        transport: Any = self.transport
        transport.signalProcess("KILL")

    def processEnded(self, reason: Failure) -> None:
        """It is over."""
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
        ended = reason.value
        assert isinstance(ended, ProcessDone | ProcessTerminated)
        self.ended.callback(-1 if ended.exitCode is None else ended.exitCode)

    def _expired(self) -> None:
        self._expiry = None
        self.overdue = True
        self.kill()


def _reasons(output: bytes) -> str:
    """What fails, from pytest's own summary; else the last line of what it said."""
    lines = [line.strip() for line in output.decode(errors="replace").splitlines() if line.strip()]
    failed = [line.partition(" ")[2] for line in lines if line.startswith(("FAILED ", "ERROR "))]
    if not failed:
        return lines[-1] if lines else "they say nothing"
    more = f" and {len(failed) - MOST_SHOWN} more" if len(failed) > MOST_SHOWN else ""
    return ", ".join(failed[:MOST_SHOWN]) + more
