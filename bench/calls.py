"""What a call costs: SIPp calls SIPp through the exchange, and the exchange's CPU time and memory are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bench.exchange import PLAN
from bench.machine import EXCHANGE_CPU, LOAD_CPU, Meter, memory_kib
from bench.progress import Progress
from tests.eventually import eventually
from tests.interop.exchange import TRUSTING, Exchange
from tests.phones.process import free_port
from tests.phones.sipp import Sipp, Tally

CALLER, CALLEE = "127.0.0.2", "127.0.0.3"


class Bench:
    """An exchange on its own processor, and a SIPp behind it that answers every call."""

    def __init__(self, exchange: Exchange, callee: Sipp, transport: str) -> None:
        self.exchange = exchange
        self.callee = callee
        self._transport = transport
        self._runs = 0

    def caller(self, calls: int, rate: float, talk: float) -> Sipp:
        """Starts a SIPp that calls."""
        self._runs += 1
        folder = self.exchange.folder / f"caller{self._runs}"
        server = self.exchange.addresses[self._transport]
        return Sipp("caller", folder, ip=CALLER, server=server, service="1000", calls=calls, rate=rate, talk=talk,
                    transport=self._transport, cpu=LOAD_CPU)  # fmt: skip

    def watch(self, caller: Sipp, what: str, total: int, count: Callable[[], int], within: float) -> None:
        """Shows how `count` grows as `what`, until it is `total`.

        :raises AssertionError: the caller ended before, or `within` seconds have gone by; SIPp's reasons are in it.
        """
        with Progress(what, total) as progress:

            def over() -> bool:
                done = count()
                progress.show(done)
                return done >= total or caller.process.status is not None

            eventually(over, within)
        assert count() >= total, f"{what}: {count()} of {total}\n{caller.complaints()}"

    def place(self, what: str, calls: int, rate: float) -> Tally:
        """Places calls of half a second and waits for their end, shown as `what`.

        :raises AssertionError: one of them failed.
        """
        with self.caller(calls, rate, 0.5) as caller:
            self.watch(caller, what, calls, lambda: caller.tally().successful, calls / rate + 30)
            return caller.finish(5)


@contextmanager
def bench(calls: int, lasting: float, transport: str = "udp", engine: str = "auto") -> Iterator[Bench]:
    """A bench for so many calls in all, which may last so many seconds, over "udp" or "tcp"."""
    port = free_port(CALLEE)
    streams = [] if transport == "udp" else [transport]
    target = f"{CALLEE}:{port}" + "".join(f";transport={name}" for name in streams)
    exchange = Exchange(PLAN.format(callee=target), streams=streams, cpu=EXCHANGE_CPU, engine=engine, security=TRUSTING)
    with exchange:
        callee = Sipp("callee", exchange.folder / "callee", ip=CALLEE, port=port, calls=calls, talk=lasting,
                      transport=transport, cpu=LOAD_CPU)  # fmt: skip
        with callee:
            yield Bench(exchange, callee, transport)


def run(rate: float, seconds: float, warm: float, transport: str = "udp") -> str:
    """CPU time per call at a steady rate.

    :param rate: calls begun each second.
    :param seconds: for how long.
    :param warm: seconds of the same load before, which do not count.
    :param transport: "udp" or "tcp".
    """
    warming, calls = max(1, round(rate * warm)), round(rate * seconds)
    with bench(warming + calls, warm + seconds, transport) as running:
        running.place("calls, warming up", warming, rate)
        meter = Meter(running.exchange.pid)
        tally = running.place("calls", calls, rate)
        wall, cpu, stolen = meter.read()
        again = tally.retransmissions + running.callee.finish(5).retransmissions
    return (
        f"{1000 * cpu / calls:.3f} ms of CPU time per call, {calls / cpu:,.0f} calls a second on a whole core "
        f"({calls} calls at {rate:g}/s, none failed, {again} retransmissions; {stolen:.2f} of {wall:.0f} s stolen)"
    )


def run_held(calls: int, rate: float) -> str:
    """Resident memory for each of `calls` calls that are up at the same time."""
    ramp = calls / rate
    with bench(calls + 20, 2 * ramp + 40) as running:
        pid = running.exchange.pid
        running.place("memory, warming up", 20, 20)
        before = memory_kib(pid)
        with running.caller(calls, rate, ramp + 15) as caller:
            running.watch(caller, "memory, calls up", calls, lambda: running.callee.tally().current, ramp + 15)
            up = memory_kib(pid)
            caller.finish(ramp + 60)
        after = memory_kib(pid)
    return (
        f"{(up - before) / calls:.1f} KiB per held call ({calls} calls: {before / 1024:.1f} MiB before, "
        f"{up / 1024:.1f} MiB with them, {after / 1024:.1f} MiB after their end)"
    )
