"""What a call costs our own code: complete calls through the whole stack in one process, with the kernel left out.

Datagrams go in at the transport and come out at its socket; the phones on both ends are templates, so that nearly all
that is measured is the exchange. `python -m bench.loop CALLS` makes that many calls and nothing else: the difference
between two counts of instructions (`valgrind --tool=cachegrind --cache-sim=no`) is exact on any machine, however busy.
`--records` has each call's record written into SQLite, `--trace` its messages kept.
"""

from __future__ import annotations

import argparse
import random
import re
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ParamSpec, TypeVar

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from pbx.clock import ReactorClock
from pbx.dialplan import Call, Plan, uri
from pbx.memory import spare_the_collector
from pbx.sip.identifiers import Identifiers
from pbx.store import migration
from pbx.store.database import open_database
from pbx.store.records import PAUSE, RecordTable
from pbx.testing.exchange import MemoryMessages, at_once
from pbx.wiring import Exchange

P = ParamSpec("P")
T = TypeVar("T")

CALLER, CALLEE = ("192.0.2.4", 5060), ("192.0.2.9", 5060)
HOST = "192.0.2.1"
PACE = 0.125  # seconds from one call to the next: after 300 of them as many transactions end as begin
TRACED = (1000, 16 * 2**20)  # what the configuration has by default
WARM = 400  # calls that do not count

_SDP = (
    "v=0\r\no=user1 53655765 2353687637 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n"
    "m=audio 6000 RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n"
)
_REQUEST = (
    "{method} {target} SIP/2.0\r\nVia: SIP/2.0/UDP {host}:5060;branch=z9hG4bK-{n}-{method}\r\n"
    "From: sipp <sip:sipp@{host}:5060>;tag=c{n}\r\nTo: {to}\r\nCall-ID: {n}-7@{host}\r\nCSeq: {sequence} {method}\r\n"
    "Contact: <sip:sipp@{host}:5060>\r\nMax-Forwards: 70\r\n{more}Content-Length: {length}\r\n\r\n{body}"
)
_RESPONSE = (
    "SIP/2.0 {status}\r\n{echoed};tag=e{n}\r\nContact: <sip:{host}:5060;transport=UDP>\r\n"
    "{more}Content-Length: {length}\r\n\r\n{body}"
)
_TYPE = "Content-Type: application/sdp\r\n"
_ECHOED = re.compile(r"^(?:Via|From|To|Call-ID|CSeq): .*$", re.MULTILINE)
_TO = re.compile(r"^To: (.*)\r$", re.MULTILINE)
_CONTACT = re.compile(r"^Contact: <(.*)>", re.MULTILINE)

plan = Plan()


@plan.anonymous("<number:any>")
async def forward(call: Call, number: str) -> None:
    """Every call goes to the callee."""
    await call.dial(uri(f"sip:{number}@{CALLEE[0]}:{CALLEE[1]}"))


class Wake:
    """The one timer that our clock asks of the reactor."""

    def __init__(self, reactor: Standstill, time: float, function: Callable[[], None]) -> None:
        self.reactor = reactor
        self.time = time
        self.function = function

    def reset(self, delay: float) -> None:
        """Another time."""
        self.time = self.reactor.now + delay


class Standstill:
    """A reactor whose time goes on when it is told so."""

    def __init__(self) -> None:
        self.now = 1_773_133_200.0
        self.wake: Wake | None = None

    def seconds(self) -> float:
        """Seconds since 1970."""
        return self.now

    def callLater(self, delay: float, callable: Callable[[], None]) -> Wake:
        """Set the timer."""
        self.wake = Wake(self, self.now + delay, callable)
        return self.wake

    def advance(self, seconds: float) -> None:
        """Go on."""
        self.now += seconds
        while self.wake is not None and self.wake.time <= self.now:
            wake, self.wake = self.wake, None
            wake.function()


class Wire:
    """The exchange's SIP socket: what it sends is kept."""

    def __init__(self) -> None:
        self.sent: list[tuple[bytes, Any]] = []

    def getsockname(self) -> tuple[str, int]:
        """Where it is bound."""
        return HOST, 5060

    def sendto(self, packet: bytes, address: Any) -> None:
        """Keep a datagram."""
        self.sent.append((packet, address))

    def take(self, count: int) -> list[str]:
        """What was sent, which must be so many datagrams."""
        sent, self.sent = self.sent, []
        assert len(sent) == count, sent
        return [packet.decode() for packet, _ in sent]


class Ports:
    """Media ports that exist in SDP only (`pbx.media.port.Sockets` and `Pair`)."""

    in_use = 0
    number = 20_000
    rtp = rtcp = None

    def open(self, host: str, receiver: object) -> Ports:
        """Bind a pair."""
        return self

    def close(self) -> None:
        """Release both."""


