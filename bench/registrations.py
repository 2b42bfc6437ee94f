"""What a registration costs, with its challenge, and what a phone costs that is registered."""

from __future__ import annotations

from bench.exchange import PLAN
from bench.machine import EXCHANGE_CPU, LOAD_CPU, Meter, memory_kib
from bench.progress import Progress
from tests.eventually import eventually
from tests.interop.exchange import TRUSTING, Exchange, password
from tests.phones.sipp import Sipp

_FIRST = 200  # phones that do not count


def run(phones: int, rate: float) -> str:
    """CPU time for each REGISTER that is challenged, sent again with credentials and accepted; and resident memory for
    each phone that is registered then.

    :param phones: how many register, once each.
    :param rate: how many do so each second.
    """
    numbers = [f"{1000000 + n}" for n in range(_FIRST + phones)]
    with Exchange(PLAN.format(callee="127.0.0.3:9"), cpu=EXCHANGE_CPU, security=TRUSTING) as exchange:
        exchange.insert((number, password(number)) for number in numbers)
        eventually(lambda: exchange.command("extension", "show", numbers[-1]), 20)
        _register(exchange, "warming", numbers[:_FIRST], rate)
        before = memory_kib(exchange.pid)
        meter = Meter(exchange.pid)
        _register(exchange, "phones", numbers[_FIRST:], rate)
        wall, cpu, stolen = meter.read()
        after = memory_kib(exchange.pid)
        there = exchange.status()["registrations"]
        assert there == len(numbers), f"{there} registrations"
    return (
        f"{1000 * cpu / phones:.3f} ms of CPU time per registration with its challenge, {phones / cpu:,.0f} on a whole "
        f"core; {(after - before) / phones:.2f} KiB per registered phone ({phones} phones at {rate:g}/s: "
        f"{before / 1024:.1f} MiB before, {after / 1024:.1f} MiB with them; {stolen:.2f} of {wall:.0f} s stolen)"
    )


def _register(exchange: Exchange, name: str, numbers: list[str], rate: float) -> None:
    """Register each of these once.

    :raises AssertionError: one of them failed.
    """
    accounts = [(number, password(number)) for number in numbers]
    total = len(numbers)
    sipp = Sipp("registers", exchange.folder / name, server=exchange.address, calls=total, rate=rate, talk=0,
                accounts=accounts, cpu=LOAD_CPU)  # fmt: skip
    with sipp, Progress(f"registrations, {name}", total) as progress:

        def over() -> bool:
            done = sipp.tally().successful
            progress.show(done)
            return done >= total or sipp.process.status is not None

        eventually(over, total / rate + 30)
        sipp.finish(10)
