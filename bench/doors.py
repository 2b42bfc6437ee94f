"""What the doors cost: datagrams of a banned source that are dropped each CPU second, by the exchange and by the
kernel; and whether the time of a refusal tells a known user from an unknown one.
"""

from __future__ import annotations

import socket
import time
from statistics import quantiles

from bench.machine import EXCHANGE_CPU, LOAD_CPU, Meter
from bench.progress import Progress
from tests.eventually import eventually
from tests.interop.exchange import TRUSTING, Exchange, password
from tests.interop.office import SAMPLE
from tests.phones.flood import Flood
from tests.phones.registrant import Registrant, answer

READ = ("banned", "flooding datagrams")
"""What the exchange has fetched from its socket, and dropped."""

KNOWN, DISABLED, UNKNOWN = "1001", "1002", "9999"


def run_flood(seconds: float) -> str:
    """A flood of REGISTERs from one address: one at which a phone is registered, and one at which none is."""
    figures = []
    for source, by in (("127.0.0.65", READ), ("127.0.0.66", ("by the kernel",))):
        with (
            Exchange(SAMPLE, [KNOWN], cpu=EXCHANGE_CPU) as exchange,
            Registrant(exchange.address, "127.0.0.65") as phone,
        ):
            assert phone.register(KNOWN, password(KNOWN)) == 200
            log = exchange.folder / "flood.log"
            with Flood("REGISTER", exchange.address, seconds + 1, log, ip=source, cpu=LOAD_CPU) as flood:
                eventually(lambda: "security: banned" in exchange.log(), within=10)
                before, meter = _dropped(exchange, by), Meter(exchange.pid)
                sent = flood.finish()
                _, cpu, _ = meter.read()
                dropped = _dropped(exchange, by) - before
            figures.append(f"{dropped / max(cpu, 0.01):,.0f} of {sent / (seconds + 1):,.0f} sent a second")
    return f"dropped per CPU second by the exchange {figures[0]}, by the kernel {figures[1]}"


def _dropped(exchange: Exchange, by: tuple[str, ...]) -> int:
    drops = exchange.status()["drops"]
    return sum(drops.get(name, 0) for name in by)


def run_refusals(times: int) -> str:
    """How long the answer to a wrong password takes: to a known user, a disabled one and one that is not there."""
    with Exchange(SAMPLE, [KNOWN, DISABLED], cpu=EXCHANGE_CPU, security=TRUSTING) as exchange:
        exchange.command("extension", "set", DISABLED, "--disable")
        time_of: dict[str, list[float]] = {KNOWN: [], DISABLED: [], UNKNOWN: []}
        with Guesser(exchange.address) as guesser, Progress("refusals", 3 * times) as progress:
            for n in range(times):
                progress.show(3 * n)
                for number, taken in time_of.items():
                    taken.append(guesser.refused(number, n))
    rows = zip(("known", "disabled", "unknown"), time_of.values(), strict=True)
    return "µs at 5, 50 and 95 %: " + ", ".join([f"{name} {_spread(taken)}" for name, taken in rows])


def _spread(taken: list[float]) -> str:
    points = quantiles(taken, n=20)
    return "/".join([f"{1e6 * points[place]:.0f}" for place in (0, 9, 18)])


class Guesser:
    """A socket that sends wrong passwords and looks at the clock."""

    def __init__(self, server: str) -> None:
        self._registrant = Registrant(server)
        host, _, port = server.rpartition(":")
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.connect((host, int(port)))
        self._socket.settimeout(5)
        self._host = host
        self._challenge, _ = self._ask(UNKNOWN, "first", "")

    def refused(self, number: str, n: int) -> float:
        """Be refused once; returns after how many seconds."""
        proof = answer(self._challenge, number, "guess", f"sip:{self._host}")
        response, taken = self._ask(number, f"{number}.{n}", proof)
        assert response.startswith("SIP/2.0 401"), response
        return taken

    def _ask(self, number: str, call: str, proof: str) -> tuple[str, float]:
        request = self._registrant.compose(number, call, f"sip:{number}@127.0.0.1", 1, proof)
        begun = time.perf_counter()
        self._socket.send(request)
        response = self._socket.recv(9999)
        return response.decode(), time.perf_counter() - begun

    def __enter__(self) -> Guesser:
        return self

    def __exit__(self, *exception: object) -> None:
        self._socket.close()
        self._registrant.close()
