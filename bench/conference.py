"""What a conference costs: simulated phones in one room, by how many of them speak at the same time. What is timed is
what the room does at its beats: to take what all say, to mix it, and to hand it out; not the packets.
"""

from __future__ import annotations

import time

from pbx.dialplan import Call, Plan, room
from pbx.testing.exchange import SimulatedExchange

SECONDS = 4
_BEAT = 0.02
_TONE = 300.0

plan = Plan()


@plan.internal("800")
async def meeting(call: Call) -> None:
    await call.conference(room("meeting"))


class Timed:
    """One who has his turn at each beat (`pbx.media.beat.Beating`), and how long that takes him.

    :ivar taken: CPU seconds, beat by beat.
    """

    def __init__(self, beating: object) -> None:
        self.taken: list[float] = []
        self._beat = beating.beat  # type: ignore[attr-defined]

    def beat(self, skipped: int) -> None:
        begun = time.process_time()
        self._beat(skipped)
        self.taken.append(time.process_time() - begun)


def run(parties: int) -> str:
    """Milliseconds of CPU time per beat, and the share of a core, while all of them speak, three, and nobody."""
    numbers = [str(1001 + place) for place in range(parties)]
    sim = SimulatedExchange(plan, dict.fromkeys(numbers, "secret"))
    for number in numbers:
        sim.phone(number).invites("800")
    sim.advance(5)  # until all tones are over
    (conference,) = sim.exchange.conferences
    timed = Timed(conference)
    sim.exchange.relay.beat.leave(conference)
    sim.exchange.relay.beat.join(timed)
    figures = []
    for speakers in dict.fromkeys((parties, min(3, parties), 0)):
        for place, phone in enumerate(sim.phones[:speakers]):
            assert phone.call is not None
            phone.call.sound.says(_TONE + 100 * place, SECONDS, amplitude=2000)
        sim.advance(1)
        timed.taken.clear()
        sim.advance(SECONDS - 2)
        mean = sum(timed.taken) / len(timed.taken)
        figures.append(f"{1000 * mean:.3f} ms a beat while {speakers} speak ({100 * mean / _BEAT:.1f} % of a core)")
        sim.advance(3)
    sim.exchange.relay.beat.leave(timed)
    for phone in sim.phones:
        phone.hangs_up()
    sim.assert_idle()
    return f"{parties} parties: {', '.join(figures)}"
