"""What calls over TLS cost, and what a phone costs that is connected over TLS and silent: made by `bench.load`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from bench.exchange import PLAN
from bench.machine import EXCHANGE_CPU, LOAD_CPU, Meter, memory_kib
from tests.eventually import eventually
from tests.interop.exchange import TRUSTING, Exchange
from tests.phones.process import Process, free_port


class Secure:
    """An exchange on its own processor, and phones over TLS on another."""

    def __init__(self, exchange: Exchange, load: Process) -> None:
        self.exchange = exchange
        self._load = load
        self._read = 0

    def ask(self, words: str, within: float) -> str:
        """Tell the phones what to do; the rest of the line with which they answer.

        :raises AssertionError: they do not, within so many seconds.
        """
        self._load.tell(words)
        return self.wait(words.split(maxsplit=1)[0], within)

    def wait(self, word: str, within: float) -> str:
        """The rest of the next line that begins with this word."""
        line = ""

        def said() -> bool:
            nonlocal line
            lines = self._load.output().splitlines()
            line = next((one for one in lines[self._read :] if one.startswith(word)), "")
            if line:
                self._read = len(lines)
            return bool(line) or self._load.status is not None

        try:
            eventually(said, within)
        except AssertionError:
            line = ""
        assert line, f"no answer that begins with {word}\n{self._load.tail()}"
        return line.removeprefix(word).strip()

    def place(self, calls: int, rate: float) -> None:
        """Place calls of half a second and wait for their end.

        :raises AssertionError: one of them failed.
        """
        answer = self.ask(f"calls {calls} {rate}", calls / rate + 30)
        assert answer == f"{calls} failed 0", answer


@contextmanager
def secure() -> Iterator[Secure]:
    """The exchange, and phones that are ready."""
    port = free_port()
    plan = PLAN.format(callee=f"127.0.0.1:{port};transport=tls")
    with Exchange(plan, streams=["tls"], cpu=EXCHANGE_CPU, security=TRUSTING) as exchange:
        argv = [sys.executable, "-m", "bench.load", "--server", exchange.addresses["tls"], "--port", str(port)]
        argv += ["--certificate", str(exchange.folder / "certificate.pem"), "--key", str(exchange.folder / "key.pem")]
        environ = {"PYTHONPATH": ":".join(word for word in sys.path if word)}
        with Process(argv, exchange.folder / "load.log", environ=environ, cpu=LOAD_CPU, listens=True) as load:
            running = Secure(exchange, load)
            running.wait("ready", 20)
            yield running


def run(rate: float, seconds: float, warm: float) -> str:
    """CPU time per call over TLS at a steady rate; see `bench.calls.run`."""
    calls = round(rate * seconds)
    with secure() as running:
        running.place(max(1, round(rate * warm)), rate)
        meter = Meter(running.exchange.pid)
        running.place(calls, rate)
        wall, cpu, stolen = meter.read()
    return (
        f"{1000 * cpu / calls:.3f} ms of CPU time per call, {calls / cpu:,.0f} calls a second on a whole core "
        f"({calls} calls at {rate:g}/s, none failed; {stolen:.2f} of {wall:.0f} s stolen)"
    )


def run_idle(connections: int) -> str:
    """Resident memory for each of so many phones that are connected and silent."""
    with secure() as running:
        pid = running.exchange.pid
        running.ask("connections 20", 20)
        before = memory_kib(pid)
        meter = Meter(pid)
        running.ask(f"connections {connections}", 60 + connections / 20)
        _, cpu, _ = meter.read()
        up = memory_kib(pid)
        there = running.exchange.status()["connections"]
        assert there == connections + 20, f"{there} connections"
    return (
        f"{(up - before) / connections:.1f} KiB per idle TLS connection ({connections} connections: "
        f"{before / 1024:.1f} MiB before, {up / 1024:.1f} MiB with them; {1000 * cpu / connections:.2f} ms of CPU time "
        "for each handshake and OPTIONS)"
    )
