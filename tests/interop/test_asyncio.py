"""Under asyncio's reactor a dialplan waits for asyncio's libraries, and their timeouts work."""

from __future__ import annotations

from tests.interop.exchange import Exchange
from tests.interop.stranger import status_of

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


def test_asyncio_runs_and_its_timeout_ends_what_takes_too_long() -> None:
    exchange = Exchange(DIALPLAN, security='allow = ["127.0.0.0/8"]')
    exchange.argv[1:1] = ["--reactor=asyncio"]
    with exchange:
        assert status_of(exchange, "0") == 486
        assert status_of(exchange, "5") == 488
