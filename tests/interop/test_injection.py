"""A call through the real process: what somebody else sends to its ports is heard by nobody, and redirects nothing."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from pbx.media import native, rtp
from tests.eventually import eventually
from tests.interop.exchange import TRUSTING, Exchange
from tests.phones.process import free_port
from tests.phones.sipp import Sipp

CALLER, CALLEE, MALLORY = "127.0.0.2", "127.0.0.3", "127.0.0.66"
PLAN = """
from pbx.dialplan import Call, Plan, uri

plan = Plan()


@plan.anonymous("<number:any>")
async def stranger(call: Call, number: str) -> None:
    await call.dial(uri(f"sip:{number}@127.0.0.3:%d"))
"""


class End:
    """One end of a call's sound: a socket of the test's at the port that a SIPp named in its description.

    :param relay: where the exchange wants its packets.
    """

    def __init__(self, ip: str, port: int, relay: tuple[str, int]) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.socket.bind((ip, port))
        self.relay = relay
        self.heard: list[bytes] = []

    def says(self, number: int, target: tuple[str, int] | None = None) -> bytes:
        packet = rtp.build(self.relay[1].to_bytes(2, "big") * 80, 0, number, 160 * number, 7)
        self.socket.sendto(packet, target or self.relay)
        return packet

    def listens(self) -> int:
        """Take what has come. Returns how many packets there are in all."""
        while True:
            try:
                self.heard.append(self.socket.recv(4096))
            except BlockingIOError:
                return len(self.heard)


@contextmanager
def call(engine: str) -> Iterator[tuple[Exchange, End, End, End]]:
    """A call between two SIPps, whose sound is ours, and a stranger."""
    port = free_port(CALLEE)
    with ExitStack() as opened:
        exchange = opened.enter_context(Exchange(PLAN % port, engine=engine, security=TRUSTING))
        # The first call's ports are SIPp's own.
        sides = [
            opened.enter_context(Sipp("callee", exchange.folder / "callee", ip=CALLEE, port=port, calls=2, talk=60)),
            opened.enter_context(
                Sipp("caller", exchange.folder / "caller", ip=CALLER, server=exchange.address, service="1000",
                     calls=2, rate=5, talk=60)
            ),
        ]  # fmt: skip
        eventually(lambda: all(side.media() for side in sides), within=20)
        ends = []
        for side, ip in zip(sides, (CALLEE, CALLER), strict=True):
            ((own, host, number),) = side.media()
            ends.append(End(ip, own, (host, number)))
        ends.append(End(MALLORY, 0, (MALLORY, 9)))
        for end in ends:
            opened.callback(end.socket.close)
        yield exchange, ends[0], ends[1], ends[2]


@pytest.mark.parametrize(
    "engine",
    [
        pytest.param("native", marks=pytest.mark.skipif(not native.is_there(), reason="the native relay is not built")),
        "python",
    ],
)
def test_injected_and_replayed_sound_is_not_heard_and_redirects_nothing(engine: str) -> None:
    with call(engine) as (exchange, bob, alice, mallory):
        assert exchange.status()["engine"].startswith(engine)
        for early in range(20):
            for victim in (alice, bob):
                mallory.says(early, victim.relay)
        said: dict[End, list[bytes]] = {alice: [], bob: []}
        for number in range(1, 101):
            for speaker, listener in ((alice, bob), (bob, alice)):
                said[speaker].append(speaker.says(number))
                mallory.says(number, speaker.relay)
                mallory.socket.sendto(said[speaker][-1], speaker.relay)
                host, port = speaker.relay
                mallory.socket.sendto(bytes([0x80, 203, 0, 1, 0, 0, 0, 7]), (host, port + 1))
                eventually(lambda listener=listener, number=number: listener.listens() >= number, within=5)
        assert (bob.heard, alice.heard) == (said[alice], said[bob])
        assert mallory.listens() == 0
