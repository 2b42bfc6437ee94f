"""Ongoing: the calls of the running server, as an administrator sees them and ends them."""

from __future__ import annotations

from collections.abc import Callable

from pbx.exchange.bridge import Bridge
from pbx.exchange.switchboard import Switchboard
from pbx.faults import Fault
from pbx.rows import Row, moment
from pbx.sip.reasons import ADMINISTRATOR


class Ongoing:
    """The calls that are not over."""

    def __init__(self, switchboard: Switchboard) -> None:
        self._switchboard = switchboard

    @property
    def commands(self) -> dict[str, Callable[..., object]]:
        """What the control socket may ask for."""
        return {"calls": self.listed, "hang_up": self.hang_up}

    def listed(self, number: str | None = None) -> list[Row]:
        """Return a row for each call, or for each in which an extension takes part: what `pbx calls` shows."""
        calls = self._switchboard.calls.values()
        return [self._row(call) for call in calls if number is None or call.is_with(number)]

    def hang_up(self, call: str) -> list[Row]:
        """End a call: what `pbx hangup` does.

        :param call: its id, or how that begins as long as no other one does.
        :raises Fault: there is no such call, or there are several.
        """
        found = [bridge for id, bridge in self._switchboard.calls.items() if call and id.startswith(call)]
        if len(found) != 1:
            what = f"{call} is the beginning of {len(found)} calls" if found else f"there is no call {call}"
            raise Fault("", 0, what, "`pbx calls` shows those that there are")
        row = self._row(found[0])
        found[0].end(ADMINISTRATOR)
        return [row]

    def _row(self, call: Bridge) -> Row:
        peer = call.party.other
        return {
            "call": call.id,
            "caller": call.caller.number,
            "name": call.caller.name,
            "source": call.caller.source.value,
            "number": call.number,
            "talks_to": peer.number or None if peer is not None and peer.answered else None,
            "answered": call.answered,
            "since": moment(call.begun_at),
            "seconds": int(call.clock.seconds() - call.begun_at),
            "address": call.host,
        }
