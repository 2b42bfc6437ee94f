"""Who picks up what rings at a colleague's phone."""

from __future__ import annotations

from pbx.dialplan import Call, Plan, ext
from pbx.testing import Sim

plan = Plan()


@plan.internal("<number:1XX>")
async def extension(call: Call, number: str) -> None:
    await call.dial(ext(number), timeout=25)


@plan.internal("*8<number:1XX>")
async def pickup(call: Call, number: str) -> None:
    await call.pick_up(ext(number))


def test_who_picks_up_for_a_caller_whom_we_cannot_answer_is_hung_up() -> None:
    sim = Sim(plan, {"extensions": {number: {"pickup_group": "office"} for number in ("101", "102", "103")}})
    a, b, c = sim.phone("101", codecs=[9]), sim.phone("102"), sim.phone("103")
    a.dials("102")
    assert b.ringing
    c.dials("*8102")
    sim.advance(2)
    assert c.idle and b.idle
    assert a.sees(488)
    sim.assert_idle()
