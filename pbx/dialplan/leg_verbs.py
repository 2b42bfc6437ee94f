"""The verbs of a call that has more than two parties: to ring somebody without being connected at once, to talk to one
and then to another, to leave them to each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Protocol

from twisted.internet.defer import Deferred

from pbx.dialplan.checks import check_targets, check_timer, checked_caller_id
from pbx.dialplan.detours import Detours
from pbx.dialplan.plan_leg import CallLeg, Legs, PlanLeg, Turns
from pbx.dialplan.sequences import LONGEST, Keypad, Words
from pbx.dialplan.sound_verbs import SoundingCall
from pbx.exchange.group import Callee
from pbx.exchange.leg import Leg
from pbx.exchange.outcome import Answered, Outcome
from pbx.exchange.party import Party
from pbx.exchange.target import ExtensionTarget
from pbx.media.dtmf import KEYS

RING_LIMIT = 60.0  # seconds that `ring` rings


class LeggedCall(SoundingCall, Protocol):
    """The exchange's side of a call, as far as it has legs."""

    @property
    def legs(self) -> Legs: ...
    @property
    def peer(self) -> CallLeg | None:
        """To whom the party for which the plan runs talks."""

    @property
    def party(self) -> Party: ...

    def transfer(self, number: str) -> Deferred[bool]:
        """Send the other party to a number; fires with whether that may be."""


class LegVerbs:
    """The verbs of legs; `Call` has them."""

    __slots__ = ()

    _bridge: LeggedCall  # the exchange's side of the call
    _driver: Turns  # says whose turn it is
    _peer: PlanLeg | None  # once it was asked for

    async def _begin(self, verb: str) -> None:
        raise NotImplementedError

    async def answer(self) -> None:
        raise NotImplementedError

    def _detours(self) -> Detours:
        raise NotImplementedError

    @property
    def peer(self) -> Leg:
        """To whom this party talks, in a coroutine of `@plan.in_call`.

        :raises RuntimeError: in others: while `dial` connects a call, its coroutine waits.
        """
        if self._peer is None:
            leg = self._bridge.peer
            if leg is None:
                raise RuntimeError("call.peer is for @plan.in_call; elsewhere ring() returns a leg")
            self._peer = PlanLeg(leg, self._bridge.legs, self.join, self._driver)  # type: ignore[misc]  # it is in the slots of `Call`
        return self._peer

    async def ring(
        self,
        *targets: Callee,
        timeout: float = RING_LIMIT,
        progress_within: float | None = None,
        caller_id: str | None = None,
    ) -> Outcome:
        """Ring the targets, all at once; return when one has answered, without connecting anybody.

            match await call.ring(ext("101"), timeout=20):
                case Answered(leg=colleague):
                    await colleague.play(prompt("call-from-sales"))
                    await call.bridge(colleague)

        Whoever answers hears us, until it is connected by `bridge`, `talk` or `join`. It is hung up when the call ends.

        :param targets: as for `dial`.
        :param timeout: seconds to ring.
        :param progress_within: seconds within which each has to show a sign of progress.
        :param caller_id: the number that they are shown; None for the caller's own.
        """
        check_targets("ring", targets)
        check_timer("ring", "timeout", timeout)
        if progress_within is not None:
            check_timer("ring", "progress_within", progress_within)
        shown = checked_caller_id("ring", caller_id)
        await self._begin("ring")
        detours = self._detours()
        outcome = None
        try:
            outcome, leg = await self._bridge.legs.ring(targets, timeout, progress_within, shown, guide=detours)
        finally:
            detours.conclude(outcome)
        if leg is not None and isinstance(outcome, Answered):
            return replace(outcome, leg=PlanLeg(leg, self._bridge.legs, self.join, self._driver))
        return outcome

    async def bridge(self, leg: Leg) -> None:
        """Connect with a leg; return when it has left."""
        await self._talk("bridge", leg, ())

    async def talk(self, leg: Leg, until: Iterable[str] = ()) -> str | None:
        """Connect with a leg, until it leaves or this party presses one of some sequences of keys.

        :param until: those sequences, such as `("*1", "*3")`.
        :returns: the sequence; None when the leg has left. After a sequence the two hear each other no more.
        """
        words = (until,) if isinstance(until, str) else tuple(until)
        for word in words:
            if not isinstance(word, str) or not 0 < len(word) <= LONGEST or set(word) - set(KEYS):
                raise ValueError(f'talk(): until is of sequences of keys such as "*1", not {word!r}')
        return await self._talk("talk", leg, words)

    async def join(self, one: Leg, other: Leg) -> None:
        """Connect two legs with each other; this party leaves. Without effect when one of them has left."""
        if not isinstance(one, PlanLeg) or not isinstance(other, PlanLeg):
            raise TypeError(f"join() takes two legs such as ring() returns, not {one!r} and {other!r}")
        await self._begin("join")
        if not (one.ended or other.ended):
            await self.answer()
            self._bridge.legs.join(one.leg, other.leg)

    async def transfer(self, target: str | ExtensionTarget) -> bool:
        """Send the one that this party talks to somewhere else, in a coroutine of `@plan.in_call`.

            @plan.in_call("#1<number:1XX>")
            async def transfer(call: Call, number: str) -> None:
                if not await call.transfer(number):
                    await call.play(prompt("not-available"))

        It calls there as if this party had dialled, with its rights; where nobody answers, this party is rung again.

        :param target: a number, or an extension.
        :returns: False when that may not be (`@plan.on_transfer`). When it may, this party is hung up.
        :raises RuntimeError: when this party talks to nobody.
        """
        if not isinstance(target, str | ExtensionTarget):
            raise TypeError(f'transfer() takes a number such as "101", or ext("101"), not {target!r}')
        await self._begin("transfer")
        if self._bridge.peer is None:
            raise RuntimeError("transfer() is for @plan.in_call; elsewhere dial() calls somebody")
        return await self._bridge.transfer(str(target))

    async def _talk(self, verb: str, leg: Leg, words: Sequence[str]) -> str | None:
        if not isinstance(leg, PlanLeg):
            raise TypeError(f"{verb}() takes a leg such as ring() returns, not {leg!r}")
        await self._begin(verb)
        await self.answer()
        legs, party = self._bridge.legs, self._bridge.party
        over: Deferred[str | None] = Deferred()
        keypad = Keypad(self._bridge.clock, Words(words), over.callback)
        before, party.pressed = party.pressed, keypad.press if words else party.pressed
        gone = legs.connect(leg.leg)
        gone.addCallback(lambda _: None if over.called else over.callback(None))
        try:
            return await over
        finally:
            party.pressed = before
            keypad.stop()
            legs.part(leg.leg)
