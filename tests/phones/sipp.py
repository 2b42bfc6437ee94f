"""SIPp as many callers or callees at once: a process with one of our scenarios, and its own account of how it went.

Facts about SIPp 3.6 that this file knows: it binds the two ports -mp and -mp + 2 itself, and call n of a scenario with
[auto_media_port] has its audio at -mp + 4 (n - 1); an [authentication ...] keyword is expanded only from the CSV file.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import NamedTuple, Self

from tests.phones.network import Network
from tests.phones.process import Process, free_port, own_ports
from tests.programs import program

SCENARIOS = Path(__file__).with_name("scenarios")
_MEDIA_PORTS = own_ports(range(6_000, 9_000, 20))  # the first of twenty for each instance: four a call


class Tally(NamedTuple):
    """What SIPp says of its calls so far."""

    created: int
    current: int
    successful: int
    failed: int
    retransmissions: int


class Sipp:
    """One SIPp. It ends by itself when `calls` calls are over.

    :param scenario: a file of `scenarios`, without its suffix.
    :param folder: where its files go; made here.
    :param ip: its own address, on loopback; without meaning in a `network`.
    :param port: its own port; 0: a free one.
    :param media_port: the first of its audio ports; 0: one that is free, with a few above it.
    :param server: "address:port" to call; "": it only answers.
    :param service: the number to call.
    :param calls: how many in all.
    :param rate: how many are begun each second.
    :param talk: seconds between the answer and the hang-up.
    :param accounts: for each call, then from the first again: number, password, and what else the scenario wants.
    :param transport: "udp", or "tcp": all its calls share one connection.
    :param sound: what the scenario plays, mu-law.
    :param cpu: the only processor it may use; None: any.
    :param network: where it is; None: on loopback.
    :param status: what the scenario puts in the place of [status]: "503 Service Unavailable".
    """

    def __init__(
        self,
        scenario: str,
        folder: Path,
        *,
        ip: str = "127.0.0.1",
        port: int = 0,
        media_port: int = 0,
        server: str = "",
        service: str = "",
        calls: int = 1,
        rate: float = 10,
        talk: float = 0.5,
        accounts: Iterable[tuple[str, ...]] = (),
        transport: str = "udp",
        sound: bytes = b"",
        cpu: int | None = None,
        network: Network | None = None,
        status: str = "",
    ) -> None:
        folder.mkdir(parents=True)
        if sound:
            (folder / "sound.ulaw").write_bytes(sound)
        self.folder = folder
        self.port = port or free_port(ip)
        self._media_port = media_port or _free_pair(ip)
        ip = network.address if network else ip
        self.address = f"{ip}:{self.port}"
        lasting = calls / rate + talk + 40
        argv = [program("sipp"), "-sf", str(_scenario(scenario, folder, status)), "-nostdin", "-t", f"{transport[0]}1"]
        argv += ["-i", ip, "-mi", ip, "-ci", ip, "-p", str(self.port), "-mp", str(self._media_port)]
        argv += ["-m", str(calls), "-timeout", f"{lasting:.0f}s", "-buff_size", "4000000", "-deadcall_wait", "0"]
        argv += ["-trace_stat", "-fd", "1", "-stf", "stat.csv", "-trace_logs", "-log_file", "calls.log"]
        argv += ["-trace_err", "-error_file", "errors.log"]
        if lines := [_line(*account) for account in accounts]:
            (folder / "accounts.csv").write_text("\n".join(["SEQUENTIAL", *lines, ""]))
            argv += ["-inf", "accounts.csv"]
        if server:
            argv += [server, "-s", service, "-r", str(rate), "-d", str(round(1000 * talk)), "-l", str(calls)]
        self.process = Process(argv, folder / "screen.log", cpu=cpu, network=network)

    def tally(self) -> Tally:
        """Its figures, at most a second old while it runs."""
        path = self.folder / "stat.csv"
        lines = path.read_text().splitlines() if path.exists() else []
        if len(lines) < 2:
            return Tally(0, 0, 0, 0, 0)
        row = dict(zip(lines[0].split(";"), lines[-1].split(";"), strict=False))
        names = "TotalCallCreated CurrentCall SuccessfulCall(C) FailedCall(C) Retransmissions(C)"
        return Tally(*(int(row[name]) for name in names.split()))

    def finish(self, within: float) -> Tally:
        """Waits until all its calls are over.

        :param within: seconds.
        :raises AssertionError: a call failed, or it took longer; the message has SIPp's own reasons.
        """
        status = self.process.wait(within)
        assert status == 0, f"SIPp ended with {status}, {self.tally()}\n{self.complaints()}"
        return self.tally()

    def complaints(self) -> str:
        """The beginning of what it wrote about messages that it did not expect, or else the end of its screen."""
        path = self.folder / "errors.log"
        return path.read_text(errors="replace")[:4000] if path.exists() else self.process.tail()

    @property
    def said(self) -> list[str]:
        """The lines that its scenario has logged so far."""
        path = self.folder / "calls.log"
        lines = path.read_text().splitlines(keepends=True) if path.exists() else []
        return [line.strip() for line in lines if line.endswith("\n")]

    def media(self) -> list[tuple[int, str, int]]:
        """Of each call whose audio port is its own: that port, and where the other side wants audio sent."""
        rows = [line.split() for line in self.said]
        streams = [(self._media_port + 4 * (int(number) - 1), ip, int(port)) for number, ip, port in rows]
        return [stream for stream in streams if stream[0] != self._media_port]

    def close(self) -> None:
        self.process.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _scenario(name: str, folder: Path, status: str) -> Path:
    """The file of a scenario. SIPp expands no keyword in a status line: where there is one, it is done here."""
    file = SCENARIOS / f"{name}.xml"
    if not status:
        return file
    own = folder / file.name
    own.write_text(file.read_text().replace("[status]", status))
    return own


def _line(number: str, password: str, *more: str) -> str:
    return ";".join([number, f"[authentication username={number} password={password}]", *more])


def _free_pair(ip: str) -> int:
    """A port that is free together with the port + 2, and has room above it for those of the calls."""
    for port in islice(_MEDIA_PORTS, 100):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as a, socket.socket(a.family, a.type) as b:
            try:
                a.bind((ip, port))
                b.bind((ip, port + 2))
            except OSError:
                continue
            return port
    raise AssertionError(f"{ip} has no free ports")
