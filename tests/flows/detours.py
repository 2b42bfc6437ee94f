"""An office whose plan rings several: each of them may send the call on."""

from __future__ import annotations

from typing import Any

import pytest

from pbx.dialplan import Answered, Call, Plan, ext, group, mailbox, trunk
from pbx.dialplan.groups import in_turn
from pbx.exchange.outcome import Outcome

plan: Plan[Any] = Plan()
outcomes: list[Outcome] = []
seen: list[object] = []


@plan.internal("<number:1XXX>")
async def extension(call: Call, number: str) -> None:
    seen.append(await call.dial(ext(number), timeout=30))


@plan.internal("700")
async def pair(call: Call) -> None:
    outcomes.append(await call.dial(ext("1002"), ext("1004"), timeout=20))


@plan.internal("701")
async def team(call: Call) -> None:
    outcomes.append(await call.dial(group("1002", "1004"), timeout=20))


@plan.internal("702")
async def team_that_forwards(call: Call) -> None:
    outcomes.append(await call.dial(group("1002", "1004", forwarding=True), timeout=20))


@plan.internal("703")
async def one_by_one(call: Call) -> None:
    outcomes.append(await call.dial(group("1002", "1004", strategy=in_turn, ring_for=8, forwarding=True)))


@plan.internal("704")
async def apart(call: Call) -> None:
    outcome = await call.ring(ext("1002"), timeout=20)
    outcomes.append(outcome)
    if isinstance(outcome, Answered):
        await call.bridge(outcome.leg)


@plan.internal("705")
async def machine(call: Call) -> None:
    try:
        await call.answer()
        seen.append("answered")
    finally:
        seen.append("left")


@plan.internal("706")
async def phone_then_machine(call: Call) -> None:
    await call.dial(ext("1003"), timeout=5)
    await call.voicemail(mailbox("1003"))
    seen.append("took a message")


@plan.internal("707")
async def tells(call: Call) -> None:
    seen.append((call.caller.number, call.user.number, call.number, call.diversions, call.transferred))
    await call.reject(486)


@plan.internal("708")
async def breaks(call: Call) -> None:
    raise RuntimeError("this route is broken")


@plan.internal("709")
async def two_after_each_other(call: Call) -> None:
    call.after_hangup(note(call))
    seen.append(await call.dial(ext("1003"), timeout=5))
    seen.append(await call.dial(ext("1001"), timeout=5))


@plan.internal("710")
async def everybody(call: Call) -> None:
    outcomes.append(await call.dial(group("1002", "1003", "1004", forwarding=True), timeout=20))


@plan.inbound(trunk("acme"))
async def came(call: Call) -> None:
    await call.dial(ext("1002"), ext("1004"), timeout=20)


async def note(call: Call) -> None:
    seen.append("over")


@plan.outbound("0<number:int>", allow="national")
async def outside(call: Call, number: int) -> None:
    await call.dial(trunk("acme").to(f"0{number}"))


@pytest.fixture(autouse=True)
def nothing_yet() -> None:
    """See to it that `outcomes` and `seen` tell of this test only."""
    outcomes.clear()
    seen.clear()


def attempts() -> list[tuple[str, int]]:
    """Whom the last call rang, and how each attempt ended."""
    return [(str(one.target), one.code) for one in outcomes[-1].attempts]
