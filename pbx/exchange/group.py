"""Ring groups: extensions that are called as one, and in which order they ring, as values that dialplans make."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

from pbx.exchange.target import ExtensionTarget, Target, ext


class Strategy(Enum):
    """In which order the members of a group ring; the next ones when those before have not answered."""

    ALL_AT_ONCE = "all at once"
    IN_TURN = "in turn"  # as the plan names them
    BY_Q = "by q"  # phones by the preference that they registered with, the same ones at once (RFC 3261 16.6)
    ROUND_ROBIN = "round robin"  # each call begins with the member after the one that the last call began with
    LONGEST_IDLE = "longest idle"  # first who has not been in a call for the longest time


@dataclass(frozen=True, slots=True)
class GroupTarget:
    """Several extensions.

    :param members: in the order in which the plan names them.
    :param strategy: who rings when.
    :param ring_for: seconds that each rings before the next one does; of no matter where all ring at once.
    :param skip_busy: whether members who are in a call are left out.
    :param forwarding: whether members may have others rung in their place, by what they have set or by their phones.
    """

    members: tuple[ExtensionTarget, ...]
    strategy: Strategy = Strategy.ALL_AT_ONCE
    ring_for: float = 15.0
    skip_busy: bool = False
    forwarding: bool = False

    def __str__(self) -> str:
        return f"{', '.join(map(str, self.members))} ({self.strategy.value})"


Callee = Target | GroupTarget
"""Whom a dialplan can dial."""


def group(
    *members: str,
    strategy: Strategy = Strategy.ALL_AT_ONCE,
    ring_for: float = 15.0,
    skip_busy: bool = False,
    forwarding: bool = False,
) -> GroupTarget:
    """Make the target that is a ring group: `group("101", "102", strategy=in_turn, ring_for=20)`.

    :param members: the numbers of extensions.
    :param strategy: one of `pbx.dialplan.groups`.
    :param ring_for: seconds that each rings before the next one does.
    :param skip_busy: whether members who are in a call are left out.
    :param forwarding: whether members may have others rung in their place, by what they have set or by their phones;
        not with `by_q`, where it is phones that have their turn.
    :raises TypeError: when one of these is of another kind.
    :raises ValueError: when there are no members, one comes twice or can be none, or no time to ring.
    """
    if not isinstance(strategy, Strategy):
        raise TypeError(f"group(): strategy is one of pbx.dialplan.groups such as in_turn, not {strategy!r}")
    if isinstance(ring_for, bool) or not isinstance(ring_for, int | float):
        raise TypeError(f"group(): ring_for is a number of seconds, not {ring_for!r}")
    if not (math.isfinite(ring_for) and ring_for > 0):
        raise ValueError(f"group(): ring_for is in seconds and must be > 0, not {ring_for!r}")
    for member in members:
        if not isinstance(member, str):
            raise TypeError(f'group() takes numbers as text: group("101", "102"), not {member!r}')
    if not members:
        raise ValueError('group() needs members: group("101", "102")')
    if len(set(members)) < len(members):
        raise ValueError(f"group(): a member comes twice: {', '.join(members)}")
    if forwarding and strategy is Strategy.BY_Q:
        raise ValueError("group(): forwarding is of members; by_q gives their phones turns")
    targets = tuple([ext(member) for member in members])
    return GroupTarget(targets, strategy, float(ring_for), bool(skip_busy), bool(forwarding))
