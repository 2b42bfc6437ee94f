"""What SRTP adds to relaying a packet in Python: the same packets passed plainly, and opened and sealed on the way."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from pbx.media import rtp
from pbx.media.port import Port
from pbx.media.relay import Relay
from pbx.media.rtp import Address, Packet
from pbx.media.sdes import SUITES, Crypto
from pbx.media.side import Side
from pbx.media.srtp import Seal
from pbx.sip.identifiers import Identifiers
from pbx.testing.clock import VirtualClock

HOST, CALLER, CALLEE = "127.0.0.1", ("127.0.0.2", 4000), ("127.0.0.3", 4000)
_SAMPLES = 160


class Nowhere:
    """A pair of sockets whose packets go nowhere: the kernel's part is measured elsewhere."""

    number = 10_000
    rtp = rtcp = property(lambda self: self)

    def sendto(self, packet: Packet, address: Address) -> int:
        return len(packet)

    def lend(self, port: Port, other: Port) -> None:
        return None

    def close(self) -> None: ...


class Nowheres:
    """Where such pairs come from."""

    in_use = 0

    def open(self, host: str, receiver: Port) -> Nowhere:
        return Nowhere()


def _describe(address: Address, crypto: Crypto | None) -> bytes:
    profile, key = ("RTP/SAVP", f"{crypto.line}\r\n") if crypto else ("RTP/AVP", "")
    where = f"IN IP4 {address[0]}"
    head = f"v=0\r\no=- 1 1 {where}\r\ns=-\r\nc={where}\r\nt=0 0\r\n"
    return f"{head}m=audio {address[1]} {profile} 0\r\n{key}".encode()


def _call(clock: VirtualClock, suite: str, callee_too: bool) -> tuple[Side, Crypto | None]:
    """A call, and the key by which the caller sends."""
    relay = Relay(Nowheres(), clock, ["PCMU"], Identifiers())
    key = Crypto(1, suite, os.urandom(SUITES[suite])) if suite else None
    caller, callee = relay.side(HOST, HOST, "", True), relay.side(HOST, HOST, "", callee_too)
    relay.offer(caller, callee, _describe(CALLER, key))
    relay.answer(callee, caller, _describe(CALLEE, key if callee_too else None))
    return caller, key


def _cost(clock: VirtualClock, caller: Side, packets: list[bytes]) -> float:
    port = caller.ports[0]
    assert port is not None
    receive: Callable[[Packet, Address], None] = port.rtp_received
    before = time.process_time()
    for packet in packets:
        receive(memoryview(packet), CALLER)
        if port.packets_in % 512 == 0:
            clock.advance(1)
    cost = time.process_time() - before
    assert port.packets_in == len(packets), "packets were refused"
    return 1e6 * cost / len(packets)


def run(count: int) -> str:
    """CPU time for each packet.

    :param count: packets of each kind.
    """
    clock = VirtualClock()
    plain = [rtp.build(b"\xff" * _SAMPLES, 0, number, _SAMPLES * number, 1) for number in range(count)]
    found = [f"{_cost(clock, _call(clock, '', False)[0], plain):.1f} µs a packet without SRTP"]
    for suite in ("AES_CM_128_HMAC_SHA1_80", "AEAD_AES_128_GCM"):
        costs = []
        for both in (False, True):
            if both and suite.startswith("AEAD"):
                continue  # we offer AES_CM to a callee, so this would be no call
            caller, key = _call(clock, suite, both)
            assert key is not None
            seal = Seal(key, key)
            sealed = [packet for packet in map(seal.seal_rtp, plain) if packet is not None]
            costs.append(
                f"{_cost(clock, caller, sealed):.1f} where {'both phones have' if both else 'one phone has'} it"
            )
        found.append(f"{suite}: {', '.join(costs)}")
    return "; ".join(found)
