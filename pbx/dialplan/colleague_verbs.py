"""The verbs of a call by which colleagues serve each other, and themselves: settings, pickup, parking."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Protocol

from twisted.internet.defer import Deferred

from pbx.dialplan.checks import check_timer
from pbx.dialplan.driver import Driver
from pbx.dialplan.sound_verbs import Speaking
from pbx.exchange.caller import Caller, Source
from pbx.exchange.outcome import Answered, Busy, NoAnswer, Outcome
from pbx.exchange.party import Party
from pbx.exchange.settings import Settings
from pbx.exchange.target import ExtensionTarget
from pbx.features.parking import Parked, Parking
from pbx.media.sounds import clips, digits
from pbx.media.sources import Sequel
from pbx.media.voice import Voice
from pbx.sip.timers import Clock

SPOKEN = re.compile(r"[0-9*#+]+")
"""The number of a slot that can be said."""
SPOKEN_WITHIN = 2.0
"""Seconds a digit: who holds the call meanwhile does not hear them, and nobody waits for it."""

PARKING_LIMIT = 120.0  # seconds for which a call is parked


class Features(Protocol):
    """What the features keep for all calls of an exchange."""

    @property
    def settings(self) -> Callable[[str], Settings]: ...
    @property
    def parking(self) -> Parking: ...


class ColleaguesCall(Protocol):
    """The exchange's side of a call, as far as colleagues have to do with it."""

    @property
    def clock(self) -> Clock: ...
    @property
    def features(self) -> Features: ...
    @property
    def caller(self) -> Caller: ...
    @property
    def party(self) -> Party: ...
    @property
    def answered(self) -> bool: ...
    @property
    def speaking(self) -> Speaking: ...

    def withhold(self) -> None:
        """Name the caller to nobody from now on."""

    def may_pick_up(self, number: str) -> bool:
        """Whether a phone rings for which the caller may answer; "" for any."""

    def pick_up(self, number: str) -> bool:
        """Let the caller, who is answered, answer for it and leave this call; False where it rings no more."""

    def tell(self, number: str, words: str) -> None:
        """Tell the phones of an extension something about this call."""

    def keep_transferor(self) -> Voice | None:
        """Our own end of the sound of whoever has transferred the caller, and stays until the caller is answered; None
        where it has left, or does not listen."""

    def leave(self) -> Party:
        """Let the caller, who is answered, go to another call; this one is over."""

    def adopt(self, party: Party) -> Deferred[Outcome]:
        """Connect the caller with a party that has left its own call; fires when that has hung up."""


