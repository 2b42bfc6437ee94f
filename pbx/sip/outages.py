"""Servers that are put aside for a while: those that asked for a rest are left alone, silent ones are tried last."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pbx.sip.flow import Flow
from pbx.sip.hops import Hop
from pbx.sip.message import Response
from pbx.sip.timers import Clock

SILENCE = 60.0  # seconds for which others are preferred to a server that did not answer
LONGEST_REST = 3600.0  # seconds; nobody can ask for more

_BOUND = 1000
_SECONDS = re.compile(r"\s*+([0-9]{1,9})", re.ASCII)

Server = tuple[str, str, int]
"""A server's transport, address and port."""


class Outages:
    """Which servers are put aside, and until when.

    :param clock: the time.
    :param bound: how many are remembered of each kind; beyond it the first that came are forgotten.
    :ivar resting: until when servers have asked to be left alone; mostly there are none, and nothing is to be asked.
    :ivar unheard: until when servers are tried last that did not answer.
    """

    __slots__ = ("_bound", "_clock", "resting", "unheard")

    def __init__(self, clock: Clock, bound: int = _BOUND) -> None:
        self._clock = clock
        self._bound = bound
        self.resting: dict[Server, float] = {}
        self.unheard: dict[Server, float] = {}

    def refused(self, flow: Flow, response: Response) -> None:
        """A server is overloaded (503): where it says for how long, it is left alone (RFC 3261 21.5.4)."""
        found = _SECONDS.match(response.first("retry-after") or "")
        if found is not None:
            self._keep(self.resting, flow, min(float(found[1]), LONGEST_REST))

    def silent(self, flow: Flow) -> None:
        """A server did not answer, or could not be reached."""
        self._keep(self.unheard, flow, SILENCE)

    def answered(self, flow: Flow) -> None:
        """A server answered: it is there again."""
        self.unheard.pop(_server(flow), None)

    def rests(self, flow: Flow) -> bool:
        """Whether a server has asked to be left alone until later."""
        return self._lasts(self.resting, _server(flow))

    def preferred(self, hops: Iterable[Hop]) -> list[Hop]:
        """The hops that may be tried, in their order, but the silent ones last."""
        usable = [hop for hop in hops if not self._lasts(self.resting, (hop.transport, hop.host, hop.port))]
        if self.unheard:
            usable.sort(key=lambda hop: self._lasts(self.unheard, (hop.transport, hop.host, hop.port)))
        return usable

    def _keep(self, table: dict[Server, float], flow: Flow, seconds: float) -> None:
        server = _server(flow)
        table.pop(server, None)
        while len(table) >= self._bound:
            del table[next(iter(table))]
        table[server] = self._clock.seconds() + seconds

    def _lasts(self, table: dict[Server, float], server: Server) -> bool:
        until = table.get(server)
        if until is None:
            return False
        if until <= self._clock.seconds():
            del table[server]
            return False
        return True


def _server(flow: Flow) -> Server:
    return (flow.transport, *flow.remote)
