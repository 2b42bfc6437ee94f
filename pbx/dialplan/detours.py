"""Detours: what a plan does with a number to which one of several callees has sent the call on, while the others ring.

It is the route of that number, in a coroutine of its own, with the callee's rights; so there are as many coroutines as
there are detours, and one caller. They may only ring somebody: what a verb wants of the caller beside that, to speak to
it, to let it in somewhere, ends the coroutine as by a hang-up. When somebody has answered there, its `dial` returns as
any does: once the conversation is over.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, NoReturn, Protocol

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from pbx.dialplan.driver import Driver, HungUp
from pbx.dialplan.stint import Stint
from pbx.exchange.caller import Caller
from pbx.exchange.detour import Detour, Guide
from pbx.exchange.diverting import Diverting
from pbx.exchange.group import Callee
from pbx.exchange.outcome import Declined, Failed, Outcome, outcome_of
from pbx.exchange.party import Party
from pbx.media.library import Library
from pbx.sip.headers import Field
from pbx.sip.timers import Clock

RINGS_ELSEWHERE = "others ring for this call"
OVER = "the call is over"

log = Logger(namespace="dialplan")


class Bridge(Protocol):
    """The exchange's side of the call."""

    @property
    def id(self) -> str: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def caller(self) -> Caller: ...
    @property
    def answered(self) -> bool: ...
    @property
    def fields(self) -> Sequence[Field]: ...
    @property
    def party(self) -> Party: ...
    @property
    def speaking(self) -> Any: ...


class Beside:
    """A call's bridge, as the plan finds it under a number to which one of several callees has sent it.

    :ivar last_outcome: what came of it so far; None while nothing has.
    """

    def __init__(self, bridge: Bridge, detour: Detour) -> None:
        self._bridge = bridge
        self._detour = detour
        self._over = False
        self.last_outcome: Outcome | None = None

    @property
    def id(self) -> str:
        """The call's."""
        return self._bridge.id

    @property
    def clock(self) -> Clock:
        """The exchange's time."""
        return self._bridge.clock

    @property
    def caller(self) -> Caller:
        """Who calls."""
        return self._bridge.caller

    @property
    def fields(self) -> Sequence[Field]:
        """The header fields of the caller's INVITE."""
        return self._bridge.fields

    @property
    def answered(self) -> bool:
        """Whether the caller has been answered."""
        return self._bridge.answered

    @property
    def party(self) -> Party:
        """The caller."""
        return self._bridge.party

    @property
    def number(self) -> str:
        """Where the callee has sent it."""
        return self._detour.number

    @property
    def diverting(self) -> Diverting:
        """How it is sent on from there."""
        return self._detour.diverting

    @property
    def ended(self) -> bool:
        """Whether there is nothing more to be done with it here."""
        return self._over

    @property
    def speaking(self) -> _Silence:
        """Nobody's end of the caller's sound."""
        return _Silence(self)

    @property
    def library(self) -> Library:
        """The sounds that there are."""
        library: Library = self._bridge.speaking.library
        return library

    def dial(
        self,
        targets: Sequence[Callee],
        timeout: float,
        progress_within: float | None = None,
        caller_id: str = "",
        *,
        intercom: bool = False,
        guide: Guide | None = None,
    ) -> Deferred[Outcome]:
        """Ring all targets, beside those that ring. No phone answers by itself what rings at others, too."""
        if self._detour.over:
            self.refuse()
        dialled = self._detour.dial(targets, timeout, progress_within, caller_id, guide)
        return dialled.addCallback(self._dialled)

    def withhold(self) -> None:
        """Name the caller to nobody here from now on."""
        self._detour.invitation.withhold()

    def reject(self, status: int, reason: str | None = None, *, words: str = "") -> None:
        """Nobody is to take the call here."""
        self._over, self.last_outcome = True, outcome_of(status, reason or "")

    def redirect(self, uris: Sequence[str], status: int) -> None:
        """The caller is not to be sent to addresses that it has not asked for."""
        self._over, self.last_outcome = True, Declined()

    def hang_up(self, words: str = "") -> None:
        """Nobody is to take the call here."""
        self.reject(480)

    def plan_ended(self) -> None:
        """The coroutine is over."""
        self._over = True
        self._detour.end(self.last_outcome)

    def plan_failed(self) -> None:
        """The coroutine failed."""
        self._over = True
        self._detour.end(Failed(500))

    def refuse(self) -> NoReturn:
        """A verb wants more of the caller than that others ring for it.

        :raises HungUp: always.
        """
        log.info("call {call}: {number} is only rung, since others ring, too", call=self.id, number=self.number)
        raise HungUp(RINGS_ELSEWHERE)

    def __getattr__(self, name: str) -> NoReturn:
        self.refuse()

    def _dialled(self, outcome: Outcome) -> Outcome:
        self.last_outcome = outcome
        return outcome


class _Silence:
    """What speaks to no caller."""

    def __init__(self, beside: Beside) -> None:
        self._beside = beside

    @property
    def library(self) -> Library:
        """The sounds that there are."""
        return self._beside.library

    def __getattr__(self, name: str) -> NoReturn:
        self._beside.refuse()


Routed = Callable[[Beside, Caller, Driver], Coroutine[Any, Any, object] | None]


class Detours:
    """Those of one `dial` or `ring` (`pbx.exchange.detour.Guide`).

    :param bridge: of the call.
    :param stint: learns when their coroutines run.
    :param routed: makes the coroutine of the number; None when there is none, or the callee may not take it.
    """

    __slots__ = ("_bridge", "_led", "_routed", "_stint")

    def __init__(self, bridge: Bridge, stint: Stint, routed: Routed) -> None:
        self._bridge = bridge
        self._stint = stint
        self._routed = routed
        self._led: list[tuple[Detour, Driver]] = []

    def lead(self, detour: Detour) -> Driver | None:
        """Do what the plan does when the callee dials the number; None when it cannot dial that."""
        beside = Beside(self._bridge, detour)
        driver = Driver(beside, stint=self._stint)
        assert detour.rights is not None
        coroutine = self._routed(beside, detour.rights, driver)
        way = detour.invitation.diversions[0]
        if coroutine is None:
            log.info("call {call}: not forwarded from {way}: it may not call there", call=self._bridge.id, way=way)
            return None
        log.info("call {call}: forwarded from {way}, while others ring", call=self._bridge.id, way=way)
        self._led.append((detour, driver))
        driver.start(coroutine)
        return driver

    def conclude(self, outcome: Outcome | None) -> None:
        """The `dial` is over, and so is all of it.

        :param outcome: for whom it was answered by; None where the caller has left.
        """
        led, self._led = self._led, []  # they know whom these were led for
        for detour, driver in led:
            if outcome is not None:
                detour.conclude(outcome)
            driver.caller_left(OVER)
