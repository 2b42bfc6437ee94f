"""What relaying a packet costs: calls set up by SIP, G.711 both ways, and the exchange's CPU time meanwhile.

How long the reactor lets others wait meanwhile is seen from an OPTIONS that is asked twenty times a second.
"""

from __future__ import annotations

import select
import socket
import struct
import time
from statistics import median, quantiles

from bench.calls import CALLEE, CALLER, bench
from bench.machine import Meter
from bench.progress import Progress

_PACKET_SECONDS = 0.02
_SAMPLES = 160
_WARM = 2.0
_ON_ITS_WAY = 0.1
_KEY_PACKETS = 5  # of a key that is pressed for 100 ms; the last one says that it is over
_ASK = 0.05
_RTP = struct.Struct("!BBHII")


class Stream:
    """One side of a call: sends to the relay, and counts what the relay sends to it.

    :param ip: its own address.
    :param port: its own port.
    :param remote: where the relay wants its packets.
    :param keys: whether it presses keys in place of speaking.
    """

    __slots__ = ("_count", "_keys", "_ssrc", "socket")

    def __init__(self, ip: str, port: int, remote: tuple[str, int], keys: bool) -> None:
        self._keys = keys
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.socket.bind((ip, port))
        self.socket.connect(remote)
        self._ssrc = hash((ip, port)) & 0xFFFFFFFF
        self._count = 0

    def send(self) -> None:
        """Sends the next 20 ms of u-law silence (RFC 3551 4.5.14), or of a key."""
        count = self._count = self._count + 1
        if self._keys:
            key, part = divmod(count, _KEY_PACKETS)
            head = _RTP.pack(0x80, 101, count & 0xFFFF, _SAMPLES * _KEY_PACKETS * key & 0xFFFFFFFF, self._ssrc)
            end = 0x80 if part == _KEY_PACKETS - 1 else 0
            self.socket.send(head + bytes((5, end | 10)) + (_SAMPLES * (part + 1)).to_bytes(2, "big"))
            return
        head = _RTP.pack(0x80, 0, count & 0xFFFF, _SAMPLES * count & 0xFFFFFFFF, self._ssrc)
        self.socket.send(head + b"\xff" * _SAMPLES)


class Question:
    """Asks the exchange an OPTIONS again and again, and notes how long the answers take.

    :param server: where it listens, "address:port".
    """

    def __init__(self, server: str) -> None:
        host, _, port = server.rpartition(":")
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.bind((CALLER, 0))
        self._socket.connect((host, int(port)))
        self._server = server
        self._count = 0
        self._due = 0.0
        self._asked = 0.0
        self.waits: list[float] = []

    def look(self, now: float) -> None:
        """Asks when it is time, and takes the answer when there is one.

        :param now: seconds, from whenever.
        """
        if self._asked:
            try:
                self._socket.recv(4096)
            except BlockingIOError:
                return
            self.waits.append(time.perf_counter() - self._asked)
            self._asked = 0.0
        elif now >= self._due:
            self._due = now + _ASK
            self._count += 1
            us = "{}:{}".format(*self._socket.getsockname())
            ids = f"{id(self)}.{self._count}"
            self._asked = time.perf_counter()
            self._socket.send(
                f"OPTIONS sip:{self._server} SIP/2.0\r\nVia: SIP/2.0/UDP {us};branch=z9hG4bK{ids}\r\n"
                f"From: <sip:bench@{us}>;tag=1\r\nTo: <sip:{self._server}>\r\nCall-ID: {ids}\r\n"
                f"CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n".encode()
            )

    def close(self) -> None:
        self._socket.close()


class Load:
    """All streams, sent evenly and received by one busy loop; it never sleeps, so that it adds no bursts of its own."""

    def __init__(self, streams: list[Stream], question: Question) -> None:
        self._streams = streams
        self._question = question
        self._by_number = {stream.socket.fileno(): stream.socket for stream in streams}
        self._poll = select.epoll()
        for number in self._by_number:
            self._poll.register(number, select.EPOLLIN)
        self.sent = self.received = 0

    def run(self, seconds: float, progress: Progress) -> None:
        """Sends for so long, and takes what comes back."""
        gap = _PACKET_SECONDS / len(self._streams)
        start = due = time.perf_counter()
        turn = 0
        while (now := time.perf_counter()) < start + seconds:
            while due <= now:
                self._streams[turn].send()
                self.sent += 1
                turn = (turn + 1) % len(self._streams)
                due += gap
                if not turn:
                    progress.show(now - start)
            self._receive()
            self._question.look(now)

    def _receive(self) -> None:
        for number, _ in self._poll.poll(0):
            self._by_number[number].recv(2048)
            self.received += 1

    def settle(self) -> None:
        """Takes what is still on its way."""
        end = time.perf_counter() + _ON_ITS_WAY
        while time.perf_counter() < end:
            self._receive()

    def close(self) -> None:
        self._question.close()
        self._poll.close()
        for stream in self._streams:
            stream.socket.close()


def run(calls: int, seconds: float, engine: str = "auto", keys: bool = False) -> str:
    """Packets relayed per CPU second, with `calls` calls of 100 packets a second each.

    :param engine: what forwards them.
    :param keys: whether they are keys.
    """
    rate = 50.0
    lasting = calls / rate + _WARM + seconds + 10
    # The first call's ports are SIPp's own, so there is one call more than is used.
    with bench(calls + 1, lasting, engine=engine) as running, running.caller(calls + 1, rate, lasting) as caller:
        sides = (caller, running.callee)
        running.watch(
            caller, "relay, calls up", calls, lambda: min(len(side.media()) for side in sides), calls / rate + 20
        )
        streams = [Stream(CALLER, port, (ip, remote), keys) for port, ip, remote in caller.media()]
        streams += [Stream(CALLEE, port, (ip, remote), keys) for port, ip, remote in running.callee.media()]
        question = Question(running.exchange.address)
        load = Load(streams, question)
        try:
            with Progress("relay, seconds", seconds) as progress:
                load.run(_WARM, progress)
                before = load.received
                question.waits.clear()
                meter = Meter(running.exchange.pid)
                load.run(seconds, progress)
                _, cpu, stolen = meter.read()
                relayed = load.received - before
            load.settle()
        finally:
            load.close()
        running.exchange.kill()
    return (
        f"{relayed / cpu:,.0f} packets relayed per CPU second, {1e6 * cpu / relayed:.1f} µs each ({calls} calls, "
        f"{relayed / seconds:,.0f} packets/s; {load.sent - load.received} of {load.sent} lost; {stolen:.2f} s stolen); "
        f"an OPTIONS is answered in {1000 * median(question.waits):.2f} ms, 99 of 100 within "
        f"{1000 * quantiles(question.waits, n=100)[-1]:.1f} ms"
    )
