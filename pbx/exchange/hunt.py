"""A hunt: the members of one ring group, of whom the next ones are rung when those before have not answered. Where each
is, is found when its turn has come.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pbx.exchange.destination import Destination
from pbx.exchange.outcome import Outcome

Round = tuple[Sequence[Destination], Sequence[Outcome]]
"""Where those are rung whose turn it is, and the outcomes of those that cannot be."""


class Hunt:
    """One group's.

    :param rounds: who is rung together.
    :ivar ring_for: seconds that each round rings.
    """

    __slots__ = ("_rounds", "ring_for")

    def __init__(self, rounds: Iterator[Round], ring_for: float) -> None:
        self._rounds = rounds
        self.ring_for = ring_for

    def next(self) -> Round | None:
        """The next ones; None when all had their turn."""
        return next(self._rounds, None)
