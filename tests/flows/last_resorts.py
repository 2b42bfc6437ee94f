"""Numbers of a dialplan that ring no phone of ours: what becomes of such a call is the same in each office."""

from __future__ import annotations

from typing import Any

from pbx.dialplan import Call, Plan, uri


def add_last_resorts(plan: Plan[Any]) -> None:
    """Add 600, 602, 604 to 606, and 608."""

    @plan.internal("600")
    async def echo(call: Call) -> None:
        await call.echo()

    @plan.internal("602")
    async def unheard_of(call: Call) -> None:
        await call.dial(uri("sip:zoe@nowhere.example"), timeout=20)

    @plan.internal("604")
    async def moved(call: Call) -> None:
        await call.redirect("sip:desk@example.org")

    @plan.internal("605")
    async def broken(call: Call) -> None:
        raise RuntimeError("this plan is broken")

    @plan.internal("606")
    async def sleeping(call: Call) -> None:
        await call.sleep(30)

    @plan.internal("608")
    async def answered(call: Call) -> None:
        await call.answer()
        await call.sleep(30)
