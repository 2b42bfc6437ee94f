"""Forwarding: a call whose callee wants somebody else to be called goes through the plan anew, for that number and with
the callee's rights. The caller stays who it is, and the coroutine that dialled waits for what comes of it.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from pbx.exchange.caller import Caller
from pbx.exchange.diverting import Diverting
from pbx.exchange.group import Callee
from pbx.exchange.outcome import Answered, Declined, Outcome, outcome_of

log = Logger(namespace="dialplan")


class Bridge(Protocol):
    """The exchange's side of the call."""

    last_outcome: Outcome | None

    @property
    def id(self) -> str: ...
    @property
    def answered(self) -> bool: ...
    @property
    def ended(self) -> bool: ...
    @property
    def diverting(self) -> Diverting: ...


class Forwarded:
    """A call's bridge, as the plan finds it under the number to which the call was forwarded. What would end the call
    ends this attempt only: it is for the plan of the number that was dialled to say what comes next.

    :param number: where to.
    :ivar last_outcome: what came of it so far; None while nothing has.
    :ivar spoke: whether the plan has spoken to the caller itself.
    """

    def __init__(self, bridge: Any, number: str) -> None:
        self._bridge = bridge
        self._over = False
        self.number = number
        self.last_outcome: Outcome | None = None
        self.spoke = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bridge, name)

    @property
    def ended(self) -> bool:
        """Whether there is nothing more to be done with it here."""
        return self._over or bool(self._bridge.ended)

    @property
    def speaking(self) -> Any:
        """Our own end of the caller's sound."""
        self.spoke = True
        return self._bridge.speaking

    def dial(self, targets: Sequence[Callee], *terms: Any, **more: Any) -> Deferred[Outcome]:
        """Ring them."""
        dialled: Deferred[Outcome] = self._bridge.dial(targets, *terms, **more)
        return dialled.addCallback(self._dialled)

    def reject(self, status: int, reason: str | None, *, words: str = "") -> None:
        """Nobody is to take the call here."""
        self._over, self.last_outcome = True, outcome_of(status, reason or "")

    def redirect(self, uris: Sequence[str], status: int) -> None:
        """The caller is not to be sent to addresses that it has not asked for."""
        self._over, self.last_outcome = True, Declined()

    def hang_up(self, words: str = "") -> None:
        """End the call, if it was answered."""
        if self._bridge.answered:
            self._bridge.hang_up()
        else:
            self.reject(480, None)

    def _dialled(self, outcome: Outcome) -> Outcome:
        self.last_outcome = outcome
        return outcome


Routed = Callable[[Forwarded, Caller], Coroutine[Any, Any, object] | None]


async def forwarded(bridge: Bridge, outcome: Outcome, routed: Routed) -> Outcome:
    """Let the plan do what it does when the callee dials the number that it has forwarded the call to.

    :param outcome: with the diversion.
    :param routed: makes the coroutine of the route; None when there is none, or the callee may not take it.
    :returns: what came of it.
    """
    found = await _forwarded(bridge, outcome, routed)
    bridge.last_outcome = found
    return found


async def _forwarded(bridge: Bridge, outcome: Outcome, routed: Routed) -> Outcome:
    diversion = outcome.diversion
    assert diversion is not None
    rights = bridge.diverting.begin(diversion) if diversion.to else Declined()
    if not isinstance(rights, Caller):
        log.info("call {call}: not forwarded from {way}: {why}", call=bridge.id, way=diversion, why=rights.text)
        return replace(rights, by=outcome.by, attempts=outcome.attempts)
    was_answered = bridge.answered
    anew = Forwarded(bridge, diversion.to)
    try:
        coroutine = routed(anew, rights)
        if coroutine is None:
            log.info("call {call}: not forwarded from {way}: it may not call there", call=bridge.id, way=diversion)
            return Declined(by=outcome.by, attempts=outcome.attempts)
        log.info("call {call}: forwarded from {way}", call=bridge.id, way=diversion)
        await coroutine
    finally:
        bridge.diverting.end(diversion)
    found = anew.last_outcome
    attempts = (*outcome.attempts, *(found.attempts if found is not None else ()))
    if anew.spoke or (bridge.answered and not was_answered):
        return Answered(by=found.by if found else outcome.by, attempts=attempts)
    return replace(found, attempts=attempts) if found is not None else replace(outcome, diversion=None)
