"""An observer is told what happens to calls; it never acts.

It is told at once, in the order in which things happen, when the call itself knows already. What it is given belongs to
the call: to look at, now.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from inspect import isfunction
from typing import Protocol

from pbx.exchange.branch import Branch
from pbx.exchange.caller import Caller
from pbx.exchange.group import Callee
from pbx.exchange.outcome import Outcome
from pbx.exchange.party import Party
from pbx.exchange.target import Target
from pbx.media.relay import Result
from pbx.media.side import StreamFacts


class By(Enum):
    """Who ended a call, or was lost."""

    CALLER = "caller"
    CALLEE = "callee"
    PLAN = "plan"
    ADMINISTRATOR = "administrator"
    EXCHANGE = "exchange"


@dataclass(frozen=True, slots=True)
class Ending:
    """How a call ended.

    :param by: who ended it; who was lost, where nobody did.
    :param words: why: one of `pbx.sip.reasons` where a session tells it.
    :param status: the final status that the caller was given; 200 where it was answered, 487 where it gave up.
    """

    by: By
    words: str
    status: int


class Observed(Protocol):
    """A call, as an observer sees it: the bridge."""

    @property
    def id(self) -> str: ...
    @property
    def host(self) -> str:
        """The address that it came from."""

    @property
    def caller(self) -> Caller: ...
    @property
    def number(self) -> str:
        """What was dialled."""

    @property
    def begun_at(self) -> float:
        """When it came, in the clock's seconds."""

    @property
    def answered(self) -> bool:
        """Whether the caller has a 2xx."""

    def streams(self) -> Result[list[tuple[StreamFacts, ...]]]:
        """The facts of each stream: the caller's, then of each callee that answered. Also when the call is over."""

    @property
    def party(self) -> Party:
        """The caller; `party.other` is whom it is connected to."""


class Observer(Protocol):
    """Who is told of all calls. A call begins and ends once; so does each attempt to reach somebody for it."""

    def call_began(self, call: Observed) -> None:
        """A call came in, and the dialplan is about to take it."""

    def call_dials(self, call: Observed, targets: Sequence[Callee], timeout: float) -> None:
        """The dialplan calls somebody; `call_dialled` follows unless the call ends before.

        :param timeout: seconds that they are rung.
        """

    def attempt_skipped(self, call: Observed, target: Target, code: int, text: str) -> None:
        """One callee cannot even be rung.

        :param code: the status that says why.
        :param text: the same in words.
        """

    def attempt_began(self, call: Observed, branch: Branch) -> None:
        """One callee is about to be rung."""

    def attempt_rang(self, call: Observed, branch: Branch, status: int) -> None:
        """It shows a sign of progress; perhaps not for the first time.

        :param status: of its provisional response.
        """

    def attempt_answered(self, call: Observed, branch: Branch) -> None:
        """It answered, and is the caller's callee now."""

    def attempt_ended(self, call: Observed, branch: Branch, code: int, text: str) -> None:
        """It will not answer.

        :param code: the final status; 487 where we gave it up.
        :param text: the same in words.
        """

    def call_dialled(self, call: Observed, outcome: Outcome) -> None:
        """What the dialplan dialled has ended: nobody answered, or who did is gone."""

    def call_answered(self, call: Observed) -> None:
        """The caller was given a 2xx."""

    def call_entered(self, call: Observed, place: str) -> None:
        """The dialplan lets the caller into a place of ours.

        :param place: in words: "voicemail 1002", "conference 800", "the echo".
        """

    def party_joined(self, call: Observed, party: Party) -> None:
        """Somebody who was not rung for this call is the callee now: who has picked up what rang elsewhere, is parked,
        or has a call back whose transfer has failed."""

    def party_held(self, call: Observed, party: Party, is_held: bool) -> None:
        """A party put the other one on hold, or resumes."""

    def party_replaced(self, call: Observed, old: Party, new: Party) -> None:
        """A party has transferred the call: another one has its place."""

    def caller_replaced(self, call: Observed, old: Party, new: Party) -> None:
        """The caller, who talks to nobody yet, has transferred somebody into its place."""

    def party_left(self, call: Observed, party: Party, words: str) -> None:
        """A callee who had answered is gone.

        :param words: why: one of `pbx.sip.reasons`.
        """

    def call_ended(self, call: Observed, ending: Ending) -> None:
        """The call is over."""


class Unobserving:
    """An observer who looks away: what each of them need not write. It is also who is told where nobody observes."""

    __slots__ = ()

    def call_began(self, call: Observed) -> None: ...
    def call_dials(self, call: Observed, targets: Sequence[Callee], timeout: float) -> None: ...
    def attempt_skipped(self, call: Observed, target: Target, code: int, text: str) -> None: ...
    def attempt_began(self, call: Observed, branch: Branch) -> None: ...
    def attempt_rang(self, call: Observed, branch: Branch, status: int) -> None: ...
    def attempt_answered(self, call: Observed, branch: Branch) -> None: ...
    def attempt_ended(self, call: Observed, branch: Branch, code: int, text: str) -> None: ...
    def call_dialled(self, call: Observed, outcome: Outcome) -> None: ...
    def call_answered(self, call: Observed) -> None: ...
    def call_entered(self, call: Observed, place: str) -> None: ...
    def party_joined(self, call: Observed, party: Party) -> None: ...
    def party_held(self, call: Observed, party: Party, is_held: bool) -> None: ...
    def party_replaced(self, call: Observed, old: Party, new: Party) -> None: ...
    def caller_replaced(self, call: Observed, old: Party, new: Party) -> None: ...
    def party_left(self, call: Observed, party: Party, words: str) -> None: ...
    def call_ended(self, call: Observed, ending: Ending) -> None: ...


class Observers(Unobserving):
    """Several observers in the place of one, told in their order: of each event, those who do not look away from it."""

    def __init__(self, observers: Iterable[Observer]) -> None:
        every = tuple(observers)
        for name, unobserving in vars(Unobserving).items():
            if isfunction(unobserving):
                told = [getattr(observer, name) for observer in every]
                told = [tell for tell in told if getattr(tell, "__func__", None) is not unobserving]
                if told:
                    setattr(self, name, told[0] if len(told) == 1 else partial(_tell, told))


def _tell(observers: Sequence[Callable[..., None]], *event: object) -> None:
    for tell in observers:
        tell(*event)
