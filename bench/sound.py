"""What a caller costs whom the exchange plays to and records: calls set up by SIP, music one way, G.711 the other way,
a stereo recording of both; and whether every caller hears every packet in its order and at its time.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager

from bench.calls import CALLER
from bench.machine import EXCHANGE_CPU, LOAD_CPU, Meter
from bench.progress import Progress
from bench.relay import Load, Question, Stream
from tests.eventually import eventually
from tests.interop.exchange import TRUSTING, Exchange
from tests.phones.sipp import Sipp

PLAN = """
from pbx.dialplan import Call, Plan

plan = Plan()


@plan.anonymous("<number:any>")
async def play_and_record(call: Call, number: str) -> None:
    async with call.recorded(), call.on_hold():
        await call.sleep(3600)
"""
_WARM = 2.0
_RTP = struct.Struct("!BBHII")


class Ear:
    """What one caller hears.

    :ivar gaps: how often a packet was not the one after the last, by sequence number or timestamp.
    :ivar longest: seconds between two packets at most.
    """

    def __init__(self) -> None:
        self.gaps = 0
        self.longest = 0.0
        self._expected: tuple[int, int] | None = None
        self._at = 0.0

    def hear(self, packet: bytes, now: float) -> None:
        """Take the next packet."""
        _, _, sequence, timestamp, _ = _RTP.unpack_from(packet)
        if self._expected is not None:
            self.gaps += (sequence, timestamp) != self._expected
            self.longest = max(self.longest, now - self._at)
        self._expected, self._at = (sequence + 1 & 0xFFFF, timestamp + 160 & 0xFFFFFFFF), now


class Listening(Load):
    """All callers: they speak evenly, and listen."""

    def __init__(self, streams: list[Stream], question: Question) -> None:
        super().__init__(streams, question)
        self.ears = {number: Ear() for number in self._by_number}

    def _receive(self) -> None:
        now = time.perf_counter()
        for number, _ in self._poll.poll(0):
            self.ears[number].hear(self._by_number[number].recv(2048), now)
            self.received += 1


@contextmanager
def callers(calls: int, rate: float, lasting: float) -> Iterator[tuple[Exchange, Sipp]]:
    """An exchange, and callers whom it plays to and records."""
    exchange = Exchange(PLAN, cpu=EXCHANGE_CPU, security=TRUSTING)
    with exchange:
        caller = Sipp("caller", exchange.folder / "caller", ip=CALLER, server=exchange.address, service="1000",
                      calls=calls, rate=rate, talk=lasting, cpu=LOAD_CPU)  # fmt: skip
        with caller:
            yield exchange, caller


def run(calls: int, seconds: float) -> str:
    """CPU time per call and second, with calls that hear and say 50 packets a second each."""
    rate = 20.0
    lasting = calls / rate + _WARM + seconds + 10
    # The first call's ports are SIPp's own, so there is one call more than is used.
    with callers(calls + 1, rate, lasting) as (exchange, caller):
        eventually(lambda: len(caller.media()) >= calls, within=calls / rate + 20)
        streams = [Stream(CALLER, port, (ip, remote), keys=False) for port, ip, remote in caller.media()]
        question = Question(exchange.address)
        load = Listening(streams, question)
        try:
            with Progress("sound, seconds", seconds) as progress:
                load.run(_WARM, progress)
                load.ears = {number: Ear() for number in load.ears}
                before = load.received
                meter = Meter(exchange.pid)
                load.run(seconds, progress)
                _, cpu, stolen = meter.read()
                heard = load.received - before
            load.settle()
        finally:
            load.close()
        files = list((exchange.folder / "recordings").glob("*.wav"))
        exchange.kill()
    gaps = sum(ear.gaps for ear in load.ears.values())
    longest = max(ear.longest for ear in load.ears.values())
    assert len(files) > calls, f"{len(files)} recordings"
    return (
        f"{1000 * cpu / seconds / calls:.2f} ms of CPU time per call and second, {100 * cpu / seconds:.0f} % of a core "
        f"({calls} calls played to and recorded in stereo; {heard} packets, {gaps} gaps, at most "
        f"{1000 * longest:.0f} ms from one to the next; {stolen:.2f} s stolen)"
    )
