"""What a registration costs our own code: REGISTER, 401, REGISTER with credentials, 200, and its rows in the database,
in one process, with the kernel left out (`bench.loop` is the same for calls).

`python -m bench.registering COUNT` makes that many registrations, each of another phone, and nothing else: the
difference between two counts of instructions (`valgrind --tool=cachegrind --cache-sim=no`) is exact on any machine.
"""

from __future__ import annotations

import random
import re
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from twisted.internet.task import Clock

from bench.loop import HOST, AtOnce, Ports, Standstill, Wire
from pbx.clock import ReactorClock
from pbx.dialplan import Plan
from pbx.exchange.thresholds import Thresholds
from pbx.memory import spare_the_collector
from pbx.sip.digest import Challenge, parse_challenge
from pbx.sip.identifiers import Identifiers
from pbx.store import accounts, migration
from pbx.store.database import open_database
from pbx.store.schema import extensions
from pbx.store.store import BATCH, Store, read_accounts
from pbx.testing.exchange import MemoryMessages, at_once
from pbx.wiring import Exchange

PACE = 1 / 256  # seconds from one registration to the next
PHONES = 5000  # with their extensions; the next round registers them anew
WARM = 200  # registrations that do not count

_PHONE = ("192.0.2.4", 5062)
_REGISTER = (
    "REGISTER sip:{us}:5060 SIP/2.0\r\nVia: SIP/2.0/UDP {host}:{port};branch=z9hG4bK-{n}-{sequence}\r\n"
    "From: <sip:user{user}@{us}>;tag=1r{n}\r\nTo: <sip:user{user}@{us}>\r\nCall-ID: {n}-7@{host}\r\n"
    "CSeq: {sequence} REGISTER\r\nContact: <sip:user{user}@{host}:{port}>\r\n{more}Expires: 3600\r\n"
    "Max-Forwards: 70\r\nUser-Agent: sipp-bench\r\nContent-Length: 0\r\n\r\n"
)
_CHALLENGE = re.compile(r"^WWW-Authenticate: (.*)\r$", re.MULTILINE)


class Loop:
    """An exchange with its database, and a phone for each of its extensions that is nothing but a template."""

    def __init__(self, folder: Path) -> None:
        url = f"sqlite:///{folder}/pbx.db"
        migration.upgrade(url)
        database = open_database(url)
        with database.begin() as connection:
            rows = [{"number": f"user{n}", **accounts.hashes(f"user{n}", HOST, f"pw{n}")} for n in range(PHONES)]
            connection.execute(extensions.insert(), rows)
        self.reactor = Standstill()
        self.wire = Wire()
        self.store_clock: Any = Clock()
        self.store_clock.rightNow = self.reactor.now
        source = random.Random(1)
        sockets: Any = Ports()
        self.exchange = Exchange(
            ReactorClock(self.reactor),
            Identifiers(source.randbytes),
            sockets,
            Store(database, self.store_clock, AtOnce()),
            Plan(),
            messages=MemoryMessages(),
            aside=at_once,
            realm=HOST,
            secret=source.randbytes(32),
            qualify=0,
            thresholds=Thresholds(failures=PHONES),
        )
        self.exchange.replace_accounts(read_accounts(database))
        self.receive = self.exchange.listen(self.wire).datagram_received

    def register(self, n: int) -> None:
        """A phone registers."""
        challenge = _CHALLENGE.search(self.request(n, 1, ""))
        assert challenge is not None
        asked = parse_challenge(challenge[1])
        assert isinstance(asked, Challenge)
        user = n % PHONES
        answer = asked.answer(f"user{user}", f"pw{user}", "REGISTER", f"sip:{HOST}:5060", "6b8b4567")
        response = self.request(n, 2, f"Authorization: {answer}\r\n")
        assert response.startswith("SIP/2.0 200"), response
        self.reactor.advance(PACE)
        self.store_clock.advance(PACE)

    def request(self, n: int, sequence: int, more: str) -> str:
        """Send a REGISTER and return what comes back."""
        host, port = _PHONE
        text = _REGISTER.format(us=HOST, host=host, port=port, n=n, user=n % PHONES, sequence=sequence, more=more)
        self.receive(text.encode(), _PHONE)
        return self.wire.take(1)[0]


def measure(registrations: int) -> float:
    """CPU seconds of so many registrations and the database's part, after some that do not count."""
    with TemporaryDirectory() as folder:
        loop = Loop(Path(folder))
        spare_the_collector()
        for n in range(WARM):
            loop.register(n)
        start = time.process_time()
        for n in range(WARM, WARM + registrations):
            loop.register(n)
        loop.store_clock.advance(BATCH)
        return time.process_time() - start


if __name__ == "__main__":
    count = int(sys.argv[1])
    print(f"{1e6 * measure(count) / max(1, count):.1f} µs")
