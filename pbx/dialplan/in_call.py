"""What the plan does when somebody presses keys during a conversation (`@plan.in_call`). Our extensions may, whoever
has called; others press keys to no effect.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pbx.dialplan.routing import Route, Routes
from pbx.dialplan.sequences import Keypad
from pbx.exchange.party import Party
from pbx.sip.timers import Clock

Pressed = tuple[Route, dict[str, Any]]


class InCall:
    """Who wants to know the keys of one call (`pbx.exchange.board.KeysUser`).

    :param routes: the sequences of the plan.
    :param start: is told whose keys are which sequence.
    """

    __slots__ = ("_clock", "_routes", "_start")

    def __init__(self, clock: Clock, routes: Routes, start: Callable[[Party, Pressed], None]) -> None:
        self._clock = clock
        self._routes = routes
        self._start = start

    def watch(self, party: Party) -> None:
        """Somebody takes part in the conversation."""
        if party.number:
            party.pressed = Keypad(self._clock, self._routes, _Pressing(party, self._start)).press


class _Pressing:
    """Says whose keys they were."""

    __slots__ = ("_party", "_start")

    def __init__(self, party: Party, start: Callable[[Party, Pressed], None]) -> None:
        self._party = party
        self._start = start

    def __call__(self, pressed: Pressed) -> None:
        self._start(self._party, pressed)
