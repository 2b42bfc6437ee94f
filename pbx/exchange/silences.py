"""Silences: a call is ended from one of whose phones no sound has come for too long, though it should be sending some.
Such a phone has lost its network, and nobody would hang up for it before its session expires.

A phone that is on hold, or has the other one on hold, need not send any.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from pbx.exchange.party import Party
from pbx.sip.reasons import SILENT
from pbx.sip.timers import Clock, Timer

LOOKS = 4  # in the time that a silence may last


class Watched(Protocol):
    """A call: the bridge."""

    @property
    def party(self) -> Party: ...
    def give_up(self, status: int, words: str) -> None:
        """End it."""


class Silences:
    """Those of all calls.

    :param calls: that go on.
    :param limit: seconds that a silence may last.
    """

    __slots__ = ("_calls", "_clock", "_limit", "_timer")

    def __init__(self, clock: Clock, calls: Mapping[str, Watched], limit: float) -> None:
        self._clock = clock
        self._calls = calls
        self._limit = limit
        self._timer: Timer | None = None

    def watch(self) -> None:
        """There is a call: look at it now and then, until there is none."""
        if self._timer is None:
            self._timer = self._clock.callLater(self._limit / LOOKS, self._look)

    def _look(self) -> None:
        self._timer = None
        before = self._clock.seconds() - self._limit
        for call in list(self._calls.values()):
            if any(_is_lost(party, before) for party in (call.party, call.party.other)):
                call.give_up(480, SILENT)
        if self._calls:
            self.watch()


def _is_lost(party: Party | None, before: float) -> bool:
    """Whether nothing has come from a party since a moment, though something should have."""
    return party is not None and party.answered and not party.holds and party.side.is_silent(before)
