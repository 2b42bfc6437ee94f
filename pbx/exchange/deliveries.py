"""Deliveries: what was kept for an extension goes to its phones when it registers, one text after the other, so that
they arrive in their order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from pbx.exchange.binding import Binding
from pbx.exchange.destination import Destination
from pbx.exchange.letter import Letter
from pbx.exchange.letterbox import Letterbox
from pbx.exchange.outcome import Outcome
from pbx.exchange.target import ExtensionTarget, Target
from pbx.exchange.text import KeptText
from pbx.sip.timers import Timer
from pbx.sip.user_agent import UserAgent

SOON = 0.25  # seconds after a REGISTER: its answer goes first

LATER = frozenset((408, 480, 486, 500, 503, 504, 600))
"""The statuses of phones that may take at the next registration what they do not take now; others never will."""


class Deliveries:
    """Those of one exchange.

    :param locate: where a target is reached, see `Switchboard.locate`.
    """

    def __init__(
        self, agent: UserAgent, letterbox: Letterbox, locate: Callable[[Target, bool], list[Destination] | Outcome]
    ) -> None:
        self._agent = agent
        self._letterbox = letterbox
        self._locate = locate
        self._soon: dict[str, Timer] = {}
        self._held: Counter[str] = Counter()

    def renewed(self, binding: Binding) -> None:
        """A phone has registered, or has done so again."""
        if binding.number in self._letterbox:
            self.begin(binding.number)

    def begin(self, number: str) -> None:
        """Deliver soon what is kept for an extension, unless that goes on already."""
        if number not in self._soon and number not in self._held:
            self._soon[number] = self._agent.clock.callLater(SOON, self._begin, number)

    def hold(self, number: str) -> None:
        """Wait: something that is kept is still on its way, and may arrive."""
        self._held[number] += 1

    def release(self, number: str) -> None:
        """Wait no more."""
        self._held[number] -= 1
        if not self._held[number]:
            del self._held[number]

    def arrived(self, kept: KeptText) -> None:
        """It needs to be kept no more."""
        self._letterbox.remove(kept)

    def stop(self) -> None:
        """Begin nothing any more."""
        for timer in self._soon.values():
            timer.cancel()
        self._soon.clear()

    def _begin(self, number: str) -> None:
        del self._soon[number]
        self.deliver(number)

    def deliver(self, number: str, after: int = 0) -> None:
        """Deliver the next one, if there is any and nothing else is on its way.

        :param after: the number of the last one that was tried.
        """
        phones = self._locate(ExtensionTarget(number), False)
        if isinstance(phones, list) and number not in self._held:
            for kept in self._letterbox.waiting(number):
                # What is too long for all phones that there are lets the others pass.
                if kept.n > after and Delivery(self, self._agent, kept).start(phones):
                    return


class Delivery:
    """The way of one text that was kept (`pbx.exchange.letter.LetterUser`)."""

    __slots__ = ("_agent", "_deliveries", "_kept")

    def __init__(self, deliveries: Deliveries, agent: UserAgent, kept: KeptText) -> None:
        self._deliveries = deliveries
        self._agent = agent
        self._kept = kept

    def start(self, phones: list[Destination]) -> bool:
        """Send it; return whether any of these phones can get it."""
        self._deliveries.hold(self._kept.number)
        if Letter(self._agent, self, self._kept.text).post(phones):
            return True
        self._deliveries.release(self._kept.number)
        return False

    def letter_taken(self, letter: Letter) -> None:
        """It has arrived: it is the next one's turn, whatever the other phones say."""
        self._go_on()

    def letter_over(self, letter: Letter) -> None:
        """No phone takes it. It waits, and all others with it, unless they never will."""
        if letter.taken:
            return
        if letter.refused and letter.refused not in LATER:
            self._go_on()
        else:
            self._deliveries.release(self._kept.number)

    def _go_on(self) -> None:
        kept = self._kept
        self._deliveries.release(kept.number)
        self._deliveries.arrived(kept)
        self._deliveries.deliver(kept.number, kept.n)
