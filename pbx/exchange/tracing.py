"""Tracing: which messages belong to which call, what notes beside them say, and at which line of the dialplan a
call was sent somewhere: for its ladder.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Sequence
from inspect import CO_COROUTINE

from pbx.exchange.group import Callee
from pbx.exchange.observer import By
from pbx.sip.trace import Trace

MOST_FRAMES = 60  # between a verb and the dialplan's own line
LONGEST = 120  # characters of a note that others have written: the ring counts no note's bytes


class Tracing:
    """The last calls.

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

    def remember(self, call: str, call_ids: list[str]) -> None:
        """A call began.

        :param call_ids: those of its sessions, as they come.
        """
        self._calls[call] = call_ids
        if len(self._calls) > self._most:
            self._calls.popitem(last=False)


# What a note says: put together when somebody reads it, since nearly nobody does.


def dials(targets: Sequence[Callee], timeout: float) -> str:
    """The dialplan calls somebody, for so many seconds."""
    return f"calls {', '.join(map(str, targets))} for {timeout:g} s"


def ended(by: By, words: str) -> str:
    """The call is over."""
    return f"ended by the {by.value}{': ' if words else ''}{words}"


def line_of_plan() -> tuple[str, int] | None:
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
