"""The trials of a dialplan: `pbx check`, and the plan's own tests with pytest. Each is a process of its own, which the
calls do not wait for, and bounded in time: a plan that never returns, or that ends Python, does so there. What a trial
has started ends with it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from twisted.internet import protocol
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessDone, ProcessExitedAlready, ProcessTerminated
from twisted.python.failure import Failure

from pbx.faults import Fault
from pbx.sip.timers import Clock, Timer

LIMIT = 60.0  # seconds
MOST_OUTPUT = 2**20  # bytes of it that are read
MOST_SHOWN = 5  # tests that a sentence names

# Calls come first: both are a matter of seconds, and of a whole processor.
_CHECK = "import os; os.setsid(); os.nice(10); from pbx.cli.main import main; main()"
_TESTS = "import os, sys; os.setsid(); os.nice(10); import pytest; sys.exit(pytest.main(sys.argv[1:]))"
_OPTIONS = ("-q", "--no-header", "--tb=no", "-rfE", "--color=no", "-p", "no:cacheprovider")
_NO_TESTS = 5  # pytest's exit status when it has found none


class Trials:
    """Runs them, one at a time.

    :param clock: bounds them.
    :param spawn: the reactor's `spawnProcess`.
    """

    def __init__(self, clock: Clock, spawn: Callable[..., Any]) -> None:
        self._clock = clock
        self._spawn = spawn
        self._run: _Run | None = None

    async def check(self, config: Path, file: Path) -> list[Fault]:
        """Return what `pbx check` finds in a dialplan; the database is not asked.

        :param config: the configuration.
        :returns: what keeps nobody from using it.
        :raises Fault: it cannot be loaded; or the check takes too long, or does not come to its end.
        """
        remedy = f"`pbx check {file}` shows more"
        ended = await self._ended(file, _CHECK, "--config", str(config), "check", "--json", "--no-names", str(file))
        if ended.overdue:
            raise Fault(str(file), 0, f"the check of the dialplan takes longer than {LIMIT:g} s", remedy)
        try:
            rows = json.loads(ended.output)
            found = [(Fault(row["path"], row["line"], row["what"], row["remedy"]), row["fatal"]) for row in rows]
        except (ValueError, TypeError, KeyError):
            why = _last_line(ended.errors or ended.output) or f"it ends with {ended.status}"
            raise Fault(str(file), 0, f"the dialplan cannot be checked: {why}", remedy) from None
        for fault, fatal in found:
            if fatal:
                raise fault
        return [fault for fault, _ in found]

    async def run_tests(self, file: Path) -> None:
        """Run the tests in a file.

        :raises Fault: one of them fails, they cannot be run, or they take too long.
        """
        if find_spec("pytest") is None:
            raise Fault(str(file), 0, "the dialplan's tests need pytest", 'install it, or write tests = ""')
        ended = await self._ended(file, _TESTS, *_OPTIONS, str(file))
        if ended.status == 0:
            return
        remedy = f"`pytest {file}` shows more"
        if ended.overdue:
            raise Fault(str(file), 0, f"the dialplan's tests take longer than {LIMIT:g} s", remedy)
        if ended.status == _NO_TESTS:
            raise Fault(str(file), 0, "there are no tests of the dialplan", 'write some, or write tests = ""')
        raise Fault(str(file), 0, f"the dialplan's tests fail: {_reasons(ended.output + ended.errors)}", remedy)

    def stop(self) -> None:
        """Wait for none any more."""
        if self._run is not None:
            self._run.kill()

    async def _ended(self, file: Path, code: str, *arguments: str) -> _Ended:
        """Run Python code in the folder of a file, to its end."""
        run = self._run = _Run(self._clock)
        argv = [sys.executable, "-B", "-c", code, *arguments]
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        try:
            self._spawn(run, sys.executable, argv, environment, str(file.parent))
            return await run.ended
        except OSError as error:
            raise Fault(str(file), 0, f"no process can be started: {error.strerror}", "try again in a while") from None
        finally:
            self._run = None


class _Ended(NamedTuple):
    """A process that is over.

    :ivar status: its exit status; -1 where a signal has ended it.
    :ivar overdue: whether it was ended since it took too long.
    """

    status: int
    output: bytes
    errors: bytes
    overdue: bool


class _Run(protocol.ProcessProtocol):
    """One process.

    :ivar ended: fires with what is left of it; a cancellation ends it.
    """

    def __init__(self, clock: Clock) -> None:
        self.ended: Deferred[_Ended] = Deferred(self._leave)
        self._left = False
        self._output = self._errors = b""
        self._overdue = False
        self._clock = clock
        self._expiry: Timer | None = None
        self._group = 0

    def connectionMade(self) -> None:
        """It runs."""
        transport: Any = self.transport
        self._group = transport.pid
        self._expiry = self._clock.callLater(LIMIT, self._expired)

    def outReceived(self, data: bytes) -> None:
        """It says something; the last of it counts."""
        self._output = (self._output + data)[-MOST_OUTPUT:]

    def errReceived(self, data: bytes) -> None:
        """It complains."""
        self._errors = (self._errors + data)[-MOST_OUTPUT:]

    def kill(self) -> None:
        """End it and whomever it has started. One of those may have its pipes, and live on: these are read no more."""
        transport: Any = self.transport
        self._kill_group()  # here, too: where the exchange ends, nobody hears any more that it is gone
        with suppress(ProcessExitedAlready):
            transport.signalProcess("KILL")
        transport.loseConnection()

    def processExited(self, reason: Failure) -> None:
        """It is gone: so goes whomever it has started (mypy, for example, if it was killed)."""
        self._kill_group()
        self._group = 0  # its number may soon be somebody else's

    def processEnded(self, reason: Failure) -> None:
        """It is over."""
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
        ended = reason.value
        assert isinstance(ended, ProcessDone | ProcessTerminated)
        status = -1 if ended.exitCode is None else ended.exitCode
        if not self._left:
            self.ended.callback(_Ended(status, self._output, self._errors, self._overdue))

    def _kill_group(self) -> None:
        if self._group:
            with suppress(OSError):  # it has not come so far as to lead one, or all of it is gone
                os.killpg(self._group, signal.SIGKILL)

    def _leave(self, ended: Deferred[_Ended]) -> None:
        self._left = True
        self.kill()

    def _expired(self) -> None:
        self._expiry = None
        self._overdue = True
        self.kill()


def _reasons(output: bytes) -> str:
    """What fails, from pytest's own summary; else the last line of what it said."""
    lines = _lines(output)
    failed = [line.partition(" ")[2] for line in lines if line.startswith(("FAILED ", "ERROR "))]
    if not failed:
        return _last_line(output) or "they say nothing"
    more = f" and {len(failed) - MOST_SHOWN} more" if len(failed) > MOST_SHOWN else ""
    return ", ".join(failed[:MOST_SHOWN]) + more


def _last_line(output: bytes) -> str:
    return next(reversed(_lines(output)), "")


def _lines(output: bytes) -> Sequence[str]:
    return [line.strip() for line in output.decode(errors="replace").splitlines() if line.strip()]
