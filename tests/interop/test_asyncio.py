"""Under asyncio's reactor a dialplan waits for asyncio's libraries, and their timeouts work."""

from __future__ import annotations

import socket

from tests.interop.exchange import REALM, Exchange

DIALPLAN = """
import asyncio

from pbx.dialplan import Call, Plan

plan = Plan()


async def slow(seconds: float) -> str:
    async with asyncio.timeout(0.2):
        await asyncio.sleep(seconds)
    return "done"


@plan.anonymous("<seconds:int>")
async def script(call: Call, seconds: int) -> None:
    try:
        said = await call.asyncio(slow(seconds))
    except TimeoutError:
        await call.reject(488)
    else:
        await call.reject(486 if said == "done" else 500)
"""


def status_of(exchange: Exchange, number: str) -> int:
    """The final status that a call to a number gets."""
    host, port = exchange.address.split(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
        phone.bind(("127.0.0.1", 0))
        phone.settimeout(10)
        me = f"127.0.0.1:{phone.getsockname()[1]}"
        fields = [
            f"INVITE sip:{number}@{REALM} SIP/2.0",
            f"Via: SIP/2.0/UDP {me};branch=z9hG4bK{number}",
            "From: <sip:guest@elsewhere.test>;tag=1",
            f"To: <sip:{number}@{REALM}>",
            f"Call-ID: {number}@{me}",
            "CSeq: 1 INVITE",
            f"Contact: <sip:{me}>",
            "Max-Forwards: 70",
            "Content-Length: 0",
        ]
        phone.sendto("\r\n".join([*fields, "", ""]).encode(), (host, int(port)))
        while (status := int(phone.recv(65535).split()[1])) < 200:
            pass
        ack = [line.replace("INVITE", "ACK") for line in fields]
        phone.sendto("\r\n".join([*ack, "", ""]).encode(), (host, int(port)))
        return status


def test_asyncio_runs_and_its_timeout_ends_what_takes_too_long() -> None:
    exchange = Exchange(DIALPLAN, security='allow = ["127.0.0.0/8"]')
    exchange.argv[1:1] = ["--reactor=asyncio"]
    with exchange:
        assert status_of(exchange, "0") == 486
        assert status_of(exchange, "5") == 488
