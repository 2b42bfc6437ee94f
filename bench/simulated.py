"""What a call of a simulated test costs: a thousand calls of a dialplan, in CPU time of this process."""

from __future__ import annotations

import time

from pbx.dialplan import Call, Plan, ext
from pbx.testing import Sim

plan = Plan()


@plan.internal("<number:1XX>")
async def extension(call: Call, number: str) -> None:
    """Ring the owner's phones."""
    await call.dial(ext(number), timeout=20)


def run(calls: int) -> str:
    """Make so many calls, one after the other, each answered and hung up, and return what they took."""
    sim = Sim(plan, trace=False)
    alice, bob = sim.phone("101"), sim.phone("102")
    began = time.process_time()
    for _ in range(calls):
        alice.dials("102")
        bob.answer()
        alice.hang_up()
        sim.exchange.network.sent.clear()
    seconds = time.process_time() - began
    return f"{calls} calls in {seconds:.2f} s of CPU: {1000 * seconds / calls:.2f} ms a call"
