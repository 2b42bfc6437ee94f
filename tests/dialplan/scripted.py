"""A bridge that does nothing by itself: tests say what happens to the call, and see what the dialplan asked for."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import LogEvent

from pbx.dialplan.call import Call
from pbx.dialplan.plan import Plan
from pbx.exchange.board import CallUser
from pbx.exchange.caller import Caller, Source
from pbx.exchange.detour import Guide
from pbx.exchange.diverting import Diverting
from pbx.exchange.group import Callee
from pbx.exchange.outcome import Outcome
from pbx.exchange.party import Party
from pbx.media.beat import Beat
from pbx.media.library import Library
from pbx.media.port import Tap
from pbx.media.voice import Voice
from pbx.sip.headers import Field

Errors = Callable[[], list[LogEvent]]
Script = Callable[[Call], Coroutine[Any, Any, object]]


class ScriptedBridge:
    """One call.

    :ivar done: what the dialplan asked for, in order, as tuples.
    :ivar pending: the Deferred of the last `dial` or `echo`.
    """

    def __init__(
        self,
        number: str = "600",
        source: Source = Source.INTERNAL,
        clock: Clock | None = None,
        id: str = "c1",
        *,
        may: str = "",
        fields: Sequence[Field] = (),
    ) -> None:
        self.id = id
        self.clock = Clock() if clock is None else clock
        self.clock.wall = self.clock.seconds  # type: ignore[attr-defined]
        self.caller = Caller("1001", "Alice", source, frozenset(may.split()))
        self.number = number
        self.fields = fields
        self.answered = False
        self.ended = False
        self.last_outcome: Outcome | None = None
        self.user: CallUser | None = None
        self.done: list[tuple[Any, ...]] = []
        self.pending: Deferred[Any] = Deferred()

    @property
    def diverting(self) -> Diverting:
        raise NotImplementedError

    @property
    def speaking(self) -> ScriptedBridge:
        return self

    @property
    def library(self) -> Library:
        return Library()

    @property
    def beat(self) -> Beat:
        return Beat(self.clock)

    def voice(self, early: bool) -> Deferred[Voice | None]:
        raise NotImplementedError

    def listen_in(self, tap: Tap | None) -> None:
        raise NotImplementedError

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
        self.done.append(("dial", *map(str, targets), timeout))
        self.pending = Deferred()
        return self.pending

    @property
    def party(self) -> Party:
        raise NotImplementedError

    def tell(self, number: str, words: str) -> None:
        self.done.append(("tell", number, words))

    def leave(self) -> Party:
        raise NotImplementedError

    def adopt(self, party: Party) -> None:
        raise NotImplementedError

    def join(self, leg: Party) -> Deferred[Outcome]:
        raise NotImplementedError

    def withhold(self) -> None:
        raise NotImplementedError

    def may_pick_up(self, number: str) -> bool:
        return False

    def pick_up(self, number: str) -> bool:
        return False

    def answer(self) -> Deferred[None]:
        self.done.append(("answer",))
        self.answered = True
        answered: Deferred[None] = Deferred()
        answered.callback(None)
        return answered

    def echo(self) -> Deferred[None]:
        self.done.append(("echo",))
        self.answered = True
        self.pending = Deferred()
        return self.pending

    def enter(self, place: str) -> None:
        """Where the caller is let in."""

    def reject(self, status: int, reason: str | None, words: str = "") -> None:
        self._end("reject", status, reason)

    def redirect(self, uris: Sequence[str], status: int) -> None:
        self._end("redirect", *uris, status)

    def forbid(self, event: str) -> None:
        self._end("forbid", event)

    def hang_up(self, words: str = "") -> None:
        self._end("hang_up")

    def plan_ended(self) -> None:
        self._end("plan_ended")

    def plan_failed(self) -> None:
        self._end("plan_failed")

    def leaves(self, reason: str = "hung up") -> None:
        """The caller goes."""
        self.ended = True
        assert self.user is not None
        self.user.caller_left(reason)

    def ends(self, outcome: Outcome) -> None:
        """What was dialled ends."""
        self.last_outcome = outcome
        self.pending.callback(outcome)

    @property
    def over(self) -> object:
        """`plan_ended` or `plan_failed`: the last thing that happened, and it happened once."""
        ends = [what for what, *_ in self.done if what.startswith("plan_")]
        assert len(ends) == 1, self.done
        assert self.done[-1] == (ends[0],)
        assert not self.clock.getDelayedCalls()
        return ends[0]

    def _end(self, *what: object) -> None:
        self.done.append(what)
        self.ended = True


def calls(script: Script, bridge: ScriptedBridge | None = None) -> ScriptedBridge:
    """Put a call through to a script, and return its bridge."""
    bridge = ScriptedBridge() if bridge is None else bridge
    plan = Plan()
    plan.internal("600")(script)
    plan.run(bridge)
    return bridge
