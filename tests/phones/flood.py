"""A flood: datagrams of one kind from one address, as fast as one processor can send them, for so many seconds.

`python -m tests.phones.flood KIND SERVER SECONDS [IP]` says at the end how many it has sent. Loopback only.
"""

from __future__ import annotations

import random
import socket
import sys
import time
from pathlib import Path
from typing import Self

from tests.phones.process import Process

KINDS = ("REGISTER", "INVITE", "OPTIONS", "garbage")
_DIFFERENT = 2000  # datagrams, sent again and again
_LONGEST = 60.0  # seconds

ROOT = Path(__file__).parents[2]


class Flood:
    """The process that sends.

    :param kind: one of `KINDS`.
    :param server: "address:port".
    :param ip: the address that it comes from.
    :param cpu: the only processor it may use; None: any.
    """

    def __init__(
        self, kind: str, server: str, seconds: float, log: Path, *, ip: str = "127.0.0.1", cpu: int | None = None
    ) -> None:
        argv = [sys.executable, "-m", "tests.phones.flood", kind, server, str(seconds), ip]
        self._process = Process(argv, log, cwd=ROOT, cpu=cpu)
        self._seconds = seconds

    def finish(self) -> int:
        """Waits for its end; returns how many datagrams it has sent."""
        assert self._process.wait(self._seconds + 20) == 0, self._process.tail()
        return int(self._process.output().split()[-1])

    @property
    def goes_on(self) -> bool:
        """Whether it still sends."""
        return self._process.status is None

    def stop(self) -> None:
        self._process.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()


def datagrams(kind: str, server: str, own: str) -> list[bytes]:
    """What is sent."""
    noise = random.Random(kind)
    if kind == "garbage":
        return [noise.randbytes(noise.randrange(20, 600)) for _ in range(_DIFFERENT)]
    host = server.rpartition(":")[0]
    return [_request(kind, host, own, n) for n in range(_DIFFERENT)]


def _request(method: str, host: str, own: str, n: int) -> bytes:
    target = f"sip:{host}" if method == "REGISTER" else f"sip:{1000 + n % 1000}@{host}"
    lines = [
        f"{method} {target} SIP/2.0",
        f"Via: SIP/2.0/UDP {own};branch=z9hG4bK{method}{n};rport",
        "Max-Forwards: 70",
        f"From: <sip:{1000 + n % 1000}@{host}>;tag=flood{n}",
        f"To: <sip:{1000 + n % 1000}@{host}>",
        f"Call-ID: flood{n}@{own}",
        f"CSeq: 1 {method}",
        f"Contact: <sip:flood@{own}>",
        "Content-Length: 0",
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def main(kind: str, server: str, seconds: str, ip: str = "127.0.0.1") -> None:
    host, _, port = server.rpartition(":")
    assert host.startswith("127.") and ip.startswith("127."), "loopback only"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
        sending.bind((ip, 0))
        sending.connect((host, int(port)))
        packets = datagrams(kind, server, f"{ip}:{sending.getsockname()[1]}")
        send, sent = sending.send, 0
        until = time.monotonic() + min(float(seconds), _LONGEST)
        while time.monotonic() < until:
            for packet in packets:
                try:
                    send(packet)
                except OSError:
                    continue  # its own buffer is full, or the exchange has said that it is not there
            sent += len(packets)
    print(sent)


if __name__ == "__main__":
    main(*sys.argv[1:])
