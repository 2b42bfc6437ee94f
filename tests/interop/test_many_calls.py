"""SIPp as caller and callee: many calls at once, none of which may fail or leave anything behind."""

from __future__ import annotations

import pytest

from tests.counts import count
from tests.interop.exchange import TRUSTING, Exchange, password
from tests.phones.process import free_port
from tests.phones.sipp import Sipp

RATE = count(20, 100)
CALLS = count(20 * 5, 100 * 30)
LASTING = CALLS / RATE
# SIPp at 127.0.0.3 answers whoever calls the name of a transport, and over that.
PLAN = """
from pbx.dialplan import Call, Plan, ext, uri

plan = Plan()


@plan.anonymous("<transport:any>")
async def stranger(call: Call, transport: str) -> None:
    await call.dial(uri(f"sip:1000@127.0.0.3:%d;transport={transport}"))


@plan.internal("<number:1XXX>")
async def extension(call: Call, number: str) -> None:
    await call.dial(ext(number), timeout=20)
"""


@pytest.mark.timeout(2 * LASTING + 130)
def test_calls_of_strangers() -> None:
    port = free_port("127.0.0.3")
    with Exchange(PLAN % port, streams=["tcp"], security=TRUSTING) as exchange:
        before = exchange.figures()
        for transport in ("udp", "tcp"):
            folder = exchange.folder / transport
            with (
                Sipp("callee", folder / "callee", ip="127.0.0.3", port=port, calls=CALLS,
                     transport=transport) as callee,
                Sipp("caller", folder / "caller", ip="127.0.0.2", server=exchange.addresses[transport],
                     service=transport, calls=CALLS, rate=RATE, transport=transport) as caller,
            ):  # fmt: skip
                assert caller.finish(LASTING + 20).successful == CALLS
                assert callee.finish(5).successful == CALLS
        exchange.comes_back(before)


@pytest.mark.timeout(LASTING + 60)
def test_calls_between_extensions() -> None:
    with Exchange(PLAN % 9, ["1001", "1002"], security=TRUSTING) as exchange:
        folder = exchange.folder
        account = ("1002", password("1002"))
        with Sipp("registers", folder / "phone", server=exchange.address, accounts=[account]) as phone:
            phone.finish(5)
        with (
            Sipp("callee", folder / "callee", port=phone.port, calls=CALLS) as callee,
            Sipp("known_caller", folder / "caller", server=exchange.address, calls=CALLS, rate=RATE,
                 accounts=[("1001", password("1001"), "1002")]) as caller,
        ):  # fmt: skip
            assert caller.finish(LASTING + 20).successful == CALLS
            assert callee.finish(5).successful == CALLS
