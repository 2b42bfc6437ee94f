"""Turns: with whom the next call to a ring group begins. They are the exchange's, so that a plan that is loaded anew
goes on where the one before was.
"""

from __future__ import annotations

from pbx.exchange.group import GroupTarget, Strategy
from pbx.exchange.target import ExtensionTarget
from pbx.sip.timers import Clock

MOST = 1000  # groups whose turns are remembered; a plan may make them as it goes


class Turns:
    """Those of all groups of one exchange."""

    __slots__ = ("_begun", "_clock", "_idle_since")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
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

    def idle(self, number: str) -> None:
        """An extension has talked, and is done: its place among those who are idle is the last."""
        self._idle_since[number] = self._clock.seconds()
