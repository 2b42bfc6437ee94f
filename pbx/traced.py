"""Traced: the ladder of a call in the running server, for `pbx trace`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

from pbx.exchange.tracing import Tracing
from pbx.faults import Fault
from pbx.ladder import steps
from pbx.rows import Row


class Traced:
    """The trace of the running server.

    :param tracing: None where it is switched off.
    """

    def __init__(self, tracing: Tracing | None) -> None:
        self._tracing = tracing

    @property
    def commands(self) -> dict[str, Callable[..., object]]:
        """What the control socket may ask for."""
        return {"trace": self.trace}

    def trace(self, call: str) -> list[Row]:
        """Return the ladder of a call, a row for each step; secrets are removed.

        :param call: its id, or how that begins as long as no other one does.
        :raises Fault: it is not remembered, there are several, or nothing is traced.
        """
        tracing = self._tracing
        if tracing is None:
            raise Fault("", 0, "nothing is traced", "set [trace] enabled to true, and restart the server")
        found = tracing.beginning_with(call)
        if len(found) != 1:
            what = f"{call} is the beginning of {len(found)} calls" if found else f"no call {call} is in the trace"
            remedy = "write more of its id" if found else "raise [trace] calls and bytes to keep more of them"
            raise Fault("", 0, what, remedy)
        ladder = steps(tracing.trace.entries, found[0], tracing.call_ids(found[0]))
        return [{"call": found[0], **asdict(step)} for step in ladder]
