"""A leg as its plan has it (`pbx.exchange.leg.Leg`): the verbs of sound, for somebody else than the caller."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol

from twisted.internet.defer import Deferred

from pbx.dialplan.sound_verbs import SoundingCall, SoundVerbs
from pbx.exchange.detour import Guide
from pbx.exchange.group import Callee
from pbx.exchange.leg import Leg
from pbx.exchange.outcome import Outcome
from pbx.media.sounds import Playable


class CallLeg(SoundingCall, Protocol):
    """The exchange's side of a leg."""

    @property
    def number(self) -> str: ...
    @property
    def ended(self) -> bool: ...

    def hang_up(self) -> None:
        """Hang it up."""


class Turns(Protocol):
    """What says whose turn it is: the driver."""

    async def take_turn(self) -> None:
        """A verb begins."""


class Legs(Protocol):
    """The exchange's side of all legs of one party."""

    def ring(
        self,
        targets: Sequence[Callee],
        timeout: float,
        progress_within: float | None,
        caller_id: str,
        intercom: bool = False,
        guide: Guide | None = None,
    ) -> Deferred[tuple[Outcome, Any]]:
        """Ring somebody; fires with how that ended, and with the leg of whoever answered."""

    def connect(self, leg: Any) -> Deferred[None]:
        """Connect the party for which the plan runs with a leg; fires when that has left."""

    def part(self, leg: Any) -> bool:
        """Let the two hear each other no more. Returns whether they did."""

    def resume(self, leg: Any) -> None:
        """Let the two talk again, unless the party talks to somebody else."""

    def join(self, one: Any, other: Any) -> None:
        """Connect two legs; the party leaves."""


Join = Callable[[Leg, Leg], Coroutine[Any, Any, None]]


class PlanLeg(SoundVerbs):
    """One leg.

    :param leg: the exchange's side of it.
    :param legs: all legs of its party.
    :param join: connects two of them.
    :param turns: says whose turn it is.
    """

    __slots__ = ("_join", "_legs", "_turns", "leg")

    def __init__(self, leg: CallLeg, legs: Legs, join: Join, turns: Turns) -> None:
        self.leg = self._sounding = leg
        self._live = None
        self._legs = legs
        self._join = join
        self._turns = turns

    @property
    def number(self) -> str:
        """Its number, as the exchange knows it; "" when it does not."""
        return self.leg.number

    @property
    def ended(self) -> bool:
        """Whether it has left."""
        return self.leg.ended

    async def play(self, *sounds: Playable, early: bool = False) -> None:
        """Play it sounds; one that has left hears nothing."""
        if not self.ended:
            await super().play(*sounds)

    async def say(self, text: str, early: bool = False) -> None:
        """Say it some text; one that has left hears nothing."""
        if not self.ended:
            await super().say(text)

    async def ask(self, *sounds: Playable, digits: int = 1, timeout: float = 5, tries: int = 1) -> str | None:
        """Ask it for keys; one that has left presses none."""
        return None if self.ended else await super().ask(*sounds, digits=digits, timeout=timeout, tries=tries)

    @asynccontextmanager
    async def on_hold(self, music: str = "hold") -> AsyncIterator[None]:
        """Let it hear music meanwhile; whom it talked to before, it talks to afterwards."""
        talked = self._legs.part(self.leg)
        try:
            if self.ended:
                yield
            else:
                async with super().on_hold(music):
                    yield
        finally:
            if talked:
                self._legs.resume(self.leg)

    async def join(self, other: Leg) -> None:
        """Connect it with another leg of this call. Without effect when one of them has left."""
        await self._join(self, other)

    async def hang_up(self) -> None:
        """Hang it up. Without effect when it has left."""
        await self._turns.take_turn()
        self.leg.hang_up()

    async def _begin(self, verb: str) -> None:
        await self._turns.take_turn()

    def __repr__(self) -> str:
        return f"<Leg {self.number}{', ended' if self.ended else ''}>"