class ColleagueVerbs:
    """The verbs of colleagues; `Call` has them."""

    __slots__ = ()

    _bridge: ColleaguesCall
    _driver: Driver

    @property
    def settings(self) -> Settings:
        """What the extension that calls has set for itself, to read and to set: `call.settings.do_not_disturb = True`,
        `call_waiting`, `forward_always`, `forward_busy`, `forward_no_answer`, `forward_no_answer_after`,
        `forward_unreachable`.

        It is in force at once, and outlives a restart.

        :raises RuntimeError: when it is none of ours that calls.
        """
        self._require_internal("settings")
        return self._bridge.features.settings(self._bridge.caller.number)

    @property
    def transferred(self) -> bool:
        """Whether the call is somebody's who was transferred here, in the name of `caller`."""
        return self._bridge.party.identity is not self._bridge.caller

    def withhold(self) -> None:
        """Let this call name its caller to nobody: what is dialled from now on is anonymous (RFC 3323)."""
        self._bridge.withhold()

    async def pick_up(self, target: ExtensionTarget | None = None) -> bool:
        """Answer what rings at a colleague's phone, or at another one of the caller's own; this call is over then.

        Colleagues are the extensions with the same `pickup_group`. Of several calls it is the one that has come first.

        :param target: at whose phone it rings; None for any colleague's.
        :returns: False where none rings; the caller is not answered then.
        """
        if target is not None and not isinstance(target, ExtensionTarget):
            raise TypeError(f'pick_up() takes an extension such as ext("101"), not {target!r}')
        await self._begin("pick_up")
        number = target.number if target is not None else ""
        if not self._bridge.may_pick_up(number):
            return False
        if not self._bridge.answered:
            await self._bridge.speaking.answer()
        if not self._bridge.pick_up(number):
            return False
        await self._driver.take_turn()  # the caller is in the other call now
        return True

    async def park(self, *slots: str, timeout: float = PARKING_LIMIT, music: str = "hold") -> Outcome:
        """Answer, and let the caller wait with music until somebody retrieves it; return when that one has hung up.

        :param slots: the numbers of the slots; it waits in the first that is free. Where there are several, who has
            transferred the call hears the digits of that one before it is hung up, if it is there and listens, and its
            phone is told by MESSAGE.
        :param timeout: seconds for which it waits.
        :param music: the name of a file in the prompts' folder `music`.
        :returns: `Busy` where no slot is free, and the caller is not answered then; `NoAnswer` when nobody has
            retrieved it in time.
        """
        if not slots:
            raise ValueError('park() needs a slot, for example "701"')
        for slot in slots:
            _check_slot("park", slot)
        check_timer("park", "timeout", timeout)
        await self._begin("park")
        bridge, parking = self._bridge, self._bridge.features.parking
        parked = parking.park(slots, bridge.party.identity, timeout)
        if parked is None:
            return Busy()
        try:
            if self.transferred and len(slots) > 1:
                await self._announce(parked)
            async with self.on_hold(music):
                party = await parked.taken
        except BaseException:
            parked.give_up()
            raise
        finally:
            parking.leave(parked)
        if party is None:
            return NoAnswer()
        outcome = await bridge.adopt(party)
        return replace(outcome, by=ExtensionTarget(party.number)) if isinstance(outcome, Answered) else outcome

    async def retrieve(self, slot: str) -> bool:
        """Talk to who is parked in a slot; this call is over then.

        :returns: False where nobody is; the caller is not answered then.
        """
        _check_slot("retrieve", slot)
        await self._begin("retrieve")
        parking = self._bridge.features.parking
        parked = parking.find(slot)
        if parked is None:
            return False
        if not self._bridge.answered:
            await self._bridge.speaking.answer()
        if parking.find(slot) is not parked:
            return False
        parking.leave(parked)
        parked.take(self._bridge.leave())
        await self._driver.take_turn()  # the caller is in the other call now
        return True

    async def _announce(self, parked: Parked) -> None:
        """Let whoever has transferred the call know where it waits: by its phone's display, and by voice."""
        bridge, slot = self._bridge, parked.slot
        bridge.tell(bridge.caller.number, f"{parked.caller.name or parked.caller.number} waits at {slot}")
        voice = bridge.keep_transferor() if SPOKEN.fullmatch(slot) else None
        if voice is not None:
            said = Sequel(await clips(bridge.speaking.library, (digits(slot),)))
            late: Deferred[None] = Deferred()
            timer = bridge.clock.callLater(SPOKEN_WITHIN * len(slot), late.callback, None)
            late.addCallback(lambda _: voice.stop())
            try:
                await voice.play(said)
            finally:
                if not late.called:
                    timer.cancel()
                voice.stop()

    def _require_internal(self, name: str) -> None:
        source = self._bridge.caller.source
        if source is not Source.INTERNAL:
            raise RuntimeError(f"call.{name}: no extension of ours makes this {source.value} call; see call.caller")

    # What `Call` has of its own

    async def _begin(self, verb: str) -> None:
        raise NotImplementedError

    def on_hold(self, music: str = "hold") -> AbstractAsyncContextManager[None]:
        """Let the caller hear music meanwhile."""
        raise NotImplementedError


def _check_slot(verb: str, slot: object) -> None:
    if not isinstance(slot, str):
        raise TypeError(f'{verb}() takes the numbers of slots as text: "701", not {slot!r}')
    if not slot or not slot.isprintable() or " " in slot:
        raise ValueError(f"{verb}() takes the number of a slot, which can be dialled, not {slot!r}")
