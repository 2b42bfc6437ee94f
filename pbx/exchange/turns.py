"""Turns: with whom the next call to a ring group begins. They are the exchange's, so that a plan that is loaded anew
goes on where the one before was.
"""

from __future__ import annotations

from pbx.exchange.branch import Branch
from pbx.exchange.group import GroupTarget, Strategy
from pbx.exchange.observer import Ending, Observed, Unobserving
from pbx.exchange.party import Party
from pbx.exchange.target import ExtensionTarget
from pbx.sip.timers import Clock

MOST = 1000  # groups whose turns are remembered; a plan may make them as it goes


class Turns(Unobserving):
    """Those of all groups of one exchange."""

    __slots__ = ("_begun", "_clock", "_idle_since", "_talking")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._begun: dict[tuple[ExtensionTarget, ...], int] = {}
        self._idle_since: dict[str, float] = {}
        self._talking: dict[str, list[str]] = {}  # by the calls' ids

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

    def attempt_answered(self, call: Observed, branch: Branch) -> None:
        """A callee talks."""
        if branch.destination.number:
            self._talks(call, branch.destination.number)

    def party_joined(self, call: Observed, party: Party) -> None:
        """Somebody who has picked it up, say, talks."""
        self._talks(call, party.number)

    def party_replaced(self, call: Observed, old: Party, new: Party) -> None:
        """Somebody else talks in its place."""
        self._talks(call, new.number)

    def call_ended(self, call: Observed, ending: Ending) -> None:
        """All who have talked in it, and who has called, are idle from now on."""
        for number in (call.party.number, *self._talking.pop(call.id, ())):
            if number:
                self._idle_since[number] = self._clock.seconds()

    def _talks(self, call: Observed, number: str) -> None:
        self._talking.setdefault(call.id, []).append(number)
