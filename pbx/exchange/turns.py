"""Turns: with whom the next call to a ring group begins. They are the exchange's, so that a plan that is loaded anew
goes on where the one before was.
"""

from __future__ import annotations

from pbx.exchange.group import GroupTarget, Strategy
from pbx.exchange.target import ExtensionTarget

MOST = 1000  # groups whose turns are remembered; a plan may make them as it goes


class Turns:
    """Those of all groups of one exchange."""

    __slots__ = ("_begun", "_idle_since")

    def __init__(self) -> None:
        self._begun: dict[tuple[ExtensionTarget, ...], int] = {}
        self._idle_since: dict[str, float] = {}

    def next(self, group: GroupTarget) -> tuple[ExtensionTarget, ...]:
        """The members of a group in the order in which the next call rings them."""
        members = group.members
        if group.strategy is Strategy.ROUND_ROBIN:
            first = self._begun.pop(members, 0)
            if len(self._begun) >= MOST:
                del self._begun[next(iter(self._begun))]
            self._begun[members] = (first + 1) % len(members)
            return members[first:] + members[:first]
        if group.strategy is Strategy.LONGEST_IDLE:
            return tuple(sorted(members, key=lambda member: self._idle_since.get(member.number, 0.0)))
        return members

    def call_ended(self, number: str, now: float) -> None:
        """A call of an extension is over.

        :param now: the clock's seconds.
        """
        self._idle_since[number] = now

    def forget(self, number: str) -> None:
        """There is no such extension any more."""
        self._idle_since.pop(number, None)
