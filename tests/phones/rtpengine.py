"""A real rtpengine on loopback, in user space.

Facts about rtpengine 10.5 that this file knows: without `--pidfile` it wants to write below /run and gives up; the
table -1 keeps it out of the kernel; it says that it is ready only by answering; whoever asks with a cookie that it has
seen gets the old answer.
"""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from typing import Any, Self

from tests.eventually import eventually
from tests.phones.process import Process, free_port, own_ports
from tests.programs import program

_MEDIA_PORTS = own_ports(range(23_000, 23_960, 80))  # the first of eighty for each instance


class Rtpengine:
    """One instance.

    :param folder: where its files go; made here.
    :ivar address: "127.0.0.1:PORT", where it is asked.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        first = next(_MEDIA_PORTS)
        self.address = f"127.0.0.1:{free_port()}"
        self.process = Process(
            [
                program("rtpengine"), "--foreground", "--config-file=none", "--table=-1", "--interface=127.0.0.1",
                f"--listen-ng={self.address}", f"--port-min={first}", f"--port-max={first + 79}", "--num-threads=1",
                "--log-stderr", "--log-level=5", f"--pidfile={folder / 'pid'}",
            ],
            folder / "log",
        )  # fmt: skip
        try:
            eventually(lambda: self.ask("ping").get("result") == "pong", within=10)
        except BaseException:
            self.process.stop()
            raise

    def ask(self, command: str, **more: str) -> dict[str, Any]:
        """Gives it a command; {} while it does not answer."""
        assert self.process.status is None, self.process.tail()
        host, _, port = self.address.rpartition(":")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            one.settimeout(0.2)
            one.connect((host, int(port)))
            try:
                one.send(b"%d " % time.monotonic_ns() + json.dumps({"command": command, **more}).encode())
                answer: dict[str, Any] = json.loads(one.recv(65536).partition(b" ")[2])
            except OSError:
                return {}
        return answer

    @property
    def calls(self) -> int:
        """How many calls it has."""
        listed = self.ask("list").get("calls")
        return len(listed) if isinstance(listed, list) else -1

    @property
    def streams(self) -> list[tuple[int, tuple[str, int]]]:
        """Of each phone in its only call: the source (SSRC) of its sound, and where that phone sends its reports."""
        pairs = [tag["medias"][0]["streams"] for tag in self._query()["tags"].values()]
        return [(sound["SSRC"], (reports["local address"], reports["local port"])) for sound, reports in pairs]

    @property
    def lost(self) -> list[int]:
        """The packets that are reported to be lost of each source in its only call."""
        return [source["cumulative loss"] for source in self._query()["SSRC"].values()]

    def _query(self) -> dict[str, Any]:
        (call,) = self.ask("list")["calls"]
        return self.ask("query", **{"call-id": call})

    def kill(self) -> None:
        """Ends it at once."""
        self.process.kill()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if self.process.status is None:
            self.process.stop()
