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
from pbx.sip.outbound_session import OutboundSession
from pbx.sip.trace import Trace

MOST_FRAMES = 60  # between a verb and the dialplan's own line


class Traced:
    """One call.

    :ivar ids: the Call-IDs of its sessions.
    :ivar pending: sessions whose Call-IDs are not known yet.
    """

    __slots__ = ("ids", "pending")

    def __init__(self) -> None:
        self.ids: set[str] = set()
        self.pending: list[OutboundSession] = []


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
        self._calls: OrderedDict[str, Traced] = OrderedDict()

    def call_ids(self, call: str) -> set[str]:
        """The Call-IDs of a call; none when it is not remembered."""
        traced = self._calls.get(call)
        if traced is None:
            return set()
        return traced.ids | {session.call_id for session in traced.pending}

    def beginning_with(self, start: str) -> list[str]:
        """The ids of the calls that begin so."""
        return [call for call in self._calls if start and call.startswith(start)]

    def call_began(self, call: Observed) -> None:
        traced = self._calls[call.id] = Traced()
        dialog = call.party.session.dialog
        if dialog is not None:
            traced.ids.add(dialog.call_id)
        if len(self._calls) > self._most:
            self._calls.popitem(last=False)

    def call_dials(self, call: Observed, targets: Sequence[Callee], timeout: float) -> None:
        self.trace.note(call.id, f"calls {', '.join(map(str, targets))} for {timeout:g} s", _place())

    def attempt_began(self, call: Observed, branch: Branch) -> None:
        traced = self._calls.get(call.id)
        if traced is not None:
            traced.pending.append(branch.session)

    def attempt_answered(self, call: Observed, branch: Branch) -> None:
        self._settle(call, branch)

    def attempt_ended(self, call: Observed, branch: Branch, code: int, text: str) -> None:
        self._settle(call, branch)
        self.trace.note(call.id, f"{branch.destination.target}: {code} {text}".rstrip())

    def call_dialled(self, call: Observed, outcome: Outcome) -> None:
        self.trace.note(call.id, f"the dialplan goes on: {outcome.text}")

    def call_answered(self, call: Observed) -> None:
        # Where a callee has answered, it was no line of the dialplan.
        self.trace.note(call.id, "the caller is answered", _place() if call.party.other is None else None)

    def call_entered(self, call: Observed, place: str) -> None:
        self.trace.note(call.id, f"goes to {place}", _place())

    def party_replaced(self, call: Observed, old: Party, new: Party) -> None:
        self.trace.note(call.id, "transferred")
        traced, dialog = self._calls.get(call.id), new.session.dialog
        if traced is not None and dialog is not None:
            traced.ids.add(dialog.call_id)

    caller_replaced = party_replaced

    def party_left(self, call: Observed, party: Party, words: str) -> None:
        self.trace.note(call.id, f"the callee has left: {words}")

    def call_ended(self, call: Observed, ending: Ending) -> None:
        words = f": {ending.words}" if ending.words else ""
        place = _place() if ending.by is By.PLAN else None
        self.trace.note(call.id, f"ended by the {ending.by.value}{words}", place)

    def _settle(self, call: Observed, branch: Branch) -> None:
        """What an attempt is called is known by now; its session need not be kept for that."""
        traced = self._calls.get(call.id)
        if traced is not None and branch.session in traced.pending:
            traced.pending.remove(branch.session)
            traced.ids.add(branch.session.call_id)


def _place() -> tuple[str, int] | None:
    """The line of the dialplan at which we are, of the innermost coroutine that is not our own; None elsewhere."""
    frame = sys._getframe(2)
    for _ in range(MOST_FRAMES):
        if not frame.f_globals.get("__name__", "").startswith("pbx."):
            if frame.f_code.co_flags & CO_COROUTINE:
                return frame.f_code.co_filename, frame.f_lineno
            return None
        if frame.f_back is None:
            return None
        frame = frame.f_back
    return None
