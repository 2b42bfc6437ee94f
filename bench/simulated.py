"""What a call of a simulated test costs: a thousand calls of the sample dialplan, in CPU time of this process."""

from __future__ import annotations

import time

from etc.dialplan import plan
from pbx.testing import Sim


def run(calls: int) -> str:
    """Make so many calls, one after the other, each answered and hung up, and return what they took."""
    sim = Sim(plan, trace=False)
    alice, bob = sim.phone("1001"), sim.phone("1002")
    began = time.process_time()
    for _ in range(calls):
        alice.dials("1002")
        bob.answer()
        alice.hang_up()
        sim.exchange.network.sent.clear()
    seconds = time.process_time() - began
    return f"{calls} calls in {seconds:.2f} s of CPU: {1000 * seconds / calls:.2f} ms a call"
