"""Tracing: which messages belong to which call, and what else happened to it, for its ladder.

It knows the Call-IDs of the last calls, and notes at which line of the dialplan a call was sent somewhere.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Sequence
from inspect import CO_COROUTINE

from pbx.exchange.branch import Branch
from pbx.exchange.group import Callee
from pbx.exchange.observer import By, Ending, Observed, Unobserving
from pbx.exchange.outcome import Outcome
from pbx.exchange.party import Party
from pbx.sip.trace import Trace

MOST_FRAMES = 60  # between a verb and the dialplan's own line
LONGEST = 120  # characters of a note that others have written: the ring counts no note's bytes


class Tracing(Unobserving):
    """The last calls (`pbx.exchange.observer.Observer`).

    :param trace: where messages are.
    :param most: how many calls are remembered.
    :ivar trace: the same.
    """

    __slots__ = ("_calls", "_most", "trace")

    def __init__(self, trace: Trace, most: int) -> None:
        self.trace = trace
        self._most = most
        self._calls: OrderedDict[str, list[str]] = OrderedDict()  # the Call-IDs of their sessions

    def call_ids(self, call: str) -> set[str]:
        """The Call-IDs of a call; none when it is not remembered."""
        return set(self._calls.get(call, ()))

    def beginning_with(self, start: str) -> list[str]:
        """The ids of the calls that begin so."""
        return [call for call in self._calls if start and call.startswith(start)]

    def call_began(self, call: Observed) -> None:
        dialog = call.party.session.dialog
        self._calls[call.id] = [] if dialog is None else [dialog.call_id]
        if len(self._calls) > self._most:
            self._calls.popitem(last=False)

    def call_dials(self, call: Observed, targets: Sequence[Callee], timeout: float) -> None:
        self.trace.note(call.id, _place(), _dials, targets, timeout)

    def attempt_began(self, call: Observed, branch: Branch) -> None:
        ids = self._calls.get(call.id)
        if ids is not None:
            ids.append(branch.session.call_id)

    def attempt_ended(self, call: Observed, branch: Branch, code: int, text: str) -> None:
        self.trace.note(call.id, None, str, f"{branch.destination.target}: {code} {text[:LONGEST]}".rstrip())

    def call_dialled(self, call: Observed, outcome: Outcome) -> None:
        self.trace.note(call.id, None, str, f"the dialplan goes on: {outcome.text[:LONGEST]}")

    def call_answered(self, call: Observed) -> None:
        # Where a callee has answered, it was no line of the dialplan.
        self.trace.note(call.id, _place() if call.party.other is None else None, str, "the caller is answered")

    def call_entered(self, call: Observed, place: str) -> None:
        self.trace.note(call.id, _place(), str, f"goes to {place}")

    def party_replaced(self, call: Observed, old: Party, new: Party) -> None:
        self.trace.note(call.id, None, str, "transferred")
        ids, dialog = self._calls.get(call.id), new.session.dialog
        if ids is not None and dialog is not None:
            ids.append(dialog.call_id)

    caller_replaced = party_replaced

    def party_left(self, call: Observed, party: Party, words: str) -> None:
        self.trace.note(call.id, None, str, f"the callee has left: {words[:LONGEST]}")

    def call_ended(self, call: Observed, ending: Ending) -> None:
        place = _place() if ending.by is By.PLAN else None
        self.trace.note(call.id, place, _ended, ending.by, ending.words[:LONGEST])


# What a note says: put together when somebody reads it, since nearly nobody does.


def _dials(targets: Sequence[Callee], timeout: float) -> str:
    return f"calls {', '.join(map(str, targets))} for {timeout:g} s"


def _ended(by: By, words: str) -> str:
    return f"ended by the {by.value}{': ' if words else ''}{words}"


def _place() -> tuple[str, int] | None:
    """The line of the dialplan at which we are, of the innermost coroutine that is not our own; None elsewhere."""
    frame = sys._getframe(2)
    for _ in range(MOST_FRAMES):
        code = frame.f_code
        if code.co_flags & CO_COROUTINE and not frame.f_globals.get("__name__", "").startswith("pbx."):
            return code.co_filename, frame.f_lineno
        if frame.f_back is None:
            return None
        frame = frame.f_back
    return None
