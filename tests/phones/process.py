"""A program that a test or benchmark starts: it writes one log, never outlives us, is ended by its own pid."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle, islice, product
from pathlib import Path
from random import SystemRandom
from typing import Self

from tests.phones.network import Network

_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1
# Test processes run side by side (pytest-xdist names them gw0, gw1, ...), each with ports of its own.
PROCESS = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
_PROCESSES = 6  # more than these (`make test JOBS=7`) share ports


def own_ports(ports: range, process: int = PROCESS) -> Iterator[int]:
    """Those of `ports` that no test process beside this one takes, one after the other, again and again.

    One that somebody was told of and has not bound yet is not given to anybody else: its turn comes when all others
    had theirs. Where the round begins is chance, since programs that are no tests of this run take ports, too.
    """
    own = ports[process % _PROCESSES :: _PROCESSES]  # apart: a phone's second call takes the ports above the first's
    begin = SystemRandom().randrange(len(own))
    return cycle([*own[begin:], *own[:begin]])


# The ports below those that the kernel hands out by itself (32768 to 60999, `ip_local_port_range`):
# 6000-8999 SIPp's sound, 10000-19999 the exchange's, 20000-22999 relays' in tests/media, 23000-23999 rtpengine's,
# 24000-29999 whatever a program is told, 30000-31999 baresip's sound.
_NUMBERS = own_ports(range(24_000, 30_000, 2))


def free_port(host: str = "127.0.0.1") -> int:
    """A port of `host` that nothing is bound to at this moment, by UDP or TCP, nor to the one above it.

    It is not one of those that the kernel hands out by itself: whoever is told of it binds it a moment later, and until
    then some connection of another test could have taken it. Phones take the port above theirs for TLS.
    """
    for port in islice(_NUMBERS, 100):
        try:
            for number, kind in product((port, port + 1), (socket.SOCK_DGRAM, socket.SOCK_STREAM)):
                with socket.socket(socket.AF_INET, kind) as probe:
                    probe.bind((host, number))
        except OSError:
            continue
        return port
    raise AssertionError(f"{host} has no free ports")


class Process:
    """A running child process.

    :param argv: the program and its arguments.
    :param log: the file that takes its standard output and standard error.
    :param cwd: the directory it runs in; the log's when None.
    :param environ: added to our own environment.
    :param cpu: the only processor it may use; None: any.
    :param listens: whether it is told more by `tell`; else its standard input is at its end.
    :param user: who runs it; None: we.
    :param network: where it is; None: where we are.
    :param descriptors: how many files it may have open; 0: as many as we.
    """

    def __init__(
        self,
        argv: Sequence[str | Path],
        log: Path,
        *,
        cwd: Path | None = None,
        environ: Mapping[str, str] | None = None,
        cpu: int | None = None,
        listens: bool = False,
        user: str | None = None,
        network: Network | None = None,
        descriptors: int = 0,
    ) -> None:
        def prepare() -> None:
            # Else a phone whose test was killed would ring, and register, for ever.
            _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if cpu is not None:
                os.sched_setaffinity(0, {cpu})
            if network is not None:
                network.enter()
            if descriptors:
                resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))

        self.argv = [str(word) for word in argv]
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                self.argv,
                stdin=subprocess.PIPE if listens else subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=cwd or log.parent,
                user=user,
                env={**os.environ, **(environ or {})},
                preexec_fn=prepare,  # noqa: PLW1509 - no threads are running here
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def status(self) -> int | None:
        """The exit status, None while it runs; minus the signal's number when a signal ended it."""
        return self._process.poll()

    def output(self) -> str:
        """All that it has written so far."""
        return self.log.read_text(errors="replace")

    def tail(self, lines: int = 60) -> str:
        """The end of what it wrote, under a line that says whose it is: for failures."""
        return "\n".join([f"--- {self.log}, status {self.status}", *self.output().splitlines()[-lines:]])

    def tell(self, line: str) -> None:
        """Writes a line to its standard input; one that has ended does not hear it."""
        assert self._process.stdin, "it does not listen"
        try:
            self._process.stdin.write(f"{line}\n".encode())
            self._process.stdin.flush()
        except BrokenPipeError:
            pass

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait(self, within: float) -> int:
        """Its exit status, once it ends by itself.

        :param within: seconds.
        :raises AssertionError: it still runs after that time; the message has the end of its log.
        """
        try:
            return self._process.wait(within)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.argv[0]} still runs after {within} s\n{self.tail()}") from None

    def stop(self, number: signal.Signals = signal.SIGTERM, within: float = 5) -> int:
        """Sends a signal and waits for the end; a process that does not obey is killed. The exit status."""
        if self.status is None:
            self.send(number)
            try:
                self._process.wait(within)
            except subprocess.TimeoutExpired:
                self.kill()
        if self._process.stdin:
            self._process.stdin.close()
        return self._process.wait()

    def kill(self) -> None:
        """`kill -9`, and only this one process."""
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()
