"""Steps one call's coroutine, and throws `HungUp` into it, at its innermost await, when the caller leaves.

It waits for Deferreds. One that is waited for when the caller leaves is left alone, since it may belong to somebody
else: what it brings later is ignored. Whatever the coroutine raises ends this call and no other. Work that is left for
after the call is driven in the same way, on a call of its own that nobody has made.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextvars import copy_context
from time import monotonic
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from pbx.dialplan.stint import Stint
from pbx.sip.reasons import OVERDUE
from pbx.sip.timers import Clock, Timer

CALL_LIMIT = 4 * 3600.0  # seconds that a call may last
MOST_AFTERWARDS = 20  # coroutines that one call may leave behind
AFTERWARDS_LIMIT = 60.0  # seconds that work after the call may take
GRACE = 10.0  # seconds that a coroutine may go on after the caller has left
LOOPS = 50  # how often a coroutine may come back to its verbs after the caller has left
TURNS = 1000  # verbs that a coroutine may call without ever waiting for anything

FAILED = "call {call}: the dialplan failed"

log = Logger()


class HungUp(BaseException):
    """The caller has left. Not an `Exception`, so that `except Exception` does not swallow it.

    :param reason: why, in words.
    """

    @property
    def reason(self) -> str:
        """Why, in words."""
        return str(self.args[0])


class DrivenCall(Protocol):
    """The call whose coroutine is driven. Exactly one of `plan_ended` and `plan_failed` is called, once, as the last
    thing; also when the call itself has ended long before."""

    @property
    def id(self) -> str: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def ended(self) -> bool: ...

    def hang_up(self, words: str = "") -> None:
        """End the call, answered or not.

        :param words: why.
        """

    def plan_ended(self) -> None:
        """The coroutine is over."""

    def plan_failed(self) -> None:
        """The coroutine raised an exception, which is logged."""


class _Afterwards:
    """What work after a call has in the place of the call (`DrivenCall`)."""

    __slots__ = ("clock", "ended", "id")

    def __init__(self, call: DrivenCall) -> None:
        self.id = call.id
        self.clock = call.clock
        self.ended = True

    def hang_up(self, words: str = "") -> None:
        """There is nobody."""

    def plan_ended(self) -> None:
        """There is nothing to end."""

    def plan_failed(self) -> None:
        """There is nobody to tell."""


class Driver:
    """Drives one coroutine to its end.

    :param limit: seconds that the call may last.
    :param stint: learns when it runs; None where nobody wants to know.
    :ivar left: why the caller left, or None while it is there.
    :ivar apologise: makes the coroutine that goes on with the call when its own has raised; None for none.
    :ivar plan: to whom the coroutine belongs.
    :ivar overstayed: makes a coroutine for after a call that has lasted too long; None for none.
    """

    __slots__ = (
        "_afterwards", "_awaited", "_awaits", "_call", "_coroutine", "_expiry", "_faulty", "_left_behind", "_limit",
        "_next", "_refusals", "_run", "_running", "_stint", "_turns", "apologise", "left", "overstayed", "plan",
    )  # fmt: skip

    def __init__(self, call: DrivenCall, limit: float = CALL_LIMIT, stint: Stint | None = None) -> None:
        self._call: DrivenCall = call
        self._stint = stint or Stint()
        self._limit = limit
        self._faulty = False
        self._afterwards: list[Coroutine[Any, Any, object]] = []
        self._left_behind = 0
        self.apologise: Callable[[Exception], Coroutine[Any, Any, object]] | None = None
        self.plan: object = None
        self.overstayed: Callable[[], Coroutine[Any, Any, object]] | None = None
        self._coroutine: Any = None  # a Coroutine, or None
        self._awaited = 0  # the number of the await that is to go on; 0 for none
        self._awaits = 0
        self._next: tuple[Callable[[Any], Any], Any] | None = None
        self._expiry: Timer | None = None
        self._running = False
        self._refusals = 0
        self._turns = 0  # verbs since it last waited for something
        # What one call sets in a context variable is not seen by another one.
        self._run = copy_context().run
        self.left: str | None = None

    def start(self, coroutine: Coroutine[Any, Any, object]) -> None:
        """Run a coroutine until it waits for the first time. Only once."""
        self._coroutine = coroutine
        self._expiry = self._call.clock.callLater(self._limit, self._overdue)
        self._advance(coroutine.send, None)

    def caller_left(self, reason: str) -> None:
        """The caller cancelled or hung up, or can no longer be reached."""
        if self._coroutine is None or self.left is not None:
            return
        self.left = reason
        self._awaited = 0
        self._cancel_expiry()
        if not self._running:
            self._refusals += 1
            self._advance(self._coroutine.throw, HungUp(reason))

    def leave(self, coroutine: Coroutine[Any, Any, object]) -> None:
        """Run a coroutine when the call is over.

        :raises RuntimeError: there are too many.
        """
        self._left_behind += 1
        if self._left_behind > MOST_AFTERWARDS:
            coroutine.close()
            raise RuntimeError(
                f"after_hangup() was called {MOST_AFTERWARDS} times for this call already; is it a loop?"
            )
        self._afterwards.append(coroutine)

    async def take_turn(self) -> None:
        """A verb begins.

        A coroutine that swallows HungUp time and again, or calls verb after verb that have nothing to wait for, is
        stopped here, so that it cannot loop for ever: what it waits for then never comes.

        :raises HungUp: the caller has left.
        """
        if self.left is not None:
            self._refusals += 1
            if self._refusals <= LOOPS:
                raise HungUp(self.left)
        self._turns += 1
        if self.left is not None or self._turns > TURNS:
            await Deferred()

    def _advance(self, step: Callable[[Any], Any], value: object) -> None:
        """Step the coroutine until it waits or is over.

        :param step: the coroutine's `send` or `throw`.
        :param value: what to send or to throw.
        """
        self._running = True
        self._stint.since = monotonic()
        while True:
            try:
                awaited = self._run(step, value)
            except (StopIteration, HungUp):
                value = None  # the HungUp that was thrown knows this frame: without the cycle the call is gone at once
                self._finish(self._call.plan_failed if self._faulty else self._call.plan_ended)
                return
            except BaseException as error:
                log.failure(FAILED, call=self._call.id)
                apology = self._apology(error)
                if apology is None:
                    self._finish(self._call.plan_failed)
                    return
                self._coroutine, step, value = apology, apology.send, None
                continue
            assert self._coroutine is not None
            if self.left is not None and not self._refusals:
                # The caller left during the step, and the coroutine has not yet heard of it.
                self._refusals += 1
                step, value = self._coroutine.throw, HungUp(self.left)
            elif self._turns > TURNS:
                self._circles()
                return
            elif not isinstance(awaited, Deferred):
                self._turns += 1
                step, value = self._coroutine.throw, RuntimeError(_foreign(awaited))
            else:
                # Known by its number: one that never fires, and whose callbacks knew it, would keep itself and us.
                self._awaits = self._awaited = number = self._awaits + 1
                awaited.addCallbacks(self._fired, self._failed, callbackArgs=(number,), errbackArgs=(number,))
                if self._next is None:
                    break
                (step, value), self._next = self._next, None  # it had fired already
        self._running = False
        self._stint.since = 0.0
        self._turns = 0
        if self.left is not None and self._expiry is None:
            self._expiry = self._call.clock.callLater(GRACE, self._outstays)

    def _apology(self, error: BaseException) -> Coroutine[Any, Any, object] | None:
        """What goes on with the call, once, when its coroutine has raised this; None when nothing can."""
        apologise, self.apologise = self.apologise, None
        self._faulty = True
        if apologise is None or self.left is not None or self._call.ended or not isinstance(error, Exception):
            return None
        return apologise(error)

    def _fired(self, result: Any, number: int) -> Any:
        if number == self._awaited:
            assert self._coroutine is not None
            self._resume(self._coroutine.send, result)
        return result

    def _failed(self, failure: Failure, number: int) -> None:
        if number == self._awaited:
            # With the failure's own traceback, so that the log shows where it began.
            self._resume(failure.throwExceptionIntoGenerator, self._coroutine)

    def _resume(self, step: Callable[[Any], Any], value: object) -> None:
        self._awaited = 0
        if self._running:
            self._next = step, value
        elif self._coroutine is not None and not self._coroutine.cr_running:
            self._advance(step, value)
        # else it is being collected, together with all that it waits for: a simulation is over

    def _overdue(self) -> None:
        """The call lasts longer than any call may."""
        self._expiry = None
        what = "work after the call" if isinstance(self._call, _Afterwards) else "a call"
        log.warn(
            "call {call}: ended after {hours:.3g} h, the longest that {what} may last",
            call=self._call.id,
            hours=self._limit / 3600,
            what=what,
        )
        if self.overstayed is not None:
            self._afterwards.append(self.overstayed())
        self.left = OVERDUE
        self._awaited = 0
        if not self._call.ended:
            self._call.hang_up(OVERDUE)
        self._refusals += 1
        self._advance(self._coroutine.throw, HungUp(OVERDUE))

    def _circles(self) -> None:
        """The coroutine never waits: every other call would wait for it."""
        log.error(
            "call {call}: the dialplan runs in a circle, and is ended; the last of {turns} verbs that had nothing to "
            "wait for is at {place}",
            call=self._call.id,
            turns=TURNS,
            place=_place(self._coroutine),
        )
        self._close(self._call.plan_failed)

    def _outstays(self) -> None:
        """The coroutine goes on though the caller left a while ago."""
        self._expiry = None
        log.warn(
            "call {call}: the dialplan did not end within {grace:g} s after the caller had left, and is ended; "
            "it was waiting at {place}",
            call=self._call.id,
            grace=GRACE,
            place=_place(self._coroutine),
        )
        self._close(self._call.plan_ended)

    def _close(self, tell: Callable[[], None]) -> None:
        coroutine = self._coroutine
        assert coroutine is not None
        self._awaited = 0
        self._running = True
        self._stint.since = monotonic()
        for _ in range(LOOPS):
            # Each `finally` that waits for something needs one more push.
            try:
                self._run(coroutine.close)
            except BaseException:
                if _is_over(coroutine):
                    log.failure(FAILED, call=self._call.id)
            if _is_over(coroutine):
                break
        else:
            log.error("call {call}: the dialplan swallows every exception and cannot be ended", call=self._call.id)
        self._finish(tell)

    def _finish(self, tell: Callable[[], None]) -> None:
        self._coroutine = None
        self._awaited = 0
        self._next = self.apologise = self.overstayed = None  # what these know, knows us: a cycle
        self._cancel_expiry()
        self._stint.since = 0.0
        tell()
        if self._afterwards:
            self._go_on()

    def _go_on(self) -> None:
        """The call is over: do what was left for now."""
        coroutines, self._afterwards = self._afterwards, []
        self._call = _Afterwards(self._call)
        self._limit = AFTERWARDS_LIMIT
        self.left = None
        self._refusals = self._turns = 0
        self.start(_in_turn(self._call.id, coroutines))

    def _cancel_expiry(self) -> None:
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None


async def _in_turn(call: str, coroutines: list[Coroutine[Any, Any, object]]) -> None:
    """Run coroutines one after the other; one that raises does not stop the next."""
    try:
        while coroutines:
            try:
                await coroutines.pop(0)
            except Exception:
                log.failure("call {call}: work after the call failed", call=call)
    finally:
        for coroutine in coroutines:
            coroutine.close()


def _foreign(awaited: object) -> str:
    kind = f"{type(awaited).__module__}.{type(awaited).__qualname__}"
    return f"a dialplan can wait for its verbs, for coroutines and for Twisted's Deferreds, but not for {kind}"


def _is_over(coroutine: Any) -> bool:
    return coroutine.cr_frame is None


def _place(coroutine: Any) -> str:
    """Where a coroutine waits: the innermost line that is not one of our verbs' or features'."""
    place = "?"
    while getattr(coroutine, "cr_frame", None) is not None:
        frame = coroutine.cr_frame
        if not frame.f_globals["__name__"].startswith(("pbx.dialplan.", "pbx.features.")):
            place = f"{frame.f_code.co_filename}:{frame.f_lineno}"
        coroutine = coroutine.cr_await
    return place