class NoStore:
    """Nobody registers."""

    def keep(self, *binding: object) -> None: ...
    def forget(self, number: str, contact: str) -> None: ...


class AtOnce:
    """Asks the database without another thread (`pbx.store.store.Worker`)."""

    def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        """Do it."""
        return succeed(work(*args, **kwargs))


class Loop:
    """An exchange, and two phones that are nothing but templates."""

    def __init__(self, folder: Path | None = None, traced: tuple[int, int] | None = None) -> None:
        """
        :param folder: for the database of records; None: there are none.
        :param traced: of how many calls messages are kept, and in how many bytes.
        """
        self.reactor = Standstill()
        self.wire = Wire()
        source = random.Random(1)
        sockets: Any = Ports()
        records = None
        self.store_clock: Any = None
        if folder is not None:
            url = f"sqlite:///{folder}/pbx.db"
            migration.upgrade(url)
            self.store_clock = Clock()
            records = RecordTable(open_database(url), self.store_clock, AtOnce())
        clock = ReactorClock(self.reactor)
        clock.wall = clock.seconds  # nobody sets this machine's clock
        self.exchange = Exchange(
            clock,
            Identifiers(source.randbytes),
            sockets,
            NoStore(),
            plan,
            messages=MemoryMessages(),
            aside=at_once,
            realm="pbx",
            secret=source.randbytes(32),
            records=records,
            traced=traced,
        )
        self.receive = self.exchange.listen(self.wire).datagram_received

    def request(self, method: str, target: str, n: int, sequence: int, to: str, described: bool = False) -> None:
        """The caller sends a request."""
        body = _SDP.format(host=CALLER[0]) if described else ""
        text = _REQUEST.format(
            method=method,
            target=target,
            host=CALLER[0],
            n=n,
            to=to,
            sequence=sequence,
            more=_TYPE if described else "",
            length=len(body),
            body=body,
        )
        self.receive(text.encode(), CALLER)

    def respond(self, request: str, status: str, n: int, described: bool = False) -> None:
        """The callee answers a request."""
        body = _SDP.format(host=CALLEE[0]) if described else ""
        echoed = dict.fromkeys(_ECHOED.findall(request))
        lines = "\r\n".join(sorted((line.rstrip() for line in echoed), key=lambda line: line.startswith("To:")))
        text = _RESPONSE.format(
            status=status,
            echoed=lines.removesuffix(f";tag=e{n}"),
            n=n,
            host=CALLEE[0],
            more=_TYPE if described else "",
            length=len(body),
            body=body,
        )
        self.receive(text.encode(), CALLEE)

    def call(self, n: int) -> None:
        """INVITE, 180, 200, ACK, BYE, 200, on both sides."""
        wire = self.wire
        self.request("INVITE", f"sip:1000@{HOST}:5060", n, 1, f"1000 <sip:1000@{HOST}:5060>", described=True)
        (invite,) = wire.take(1)
        self.respond(invite, "180 Ringing", n)
        wire.take(1)
        self.respond(invite, "200 OK", n, described=True)
        _, answer = wire.take(2)
        found, contact = _TO.search(answer), _CONTACT.search(answer)
        assert found is not None and contact is not None
        self.request("ACK", contact[1], n, 1, found[1])
        self.reactor.advance(PACE)
        self.request("BYE", contact[1], n, 2, found[1])
        bye = next(packet for packet in wire.take(2) if packet.startswith("BYE"))
        self.respond(bye, "200 OK", n)
        assert not wire.sent
        if self.store_clock is not None and n % round(100 * PAUSE) == 0:  # at 100 calls/s, a batch has so many
            self.store_clock.advance(PAUSE)


def measure(calls: int, folder: Path | None = None, traced: tuple[int, int] | None = None) -> float:
    """CPU seconds of so many calls, after some that do not count; the rest as in `Loop`."""
    loop = Loop(folder, traced)
    spare_the_collector()  # as the service does
    for n in range(WARM):
        loop.call(n)
    start = time.process_time()
    for n in range(WARM, WARM + calls):
        loop.call(n)
    return time.process_time() - start


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.loop", description=__doc__)
    parser.add_argument("calls", type=int)
    parser.add_argument("--records", action="store_true", help="write the records of calls")
    parser.add_argument("--trace", action="store_true", help="keep the messages of the last calls")
    given = parser.parse_args()
    with TemporaryDirectory() as name:
        spent = measure(given.calls, Path(name) if given.records else None, TRACED if given.trace else None)
    print(f"{1e6 * spent / max(1, given.calls):.1f} µs")
