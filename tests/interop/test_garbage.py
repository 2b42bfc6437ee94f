"""Whatever arrives at the port: the exchange goes on, counts what it drops, and logs no error."""

from __future__ import annotations

import random

from tests.eventually import eventually
from tests.interop.exchange import Exchange
from tests.phones.registrant import Registrant

_NOISE = random.Random(20260310)
GARBAGE = [
    b"\0",
    b"\xff" * 60000,
    b"hello\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"INVITE sip:1001@127.0.0.1 SIP/2.0\r\n\r\n",
    b"INVITE sip:1001@127.0.0.1 SIP/7.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKx\r\n\r\n",
    b"REGISTER sip:127.0.0.1 SIP/2.0\r\nVia: \xc3\x28\xa0\r\nCSeq: x REGISTER\r\n\r\n",
    b"SIP/2.0 200 OK\r\n\r\n",
    b"SIP/2.0 999999 OK\r\nVia: SIP/2.0/UDP 127.0.0.1\r\n\r\n",
    b"ACK sip:x SIP/2.0\r\nContent-Length: 99999999999999999999\r\n\r\n",
    b"BYE sip:" + b"[" * 3000 + b" SIP/2.0\r\n" + b"Via: " * 3000 + b"\r\n\r\n",
    *(_NOISE.randbytes(_NOISE.randrange(1, 1500)) for _ in range(200)),
]


def test_garbage_is_dropped_and_counted(exchange: Exchange) -> None:
    before = sum(exchange.status()["drops"].values())
    with Registrant(exchange.address) as stranger:
        for datagram in GARBAGE:
            stranger.send(datagram)
            # One at a time, so that no socket buffer overflows: then each one is the exchange's to drop.
            assert stranger.options() == 200
    eventually(lambda: sum(exchange.status()["drops"].values()) >= before + 200, within=5)
    assert exchange.complaints() == []
