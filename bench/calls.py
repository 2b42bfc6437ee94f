"""What a call costs: SIPp calls SIPp through the exchange, and the exchange's CPU time and memory are read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bench.exchange import PLAN
from bench.machine import EXCHANGE_CPU, LOAD_CPU, Meter, memory_kib
from bench.progress import Progress
from tests.eventually import eventually
from tests.interop.exchange import Exchange
from tests.phones.process import free_port
from tests.phones.sipp import Sipp, Tally

CALLER, CALLEE = "127.0.0.2", "127.0.0.3"
_MEDIA_PORT = 6000


class Bench:
    """An exchange on its own processor, and a SIPp behind it that answers every call."""

    def __init__(self, exchange: Exchange, callee: Sipp) -> None:
        self.exchange = exchange
        self.callee = callee
        self._runs = 0

    def caller(self, calls: int, rate: float, talk: float) -> Sipp:
        """Starts a SIPp that calls."""
        self._runs += 1
        folder = self.exchange.folder / f"caller{self._runs}"
        server = self.exchange.address
        return Sipp("caller", folder, ip=CALLER, server=server, service="1000", calls=calls, rate=rate, talk=talk,
                    media_port=_MEDIA_PORT, cpu=LOAD_CPU)  # fmt: skip

    def place(self, what: str, calls: int, rate: float) -> Tally:
        """Places calls of half a second and waits for their end, shown as `what`.

        :raises AssertionError: one of them failed.
        """
        with self.caller(calls, rate, 0.5) as caller, Progress(what, calls) as progress:

            def over() -> bool:
                progress.show(caller.tally().successful)
                return caller.process.status is not None

            eventually(over, within=calls / rate + 30)
            return caller.finish(1)


@contextmanager
def bench(calls: int, lasting: float) -> Iterator[Bench]:
    """A bench for so many calls in all, which may last so many seconds."""
    port = free_port(CALLEE)
    with Exchange(PLAN.format(callee=f"{CALLEE}:{port}"), cpu=EXCHANGE_CPU) as exchange:
        folder = exchange.folder / "callee"
        with Sipp("callee", folder, ip=CALLEE, port=port, calls=calls, talk=lasting, media_port=_MEDIA_PORT,
                  cpu=LOAD_CPU) as callee:  # fmt: skip
            yield Bench(exchange, callee)


def run(rate: float, seconds: float, warm: float) -> str:
    """CPU time per call at a steady rate.

    :param rate: calls begun each second.
    :param seconds: for how long.
    :param warm: seconds of the same load before, which do not count.
    """
    warming, calls = max(1, round(rate * warm)), round(rate * seconds)
    with bench(warming + calls, warm + seconds) as running:
        running.place("calls, warming up", warming, rate)
        meter = Meter(running.exchange.pid)
        tally = running.place("calls", calls, rate)
        wall, cpu, stolen = meter.read()
    again = f"{tally.retransmissions} retransmissions"
    return (
        f"{1000 * cpu / calls:.3f} ms of CPU time per call, {calls / cpu:,.0f} calls a second on a whole core "
        f"({calls} calls at {rate:g}/s, none failed, {again}; {stolen:.2f} of {wall:.0f} s stolen)"
    )


def run_held(calls: int, rate: float) -> str:
    """Resident memory for each of `calls` calls that are up at the same time."""
    ramp = calls / rate
    with bench(calls + 20, 2 * ramp + 40) as running:
        pid = running.exchange.pid
        running.place("memory, warming up", 20, 20)
        before = memory_kib(pid)
        with running.caller(calls, rate, ramp + 15) as caller, Progress("memory, calls up", calls) as progress:
            eventually(progress.until(lambda: running.callee.tally().current), within=ramp + 15)
            up = memory_kib(pid)
            caller.finish(ramp + 60)
        after = memory_kib(pid)
    return (
        f"{(up - before) / calls:.1f} KiB per held call ({calls} calls: {before / 1024:.1f} MiB before, "
        f"{up / 1024:.1f} MiB with them, {after / 1024:.1f} MiB after their end)"
    )
